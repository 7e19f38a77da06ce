# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of bad input share: small good files of every kind, ways to damage them, and the
judgement of a run that was given one.

The program is MMU2D_PROGRAM, or the first argument that is no option, so that a sanitized build
can be tried: python3 tests/bad/files.py /tmp/bsan/tools/mmu2d --rounds 50
"""
import gzip
import hashlib
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
import zlib

SOURCE = os.environ.get("MMU2D_SOURCE", os.path.join(os.path.dirname(__file__), "../.."))
PROGRAM = os.environ.get("MMU2D_PROGRAM", "mmu2d")
ROUNDS = 1
TIMEOUT = 60
# A sanitizer's finding must not look like one of the program's own statuses.
ENV = dict(os.environ, LC_ALL="C.UTF-8", MMU2D_MACHINES=os.path.join(SOURCE, "machines"),
           ASAN_OPTIONS="exitcode=99", LSAN_OPTIONS="exitcode=99",
           UBSAN_OPTIONS="halt_on_error=1:exitcode=99:print_stacktrace=1")


def main():
    """unittest.main() that takes a program and --rounds N as well."""
    global PROGRAM, ROUNDS
    args = sys.argv[1:]
    if "--rounds" in args:
        i = args.index("--rounds")
        ROUNDS = int(args[i + 1])
        del args[i:i + 2]
    if args and os.sep in args[0]:
        PROGRAM = os.path.abspath(args.pop(0))
    unittest.main(argv=[sys.argv[0]] + args)


def execute(args, cwd, stdin=None, **kwargs):
    """Run the program; (status, stdout, stderr). @stdin: bytes."""
    kwargs.setdefault("stdout", subprocess.PIPE)
    run = subprocess.run([PROGRAM, *args], cwd=cwd, env=ENV, timeout=TIMEOUT, check=False,
                         stderr=subprocess.PIPE, input=stdin if stdin is not None else b"",
                         **kwargs)
    return run.returncode, run.stdout or b"", run.stderr.decode("utf-8", "backslashreplace")


def content(folder):
    """Every file below @folder with a digest: what must not change when a run fails."""
    found = {}
    for path, _, names in os.walk(folder):
        for name in names:
            full = os.path.join(path, name)
            if os.path.isfile(full):
                with open(full, "rb") as f:
                    found[os.path.relpath(full, folder)] = hashlib.sha256(f.read()).hexdigest()
    return found


class Case(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="mmu2d-bad-")
        self.addCleanup(folder.cleanup)
        self.dir = folder.name

    def path(self, name):
        return os.path.join(self.dir, name)

    def put(self, name, data):
        with open(self.path(name), "wb") as f:
            f.write(data)
        return name

    def good(self, args, **kwargs):
        status, out, err = execute(args, self.dir, **kwargs)
        self.assertEqual((status, err), (0, ""), args)
        return out

    def refuse(self, args, name, statuses=(2,), stdin=None, harmless=(), partial=False, **kwargs):
        """Run; expect one of @statuses, one line that names @name, and nothing left behind.

        @harmless: statuses that are fine too; what is written then is not judged here
        @partial: results up to the damage may already be on stdout
        Returns (status, stdout, stderr).
        """
        before = content(self.dir)
        where = "%s (%s)" % (" ".join(args), kwargs.pop("label", ""))
        status, out, err = execute(args, self.dir, stdin, **kwargs)
        if status in harmless:
            self.assertEqual(err, "", where)
            return status, out, err
        self.assertIn(status, statuses, where + "\n" + err[-3000:])
        self.assertEqual(err.count("\n"), 1, where + ": one line, found\n" + err)
        self.assertTrue(err.startswith("mmu2d %s: " % args[0]), where + "\n" + err)
        self.assertTrue(err[:-1].isprintable(), where + "\n" + err)
        self.assertIn(name, err, where)
        if not partial:
            self.assertEqual(out, b"", where)
        self.assertEqual(content(self.dir), before, where)
        return status, out, err


# --- good files ---------------------------------------------------------------------------------

TABLES = (0x1000, 0x2000, 0x3000)  # PML4, page directory pointers, page directory
P, RW, US, A, D, PS = 1, 2, 4, 0x20, 0x40, 0x80


def table_pages(accessed=0, dirty=0):
    """Identity map of the first 2 MiB page; @accessed and @dirty: bits to add to what is used."""
    entries = (TABLES[1] | P | RW | US | accessed, TABLES[2] | P | RW | US | accessed,
               P | RW | US | PS | accessed | dirty)
    return [(pa, struct.pack("<Q", e) + bytes(4088)) for pa, e in zip(TABLES, entries)]


def mmtrace(references=40):
    """A full-system trace of one vCPU on these tables, every reference at its own address."""
    record = struct.Struct("<BBBBIQQ")
    records = [record.pack(25, 0, 0, 0, 0, TABLES[0], 0),
               record.pack(28, 0, 0, 0, 0, 0x80010001, 0x20),
               record.pack(29, 0, 0, 0, 0, 0xd00, 0)]
    for i in range(references):
        va = 0x10000 + 0x1238 * i
        records.append(record.pack(1 + i % 3, 0, 0, 2, 1, va, va))
    pages = b"".join(struct.pack("<Q", pa) + data for pa, data in table_pages())
    head = struct.pack("<8sIIQQQQ16x", b"MMTRACE1", 1, 24, 1 << 30, len(TABLES), len(records), 0)
    return head + pages + b"".join(records)


def final():
    return b"".join(struct.pack("<Q", pa) + data for pa, data in table_pages(A, D))


LACKEY = b"".join(b"==12== Lackey\n" if i == 0 else b"I  %08x,4\n L %08x,8\n S %08x,4\n M %08x,2\n"
                  % (0x400000 + 4 * i, 0x1000000 + 80 * i, 0x7000000 - 8 * i, 0x600000 + i)
                  for i in range(200))
DIN = b"".join(b"%d %x 4\n" % (i % 3, 0x100000 + 52 * i) for i in range(600))
CHAMPSIM = b"".join(struct.pack("<QBB6x2Q4Q", 0x400000 + 4 * i, i % 5 == 0, 0, 0, 0x1000 * i, 0,
                                0x7000 + 8 * i, 0, 0) for i in range(100))
IMPORTS = {"lackey": LACKEY, "din": DIN, "champsim": CHAMPSIM, "mmtrace": mmtrace()}

WITHOUT_TABLES = ("gen", "mix", "--refs", "6000", "--vcpus", "2", "--kernel-share", "0.2", "-q")


class Samples:
    """Made once, on first use: native traces and a database."""
    _cache = {}

    @classmethod
    def get(cls, name):
        if not cls._cache:
            cls._make()
        return cls._cache[name]

    @classmethod
    def _make(cls):
        folder = tempfile.mkdtemp(prefix="mmu2d-good-")
        try:
            with open(os.path.join(folder, "in"), "wb") as f:
                f.write(mmtrace())
            for args in (["import", "in", "-o", "tables", "-q"],
                         [*WITHOUT_TABLES, "-o", "plain"],
                         ["replay", "plain", "--db", "db", "--no-plot", "--mmu", "native"],
                         ["replay", "tables", "--db", "db", "--no-plot"]):
                status, _, err = execute(args, folder)
                if status != 0:
                    raise AssertionError("%s: %d %s" % (args, status, err))
            for name in ("tables", "plain", "db"):
                with open(os.path.join(folder, name), "rb") as f:
                    cls._cache[name] = f.read()
        finally:
            shutil.rmtree(folder)
        with open(os.path.join(SOURCE, "machines", "zen3.ini"), "rb") as f:
            cls._cache["ini"] = f.read()


# --- damage -------------------------------------------------------------------------------------

def cuts(data, rng, n):
    """Lengths to cut @data to: the ends, around the first headers, and @n by chance."""
    some = {1, 7, 8, 63, 64, 65, len(data) - 65, len(data) - 64, len(data) - 63, len(data) - 1}
    some |= {rng.randrange(1, len(data)) for _ in range(n)}
    return sorted(c for c in some if 0 < c < len(data))


def flips(data, rng, n, limit=None):
    """@n copies of @data with one bit flipped, half of them in the first 256 bytes."""
    for i in range(n):
        at = rng.randrange(min(len(data), 256 if i % 2 else limit or len(data)))
        copy = bytearray(data)
        copy[at] ^= 1 << rng.randrange(8)
        yield at, bytes(copy)


def patched(data, at, form, value):
    copy = bytearray(data)
    struct.pack_into("<" + form, copy, at, value & ((1 << 8 * struct.calcsize(form)) - 1))
    return copy


def sealed(copy, start, size):
    """The bytes again with the CRC-32 that ends the header at @start put right."""
    struct.pack_into("<I", copy, start + size - 4, zlib.crc32(copy[start:start + size - 4]))
    return bytes(copy)


HEADER_FIELDS = ((8, "H"), (10, "H"), (12, "I"), (16, "I"), (20, "I"))
CHUNK_FIELDS = ((8, "H"), (10, "H"), (12, "I"), (16, "I"), (20, "I"), (24, "Q"), (32, "Q"),
                (40, "I"), (44, "I"), (48, "I"), (52, "I"), (56, "Q"), (64, "Q"), (88, "I"),
                (100, "I"), (104, "B"), (105, "B"), (108, "I"), (112, "I"), (116, "I"))
TRAILER_FIELDS = ((8, "Q"), (16, "Q"), (24, "Q"), (32, "Q"), (40, "I"), (44, "I"), (48, "Q"),
                  (56, "I"))


def chunk_starts(data):
    at = 64
    while data[at:at + 4] == b"\x89M2C":
        size, body = struct.unpack_from("<I", data, at + 12)[0], struct.unpack_from(
            "<Q", data, at + 56)[0]
        yield at, size
        at += size + body


def absurd_traces(data):
    """(what, bytes): each number of each header as large as can be, checksums right."""
    for off, form in HEADER_FIELDS:
        for value in (-1, 0):
            yield "header+%d" % off, sealed(patched(data, off, form, value), 0, 64)
    for start, size in chunk_starts(data):
        for off, form in CHUNK_FIELDS:
            for value in (-1, 0x7fffffff, 0):
                yield ("chunk %d+%d" % (start, off),
                       sealed(patched(data, start + off, form, value), start, size))
    for off, form in TRAILER_FIELDS:
        for value in (-1, 1 << 62, 0):
            yield ("trailer+%d" % off,
                   sealed(patched(data, len(data) - 64 + off, form, value), len(data) - 64, 64))


FOREIGN = {  # files of another kind, none of them one that any command takes
    "png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(200),
    "elf": b"\x7fELF\x02\x01\x01" + bytes(300),
    "zeros": bytes(5000),
    "noise": random.Random(5).randbytes(5000),
    "gzip": gzip.compress(random.Random(6).randbytes(3000), mtime=0),
    "utf-16": "mmu2d ".encode("utf-16") * 200,
}
