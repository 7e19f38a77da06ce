# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules of the source tree: layers, lengths, licences, headers that stand alone."""
import glob
import os
import re
import shlex
import subprocess
import unittest
from concurrent.futures import ThreadPoolExecutor

from common import SOURCE

# From the bottom; a folder may include itself and what stands in an earlier row.
LAYERS = [
    ["base"], ["mem"], ["engine"], ["trace"], ["capture"], ["guest", "npt", "ept"], ["tlb"],
    ["mmu"], ["cpu"], ["spte"], ["vm"], ["shadow", "tdp"], ["kvm"], ["hyperv", "tdx", "apic"], ["check"], ["evidence"], ["conform"],
    ["scenario", "replay"], ["explore"], ["store"], ["report"],
]
RANK = {name: i for i, row in enumerate(LAYERS) for name in row}
# Above all of sim/; each may also include itself, tests and benches what they test.
TOPS = {"lib": set(), "tools": set(), "bench": {"tests", "tools"}, "tests": {"lib", "tools"}}
MAX_LINES = 1000
USUAL_LINES = 500


def sources(*suffixes):
    found = []
    for top in ("sim", *TOPS):
        for suffix in suffixes:
            found += glob.glob(os.path.join(SOURCE, top, "**", "*" + suffix), recursive=True)
    return sorted(os.path.relpath(path, SOURCE) for path in found)


def read(path):
    with open(os.path.join(SOURCE, path), encoding="utf-8") as f:
        return f.read()


def includes(path):
    """Quoted includes of @path, relative to the root of the tree."""
    here = os.path.dirname(path)
    for name in re.findall(r'(?m)^\s*#\s*include\s*"([^"]+)"', read(path)):
        local = os.path.join(here, name)
        yield local if os.path.exists(os.path.join(SOURCE, local)) else name


def may_include(user, used):
    """Whether folder parts @user (["sim", "tlb"]) may include from @used."""
    if user[0] != "sim":
        return used[0] in {"sim", user[0]} | TOPS[user[0]]
    if used[0] != "sim":
        return False
    return user[1] == used[1] or RANK[used[1]] < RANK[user[1]]


class Layers(unittest.TestCase):
    def test_rule(self):
        self.assertTrue(may_include(["sim", "tlb"], ["sim", "npt"]))
        self.assertTrue(may_include(["sim", "report"], ["sim", "store"]))
        self.assertTrue(may_include(["tools"], ["sim", "report"]))
        self.assertFalse(may_include(["sim", "npt"], ["sim", "ept"]))
        self.assertFalse(may_include(["sim", "npt"], ["sim", "tlb"]))
        self.assertFalse(may_include(["sim", "replay"], ["sim", "explore"]))
        self.assertFalse(may_include(["sim", "base"], ["tools"]))
        self.assertFalse(may_include(["tools"], ["tests"]))

    def test_every_folder_has_a_layer(self):
        for path in glob.glob(os.path.join(SOURCE, "sim", "*", "")):
            self.assertIn(os.path.basename(os.path.dirname(path)), RANK)

    def test_includes_go_down(self):
        seen = 0
        for path in sources(".c", ".h", ".def"):
            user = path.split("/")
            for used in includes(path):
                if "/" not in used or used.startswith("tools/commands.def"):
                    continue  # made by the build
                seen += 1
                with self.subTest(file=path, includes=used):
                    self.assertIn(used.split("/")[0], ["sim", *TOPS])
                    self.assertTrue(may_include(user, used.split("/")))
        self.assertGreater(seen, 50)

    def test_no_cycles(self):
        graph = {path: list(includes(path)) for path in sources(".h")}
        done = set()

        def visit(path, trail):
            self.assertNotIn(path, trail, "cycle: " + " -> ".join(trail + [path]))
            if path in done or path not in graph:
                return
            for used in graph[path]:
                visit(used, trail + [path])
            done.add(path)

        for path in graph:
            visit(path, [])


class Files(unittest.TestCase):
    def test_lengths(self):
        lengths = {path: read(path).count("\n")
                   for path in sources(".c", ".h", ".py", ".def", ".sh", ".sql")}
        for path, lines in lengths.items():
            with self.subTest(file=path):
                self.assertLessEqual(lines, MAX_LINES)
        usual = sum(lines <= USUAL_LINES for lines in lengths.values())
        self.assertGreater(usual, 0.8 * len(lengths))

    def test_licence_lines(self):
        files = sources(".c", ".h", ".py", ".def", ".sh", ".bash", ".sql", ".map", "meson.build")
        files += [os.path.relpath(p, SOURCE)
                  for pattern in ("machines/*.ini", "docs/man/*.[1-9]", "*.build", ".clang-*")
                  for p in glob.glob(os.path.join(SOURCE, pattern))]
        files += ["mmu2d", "run-tests", ".ci/run", "tools/lint"]
        for path in files:
            first = read(path).splitlines()[:2]
            with self.subTest(file=path):
                line = first[1] if first[0].startswith("#!") else first[0]
                self.assertIn("SPDX-License-Identifier: GPL-2.0-or-later", line)

    def test_text(self):
        """No file ends without a newline, no line in spaces."""
        for path in sources(".c", ".h"):
            text = read(path)
            with self.subTest(file=path):
                self.assertTrue(text.endswith("\n"))
                self.assertNotRegex(text, r"(?m)[ \t]$")

    def test_no_shared_mutable_state(self):
        """Below tools/ no object file of the simulator has writable data of its own."""
        objects = glob.glob(os.path.join(os.environ["MMU2D_BUILD"], "libm2dsim.a.p", "*.o"))
        self.assertGreater(len(objects), 5)
        if os.environ["MMU2D_SANITIZE"] != "none":
            self.skipTest("sanitizers add data of their own")
        result = subprocess.run(["nm", "-A", *objects], stdout=subprocess.PIPE, text=True,
                                check=True)
        # Read-only data that the loader relocates has type d too; its section tells.
        bad = [line for line in result.stdout.splitlines() if re.search(r" [bBC] ", line)]
        # GLib's quark of the error domain: set once, the same for all.
        bad = [line for line in bad if not re.search(r" b q\.\d+$", line)]
        self.assertEqual(bad, [])


class Headers(unittest.TestCase):
    def test_stand_alone(self):
        flags = subprocess.run(["pkg-config", "--cflags", "glib-2.0", "zlib", "sqlite3", "check"],
                               stdout=subprocess.PIPE, text=True, check=True).stdout.split()
        cc = shlex.split(os.environ["MMU2D_CC"])

        def compile_header(path):
            command = [*cc, "-std=gnu11", "-D_GNU_SOURCE", "-fsyntax-only", "-Wall", "-Wextra",
                       "-Wno-unused-parameter", "-Wno-unused-function", "-Werror",
                       "-I" + SOURCE, *flags, "-x", "c", "-"]
            return path, subprocess.run(command, input='#include "%s"\n' % path, text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        check=False)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for path, result in pool.map(compile_header, sources(".h")):
                with self.subTest(header=path):
                    self.assertEqual(result.returncode, 0, result.stdout)


if __name__ == "__main__":
    unittest.main()
