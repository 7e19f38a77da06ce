#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""table.py CAPTURE...: the tables of docs/conformance.md: how much of each capture the model predicts,
and what is left by kind of event. Strict is the share of what either side has.
MMU2D_PROGRAM is the program, if it is not build/tools/mmu2d."""
import json
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.environ.get("MMU2D_PROGRAM", os.path.join(ROOT, "build", "tools", "mmu2d"))
KEYS = ("different", "missing", "additional")


def left(events):
    parts = []
    for kind, n in sorted(events.items(), key=lambda e: -sum(e[1][k] for k in KEYS)):
        what = [f"{n[k]} {k}" for k in KEYS if n[k]]
        if what:
            parts.append(f"`{kind}` {', '.join(what)}")
    return "; ".join(parts[:4]) + (" ..." if len(parts) > 4 else "") or "-"


def percent(part, whole):
    """Rounded down."""
    return f"{part * 10000 // whole / 100:.2f} %" if whole else "-"


def main():
    print("| capture | kernel's events | predicted | share | additional | strict | left |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | --- |")
    for path in sys.argv[1:]:
        result = subprocess.run([PROGRAM, "replay", "--json", "-q", path], stdout=subprocess.PIPE,
                                check=False)
        doc = json.loads(result.stdout)
        total = doc["total"]
        name = re.sub(r"\.(txt|dat)?(\.gz)?$", "", os.path.basename(path))
        kernel, same, more = total["kernel"], total["predicted"], total["additional"]
        print(f"| {name} | {kernel} | {same} | {percent(same, kernel)} | {more} "
              f"| {percent(same, kernel + more)} | {left(doc['events'])} |")


if __name__ == "__main__":
    main()
