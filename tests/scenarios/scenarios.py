# SPDX-License-Identifier: GPL-2.0-or-later
"""Every scenario below scenarios/ does what it says, in canonical form, without findings of lint."""
import glob
import json
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.environ["MMU2D_SOURCE"], "tests", "cli"))
from common import SOURCE, run  # noqa: E402  pylint: disable=wrong-import-position

ROOT = os.path.join(SOURCE, "scenarios")
FILES = sorted(glob.glob(os.path.join(ROOT, "**", "*.scn"), recursive=True))
# Of one file, with all its variants and the orders that it asks for. Far more than any needs.
SECONDS = 60 if os.environ.get("MMU2D_SANITIZE", "none") != "none" else 10
# Met only where something has gone wrong; or what the repair avoids is the occasion itself: the
# guest sends an interrupt where it would have set a flag.
NO_PREMISE = {"kvm-bug", "lost-flush-flag"}


def variants(path):
    result = run("run", "--json", path)
    return result, json.loads(result.stdout) if result.stdout else []


class Scenarios(unittest.TestCase):
    def each(self, check):
        self.assertTrue(FILES, ROOT)
        for path in FILES:
            with self.subTest(file=os.path.relpath(path, ROOT)):
                check(path)

    def test_verdicts(self):
        def check(path):
            start = time.monotonic()
            result, found = variants(path)
            self.assertLess(time.monotonic() - start, SECONDS)
            self.assertLess(result.returncode, 2, result.stderr)
            self.assertEqual([v["variant"] for v in found if v["verdict"] != "pass"], [],
                             [v["why"] for v in found])
            self.assertEqual(result.returncode, 0)

        self.each(check)

    def test_premises(self):
        """Where one variant breaks an invariant, a clean one has had the occasion to."""
        def check(path):
            found = variants(path)[1]
            clean = [v for v in found if not v["expected"]]
            wanted = {i for v in found for i in v["expected"]} - NO_PREMISE
            held = {i for v in clean for i, n in v["premises"].items() if n > 0}
            if clean:
                self.assertEqual(sorted(wanted - held), [])

        self.each(check)

    def test_lint(self):
        def check(path):
            result = run("lint", path)
            self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""))

        self.each(check)

    def test_canonical(self):
        def check(path):
            result = run("fmt", "--check", path)
            self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""))

        self.each(check)

    def test_header(self):
        """The header tells the story to somebody who has not read the thread."""
        def check(path):
            with open(path, encoding="utf-8") as f:
                words = {line.split(" ", 1)[0] for line in f if line.strip()}
            for word in ("title", "origin", "tags", "doc"):
                self.assertIn(word, words)

        self.each(check)


if __name__ == "__main__":
    unittest.main()
