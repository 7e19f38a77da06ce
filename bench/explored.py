#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Explores every scenario and writes docs/explored.md.

Usage: bench/explored.py [--seconds N] [--proof-seconds N] [--memory MIB] [--jobs N]
                         [--mmu2d PROGRAM] [-o FILE]
--proof-seconds is the bound of the paravirtual flush, which has a table of its own. A variant whose
states are too many for the bounds is searched again with few preemptions.
"""
import argparse
import concurrent.futures
import datetime
import glob
import json
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PV = ["2021-pv-flush-before-sync.scn", "2021-pv-flush-three-vcpus.scn"]
HEAD = """# Every scenario explored

`mmu2d explore` of all variants of all scenarios: every order of the actors' micro-steps, with the
checker watching. Made by

    {command}

on {date}, {cpus} processors shared with other work; a bound of {seconds} s a variant ({proof} s for
the paravirtual flush) and {memory} MiB. Seconds are wall time of one variant, with the search for
the shortest schedule and for the last repair. "all" under *covered* means that every order was looked
at. A number of preemptions means that all orders with at most so many were, since the whole has more
states than fit the bounds: nothing is proved about the rest, and how far a search came depends on
what else the machine did. A violation ends the search; its least preemptions and steps are given, in
brackets where the search for the shortest reached a bound. Counts of complete searches are the same
on any machine.

{summary}

"""


def explore(args, path, *more):
    command = [args.mmu2d, "explore", "-q", "--json", "--memory", str(args.memory), *more, path]
    out = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=False)
    if out.returncode not in (0, 1, 3):
        sys.exit(f"{' '.join(command)}: exit status {out.returncode}")
    return json.loads(out.stdout)


def explore_file(args, path):
    proof = os.path.basename(path) in PV
    rows = explore(args, path, "--preemptions=-1",
                   "--seconds", str(args.proof_seconds if proof else args.seconds))
    for row in rows:
        row["covered"] = "all" if row["complete"] else None
        if row["complete"] or row["violations"]:
            continue
        for bound in (3, 2, 1, 0):
            few = explore(args, path, "--variant", row["variant"], f"--preemptions={bound}",
                          "--seconds", str(args.seconds))[0]
            row["few"] = few
            if few["complete"] or few["violations"]:
                row["covered"] = str(bound)
                break
    return rows


def found(row):
    if not row["violations"]:
        return "none"
    v = row["violations"][0]
    size = f"{v['preemptions']}, {v['steps']}"
    return f"{v['invariant']} ({size})" if v["shortest"] else f"{v['invariant']} ([{size}])"


def cells(row):
    shown = row
    if not row["complete"] and not row["violations"]:
        shown = row["few"]
    states = f"{row['states']}" if shown is row else f"{row['states']}+; {shown['states']}"
    return [row["variant"], row["kvm"], found(shown),
            {"pass": "as expected", "fail": "**not expected**", "bound": "open"}[shown["verdict"]],
            "stopped" if shown["violations"] else row["covered"] or "nothing",
            states, f"{shown['transitions']}", f"{row['seconds']:.2f}"]


def table(rows):
    head = ["variant", "kvm", "violation (preemptions, steps)", "verdict", "covered", "states",
            "transitions", "s"]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(cells(row)) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def milliseconds(args, path, variant):
    """CPU time of the whole program, from its start to the counterexample: the best of nine."""
    best = None
    for _ in range(9):
        # pylint: disable-next=consider-using-with
        child = subprocess.Popen([args.mmu2d, "explore", "-q", "--variant", variant, path], cwd=ROOT,
                                 stdout=subprocess.DEVNULL)
        usage = os.wait4(child.pid, 0)[2]
        took = usage.ru_utime + usage.ru_stime
        best = took if best is None else min(best, took)
    return 1000 * best


def pv_section(args, done):
    text = ["## The paravirtual flush\n",
            "The fixed variants are proved with two and three vCPUs, the latter beyond what "
            "`[orders]` of the\nscenario asks of every test run. *ms* is CPU time of the whole "
            "program, from its start to the end of the\ncounterexample, the best of nine; *rows* "
            "are those of its table. That no shorter schedule exists follows\nfrom the search that "
            "found it: it goes through all with fewer preemptions, and all as short with as many.\n",
            "| scenario | variant | violation | preemptions | steps | rows | ms | covered | states | "
            "transitions | s |", "|" + " --- |" * 11]
    for name in PV:
        path = next(p for p in done if p.endswith(name))
        for row in done[path]:
            v = row["violations"]
            cells_ = [name, row["variant"], found(row).split(" ")[0]]
            if v:
                cells_ += [v[0]["preemptions"], v[0]["steps"], len(row["table"]),
                           f"{milliseconds(args, path, row['variant']):.0f}", "stopped"]
            else:
                cells_ += ["", "", "", "", row["covered"] or "nothing"]
            cells_ += [row["states"], row["transitions"], f"{row['seconds']:.2f}"]
            text.append("| " + " | ".join(str(c) for c in cells_) + " |")
    return "\n".join(text) + "\n"


def unfinished(done):
    """What did not fit, and how far it was covered."""
    text = ["## What did not fit the bounds\n",
            "Two or three actors of 40 to 100 micro-steps each, most of which touch what others "
            "touch, mmu_lock\nand the checker's books at least: there is little to leave out, and "
            "the states are products.\n"]
    for path, rows in done.items():
        names = [f"{row['variant']} ({row['covered'] or 'nothing'})" for row in rows
                 if not row["complete"] and not row["violations"]]
        if names:
            text.append(f"- {path[len('scenarios/'):]}: " + ", ".join(names))
    return "\n".join(text) + "\n\nIn parentheses: all orders with at most so many preemptions were " \
        "looked at.\n"


def summary(done):
    rows = [row for path in done for row in done[path]]
    complete = sum(row["complete"] for row in rows)
    violated = sum(bool(row["violations"]) for row in rows)
    few = [row for row in rows if not row["complete"] and not row["violations"]]
    missing = sum(row["few"]["verdict"] == "bound" for row in few)
    wrong = [row for row in rows if row["verdict"] == "fail" or
             (row in few and row["few"]["verdict"] == "fail")]
    return (f"{len(rows)} variants of {len(done)} scenarios: {complete} complete without a "
            f"violation, {violated} violated, {len(few)} too large\nfor the bounds and covered up to "
            f"some number of preemptions. {len(wrong)} have a verdict that was not expected; {missing} "
            "expect a\nviolation that was not found within the bounds.")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--proof-seconds", type=float, default=600)
    parser.add_argument("--memory", type=int, default=1024)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--mmu2d", help="default: that of this tree, built if need be")
    parser.add_argument("-o", default=os.path.join(ROOT, "docs", "explored.md"))
    args = parser.parse_args()
    if args.mmu2d is None:
        # The script that builds it takes longer to start than a counterexample takes.
        subprocess.run([os.path.join(ROOT, "mmu2d"), "--version"], check=True,
                       stdout=subprocess.DEVNULL)
        args.mmu2d = os.path.join(os.environ.get("MMU2D_BUILD", os.path.join(ROOT, "build")),
                                  "tools", "mmu2d")
    args.mmu2d = os.path.abspath(args.mmu2d)
    paths = sorted(glob.glob(os.path.join(ROOT, "scenarios", "**", "*.scn"), recursive=True))
    paths = [os.path.relpath(path, ROOT) for path in paths]
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        done = dict(zip(paths, pool.map(lambda path: explore_file(args, path), paths)))
    command = (f"bench/explored.py --seconds {args.seconds:g} --proof-seconds "
               f"{args.proof_seconds:g} --memory {args.memory} --jobs {args.jobs}")
    text = HEAD.format(command=command, date=datetime.date.today().isoformat(),
                       cpus=os.cpu_count(), seconds=f"{args.seconds:g}",
                       proof=f"{args.proof_seconds:g}", memory=args.memory, summary=summary(done))
    text += pv_section(args, done)
    text += "\n" + unfinished(done)
    for path in paths:
        text += f"\n## {path[len('scenarios/'):]}\n\n" + table(done[path])
    temporary = args.o + ".new"
    with open(temporary, "w", encoding="utf-8") as f:
        f.write(text)
    os.replace(temporary, args.o)


if __name__ == "__main__":
    main()
