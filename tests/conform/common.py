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


class Duties:
    """Tests of a TestCase with duties = {cut: {duty: events that come out otherwise without it}}."""
    duties = {}

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
