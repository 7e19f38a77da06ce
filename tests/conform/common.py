# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs of `mmu2d replay CAPTURE` for the tests of this folder."""
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
