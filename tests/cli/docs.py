# SPDX-License-Identifier: GPL-2.0-or-later
"""The pages of docs/: what they name exists, and the commands that they show run."""
import os
import re
import shlex
import shutil
import subprocess
import tempfile
import unittest

from common import PROGRAM, SOURCE, run


def read(path):
    with open(os.path.join(SOURCE, path), encoding="utf-8") as f:
        return f.read()


def defined(path, macro, field=0):
    """Arguments @field of each @macro(...) row of a .def file."""
    rows = re.findall(r"(?m)^%s\(([^\n]*)" % macro, read(path))
    return [row.split(",")[field].strip(' )"') for row in rows]


class KvmModel(unittest.TestCase):
    PAGE = "docs/kvm-model.md"

    def rows(self):
        for line in read(self.PAGE).splitlines():
            if line.startswith("| ") and "sim/" in line:
                yield [cell.strip() for cell in line[1:-1].split("|")]

    def test_every_routine_is_named(self):
        text = read(self.PAGE)
        for name in defined("sim/vm/routines.def", "ROUTINE"):
            if name != "function":
                self.assertIn("`%s`" % name, text)

    def test_files_have_their_routines(self):
        for row in self.rows():
            for path, names in re.findall(r"(sim/[\w/.-]+\.c)((?:,? `\w+`)*)", row[1]):
                source = read(path)
                for name in re.findall(r"`(\w+)`", names):
                    with self.subTest(row=row[0], routine=name):
                        self.assertIn("M2D_ROUTINE(%s)" % name, source)

    def test_points_exist(self):
        points = set(defined("sim/engine/points.def", "POINT", 1))
        seen = set()
        for row in self.rows():
            seen |= set(re.split(r"[,;] ", row[2])) - {""} if len(row) > 2 else set()
        self.assertEqual(seen - points, set())
        self.assertGreater(len(seen), 30)

    def test_points_duties_and_knobs_act_there(self):
        """What a row names stands in the files of the row."""
        points = dict(zip(defined("sim/engine/points.def", "POINT", 1),
                          defined("sim/engine/points.def", "POINT")))
        duties = dict(zip(defined("sim/vm/duty.def", "DUTY", 1),
                          defined("sim/vm/duty.def", "DUTY")))
        for row in self.rows():
            source = "".join(read(path) for path in re.findall(r"sim/[\w/.-]+\.c", row[1]))
            for name in set(re.split(r"[,;] ", row[2])) - {""}:
                with self.subTest(row=row[0], point=name):
                    self.assertRegex(source, r"M2D_POINT\(rt, f, %s\b" % points[name])
            for name in set(re.split(r"[,;] ", row[3] if len(row) > 3 else "")) - {""}:
                with self.subTest(row=row[0], name=name):
                    self.assertRegex(source, r"M2D_OWES\(\w+, %s\)" % duties[name]
                                     if name in duties else
                                     r"knobs(\.|->)%s\b" % name.replace("-", "_"))

    def test_duties_and_knobs_exist(self):
        known = set(defined("sim/vm/duty.def", "DUTY", 1))
        known |= {line.split()[0] for line in run("knobs").stdout.splitlines()}
        seen = set()
        for row in self.rows():
            seen |= set(re.split(r"[,;] ", row[3])) - {""} if len(row) > 3 else set()
        self.assertEqual(seen - known, set())
        self.assertGreater(len(seen), 60)


def shape(line):
    """@line without what a change of costs or addresses moves: numbers, rules, padding."""
    return re.sub(r"\s+", " ", re.sub(r"0x[0-9a-f]+|\d+", "0", line)).strip()


class Commands(unittest.TestCase):
    """Commands in the pages run and print what the page says they do, numbers aside."""

    # Those that take long have tests of their own.
    QUICK = {"run", "fmt", "lint", "ladder", "knobs", "profiles", "duties", "invariants", "machines",
             "walk", "explore", "help"}

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="mmu2d-docs-")
        self.addCleanup(folder.cleanup)
        self.dir = folder.name
        for name in ("scenarios", "traces", "machines"):
            os.symlink(os.path.join(SOURCE, name), os.path.join(self.dir, name))

    def execute(self, text, status=0):
        """Run what stands behind ./mmu2d; its output."""
        command, _, target = text.partition(" > ")
        if command.startswith("explore") and os.environ.get("MMU2D_SANITIZE", "none") != "none":
            self.skipTest("a search takes minutes with sanitizers")
        result = subprocess.run([PROGRAM, *shlex.split(command)], cwd=self.dir, timeout=60,
                                check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True,
                                env=dict(os.environ, LC_ALL="C.UTF-8"))
        self.assertEqual((result.returncode, result.stderr), (status, ""), command)
        if target:
            with open(os.path.join(self.dir, target.strip()), "w", encoding="utf-8") as f:
                f.write(result.stdout)
        return result.stdout

    def assert_shows(self, output, quoted, command):
        """The lines @quoted stand in @output in this order."""
        lines = iter([shape(line) for line in output.splitlines()])
        for line in quoted:
            if line.strip() not in ("", "..."):
                self.assertIn(shape(line), lines, command + ": not there, or not in this order")

    def test_consoles(self):
        """Blocks of kind console: $ ./mmu2d COMMAND and what it prints, in parts."""
        seen = 0
        for page in ("docs/walkthrough-pv-flush.md", "README.md"):
            for block in re.findall(r"(?ms)^```console\n(.*?)^```", read(page)):
                for part in re.split(r"(?m)^\$ \./mmu2d ", block)[1:]:
                    first, *quoted = part.splitlines()
                    command, _, note = first.partition(" #")
                    status = int(re.search(r"\d", note).group()) if "status" in note else 0
                    with self.subTest(page=page, command=command):
                        seen += 1
                        self.assert_shows(self.execute(command, status), quoted, command)
        self.assertGreater(seen, 8)

    def test_tour(self):
        """Indented lines of README.md."""
        seen = set()
        for line in read("README.md").splitlines():
            match = re.match(r"    \./mmu2d ((\w+).*)", line)
            if match and match.group(2) in self.QUICK:
                with self.subTest(line=line):
                    if match.group(2) == "help" and not (shutil.which("man") or
                                                         shutil.which("mandoc")):
                        continue
                    self.execute(match.group(1).partition("#")[0].strip())
                    seen.add(match.group(2))
        self.assertLessEqual({"run", "lint", "knobs", "profiles", "duties", "invariants"}, seen)


if __name__ == "__main__":
    unittest.main()
