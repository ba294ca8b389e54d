#!/usr/bin/env python3
"""Counts the vector instructions in the loops of the AVX-512 kernel, and what two ports need for them.

    cargo rustc --release -p jbc-pow --lib -- --emit asm -C debuginfo=0 -C codegen-units=1
    crates/pow/benches/count_instructions.py target/release/deps/jbc_pow-*.s

A loop is a basic block. Loads, stores and register moves are not counted: they need neither port.
"""

import re
import sys
from collections import Counter

FREE = ("vmov", "vpbroadcastd", "vzeroupper")

block, blocks = "", {}
for line in open(sys.argv[1], encoding="utf-8"):
    if label := re.match(r"^(_ZN\S*avx512\S*|_R\S*avx512\S*|\.LBB\d+_\d+):", line):
        block = label.group(1)
    elif re.match(r"^(_ZN|_R)", line):
        block = ""
    elif block and "%zmm" in line:
        blocks.setdefault(block, []).append(line.split()[0])
for block, instructions in blocks.items():
    counted = Counter(i for i in instructions if not i.startswith(FREE))
    total = sum(counted.values())
    if total > 300:
        kinds = ", ".join(f"{count} {name}" for name, count in counted.most_common(4))
        print(f"{block[-40:]:40} {total:5} = {kinds}; {total / 2 / 16:.1f} cycles for each of 16 lanes")
