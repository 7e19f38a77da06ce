# SPDX-License-Identifier: GPL-2.0-or-later
"""The library exports what its installed headers declare, and nothing else."""
import os
import re
import subprocess
import unittest

from common import SOURCE


def read(path):
    with open(os.path.join(SOURCE, path), encoding="utf-8") as f:
        return f.read()


def public_headers():
    """lib/mmu2d.h and everything of ours that it pulls in."""
    found = []
    waiting = ["lib/mmu2d.h"]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.append(path)
            waiting += re.findall(r'(?m)^#include "(sim/[^"]+)"', read(path))
    return found


def declared():
    names = set()
    for path in public_headers():
        text = re.sub(r"/\*.*?\*/", "", read(path), flags=re.S)
        # A function's declaration begins in column 0, ends with ");" and is not inline.
        for match in re.finditer(r"(?ms)^(?!static|typedef|#|M2D_|G_DEFINE)[A-Za-z][\w \*]*?"
                                 r"\b(m2d_\w+)\([^;{]*\)[^;{]*;", text):
            names.add(match.group(1))
    return names


class Export(unittest.TestCase):
    def test_map(self):
        listed = set(re.findall(r"(?m)^\t(m2d_\w+);", read("lib/mmu2d.map")))
        self.assertEqual(listed, declared())

    def test_symbols(self):
        library = os.environ["MMU2D_LIBRARY"]
        out = subprocess.run(["nm", "-D", "--defined-only", library], stdout=subprocess.PIPE,
                             text=True, check=True).stdout
        exported = {line.split()[-1].split("@")[0] for line in out.splitlines()}
        self.assertEqual(exported, declared())

    def test_installed_headers(self):
        text = read("lib/meson.build")
        for path in public_headers():
            self.assertRegex(text, r"[/']%s'" % re.escape(os.path.basename(path)))


if __name__ == "__main__":
    unittest.main()
