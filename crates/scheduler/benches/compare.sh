#!/bin/sh
# The scheduler beside APScheduler, on this machine and in one run: prints a markdown table.
# APScheduler comes from PyPI into target/compare-venv; what is measured and how is in compare.py.
set -eu

root=$(cd "$(dirname "$0")/../../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
venv=$target/compare-venv

cd "$root"
"${CARGO:-cargo}" build --release --locked --quiet --bin jbc
if ! "$venv/bin/python" -c 'import apscheduler' 2>/dev/null; then
	python3 -m venv "$venv"
	"$venv/bin/pip" install --quiet --disable-pip-version-check 'APScheduler==3.11.*'
fi
# Nothing here runs long; a hang must not last for ever either.
exec timeout 100 "$venv/bin/python" "$root/crates/scheduler/benches/compare.py" "$target/release/jbc"
