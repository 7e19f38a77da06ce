# SPDX-License-Identifier: GPL-2.0-or-later
"""Native captures: whatever is read from one is what was read from its source, and faster; a damaged
one is refused with one line, however it is damaged. With MMU2D_CAPTURES also of those."""
import glob
import gzip
import json
import os
import random
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import zlib

PROGRAM = os.environ["MMU2D_PROGRAM"]
CAPTURES = os.environ.get("MMU2D_CAPTURES")
DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")
SANITIZED = os.environ.get("MMU2D_SANITIZE", "none") != "none"


def run(*args, **kwargs):
    return subprocess.run([PROGRAM, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          check=False, timeout=120, **kwargs)


def document(*args):
    """A JSON document without what has to differ, and the exit status."""
    done = run(*args, "--json", "-q")
    doc = json.loads(done.stdout)
    for key in ("seconds", "input", "format", "output", "output_bytes"):
        doc.pop(key, None)
    return doc, done.returncode


def blocks(data):
    """[type, content] of each block of a native capture."""
    out, p = [], 20
    while p < len(data):
        kind, method, raw, stored = struct.unpack_from("<BBxxII", data, p)
        body = data[p + 16:p + 16 + stored]
        out.append([kind, bytearray(zlib.decompress(body) if method else body)])
        assert len(out[-1][1]) == raw
        p += 16 + stored
    return out


def assemble(head, parts):
    """A native capture whose checksums are right."""
    out = bytearray(head[:16]) + struct.pack("<I", zlib.crc32(bytes(head[:16])))
    for kind, raw in parts:
        head12 = struct.pack("<BBxxII", kind, 0, len(raw), len(raw))
        out += head12 + struct.pack("<I", zlib.crc32(bytes(raw), zlib.crc32(head12))) + raw
    return bytes(out)


class Native(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def convert(self, source, status=0):
        out = self.path(os.path.basename(source) + ".m2c")
        done = run("import", source, "-o", out)
        self.assertEqual(done.returncode, status, done.stderr)
        return out

    def check_same(self, source):
        native = self.convert(source)
        for command in (("check", "--all"), ("import",)):
            self.assertEqual(document(*command, source), document(*command, native), command)
        again = self.convert(native)
        with open(native, "rb") as a, open(again, "rb") as b:
            self.assertEqual(a.read(), b.read())
        return native

    def test_same(self):
        for source in sorted(glob.glob(os.path.join(DATA, "*.gz"))):
            with self.subTest(capture=source):
                native = self.check_same(source)
                self.assertLess(os.path.getsize(native), os.path.getsize(source))
                drawn = [run("timeline", x, "-o", "-").stdout for x in (source, native)]
                self.assertEqual(*drawn)
                texts = [run("ladder", x, "--lines", "500,600").stdout.replace(x.encode(), b"")
                         for x in (source, native)]
                self.assertEqual(*texts)

    @unittest.skipUnless(CAPTURES, "MMU2D_CAPTURES does not name a folder of captures")
    def test_captures(self):
        sources = glob.glob(os.path.join(CAPTURES, "ftrace", "dev-*.txt.gz"))
        sources += glob.glob(os.path.join(CAPTURES, "ftrace", "dev-*.dat*"))
        for source in sorted(sources):
            with self.subTest(capture=source):
                self.check_same(source)

    def test_pipe(self):
        source = os.path.join(DATA, "churn-shadow.txt.gz")
        native = run("import", source, "-o", "-").stdout
        done = run("check", "-", "--json", input=native)
        doc = json.loads(done.stdout)
        self.assertEqual(doc["events"], document("check", source)[0]["events"])
        self.assertEqual(doc["format"], "native, of text")
        with gzip.open(self.path("x.gz"), "wb") as f:
            f.write(native)
        self.assertEqual(document("check", self.path("x.gz")), document("check", source))
        self.assertEqual(run("import", source, "--json", "-o", "-").returncode, 2)

    def test_incomplete_source(self):
        """What was wrong with the source is wrong with the capture made of it."""
        with gzip.open(os.path.join(DATA, "notif-tdp.txt.gz")) as f:
            text = f.read()
        for name, bad in (("cut", text[:len(text) // 2]),
                          ("bad", text[:9000] + b"no event\n" + text[9000:])):
            source = self.path(name)
            with open(source, "wb") as f:
                f.write(bad)
            native = self.convert(source, status=2)
            self.assertEqual(document("check", source), document("check", native))
            self.assertEqual(run("check", "-q", source).stderr, run("check", "-q", native).stderr)

    def test_failure_leaves_nothing(self):
        keep = self.path("keep.m2c")
        with open(keep, "w", encoding="ascii") as f:
            f.write("kept")
        self.assertEqual(run("import", "--from", "ftrace", "/dev/null", "-o", keep).returncode, 2)
        with open(keep, encoding="ascii") as f:
            self.assertEqual(f.read(), "kept")
        self.assertEqual(os.listdir(self.folder.name), ["keep.m2c"])

    def refused(self, data, word=None):
        name = self.path("damaged.m2c")
        with open(name, "wb") as f:
            f.write(data)
        done = run("check", name)
        self.assertEqual((done.returncode, done.stdout, done.stderr.count(b"\n")), (2, b"", 1),
                         done.stderr)
        self.assertIn(name.encode(), done.stderr)
        if word is not None:
            self.assertIn(word, done.stderr)

    def native_bytes(self):
        with open(self.convert(os.path.join(DATA, "thp-tdp.txt.gz")), "rb") as f:
            return f.read()

    def test_cut_and_flipped(self):
        data, rng = self.native_bytes(), random.Random(1)
        step = 7 if SANITIZED else 1
        for n in sorted(rng.sample(range(21, len(data)), 60))[::step]:
            self.refused(data[:n])
        for _ in range(0, 150, step):
            bad = bytearray(data)
            bad[rng.randrange(8, len(bad))] ^= 1 << rng.randrange(8)
            self.refused(bytes(bad))
        self.refused(data + b"x", b"more data")
        head = bytearray(data[:16])
        head[8] = 9
        self.refused(assemble(head, blocks(data)), b"version 9, expected 1")
        self.refused(assemble(data[:16], blocks(data)[:-1]), b"ends before its end")
        self.refused(assemble(data[:16], blocks(data)[1:]), b"original format")

    def test_damaged_inside(self):
        """Contents that no writer makes, with right checksums: never a crash."""
        data, rng = self.native_bytes(), random.Random(2)
        name = self.path("inside.m2c")
        for _ in range(30 if SANITIZED else 200):
            parts = blocks(data)
            for _ in range(rng.choice((1, 1, 3, 20))):
                raw = rng.choice(parts)[1]
                at = rng.randrange(len(raw))
                what = rng.randrange(4)
                if what == 0:
                    raw[at] = rng.randrange(256)
                elif what == 1:
                    del raw[at:at + rng.randrange(1, 9)]
                elif what == 2:
                    raw[at:at] = bytes(rng.choices(range(256), k=rng.randrange(1, 9)))
                else:
                    raw[at:at + 3] = b"\xff\xff\xff"
                if not raw:
                    raw.append(0)
            with open(name, "wb") as f:
                f.write(assemble(data[:16], parts))
            for command in (["check", "-q"], ["timeline", "-q", "-o", "/dev/null"]):
                done = run(*command, name)
                self.assertIn(done.returncode, (0, 1, 2), done.stderr)
                self.assertLessEqual(done.stderr.count(b"\n"), 1)

    def test_other_fields(self):
        """A capture of a version whose events have other fields is read by their names."""
        data = self.native_bytes()
        whole = document("check", self.convert(os.path.join(DATA, "thp-tdp.txt.gz")))[0]
        parts = blocks(data)
        old, new = b"(as, gfn, level, from, to)", b"(as, gfn, level, from, xx)"
        self.assertTrue(any(old in raw for _, raw in parts))
        parts = [[kind, raw.replace(old, new)] for kind, raw in parts]
        with open(self.path("other.m2c"), "wb") as f:
            f.write(assemble(data[:16], parts))
        doc = document("check", self.path("other.m2c"))[0]
        self.assertEqual((doc["events"], doc["unknown_events"]),
                         (whole["events"], whole["unknown_events"]))

    def test_faster(self):
        """Reading one takes less time than reading its text; how much less is printed."""
        source = os.path.join(DATA, "churn-tdp.txt.gz")
        text = self.path("big.txt")
        with gzip.open(source) as f:
            lines = f.read().split(b"\n")
        body = [x for x in lines if x and not x.startswith(b"#")]
        with open(text, "wb") as f:
            for _ in range(8):
                f.write(b"\n".join(body) + b"\n")
        native = self.convert(text)
        seconds = []
        for path in (text, native):
            best = 1e9
            for _ in range(3):
                start = time.monotonic()
                self.assertEqual(run("import", "-q", path).returncode, 0)
                best = min(best, time.monotonic() - start)
            seconds.append(best)
        print("%d events: text %.3f s, native %.3f s; %d and %d bytes" % (
            8 * len(body), *seconds, os.path.getsize(text), os.path.getsize(native)),
            file=sys.stderr)
        self.assertLess(seconds[1], seconds[0])


if __name__ == "__main__":
    unittest.main()
