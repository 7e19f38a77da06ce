# SPDX-License-Identifier: GPL-2.0-or-later
"""replay of damaged captures ends by itself, with a message where it cannot go on: lines dropped,
doubled, moved, digits changed, both ends cut off, threads mixed up. Seeded, so each run is the same.

Run by hand, `damaged.py N CAPTURE...` does it N times with each capture."""
import gzip
import os
import random
import re
import subprocess
import sys
import tempfile
import unittest

PROGRAM = os.environ.get("MMU2D_PROGRAM", "build/tools/mmu2d")
DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "capture", "data")
CUTS = ("notif-legacy", "thp-legacy", "fork-shadow", "hv-shadow", "hv-shadow.report",
        "ptmod32-shadow", "ptmodpae-shadow")
# With sanitizers everything takes ten times as long.
SLOW = os.environ.get("MMU2D_SANITIZE", "none") != "none"
TASK = re.compile(r"-\d+( +\[)")


def change_digit(line, rnd):
    at = rnd.randrange(len(line))
    if line[at] not in "0123456789abcdef":
        return line
    return line[:at] + rnd.choice("0123456789abcdef") + line[at + 1:]


def damage(lines, rnd):
    lines = lines[:6000]
    kind = rnd.randrange(7)
    for _ in range(rnd.choice((1, 5, 50))):
        i, j = rnd.randrange(len(lines)), rnd.randrange(len(lines))
        if kind == 0:
            del lines[i]
        elif kind == 1:
            lines.insert(i, lines[j])
        elif kind == 2:
            lines[i], lines[j] = lines[j], lines[i]
        elif kind == 3:
            lines[i] = change_digit(lines[i], rnd)
        elif kind == 4:
            lines = lines[:i + 1]
        elif kind == 5:
            lines = lines[i:]
        else:
            lines[i] = TASK.sub(lambda m: f"-{rnd.randrange(9)}" + m.group(1), lines[i], count=1)
        if len(lines) < 2:
            break
    return lines


def bad(path, seed):
    """What is wrong with how replay takes a damaged copy of @path, or None."""
    with gzip.open(path, "rt") as f:
        lines = [line for line in f if not line.startswith("#")]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as f:
        f.writelines(damage(lines, random.Random(seed)))
        f.flush()
        try:
            done = subprocess.run([PROGRAM, "replay", "-q", f.name], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, encoding="utf-8", check=False,
                                  timeout=600 if SLOW else 120)
        except subprocess.TimeoutExpired:
            return f"{path}, seed {seed}: does not end"
    if done.returncode not in (0, 1, 2, 3) or (done.returncode > 1) != (done.stderr != ""):
        return f"{path}, seed {seed}: status {done.returncode}: {done.stderr}"
    return None


class Damaged(unittest.TestCase):
    def test_ends(self):
        for name in CUTS:
            for seed in range(3 if SLOW else 25):
                self.assertIsNone(bad(os.path.join(DATA, name + ".txt.gz"), seed))


if __name__ == "__main__":
    if len(sys.argv) > 2:
        found = [b for path in sys.argv[2:] for seed in range(int(sys.argv[1]))
                 if (b := bad(path, seed))]
        print("\n".join(found) or "nothing wrong")
        sys.exit(1 if found else 0)
    unittest.main()
