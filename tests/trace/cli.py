# SPDX-License-Identifier: GPL-2.0-or-later
"""`mmu2d import` and `mmu2d trace` from outside: results, exit status, one-line errors, nothing
left behind."""
import gzip
import json
import os
import shutil
import subprocess
import tempfile
import unittest

PROGRAM = os.environ["MMU2D_PROGRAM"]
SOURCE = os.environ["MMU2D_SOURCE"]
SAMPLE = SOURCE + "/tests/trace/data/sample.lackey"
BUNDLED = SOURCE + "/traces/s-linux-tdp-u.m2t"


class Cli(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)
        self.out = self.path("out.m2t")

    def path(self, name):
        return os.path.join(self.dir.name, name)

    def run_program(self, *args, status=0, stdin=None, stdout=subprocess.PIPE):
        p = subprocess.run([PROGRAM, *args], input=stdin, stdout=stdout, stderr=subprocess.PIPE)
        err = p.stderr.decode()
        self.assertEqual(p.returncode, status, err)
        if status == 0:
            self.assertEqual(err, "")
        elif status == 2:
            self.assertEqual(err.count("\n"), 1, err)
        return p.stdout, err

    def put(self, name, data):
        with open(self.path(name), "wb") as f:
            f.write(data)
        return self.path(name)

    def import_sample(self, name="a.m2t"):
        self.run_program("import", SAMPLE, "-o", self.path(name))
        return self.path(name)

    def test_import_counts(self):
        out, _ = self.run_program("import", "--from", "lackey", SAMPLE, "-o", self.out, "--json")
        doc = json.loads(out)
        self.assertEqual(doc["format"], "lackey")
        self.assertEqual(doc["counts"], {"read": 55, "write": 39, "fetch": 260, "page": 0})
        self.assertEqual(doc["refs"], 354)
        out, _ = self.run_program("import", SAMPLE, "-o", self.out)
        self.assertRegex(out.decode(), r"(?m)^fetch +260$")
        out, _ = self.run_program("import", "-q", SAMPLE, "-o", self.out)
        self.assertEqual(out, b"")
        out, _ = self.run_program("trace", "info", "--json", self.out)
        self.assertEqual(json.loads(out)["counts"]["write"], 39)
        self.assertEqual(os.stat(self.out).st_mode & 0o444, 0o444)

    def test_stdin_gzip_stdout(self):
        """All ways in and out give the same bytes."""
        with open(SAMPLE, "rb") as f:
            text = f.read()
        with open(self.import_sample(), "rb") as f:
            want = f.read()
        self.run_program("import", "-", "-o", self.out, stdin=gzip.compress(text))
        with open(self.out, "rb") as f:
            self.assertEqual(f.read(), want)
        out, _ = self.run_program("import", "-", "-o", "-", stdin=text)
        self.assertEqual(out, want)
        out, _ = self.run_program("trace", "info", "--json", "-", stdin=want)
        self.assertEqual(json.loads(out)["refs"], 354)
        out, _ = self.run_program("trace", "dump", "-", "--from-ref", "350", stdin=want)
        self.assertEqual(len(out.splitlines()), 4)
        self.run_program("import", "-", "-o", "/dev/stdout", stdin=text)

    def test_bad_usage(self):
        a = self.import_sample()
        for args in (["import"], ["import", SAMPLE], ["import", SAMPLE, SAMPLE, "-o", self.out],
                     ["import", "--from", "elf", SAMPLE, "-o", self.out],
                     ["import", "--json", SAMPLE, "-o", "-"], ["trace"], ["trace", "info"],
                     ["trace", "inspect", a], ["trace", "info", a, a], ["trace", "cut", a],
                     ["trace", "info", a, "--refs", "1..2"],
                     ["trace", "verify", a, "--recover"],
                     ["trace", "cut", a, "--refs", "5..5", "-o", self.out],
                     ["trace", "cut", a, "--refs", "7", "-o", self.out],
                     ["trace", "cut", a, "--refs", "x..y", "-o", self.out],
                     ["trace", "cut", a, "--refs", "-1..5", "-o", self.out],
                     ["trace", "cut", a, "--refs", "1000..", "-o", self.out],
                     ["trace", "merge", a], ["trace", "merge", a, "-o", self.out, "--every", "0"],
                     ["trace", "dump", a, "--kind", "nonsense"],
                     ["trace", "dump", a, "--limit", "-5"]):
            with self.subTest(args=args):
                self.run_program(*args, status=2)
                self.assertFalse(os.path.exists(self.out))

    def test_bad_files(self):
        """Whatever is wrong with a file: status 2, one line that names it, no output."""
        empty = self.put("empty", b"")
        text = self.put("text", b"hello\n" * 100)
        with open(self.import_sample(), "rb") as f:
            good = f.read()
        newer = self.put("newer", good[:8] + b"\2" + good[9:])
        short = self.put("short", good[:-1])
        for path in ("/nonexistent", self.dir.name, empty, text, newer, short):
            for args in (["trace", "info"], ["trace", "dump"], ["trace", "cut", "--refs", "1..2",
                         "-o", self.out], ["trace", "merge", "-o", self.out],
                         ["import", "--from", "mmtrace", "-o", self.out]):
                with self.subTest(path=path, args=args):
                    _, err = self.run_program(*args, path, status=2)
                    self.assertIn(path, err)
                    self.assertFalse(os.path.exists(self.out))
        self.assertEqual(len(os.listdir(self.dir.name)), 5, os.listdir(self.dir.name))

    def test_unreadable(self):
        if os.geteuid() == 0:
            self.skipTest("root reads everything")
        a = self.import_sample()
        os.chmod(a, 0)
        self.run_program("trace", "info", a, status=2)

    def test_full_disk(self):
        a = self.import_sample()
        for args in (["import", SAMPLE, "-o", "/dev/full"],
                     ["trace", "cut", a, "--refs", "1..9", "-o", "/dev/full"],
                     ["trace", "merge", a, "-o", "/dev/full"]):
            _, err = self.run_program(*args, status=75)
            self.assertEqual(err.count("\n"), 1)
        with open("/dev/full", "wb") as full:
            for args in (["trace", "info", a], ["trace", "dump", a], ["trace", "verify", a],
                         ["import", SAMPLE, "-o", "-"], ["import", SAMPLE, "-o", self.out]):
                _, err = self.run_program(*args, status=75, stdout=full)
                self.assertEqual(err.count("\n"), 1)

    def test_unwritable(self):
        self.run_program("import", SAMPLE, "-o", "/nonexistent/x.m2t", status=2)
        self.run_program("import", SAMPLE, "-o", self.dir.name, status=2)
        # An existing file stays as it is when the input is bad, and is replaced when it is good.
        old = self.put("old.m2t", b"old")
        bad = self.put("bad", b" L 1000,4\n L zzz,4\n")
        _, err = self.run_program("import", bad, "-o", old, status=2)
        self.assertIn(bad + ":2:4: ", err)
        with open(old, "rb") as f:
            self.assertEqual(f.read(), b"old")
        self.assertEqual(sorted(os.listdir(self.dir.name)), ["bad", "old.m2t"])
        os.symlink("old.m2t", self.path("link.m2t"))
        self.run_program("import", SAMPLE, "-o", self.path("link.m2t"))
        self.assertTrue(os.path.islink(self.path("link.m2t")))
        self.run_program("trace", "verify", old)

    def test_damage(self):
        """verify and --recover name the place, and the rest is used."""
        with open(SOURCE + "/traces/s-linux-tdp-f.m2t", "rb") as f:
            data = bytearray(f.read())
        data[len(data) // 2] ^= 1
        path = self.put("damaged.m2t", bytes(data))
        out = self.verify(path)
        damage = out["damage"]
        self.assertEqual(len(damage), 1)
        self.assertLessEqual(damage[0]["offset"], len(data) // 2)
        self.assertGreater(damage[0]["offset"] + damage[0]["length"], len(data) // 2)
        self.assertEqual(out["refs"] + damage[0]["refs_lost"], 1433849)
        _, err = self.run_program("trace", "info", path, status=2)
        self.assertIn("offset %d" % damage[0]["offset"], err)
        p = subprocess.run([PROGRAM, "trace", "info", "--json", "--recover", path],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True)
        self.assertEqual(json.loads(p.stdout)["refs"], out["refs"])
        self.assertIn(b"references are lost", p.stderr)
        p = subprocess.run([PROGRAM, "trace", "cut", "--recover", path, "--refs", "0..1433849",
                            "-o", self.out], stderr=subprocess.PIPE, check=True,
                           stdout=subprocess.PIPE)
        result, _ = self.run_program("trace", "verify", "--json", self.out)
        self.assertEqual(json.loads(result)["refs"], out["refs"])

    def verify(self, path):
        p = subprocess.run([PROGRAM, "trace", "verify", "--json", path], stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE)
        self.assertEqual(p.returncode, 2)
        return json.loads(p.stdout)

    def test_bundled(self):
        out, _ = self.run_program("trace", "info", "--json", BUNDLED)
        doc = json.loads(out)
        self.assertEqual((doc["counts"]["read"], doc["counts"]["write"], doc["counts"]["fetch"]),
                         (257420, 151185, 187634))
        self.assertEqual(doc["counts"]["ptwrite"], 3351)
        self.run_program("trace", "verify", BUNDLED)
        self.run_program("trace", "verify", SOURCE + "/traces/s-linux-tdp-f.m2t")

    def test_dump(self):
        out, _ = self.run_program("trace", "dump", BUNDLED, "--kind", "vmrun,vmexit", "--limit",
                                  "3")
        words = [line.split()[3] for line in out.decode().splitlines()]
        self.assertEqual(words, ["vmrun", "vmexit", "vmrun"])
        out, _ = self.run_program("trace", "dump", BUNDLED, "--from-ref", "596238")
        self.assertEqual(out.decode(),
                         "596238 v0 guest fetch 0xffffffff812c6e7c pa=0xd0c6e7c supervisor\n")

    def test_interrupt(self):
        """SIGINT while reading a pipe that goes on: 75, nothing left."""
        if shutil.which("yes") is None:
            self.skipTest("no yes(1)")
        source = subprocess.Popen(["yes", " L 1000,4"], stdout=subprocess.PIPE)
        p = subprocess.Popen([PROGRAM, "import", "-", "-o", self.out], stdin=source.stdout,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        source.stdout.close()
        try:
            with self.assertRaises(subprocess.TimeoutExpired):
                p.wait(0.5)
            p.send_signal(2)
            out, err = p.communicate(timeout=20)
        finally:
            source.kill()
            source.wait()
        self.assertEqual(p.returncode, 75, err)
        self.assertEqual(os.listdir(self.dir.name), [])


if __name__ == "__main__":
    unittest.main(verbosity=1)
