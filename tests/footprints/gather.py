#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Gathers sim/explore/footprints-mmu.def and footprints-kvm.def anew: gather.py BUILD [RUNS [SEEDS]].

RUNS random schedules of each variant of all scenarios (12), SEEDS random workloads of each kind of
VM (8). Calls that the source makes and no run made are added to all segments of their routine, and what comes
behind them is taken to be anything that the routine does.
"""
import re
import subprocess
import sys
from pathlib import Path

import calls

HEAD = """/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What each segment of the routines of {} may touch: SEGMENT(routine, where it
 * begins, what it reads, what it writes, may it return, what it may call). Gathered by
 * tests/footprints/gather.py, checked by tests/footprints; see sim/explore/footprint.h.
 */
"""
ROW = re.compile(r"SEGMENT\((\w+), (.*?),\n\t(.*?),\n\t(.*?),\n\t(\w+), CALLS\(([^\n]*)\)\)\n", re.S)
SEGMENT = re.compile(r"SEGMENT\((\w+), .*?CALLS\((.*?)\)\)\n", re.S)
FIRST_OF_KVM = "m2d_vcpu_enter_guest"


def add_calls(text):
    made, known = calls.made(), {}
    for name, called in SEGMENT.findall(text):
        known.setdefault(name, set()).update(re.findall(r"R\((\w+)\)", called))

    def add(match):
        name, called = match.groups()
        more = sorted(made.get(name, set()) - known[name])
        words = [called.strip()] + [f"R({other})" for other in more]
        return match[0][:-len(called) - 3] + " ".join(filter(None, words)) + "))\n"

    return SEGMENT.sub(add, text)


def add_returns(text):
    """What comes behind a call that no run made: whatever the routine does elsewhere."""
    rows = {}
    for name, at, read, write, _, called in ROW.findall(text):
        rows.setdefault(name, {})[at] = (read, write, called)
    out = {}
    for name, segments in rows.items():
        called = {c for row in segments.values() for c in re.findall(r"R\((\w+)\)", row[2])}
        sets = [{c for row in segments.values() for c in row[i].split(" | ")} - {"NOTHING"}
                for i in (0, 1)]
        read, write = (" | ".join(sorted(s, key=lambda c: (c.startswith("OTHER"), c))) or "NOTHING"
                       for s in sets)
        for callee in sorted(called):
            if f"AFTER({callee})" not in segments:
                out.setdefault(name, []).append(
                    f"SEGMENT({name}, AFTER({callee}),\n\t{read},\n\t{write},\n\tRETURNS, "
                    f"CALLS({' '.join(f'R({c})' for c in sorted(called))}))\n")
    lines, last = [], None
    for match in re.finditer(r"SEGMENT\((\w+), .*?CALLS\([^\n]*\)\)\n", text, re.S):
        if last not in (None, match[1]):
            lines += out.get(last, [])
        lines.append(match[0])
        last = match[1]
    return "".join(lines + out.get(last, []))


GROUPS = {
    "ALL_MEMORY": "LAYOUT GUEST SPTE HOST",
    "ALL_MMU": "SHADOW RMAP TRACK DIRTY",
    "ALL_BOOKS": "NODES DUE FOLLOW BOOKS",
    "ALL_LOCKS": "SLOTS LOCK_MMU LOCK_SLOTS LOCK_UNSYNC SEQ GEN",
    "ALL_CPUS": "MODE HW ITEMS OTHER(MODE) OTHER(HW) OTHER(ITEMS)",
    "ALL_ITEMS": "ITEMS OTHER(ITEMS)",
}


def short(text):
    """Classes that stand together, by one name."""
    def line(match):
        classes = match[1].split(" | ")
        for name, group in GROUPS.items():
            if set(group.split()) <= set(classes):
                classes = [c for c in classes if c not in group.split()] + [name]
        return "\t" + " | ".join(classes) + ",\n"

    return re.sub(r"\t([A-Z_() |]+),\n(?=\t)", line, text)


def main():
    build, runs, seeds = (sys.argv[1:] + ["12", "8"][len(sys.argv) - 2:])[:3]
    subprocess.run(["ninja", "-C", build, "tests/footprints/footprint-rows"], check=True,
                   stdout=subprocess.DEVNULL)
    scenarios = [str(calls.SOURCE / "scenarios" / d) for d in ("litmus", "races", "regressions")]
    text = subprocess.run([Path(build) / "tests/footprints/footprint-rows", runs, seeds, *scenarios],
                          check=True, capture_output=True, text=True).stdout
    text = add_returns(add_calls(text))
    at = text.index(f"SEGMENT({FIRST_OF_KVM},")
    for name, of, part in (("mmu", "sim/vm and sim/shadow", text[:at]),
                           ("kvm", "sim/kvm", text[at:])):
        path = calls.SOURCE / "sim/explore" / f"footprints-{name}.def"
        path.write_text(HEAD.format(of) + short(part))


if __name__ == "__main__":
    main()
