# SPDX-License-Identifier: GPL-2.0-or-later
"""The scenario language at the command line: fmt, lint, ladder, and the manual page."""
import glob
import json
import os
import re
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.environ["MMU2D_SOURCE"], "tests", "cli"))
from common import SOURCE, CliMixin, run  # noqa: E402  pylint: disable=wrong-import-position

CASES = os.path.join(SOURCE, "tests", "scenario", "parse")


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def cases(pattern):
    found = sorted(glob.glob(os.path.join(CASES, pattern)))
    assert found, pattern
    return found


class Parse(CliMixin, unittest.TestCase):
    def test_accepted(self):
        for path in cases("y_*.scn") + cases("y_*.in"):
            with self.subTest(case=os.path.basename(path)):
                self.assert_status(run("fmt", path), 0)
                self.assertLess(run("lint", path).returncode, 2)

    def test_refused(self):
        """Line 2 of a case says where it fails and how."""
        for path in cases("n_*.scn"):
            with self.subTest(case=os.path.basename(path)):
                message = read(path).splitlines()[1][2:]
                result = run("lint", path)
                self.assert_status(result, 2)
                self.assertEqual(result.stderr, "mmu2d lint: %s:%s\n" % (path, message))
                self.assertIn("expected" if "no knob" not in message else "did you mean", message)

    def test_no_text(self):
        good = read(os.path.join(CASES, "y_full.scn")).encode()
        for data, message in (
                (b"", ":1:1: not a scenario, expected 'mmu2d-scenario 1'"),
                (b"\n" + good, ":1:1: not a scenario"),
                (b"\x7fELF\x02\x01", ":1:1: control character 0x7f"),
                (b"[machine]\nvendor = amd\n", ":1:1: not a scenario"),
                (b"\xef\xbb\xbf" + good, ":1:1: byte order mark"),
                (good.replace(b"\n", b"\r\n"), ":1:17: carriage return"),
                (good.replace(b"everything", b"every\0thing"), ":2:21: byte 0x00"),
                (good.replace(b"everything", b"\xc3\xa9very\xffthing"), ":2:21: byte 0xff"),
                (good.replace(b"everything", b"x" * 2000), ":2:1: line of 2015 bytes"),
                (good + b"#" * (256 * 1024), "longer than 262144 bytes"),
                (good + b"\n" * 5000, ":4097:1: more lines than a scenario may have"),
                (good[:good.index(b"[steps]")], "the file ends without a step"),
                (good.replace(b"0x5000\n", b"0x5000\x1b[2J\n"), "control character 0x1b")):
            with self.subTest(message=message):
                self.assert_fails(run("fmt", "-", **self.piped(data)), 2, "mmu2d fmt: -:", message)
        self.assert_fails(run("fmt", "/nonexistent/x.scn"), 2, "No such file")
        self.assert_fails(run("fmt", CASES), 2, "irectory")
        self.assert_fails(run("fmt", "/dev/zero"), 2, "longer than")

    def piped(self, data):
        f = tempfile.TemporaryFile()
        self.addCleanup(f.close)
        f.write(data)
        f.seek(0)
        return {"stdin": f}


class Fmt(CliMixin, unittest.TestCase):
    def test_canonical(self):
        result = run("fmt", os.path.join(CASES, "y_spaces.in"))
        self.assertEqual(result.stdout, read(os.path.join(CASES, "y_spaces.scn")))

    def test_fixed_point(self):
        """Every scenario of the tree that can be read is as fmt writes it."""
        paths = [p for p in glob.glob(os.path.join(SOURCE, "**", "*.scn"), recursive=True)
                 if not os.path.basename(p).startswith("n_")
                 and not os.path.relpath(p, SOURCE).startswith("build")]
        self.assertGreaterEqual(len(paths), 3)
        result = run("fmt", "--check", *paths)
        self.assertEqual(result.stdout, "")
        self.assert_status(result, 0)

    def test_check_and_write(self):
        with tempfile.TemporaryDirectory() as folder:
            bad, good = os.path.join(folder, "bad.scn"), os.path.join(folder, "good.scn")
            for path, text in ((bad, read(os.path.join(CASES, "y_spaces.in"))),
                               (good, read(os.path.join(CASES, "y_full.scn")))):
                with open(path, "w", encoding="utf-8") as f:
                    f.write(text)
            before = os.stat(good).st_mtime_ns
            result = run("fmt", "--check", bad, good)
            self.assert_status(result, 1)
            self.assertEqual(result.stdout, bad + "\n")
            self.assert_status(run("fmt", "-w", bad, good), 0)
            self.assertEqual(read(bad), read(os.path.join(CASES, "y_spaces.scn")))
            self.assertEqual(os.stat(good).st_mtime_ns, before)
            self.assert_status(run("fmt", "--check", bad, good), 0)
            self.assertEqual(sorted(os.listdir(folder)), ["bad.scn", "good.scn"])
            # One bad file does not keep the others from being seen to.
            result = run("fmt", "--check", os.path.join(CASES, "n_step-verb.scn"), bad)
            self.assert_status(result, 2)
        self.assert_fails(run("fmt"), 2, "expected")
        self.assert_fails(run("fmt", "-w", "-"), 2, "'-'")
        self.assert_fails(run("fmt", "-w", "--check", "x"), 2, "exclude")


class Lint(CliMixin, unittest.TestCase):
    HEAD = "mmu2d-scenario 1\ntitle   T\norigin  O\n\n"

    def findings(self, text):
        with tempfile.NamedTemporaryFile("w", suffix=".scn") as f:
            f.write(text)
            f.flush()
            result = run("lint", "--json", f.name)
        self.assertLess(result.returncode, 2, result.stderr)
        found = json.loads(result.stdout)
        self.assertEqual(result.returncode, 1 if found else 0)
        return [(x["line"], x["rule"]) for x in found]

    def test_rules(self):
        head, steps = self.HEAD, "[steps]\n"
        two = "[machine]\nvcpus = 2\n"
        read_ok = "vcpu0: read gva=0x0 -> ok\n"
        for text, expected in (
                (head + steps + read_ok, []),
                ("mmu2d-scenario 1\n" + steps + read_ok,
                 [(1, "missing-origin"), (1, "missing-title")]),
                (head + steps + "vcpu0: enter\n", [(6, "unchecked")]),
                (head + steps + "@1.1 " + read_ok, []),
                (head + steps + "@x " + read_ok, [(6, "unused-label")]),
                (head + steps + "@x " + read_ok + "[final]\nalways read(@x) == 1\n", []),
                (head + "[variant a]\nresult @x = error\n" + steps + "@x " + read_ok, []),
                (head + steps + "@x " + read_ok + "[orders]\nperm x\n", []),
                (head + "[layout]\ngpt A\ngpt B\n" + steps + read_ok, [(7, "unused-gpt")]),
                (head + "[layout]\ngpt A\ngpt B\ncr3 vcpu0 gpt=B\n" + steps + read_ok,
                 [(6, "unused-gpt")]),
                (head + "[layout]\ngpt A\ngpt B\n" + steps + "vcpu0: mov-cr3 gpt=B -> ok\n", []),
                (head + "[variant a]\nkvm = 6.1\n[variant b]\nkvm = 6.1\nexpect = stale-gva\n"
                 + steps + read_ok, [(7, "same-variant")]),
                (head + "[machine]\nkvm.pv-flush = hw\n[variant a]\n[variant b]\n"
                 "kvm.pv-flush = hw\n" + steps + read_ok, [(8, "same-variant")]),
                (head + "[variant a]\nvpid = yes\n[variant b]\nvpid = no\n" + steps + read_ok, []),
                (head + steps + read_ok + "[final]\nalways 1 == 1\nnever x\n"
                 "always used-pages >= 0\nnever used-pages != used-pages\nnever used-pages < 0\n"
                 "always used-pages > 0\n",
                 [(8, "constant-claim"), (9, "constant-claim"), (10, "constant-claim"),
                  (11, "constant-claim"), (12, "constant-claim")]),
                (head + steps + read_ok + "[final]\nsometimes used-pages == 1\n",
                 [(8, "sometimes-once")]),
                (head + steps + read_ok + "[orders]\nexplore\n[final]\n"
                 "sometimes used-pages == 1\n", []),
                (head + steps + "vcpu0: enter -> hpa 0x5000\n", [(6, "result-kind")]),
                (head + "[variant a]\nresult @1 = young yes\n" + steps + "@1 " + read_ok,
                 [(6, "result-kind")]),
                (head + steps + "host: unmap gpa=0x0..0xfff -> young yes\n",
                 [(6, "result-kind")]),
                (head + steps + "vcpu0: continue -> ok\n", [(6, "nothing-to-continue")]),
                (head + steps + "host: unmap gpa=0x0..0xfff -> blocked\nhost: continue\n", []),
                (head + "[variant a]\nresult @1 = blocked\n" + steps + "@1 " + read_ok
                 + "vcpu0: continue\n" + read_ok, []),
                (head + two + steps + "vcpu0: read gva=0x0 until locked\nvcpu1: enter -> ok\n",
                 [(8, "left-stopped")]),
                (head + steps + "vcpu0: read gva=0x0 until locked\n" + read_ok,
                 [(7, "still-stopped")])):
            with self.subTest(text=text[len(head):]):
                self.assertEqual(self.findings(text), expected)

    def test_text(self):
        path = os.path.join(CASES, "y_minimal.scn")
        result = run("lint", path, os.path.join(CASES, "y_full.scn"))
        self.assert_status(result, 1)
        self.assertIn("%s:1:1: no title, expected a line 'title TEXT' [missing-title]\n" % path,
                      result.stdout)
        self.assertNotIn("y_full", result.stdout)
        self.assert_fails(run("lint"), 2, "expected")


class Ladder(CliMixin, unittest.TestCase):
    def test_table(self):
        path = os.path.join(CASES, "y_full.scn")
        result = run("ladder", path)
        self.assertEqual(result.stdout, read(os.path.join(CASES, "y_full.ladder")))
        self.assertLessEqual(max(map(len, result.stdout.splitlines())), 72)

    def test_variant(self):
        path = os.path.join(CASES, "y_full.scn")
        result = run("ladder", path, "--variant", "tight", "--width=100")
        self.assertIn("-> pf 0x5", result.stdout)
        self.assertIn("-> dirty none", result.stdout)
        self.assertNotIn("hpa 0x5000", result.stdout)
        self.assert_fails(run("ladder", path, "--variant", "tigth"), 2, "did you mean 'tight'?")
        self.assert_fails(run("ladder", path, "-w", "39"), 2, "40 to 1000")
        self.assert_fails(run("ladder", path, path), 2, "one scenario")


class Manual(unittest.TestCase):
    def table(self, path, macro, index):
        """Column @index of the strings in the rows of a .def file."""
        rows = re.findall(r'(?ms)^%s\((.*?")\)$' % macro, read(os.path.join(SOURCE, path)))
        self.assertTrue(rows)
        return [re.findall(r'"((?:[^"\\]|\\.)*)"', row)[index] for row in rows]

    def test_every_word(self):
        page = read(os.path.join(SOURCE, "docs", "man", "mmu2d-scenario.5"))
        page = page.replace("\\-", "-")
        for path, macro in (("sim/kvm/op.def", "OP"), ("sim/scenario/settings.def", "SETTING"),
                            ("sim/scenario/layout.def", "OBJECT"),
                            ("sim/scenario/results.def", "RESULT"),
                            ("sim/scenario/functions.def", "FUNCTION")):
            for word in self.table(path, macro, 0):
                with self.subTest(file=path, word=word):
                    self.assertRegex(page, r"(?m)^\.It Cm %s( |$)" % re.escape(word))

    def test_every_key(self):
        page = read(os.path.join(SOURCE, "docs", "man", "mmu2d-scenario.5"))
        for verb, keys in zip(self.table("sim/kvm/op.def", "OP", 0),
                              self.table("sim/kvm/op.def", "OP", 1)):
            heads = re.findall(r"(?m)^\.It Cm %s\b(?!-).*$" % re.escape(verb), page)
            for key in re.findall(r"([\w-]+):", keys):
                with self.subTest(verb=verb, key=key):
                    self.assertRegex("\n".join(heads),
                                     r"(?<![\w-])%s(?![\w-])" % re.escape(key))

    def test_rules(self):
        page = read(os.path.join(SOURCE, "docs", "man", "mmu2d-lint.1"))
        for rule in self.table("sim/scenario/lint.def", "RULE", 0):
            self.assertRegex(page, r"(?m)^\.It Cm %s$" % re.escape(rule))


if __name__ == "__main__":
    unittest.main()
