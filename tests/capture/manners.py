# SPDX-License-Identifier: GPL-2.0-or-later
"""How captures are read from outside: stdin, gzip, files that are cut, binary or something else."""
import glob
import gzip
import json
import os
import subprocess
import tempfile
import time
import unittest

PROGRAM = os.environ["MMU2D_PROGRAM"]
SOURCE = os.environ["MMU2D_SOURCE"]
DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")
CAPTURES = os.path.join(os.environ.get("MMU2D_CAPTURES", "/nonexistent"), "ftrace")
NEED_ALL = unittest.skipUnless(os.path.isdir(CAPTURES),
                               "MMU2D_CAPTURES does not name the folder of captures")
SAMPLE = os.path.join(DATA, "churn-tdp.txt.gz")
COMMANDS = ("import", "check")


def run(*args, stdin=None):
    return subprocess.run([PROGRAM, *args], input=stdin, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False)


class Manners(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)
        with gzip.open(SAMPLE) as f:
            self.text = f.read()

    def put(self, name, data):
        path = os.path.join(self.dir.name, name)
        with open(path, "wb") as f:
            f.write(data)
        return path

    def assert_bad(self, path, *words, source="ftrace", stdin=None):
        for command in COMMANDS:
            args = [command, "-q", path]
            if command == "import":
                args += ["--from", source]
            result = run(*args, stdin=stdin)
            err = result.stderr.decode()
            self.assertEqual(result.returncode, 2, (args, err))
            self.assertEqual(err.count("\n"), 1, err)
            for word in words:
                self.assertIn(word, err)

    def count(self, path, **kwargs):
        result = run("import", "--from", "ftrace", "--json", path, **kwargs)
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        doc = json.loads(result.stdout)
        doc.pop("input")
        return doc

    def test_stdin_and_plain(self):
        want = self.count(SAMPLE)
        self.assertEqual(self.count(self.put("plain", self.text)), want)
        self.assertEqual(self.count("-", stdin=self.text), want)
        self.assertEqual(self.count("-", stdin=gzip.compress(self.text)), want)

    def test_found_out_without_from(self):
        result = run("import", "--json", SAMPLE)
        self.assertEqual(result.returncode, 0, result.stderr)

    def pipe(self, command, *pieces):
        """Standard output of the command when the pieces come down a pipe one after the other."""
        with subprocess.Popen([PROGRAM, command, "-q", "--json", "-"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as p:
            for piece in pieces:
                p.stdin.write(piece)
                p.stdin.flush()
                time.sleep(0.2)
            out, err = p.communicate()
            self.assertEqual((p.returncode, err), (0, b""), (command, err))
            return json.loads(out)

    def test_pipe_is_found_out_without_from(self):
        """Nothing is lost of what was looked at, however it comes."""
        for command, name in (("import", "churn-tdp"), ("replay", "ptmod-shadow")):
            path = glob.glob(os.path.join(SOURCE, "tests", "*", "data", name + ".txt.gz"))[0]
            want = json.loads(run(command, "-q", "--json", path).stdout)
            with gzip.open(path) as f:
                text = f.read()
            for pieces in ([text], [gzip.compress(text)], [text[:40], text[40:5000], text[5000:]]):
                got = self.pipe(command, *pieces)
                for doc in (got, want):
                    doc.pop("input", None)
                    doc.pop("capture", None)
                self.assertEqual(got, want)
            with open(self.put("plain", text), "rb") as f:
                result = subprocess.run([PROGRAM, command, "-q", "-"], stdin=f,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
            self.assertEqual((result.returncode, result.stderr), (0, b""))

    def test_what_is_no_capture(self):
        for data in (b"", b"hello\n", b"\0" * 5000):
            for command in ("import", "replay"):
                result = run(command, "-q", "-", stdin=data)
                self.assertEqual(result.returncode, 2, (command, data))
                self.assertEqual(result.stderr.count(b"\n"), 1)
        self.assertIn(b"cannot open", run("import", os.path.join(self.dir.name, "none")).stderr)

    def test_moved_text(self):
        """Blanks in front may have got lost, and other names may be longer."""
        moved = b"".join(line.lstrip() for line in self.text.splitlines(True))
        self.assertEqual(self.count(self.put("moved", moved)), self.count(SAMPLE))

    def test_unknown_events_are_counted(self):
        line = b"           <idle>-0       [001] d..1.     9.9: sched_switch: prev_comm=a b\n"
        doc = self.count(self.put("more", self.text + line + line))
        self.assertEqual(doc["by_name"]["sched_switch"], 2)
        base = self.count(SAMPLE)
        self.assertEqual(doc["unknown_events"], base["unknown_events"] + 2)

    def test_bad_line(self):
        lines = self.text.splitlines(True)
        lines[10] = b"what is this\n"
        self.assert_bad(self.put("bad", b"".join(lines)), "/bad:11:1: expected")
        lines[20] = lines[20].replace(b"[", b"{")
        self.assert_bad(self.put("bad", b"".join(lines)), "/bad:11:1: expected", "1 more")

    def test_bad_payload(self):
        lines = self.text.splitlines(True)
        n = next(i for i, line in enumerate(lines) if b"kvm_mmu_set_spte" in line)
        lines[n] = lines[n].replace(b" spte ", b" spte z", 1)
        self.assert_bad(self.put("bad", b"".join(lines)), "/bad:%d:" % (n + 1), "expected")

    def test_cut(self):
        self.assert_bad(self.put("cut", self.text[:-20]), "/cut:%d:" % self.text.count(b"\n"), "ends early", "cut off")
        n = self.text.count(b"\n")
        head = b"# entries-in-buffer/entries-written: %d/%d   #P:2\n" % (n + 1, n + 1)
        self.assert_bad(self.put("cut", head + self.text), "%d events, expected %d" % (n, n + 1))
        self.assert_bad("-", "stdin", "end too early",
                        stdin=gzip.compress(self.text, mtime=0)[:5000])

    def test_something_else(self):
        self.assert_bad("/dev/null", "empty")
        self.assert_bad(self.put("bin", bytes(range(256)) * 40), "binary")
        self.assert_bad(self.put("other", b"hello\n" * 5000), "/other:1:1: expected")
        self.assert_bad(os.path.join(SOURCE, "meson.build"), "meson.build:2:1: expected")
        result = run("import", "--from", "ftrace", self.put("dat", b"\x17\x08\x44tracing6\0"))
        self.assertEqual(result.returncode, 2)
        self.assertIn(b"a trace.dat, expected ftrace", result.stderr)
        self.assert_bad(self.put("dat", b"\x17\x08\x44tracing5\0"), "version 5, expected 6 or 7",
                        source="trace-cmd")
        self.assert_bad(self.put("dat", b"\x17\x08\x44tracing6\0" + bytes(range(256)) * 9),
                        "damaged", source="trace-cmd")

    @NEED_ALL
    def test_damaged_dat(self):
        """Whatever libtracecmd makes of it, there is one line and no crash."""
        with open(os.path.join(CAPTURES, "dev-thp-tdp.dat"), "rb") as f:
            dat = f.read()
        for n in (200, 30000, 700000, len(dat) - 300):
            self.assert_bad(self.put("dat", dat[:n]), "expected", source="trace-cmd")
        for n in range(100, 5000, 400):
            damaged = dat[:n] + bytes(reversed(dat[n:n + 40])) + dat[n + 40:]
            result = run("import", "-q", self.put("dat", damaged))
            self.assertIn(result.returncode, (0, 2))

    def test_memory_is_bounded(self):
        """Peak memory does not grow with the capture."""
        if os.environ.get("MMU2D_SANITIZE", "none") != "none":
            self.skipTest("sanitizers take memory of their own")
        big = self.put("big", self.text * 60)
        for command in COMMANDS:
            with subprocess.Popen([PROGRAM, command, "-q", big], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL) as child:
                _, status, usage = os.wait4(child.pid, 0)
                child.returncode = os.waitstatus_to_exitcode(status)
            self.assertIn(child.returncode, (0, 1))
            self.assertLess(usage.ru_maxrss, 64 << 10)


if __name__ == "__main__":
    unittest.main()
