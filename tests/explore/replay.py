# SPDX-License-Identifier: GPL-2.0-or-later
"""T11: what breaks each shipped scenario, as a schedule file, is had again by `mmu2d run`: the same
violation and the same final state. With MMU2D_OTHER, the program of another build, there too."""
import concurrent.futures
import glob
import json
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.environ["MMU2D_SOURCE"], "tests", "cli"))
from common import PROGRAM, SOURCE, run  # noqa: E402  pylint: disable=wrong-import-position

FILES = sorted(glob.glob(os.path.join(SOURCE, "scenarios", "**", "*.scn"), recursive=True))
PROGRAMS = [PROGRAM] + [p for p in [os.environ.get("MMU2D_OTHER")] if p]
STATES = "3000" if os.environ.get("MMU2D_SANITIZE", "none") != "none" else "6000"


def state_in(schedule):
    with open(schedule, encoding="utf-8") as f:
        return next(line.split()[1] for line in f if line.startswith("state "))


def replay(path, directory):
    """Problems with the violations of @path, and how many were replayed."""
    problems, seen = [], 0
    with open(path, encoding="utf-8") as f:
        variants = [line.split()[1].rstrip("]") for line in f if line.startswith("[variant ")]
    for variant in variants:
        schedule = os.path.join(directory, f"{os.path.basename(path)}-{variant}")
        args = ["explore", "-q", "--json", "--states", STATES, "--variant", variant, path]
        result = run(*args, "--save-schedule", schedule, timeout=300)
        if not os.path.exists(schedule):
            continue
        seen += 1
        found = json.loads(result.stdout)[0]["violations"][0]["invariant"]
        for program in PROGRAMS:
            again = run("run", "--json", "--schedule", schedule, program=program)
            name = f"{path} {variant} {os.path.relpath(program, SOURCE)}"
            if again.returncode != 0:
                problems.append(f"{name}: exit status {again.returncode}: {again.stderr}")
                continue
            row = json.loads(again.stdout)[0]
            if row["state"] != "0x" + state_in(schedule).lstrip("0"):
                problems.append(f"{name}: state {row['state']}, not {state_in(schedule)}")
            if found not in {v["invariant"] for v in row["violations"]}:
                problems.append(f"{name}: {found} is not found again")
    return problems, seen


class Replay(unittest.TestCase):
    maxDiff = None

    def test_every_violation(self):
        with tempfile.TemporaryDirectory() as directory, \
                concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            done = list(pool.map(lambda path: replay(path, directory), FILES))
        self.assertEqual([p for problems, _ in done for p in problems], [])
        self.assertGreater(sum(seen for _, seen in done), 100)


if __name__ == "__main__":
    unittest.main()
