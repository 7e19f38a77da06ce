# SPDX-License-Identifier: GPL-2.0-or-later
"""Every scenario holds in every order of its actors' steps, or in all that a small bound leaves."""
import concurrent.futures
import glob
import json
import os
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.environ["MMU2D_SOURCE"], "tests", "cli"))
from common import SOURCE, run  # noqa: E402  pylint: disable=wrong-import-position

ROOT = os.path.join(SOURCE, "scenarios")
FILES = sorted(glob.glob(os.path.join(ROOT, "**", "*.scn"), recursive=True))
SANITIZE = os.environ.get("MMU2D_SANITIZE", "none") != "none"
# States of a variant for all orders, and where these are more, for those with two preemptions.
ALL = "3000" if SANITIZE else "60000"
FEW = "3000" if SANITIZE else "30000"


def explore(path, *args):
    result = run("explore", "-q", "--json", *args, path, timeout=300)
    return result, json.loads(result.stdout) if result.stdout else []


def explore_file(path):
    """All variants of @path: problems, and what was covered."""
    problems, rows = [], []
    result, found = explore(path, "--preemptions=-1", "--states", ALL)
    if result.returncode not in (0, 3):
        problems.append(f"exit status {result.returncode}: {result.stderr}")
    for row in found:
        name = (os.path.relpath(path, ROOT), row["variant"])
        covered = "all" if row["complete"] else "stopped" if row["violations"] else "bound"
        if covered == "bound":
            args = ["--variant", row["variant"]] if row["variant"] else []
            row = explore(path, "--preemptions=2", "--states", FEW, *args)[1][0]
            covered = "2 preemptions" if row["complete"] else covered
        if row["verdict"] == "fail":
            problems.append(f"{name}: {row['why']}")
        rows.append((name, row, covered))
    return problems, rows


class Explored(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            cls.done = dict(zip(FILES, pool.map(explore_file, FILES)))

    def test_verdicts(self):
        """What a variant expects, and nothing else, is found in any order."""
        self.assertTrue(FILES)
        for path, (problems, _) in self.done.items():
            with self.subTest(file=os.path.relpath(path, ROOT)):
                self.assertEqual(problems, [])

    def test_most_are_complete(self):
        if SANITIZE:
            self.skipTest("the bounds are small under a sanitizer")
        rows = [row for _, rows in self.done.values() for row in rows]
        settled = [covered for _, _, covered in rows if covered in ("all", "stopped")]
        self.assertGreater(len(settled), 0.85 * len(rows))

    def test_violations_are_found(self):
        """Every variant that expects a violation shows one in some order, as far as was looked."""
        if SANITIZE:
            self.skipTest("the bounds are small under a sanitizer")
        for _, rows in self.done.values():
            for name, row, covered in rows:
                if row["expected"] and covered == "all":
                    self.assertTrue(row["violations"], name)

    def test_tables_are_short(self):
        for _, rows in self.done.values():
            for name, row, _ in rows:
                if row["violations"]:
                    self.assertEqual(row["table"][-1]["last"], row["violations"][0]["steps"], name)
                    self.assertTrue(row["table"][-1]["breaks"], name)

    def test_page(self):
        """docs/explored.md has a row for every variant; bench/explored.py writes it."""
        with open(os.path.join(SOURCE, "docs", "explored.md"), encoding="utf-8") as f:
            parts = re.split(r"(?m)^## ", f.read())
        rows = {part.split("\n", 1)[0]: re.findall(r"(?m)^\| ([^|]*) \|", part) for part in parts}
        for path, (_, found) in self.done.items():
            name = os.path.relpath(path, ROOT)
            with self.subTest(file=name):
                self.assertEqual(rows.get(name, [])[2:], [row["variant"] for _, row, _ in found])


if __name__ == "__main__":
    unittest.main()
