#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Gathers sim/explore/footprints-mmu.def and footprints-kvm.def anew: gather.py BUILD [RUNS [SEEDS]].

RUNS random schedules of each variant of all scenarios (12), SEEDS random workloads of each kind of
VM (8). Calls that the source makes and no run made are added to all segments of their routine.
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


def main():
    build, runs, seeds = (sys.argv[1:] + ["12", "8"][len(sys.argv) - 2:])[:3]
    subprocess.run(["ninja", "-C", build, "tests/footprints/footprint-rows"], check=True,
                   stdout=subprocess.DEVNULL)
    scenarios = [str(calls.SOURCE / "scenarios" / d) for d in ("litmus", "races", "regressions")]
    text = subprocess.run([Path(build) / "tests/footprints/footprint-rows", runs, seeds, *scenarios],
                          check=True, capture_output=True, text=True).stdout
    text = add_calls(text)
    at = text.index(f"SEGMENT({FIRST_OF_KVM},")
    for name, of, part in (("mmu", "sim/vm and sim/shadow", text[:at]),
                           ("kvm", "sim/kvm", text[at:])):
        path = calls.SOURCE / "sim/explore" / f"footprints-{name}.def"
        path.write_text(HEAD.format(of) + part)


if __name__ == "__main__":
    main()
