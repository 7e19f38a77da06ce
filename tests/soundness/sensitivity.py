# SPDX-License-Identifier: GPL-2.0-or-later
"""Leaves out KVM's duties one by one and asks what notices: scenarios, then random runs.

With --write FILE the table becomes that file. Exit status 1: a duty that is not known to have no
effect (UNSEEN) was left out and nothing said so, or one of those was noticed after all.
"""
import argparse
import concurrent.futures
import json
import os
import re
import subprocess
import sys

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# Duties that nothing can notice, each with the reason.
UNSEEN = {}

FOUND = re.compile(r"found ([\w-]+): (.*) seed (\d+) after (\d+) operations")


def run(command, timeout):
    """Standard output and exit status; None for the status if time ran out."""
    try:
        p = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                           timeout=timeout, check=False)
    except subprocess.TimeoutExpired as e:
        out = e.stdout or b""
        return (out.decode() if isinstance(out, bytes) else out), None
    return p.stdout, p.returncode


def verdicts(mmu2d, paths, extra):
    """What each variant of the scenarios came to, by path and variant."""
    result = {}
    out, _ = run([mmu2d, "run", "--json", *extra, *paths], 300)
    for v in json.loads(out[out.index("["):]):
        found = [f["invariant"] for f in v["violations"]]
        result[(os.path.relpath(v["scenario"], SOURCE), v.get("variant") or "")] = \
            (v["verdict"], found)
    return result


def by_scenarios(args, duty, base):
    """Variants whose verdict changes, each with what was found in it."""
    changed = []
    try:
        now = verdicts(args.mmu2d, args.scenarios, ["--without=" + duty])
    except (ValueError, KeyError):
        # One that stops the program takes the others with it.
        now = {}
        for path in args.scenarios:
            try:
                now.update(verdicts(args.mmu2d, [path], ["--without=" + duty]))
            except (ValueError, KeyError):
                changed.append((os.path.relpath(path, SOURCE), "", "assertion"))
    for key, (verdict, found) in now.items():
        before = base.get(key)
        if before is None or before[0] != "pass" or verdict == "pass":
            continue
        new = [f for f in found if f not in before[1]]
        changed.append((*key, new[0] if new else "result"))
    return sorted(changed)


def by_random_runs(args, duty):
    """The first finding: what, kind of run, seed, operations; or None."""
    for more in (["--straight"], ["--stepped"], ["--straight", "--mmu", "shadow", "--ops",
                                                 str(10 * args.ops)]):
        command = [args.soundness, "--without", duty, "--seeds", str(args.seeds), "--ops",
                   str(args.ops), "--modes", args.modes, *more]
        out, status = run(command, args.timeout)
        m = FOUND.search(out)
        if m:
            return m.group(1), m.group(2), int(m.group(3)), int(m.group(4))
        if status not in (0, 1, None):
            return "assertion", " ".join(more), 0, 0
    return None


def one(args, duty, base):
    return duty, by_scenarios(args, duty, base), by_random_runs(args, duty)


def row(duty, scenarios, found):
    cells = [f"`{duty}`"]
    if scenarios:
        path, variant, what = scenarios[0]
        name = os.path.splitext(os.path.basename(path))[0]
        cells += [what, f"{name} ({variant})" if variant else name, str(len(scenarios))]
    else:
        cells += ["", "none", "0"]
    if found:
        what, kind, seed, ops = found
        cells += [what, f"{kind}, seed {seed}" if ops else kind, str(ops) if ops else ""]
    else:
        cells += ["", "none", ""]
    return "| " + " | ".join(cells) + " |"


def table(args, results):
    caught = [r for r in results if r[1] or r[2]]
    text = f"""# What notices a missing flush

Each duty is one flush, synchronisation, write protection, zap or transfer of state that KVM's MMU
owes (`mmu2d duties`). It was left out of an otherwise correct kernel, in all variants of all
scenarios and in random legal workloads of the test `soundness` until one of them spoke. Left: the
first variant whose verdict changed, what was found in it, and how many variants changed. Right:
the first random run that found something, and after how many operations; "oracle-..." is the
end-to-end oracle of the random runs, which knows only the manuals.

Made by

    python3 tests/soundness/sensitivity.py --mmu2d build/tools/mmu2d \\
        --soundness build/tests/soundness/test-soundness --write docs/sensitivity.md

with at most {args.seeds} seeds of {args.ops} operations a kind of run, ten times as many with
shadow paging at the end, guests {args.modes}, and {args.timeout} s.

{len(results)} duties: {len(caught)} noticed, {sum(bool(r[1]) for r in results)} by scenarios,
{sum(bool(r[2]) for r in results)} by random runs, {len(results) - len(caught)} by nothing.

| left out | found | scenario (variant) | variants | found | random run | operations |
| --- | --- | --- | ---: | --- | --- | ---: |
"""
    text += "\n".join(row(*r) for r in results) + "\n"
    unseen = [r[0] for r in results if not r[1] and not r[2]]
    if unseen:
        text += "\n## What nothing notices\n\n"
        for duty in unseen:
            text += f"`{duty}`: {UNSEEN.get(duty, 'not explained yet.')}\n\n"
    return text.rstrip() + "\n"


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--mmu2d", default=os.environ.get("MMU2D_PROGRAM"))
    p.add_argument("--soundness", default=os.environ.get("MMU2D_SOUNDNESS"))
    p.add_argument("--only", help="duties, separated by commas")
    p.add_argument("--seeds", type=int, default=6)
    p.add_argument("--ops", type=int, default=2000)
    p.add_argument("--modes", default="4level,pae")
    p.add_argument("--timeout", type=int, default=60)
    p.add_argument("--jobs", type=int, default=2)
    p.add_argument("--write")
    args = p.parse_args()
    args.scenarios = sorted(os.path.join(d, f) for d, _, files in
                            os.walk(os.path.join(SOURCE, "scenarios"))
                            for f in files if f.endswith(".scn"))
    out, _ = run([args.mmu2d, "duties"], 60)
    duties = [line.split()[0] for line in out.splitlines() if line.strip()]
    if args.only:
        duties = [d for d in duties if d in args.only.split(",")]
    base = verdicts(args.mmu2d, args.scenarios, [])
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        results = []
        for r in pool.map(lambda d: one(args, d, base), duties):
            results.append(r)
            print(row(*r), flush=True)
    if args.write:
        with open(args.write, "w", encoding="utf-8") as f:
            f.write(table(args, results))
    wrong = [d for d, s, f in results if bool(s or f) == (d in UNSEEN)]
    if wrong:
        print("unexpected:", " ".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
