#!/usr/bin/env python3
"""Counts the vector instructions in the loops of the AVX-512 kernel, and what two ports need for them.

    cargo rustc --release -p jbc-pow --lib -- --emit asm -C debuginfo=0
    crates/pow/benches/count_instructions.py target/release/deps/jbc_pow-*.s

A message schedule is a basic block. Of a hash the nine rounds written in assembly are told apart from those around them,
since they run 5 times in the shapes from round 12 or 13 on, 6 times from 4 or 8, and 7 times from 0. Loads, stores and
register moves are not counted: they need neither port.
"""

import re
import sys
from collections import Counter

FREE = ("vmov", "vpbroadcastd", "vbroadcastss", "vzeroupper")
# Fewer rotations than a round has: neither a schedule nor a hash.
ROTATIONS_MIN = 6


def rotations(counted):
    return counted["vprold"] + counted["vprord"]


def told(counted):
    kinds = ", ".join(f"{count} {name}" for name, count in counted.most_common())
    return f"{counted.total()} = {kinds}"


block, in_assembly, blocks = "", False, {}
for line in open(sys.argv[1], encoding="utf-8"):
    if label := re.match(r"^(_ZN\S*avx512\S*|_R\S*avx512\S*|\.LBB\d+_\d+):", line):
        block = label.group(1)
    elif re.match(r"^(_ZN|_R)", line):
        block = ""
    elif re.match(r"^\s*#(NO_)?APP", line):
        in_assembly = "#APP" in line
    elif block and "%zmm" in line and not line.split()[0].startswith(FREE):
        blocks.setdefault(block, (Counter(), Counter()))[in_assembly][line.split()[0]] += 1
for block, (around, nine_rounds) in blocks.items():
    if rotations(around) < ROTATIONS_MIN:
        continue
    print(f"{block[-40:]}: {told(around)}: {around.total() / 2 / 16:.1f} cycles for each of 16 lanes")
    if nine_rounds:
        print(f"    and in nine rounds {told(nine_rounds)}")
    for times in (5, 6, 7) if nine_rounds else ():
        total = around.total() + times * nine_rounds.total()
        print(f"    {times} times those: {total}, {total / 2 / 16:.1f} cycles for each of 16 lanes")
