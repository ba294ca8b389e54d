"""APScheduler 3 beside jbc-scheduler and a bare queue: measures all three in one run, prints a markdown table.

    compare.py path/to/jbc

APScheduler is measured here, as a program uses it: BackgroundScheduler, its ThreadPoolExecutor with as many threads as
jbc-scheduler has workers, MemoryJobStore, a listener for all events. The other two are measured by `jbc bench scheduler`.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import threading
import time
from importlib.metadata import version

from apscheduler.events import EVENT_ALL, EVENT_JOB_EXECUTED
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler

# Jobs of a round of jobs/s, and rounds. A tenth of jbc-scheduler's: its store keeps jobs in a sorted list, so many more
# would take long, and not be faster.
JOBS = 10_000
ROUNDS = 3
# Starts that are measured, and the wait before each, in seconds, so that its threads sleep. A spinning wait, as the other
# side has it, would hold the interpreter's lock and make APScheduler look worse than it is.
STARTS = 2_000
WARM_UP = 20
REST_S = 0.001
# How long anything that is waited for may take, in seconds: reaching it means that a job was lost.
PATIENCE_S = 30


def percentile(samples, quantile):
    """By nearest rank, as `jbc bench` does."""
    ordered = sorted(samples)
    rank = -(-len(ordered) * quantile // 100)
    return ordered[max(int(rank) - 1, 0)]


def started(workers):
    scheduler = BackgroundScheduler(
        jobstores={"default": MemoryJobStore()},
        executors={"default": ThreadPoolExecutor(workers)},
        # A job that waits longer than a second is late for APScheduler; here all are to run.
        job_defaults={"misfire_grace_time": None},
        timezone="UTC",
    )
    scheduler.start()
    return scheduler


def start_us(workers):
    """From just before add_job to the first instruction of the body, in microseconds: p50 and p99."""
    scheduler = started(workers)
    scheduler.add_listener(lambda event: None, EVENT_ALL)
    samples = []
    for number in range(WARM_UP + STARTS):
        begun = []
        done = threading.Event()

        def body():
            begun.append(time.perf_counter_ns())
            done.set()

        time.sleep(REST_S)
        added = time.perf_counter_ns()
        scheduler.add_job(body)
        if not done.wait(PATIENCE_S):
            sys.exit("APScheduler lost a job")
        if number >= WARM_UP:
            samples.append((begun[0] - added) / 1_000)
    scheduler.shutdown()
    return percentile(samples, 50), percentile(samples, 99)


def jobs_per_s(workers):
    """From the first add to the last end heard, while a listener hears all events; the median of the rounds."""
    return statistics.median(one_round(workers) for _ in range(ROUNDS))


def one_round(workers):
    scheduler = started(workers)
    ran = [0] * JOBS
    ends = 0
    done = threading.Event()
    lock = threading.Lock()

    def body(job):
        ran[job] += 1

    def heard(event):
        nonlocal ends
        if event.code == EVENT_JOB_EXECUTED:
            with lock:
                ends += 1
                if ends == JOBS:
                    done.set()

    scheduler.add_listener(heard, EVENT_ALL)
    ids = [f"job-{job}" for job in range(JOBS)]
    began = time.perf_counter()
    for job, job_id in enumerate(ids):
        scheduler.add_job(body, args=(job,), id=job_id)
    if not done.wait(PATIENCE_S):
        sys.exit(f"APScheduler: {JOBS - ends} ends were lost")
    elapsed = time.perf_counter() - began
    scheduler.shutdown()
    if ran != [1] * JOBS:
        sys.exit("APScheduler: a job was lost or ran twice")
    return JOBS / elapsed


def rows(p50, p99, jobs, figures):
    def us(value):
        return f"{value:,.1f} µs" if value < 1_000 else f"{value / 1_000:,.2f} ms"

    def per_s(value):
        return f"{float(f'{value:.3g}'):,.0f}"

    yield "add → start, median", us(p50), us(figures["start_bare_p50_us"]), us(figures["start_all_events_p50_us"])
    yield "add → start, 99th percentile", us(p99), us(figures["start_bare_p99_us"]), us(figures["start_all_events_p99_us"])
    yield "jobs a second", per_s(jobs), per_s(figures["bare_jobs_per_s"]), per_s(figures["jobs_per_s"])
    yield "end → listener, median", "–", "–", us(figures["listener_p50_us"])
    yield "the same after a body of 2 ms", "–", "–", us(figures["listener_long_p50_us"])
    yield "cancel of a running job, 99th percentile", "cannot", "cannot", us(figures["cancel_p99_us"])


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    bench = subprocess.run(
        [sys.argv[1], "bench", "scheduler", "--output", "json"],
        check=True,
        stdout=subprocess.PIPE,
        timeout=60,
    )
    figures = json.loads(bench.stdout)
    workers = figures["bulk_workers_count"] + figures["prompt_workers_count"]
    p50, p99 = start_us(workers)
    jobs = jobs_per_s(workers)
    print(f"| with a listener for all events | APScheduler {version('apscheduler')} | bare queue | jbc-scheduler |")
    print("|---|---:|---:|---:|")
    for row in rows(p50, p99, jobs, figures):
        print("| " + " | ".join(row) + " |")
    print()
    print(
        f"Ratios to the bare queue, medians over alternating rounds: add → start {figures['start_p50_ratio']:.2f} (median) "
        f"and {figures['start_p99_ratio']:.2f} (99th percentile) with a listener for ends, jobs a second "
        f"{figures['jobs_per_s_ratio']:.2f} with one for all events. "
        f"Mining range by range: {figures['mining_efficiency']:.2%} of the time in the kernel."
    )
    print(
        f"One run on {time.strftime('%Y-%m-%d')}: {platform.system()} {platform.machine()}, {os.cpu_count()} cores, "
        f"{workers} workers each, CPython {platform.python_version()}; load {os.getloadavg()[0]:.1f} at its end. "
        f"Rounds of {figures['throughput_jobs_count']:,} jobs, of APScheduler {JOBS:,}."
    )


if __name__ == "__main__":
    main()
