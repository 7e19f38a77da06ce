# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of footprints knows of every call that the source makes."""
import os
import re
import unittest
from pathlib import Path

SOURCE = Path(os.environ.get("MMU2D_SOURCE", Path(__file__).resolve().parents[2]))
ROUTINE = re.compile(r"^M2D_ROUTINE\((\w+)\)\n\{(.*?)^\}", re.S | re.M)
SEGMENT = re.compile(r"SEGMENT\((\w+), .*?CALLS\((.*?)\)\)\n", re.S)


def made():
    """Calls by routine, as the source has them."""
    calls = {}
    for folder in ("vm", "shadow", "kvm"):
        for path in sorted((SOURCE / "sim" / folder).glob("*.c")):
            for name, body in ROUTINE.findall(path.read_text()):
                calls[name] = set(re.findall(r"M2D_CALL\(rt, f, (\w+)", body))
    return calls


def known():
    """Calls by routine, as the table has them."""
    calls = {}
    tables = (SOURCE / "sim/explore").glob("footprints-*.def")
    for name, text in SEGMENT.findall("".join(path.read_text() for path in tables)):
        calls.setdefault(name, set()).update(re.findall(r"R\((\w+)\)", text))
    return calls


class Calls(unittest.TestCase):
    def test_all_are_known(self):
        # What the table does not have at all may touch everything.
        table = known()
        self.assertGreater(len(table), 50)
        for name, calls in made().items():
            if name in table:
                self.assertEqual(calls - table[name], set(), name)


if __name__ == "__main__":
    unittest.main()
