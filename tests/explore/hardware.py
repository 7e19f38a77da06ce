# SPDX-License-Identifier: GPL-2.0-or-later
"""Searches in which hardware acts of itself, and preemption in the middle of a step."""
import json
import os
import re
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.environ["MMU2D_SOURCE"], "tests", "cli"))
from common import SOURCE, run  # noqa: E402  pylint: disable=wrong-import-position

WALK = os.path.join(SOURCE, "scenarios/litmus/speculative-walk.scn")
PREEMPTED = os.path.join(SOURCE, "scenarios/regressions/2022-preempted-in-emulation.scn")


def explore(path, *args):
    result = run("explore", "-q", "--json", path, *args)
    return result, json.loads(result.stdout)[0]


class Hardware(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.schedule = os.path.join(self.folder.name, "schedule")

    def saved(self, path, *args):
        """Explore, and the schedule that was saved."""
        result, row = explore(path, "--save-schedule", self.schedule, *args)
        self.assertEqual(result.returncode, 0, result.stderr)
        with open(self.schedule, encoding="utf-8") as f:
            return row, f.read()

    def replay(self, text):
        with open(self.schedule, "w", encoding="utf-8") as f:
            f.write(text)
        return run("run", "--schedule", self.schedule, self.path)

    def test_walk(self):
        """A walk that nobody asked for is the whole counterexample, and can be had again."""
        self.path = WALK
        row, text = self.saved(WALK, "--variant", "no-flush")
        self.assertEqual(row["violations"][0]["invariant"], "stale-gpa")
        self.assertEqual(row["violations"][0]["preemptions"], 0)
        self.assertRegex(text, r"(?m)^choices .* z1\+0x400000 h")
        self.assertEqual(self.replay(text).returncode, 0)
        # Another address or another end: the state tells.
        for other in (text.replace("z1+0x400000", "z1+0x401000"),
                      text.replace("z1+0x400000 ", "")):
            self.assertNotEqual(self.replay(other).returncode, 0)

    def test_budget(self):
        """Each act multiplies the states; without any the preemptions are needed."""
        states = [explore(WALK, "--variant", "shadow", "--hw", n)[1]["states"]
                  for n in ("0", "1", "2")]
        self.assertEqual(states, sorted(set(states)))
        _, row = explore(WALK, "--variant", "no-flush", "--hw", "0")
        self.assertGreater(row["violations"][0]["preemptions"], 0)
        self.assertEqual(run("explore", WALK, "--hw", "256").returncode, 2)

    def test_shrunk(self):
        """What hardware did and does not matter is left out."""
        row, text = self.saved(WALK, "--variant", "no-flush", "--engine", "random", "--hw", "3",
                               "--runs", "2000")
        self.assertLessEqual(len(re.findall(r" z\d", text)), 1, text)
        self.assertEqual(row["violations"][0]["invariant"], "stale-gpa")

    def test_bad_choices(self):
        self.path = WALK
        _, text = self.saved(WALK, "--variant", "no-flush")
        for word in ("z", "z1", "z1+", "z1+400000", "z1*0x400000", "z9+0x400000", "z1+0x400001",
                     "z1-0x400000u", "z1+0x400000x"):
            result = self.replay(text.replace("z1+0x400000", word))
            self.assertEqual(result.returncode, 2, word)
            self.assertRegex(result.stderr, r"schedule:\d+: expected choices")

    def test_preempted_in_the_middle(self):
        self.path = PREEMPTED
        row, text = self.saved(PREEMPTED, "--variant", "before")
        self.assertEqual(row["violations"][0]["invariant"], "lost-flush-flag")
        self.assertIn(" v1! ", text)
        self.assertEqual(self.replay(text).returncode, 0)


if __name__ == "__main__":
    unittest.main()
