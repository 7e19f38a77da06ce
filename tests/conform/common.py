# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs of `mmu2d replay CAPTURE` for the tests of this folder."""
import glob
import json
import os
import subprocess
import unittest

PROGRAM = os.environ["MMU2D_PROGRAM"]
DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")
CAPTURES = os.path.join(os.environ.get("MMU2D_CAPTURES", "/nonexistent"), "ftrace")
NEED_ALL = unittest.skipUnless(os.path.isdir(CAPTURES),
                               "MMU2D_CAPTURES does not name the folder of captures")


def data(name):
    return os.path.join(DATA, name + ".txt.gz")


def run(*args):
    return subprocess.run([PROGRAM, "replay", *args], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=False)


def replay(path, *args):
    """The JSON document, and the exit status."""
    result = run("--json", *args, path)
    if result.stderr or result.returncode not in (0, 1):
        raise AssertionError(result.stderr or f"status {result.returncode}")
    return json.loads(result.stdout), result.returncode


def otherwise(doc):
    """Of the kernel's events, those that the model does not have so."""
    return doc["total"]["kernel"] - doc["total"]["predicted"]


class Bundled:
    """Tests of a TestCase with the cuts of one @mmu: cuts = {name: (events that may come out otherwise,
    {kind: least number of the kernel's})}; duties = {name: {duty: events that do without it}}."""
    mmu, cuts, duties = "", {}, {}

    def test_share(self):
        for name, (most, _kinds) in self.cuts.items():
            with self.subTest(name):
                doc, status = replay(data(name))
                self.assertLessEqual(otherwise(doc), most)
                self.assertEqual(status, 0)
                self.assertEqual(doc["mmu"], self.mmu)
                self.assertEqual(doc["kvm"], "6.12" if "6.12" in name else "6.1")

    def test_something_is_compared(self):
        for name, (_most, kinds) in self.cuts.items():
            events = replay(data(name))[0]["events"]
            for kind, n in kinds.items():
                with self.subTest(name, kind=kind):
                    self.assertGreaterEqual(events[kind]["kernel"], n)

    def test_duties(self):
        for name, duties in self.duties.items():
            for duty, n in duties.items():
                with self.subTest(name, duty=duty):
                    doc, _status = replay(data(name), "--without", duty)
                    self.assertGreaterEqual(otherwise(doc), n)


class Whole:
    """Tests of a TestCase with the captures of one MMU: their names end in @kind, there are more than
    @least, and @same are the text and the binary record of one run."""
    kind, least, same = "", 0, ("", "")

    def test_share(self):
        paths = glob.glob(os.path.join(CAPTURES, f"*-{self.kind}.txt.gz"))
        self.assertGreater(len(paths), self.least)
        for path in paths:
            with self.subTest(path):
                doc, status = replay(path)
                self.assertGreaterEqual(doc["total"]["share"], 0.99)
                self.assertEqual(status, 0)

    def test_sources_agree(self):
        """The binary record of a run gives what its text gives."""
        text, binary = (replay(os.path.join(CAPTURES, name))[0] for name in self.same)
        self.assertEqual(text["events"], binary["events"])
