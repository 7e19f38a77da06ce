# SPDX-License-Identifier: GPL-2.0-or-later
"""Every file that a user can pass, bad in every way: traces, foreign traces, machine files,
databases, recorded final states."""
import gzip
import json
import os
import random
import subprocess
import zlib

import bad
from bad import Case, FOREIGN, IMPORTS, Samples

# Where a native trace goes in. {} is the trace; "with" is a good one.
READERS = {
    "replay": ["replay", "{}", "--no-plot"],
    "replay-overlapped": ["replay", "{}", "--no-plot", "--json", "--timing", "overlapped"],
    "info": ["trace", "info", "{}"],
    "dump": ["trace", "dump", "{}"],
    "verify": ["trace", "verify", "{}"],
    "cut": ["trace", "cut", "{}", "--refs", "0..", "-o", "out"],
    "merge": ["trace", "merge", "{}", "with", "-o", "out"],
    "merge-second": ["trace", "merge", "with", "{}", "-o", "out"],
    "walk": ["walk", "--trace", "{}", "--at", "20", "--html", "out"],
}
# What a reader need not look at may be damaged without its notice; what it says is the same then.
WHOLE = ("replay", "info", "dump", "verify", "cut")


def unpacked(data):
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error):
        return None


def command(name, path):
    return [path if a == "{}" else a for a in READERS[name]]


class Traces(Case):
    def setUp(self):
        super().setUp()
        self.tables = Samples.get("tables")
        self.put("with", Samples.get("plain"))

    def refuse_trace(self, name, path="bad", shown=None, harmless=(), **kwargs):
        shown = shown or path
        if name != "verify":
            return self.refuse(command(name, path), shown, harmless=harmless,
                               partial=name in ("dump",), **kwargs)
        # The report of damage is what verify prints; without any trace it is an error as elsewhere.
        label = kwargs.pop("label", "")
        status, out, err = bad.execute(command(name, path), self.dir, **kwargs)
        self.assertIn(status, (2,) + tuple(harmless), label + err)
        self.assertIn(shown, out.decode() + err, label)
        self.assertLessEqual(err.count("\n"), 1, label)
        return status, out, err

    def test_missing(self):
        for name in READERS:
            self.refuse_trace(name, "missing")
            self.refuse_trace(name, "with/inside-a-file")
            self.refuse_trace(name, "x" * 300)

    def test_empty(self):
        self.put("bad", b"")
        for name in READERS:
            self.refuse_trace(name)

    def test_unreadable(self):
        os.mkdir(self.path("folder"))
        os.symlink("loop", self.path("loop"))
        for name in READERS:
            self.refuse_trace(name, "folder")
            self.refuse_trace(name, "loop")
            self.refuse_trace(name, "/proc/self/mem")
        if os.geteuid() != 0:
            self.put("bad", self.tables)
            os.chmod(self.path("bad"), 0)
            for name in READERS:
                self.refuse_trace(name)

    def test_foreign(self):
        for kind, data in {**FOREIGN, **IMPORTS, "db": Samples.get("db")}.items():
            self.put("bad", data)
            for name in READERS:
                self.refuse_trace(name, label=kind)

    def test_newer(self):
        self.put("bad", bad.sealed(bad.patched(self.tables, 8, "H", 2), 0, 64))
        for name in READERS:
            result = self.refuse_trace(name)
            self.assertIn("version 2.0", result[1].decode() + result[2])

    def test_name_with_control_characters(self):
        self.put("a\nb\x1b[2J", b"nothing")
        self.refuse_trace("replay", "a\nb\x1b[2J", shown="a\\x0ab\\x1b[2J")

    def test_truncated(self):
        rng = random.Random(1)
        for trace in ("tables", "plain"):
            data = Samples.get(trace)
            for length in bad.cuts(data, rng, 4 * bad.ROUNDS):
                self.put("bad", data[:length])
                for name in READERS if bad.ROUNDS > 1 else rng.sample(sorted(READERS), 3):
                    self.refuse_trace(name, label="%s cut to %d" % (trace, length))

    def test_truncated_stdin(self):
        rng = random.Random(2)
        for trace in ("tables", "plain"):
            data = Samples.get(trace)
            for length in bad.cuts(data, rng, 2 * bad.ROUNDS):
                name = rng.choice(("replay", "info", "dump", "cut"))
                # Without its trailer and index all records of a pipe have been read.
                self.refuse_trace(name, "-", shown="stdin", stdin=data[:length],
                                  label="%s cut to %d" % (trace, length))

    def same_output(self, name, good, result, label):
        """What an unnoticed damage may not change: everything that is said."""
        out = result[1]
        if name == "replay-overlapped":
            good, out = (dict(json.loads(o), seconds=0, refs_per_second=0) for o in (good, out))
        elif name == "replay":
            good, out = (b"\n".join(o.split(b"\n")[3:]) for o in (good, out))
        # A flag in the header changes what the counts of the references mean.
        flags = label.endswith("header+16")
        if not flags and (name in WHOLE or name == "replay-overlapped"):
            self.assertEqual(out, good, label)

    def damaged(self, trace, copies, names):
        """Each of @copies, (label, bytes), to some of @names: refused, or read as the original."""
        rng = random.Random(3)
        good = {}
        self.put("with", Samples.get(trace))
        for name in names:
            self.put("bad", Samples.get(trace))
            good[name] = self.good(command(name, "bad"))
            if os.path.exists(self.path("out")):
                os.unlink(self.path("out"))
        refused = 0
        for label, data in copies:
            self.put("bad", data)
            for name in names if bad.ROUNDS > 1 else rng.sample(names, 1):
                result = self.refuse_trace(name, harmless=(0,), label=label)
                refused += result[0] != 0
                if result[0] == 0:
                    self.same_output(name, good[name], result, "%s, %s" % (name, label))
                if os.path.exists(self.path("out")):
                    self.assertEqual(result[0], 0, label)
                    if name != "walk":
                        self.good(["trace", "verify", "out"])
                    os.unlink(self.path("out"))
        return refused

    def test_flipped(self):
        rng = random.Random(4)
        names = sorted(READERS)
        for trace in ("tables", "plain"):
            if trace == "plain":
                names.remove("walk")  # of reference 20 in a model of 256 GiB: nothing new
            n = 60 * bad.ROUNDS
            copies = [("%s bit of byte %d" % (trace, at), data)
                      for at, data in bad.flips(Samples.get(trace), rng, n)]
            self.assertGreater(self.damaged(trace, copies, names), n // 2)

    def test_absurd(self):
        rng = random.Random(5)
        copies = list(bad.absurd_traces(self.tables))
        if bad.ROUNDS == 1:
            copies = rng.sample(copies, 100)
        # Totals of the trailer are what info prints, and a chunk's sums belong to nobody else.
        names = [n for n in sorted(READERS) if n not in ("info", "verify")]
        self.assertGreater(self.damaged("tables", copies, names), len(copies) // 3)


class Imports(Case):
    def imported(self, kind, data, harmless=(0,), label="", extra=()):
        """Import @data plain, as gzip and from stdin; all must agree."""
        results = []
        for way in ("plain", "gzip", "stdin"):
            packed = gzip.compress(data, mtime=0) if way == "gzip" else data
            name = "-" if way == "stdin" else self.put("in", packed)
            result = self.refuse(["import", "--from", kind, name, "-o", "out", "-q", *extra],
                                 "stdin" if way == "stdin" else "in", harmless=harmless,
                                 stdin=packed if way == "stdin" else None,
                                 label="%s %s %s" % (kind, way, label))
            results.append(result[0])
            if result[0] == 0:
                self.good(["trace", "verify", "out"])
                os.unlink(self.path("out"))
        self.assertEqual(len(set(results)), 1, (kind, label, results))
        return results[0]

    def test_good(self):
        for kind, data in IMPORTS.items():
            self.assertEqual(self.imported(kind, data), 0)
            self.assertEqual(self.imported("auto", data), 0)

    def test_missing_and_unreadable(self):
        os.mkdir(self.path("folder"))
        for kind in (*IMPORTS, "auto"):
            for name in ("missing", "folder", "/proc/self/mem"):
                self.refuse(["import", "--from", kind, name, "-o", "out"], name)

    def test_empty(self):
        self.imported("auto", b"", harmless=())
        self.imported("mmtrace", b"", harmless=())

    def test_foreign(self):
        for kind in (*IMPORTS, "auto"):
            for label, data in FOREIGN.items():
                if label == "gzip" or (label, kind) == ("zeros", "champsim"):
                    continue  # a gzip file is unpacked first; zeros are records of no reference
                self.imported(kind, data, harmless=(), label=label)
            for other, data in IMPORTS.items():
                if kind not in (other, "auto") and (kind, other) != ("champsim", "champsim"):
                    self.imported(kind, data, harmless=(), label=other)

    def test_newer(self):
        self.imported("mmtrace", b"MMTRACE2" + IMPORTS["mmtrace"][8:], harmless=())
        self.imported("auto", b"MMTRACE2" + IMPORTS["mmtrace"][8:], harmless=())

    def test_truncated(self):
        rng = random.Random(1)
        for kind, data in IMPORTS.items():
            for length in bad.cuts(data, rng, 3 * bad.ROUNDS):
                # A text can end at any line; a binary trace that says its length cannot.
                whole = kind in ("lackey", "din") or (kind == "champsim" and length % 64 == 0)
                self.imported(kind, data[:length], harmless=(0,) if whole else (),
                              label="cut to %d" % length)

    def test_truncated_gzip(self):
        rng = random.Random(2)
        for kind, data in IMPORTS.items():
            packed = gzip.compress(data, mtime=0)
            for length in bad.cuts(packed, rng, 3 * bad.ROUNDS):
                if length < 3:
                    continue
                self.put("in", packed[:length])
                self.refuse(["import", "--from", kind, "in", "-o", "out"], "in",
                            label="%s cut to %d" % (kind, length))
                self.refuse(["import", "--from", kind, "-", "-o", "out"], "stdin",
                            stdin=packed[:length])

    def test_flipped(self):
        rng = random.Random(3)
        for kind, data in IMPORTS.items():
            for at, copy in bad.flips(data, rng, 5 * bad.ROUNDS):
                self.imported(kind, copy, label="bit of byte %d" % at)
            packed = gzip.compress(data, mtime=0)
            for at, copy in bad.flips(packed, rng, 5 * bad.ROUNDS):
                self.put("in", copy)
                # The time and the system in a gzip header mean nothing.
                same = at < 10 or unpacked(copy) == data
                status, _, _ = self.refuse(["import", "--from", kind, "in", "-o", "out", "-q"],
                                           "in", harmless=(0,) if same else (),
                                           label="%s bit of byte %d" % (kind, at))
                if status == 0:
                    os.unlink(self.path("out"))

    def test_absurd(self):
        data = IMPORTS["mmtrace"]
        for off, form in ((8, "I"), (12, "I"), (16, "Q"), (24, "Q"), (32, "Q"), (40, "Q")):
            for value in (-1, 1 << 62, 1 << 31, 0):
                # The size of RAM bounds nothing, and a flag is a flag.
                harmless = (0,) if off in (16, 40) else ()
                value &= (1 << (32 if form == "I" else 64)) - 1
                if form == "I" and off == 8 and value == 0:
                    harmless = ()
                self.imported("mmtrace", bytes(bad.patched(data, off, form, value)),
                              harmless=harmless, label="%d at %d" % (value, off))
        self.imported("lackey", b" L 10000000000000000,4\n", harmless=())
        self.imported("lackey", b" L ffffffffffffffff,18446744073709551616\n", harmless=())
        self.imported("lackey", b" L " + b"0" * 100000 + b"1,4\n", harmless=())
        self.imported("din", b"0 10000000000000000 4\n", harmless=())
        self.imported("din", b"9 1000 4\n", harmless=())
        # One reference of 2^64 bytes would become 2^57 of 128.
        self.imported("lackey", b" L 0,18446744073709551615\n", harmless=())
        self.imported("din", b"0 0 99999999999\n", harmless=())


class Machines(Case):
    COMMANDS = (["machines", "{}"], ["replay", "with", "--no-plot", "--machine", "{}"],
                ["walk", "--gva", "0x1000", "--html", "out", "--machine", "{}"])

    def setUp(self):
        super().setUp()
        self.put("with", Samples.get("plain"))

    def refuse_machine(self, data, path="./bad.ini", harmless=(), label=""):
        if data is not None:
            self.put("bad.ini", data)
        for args in self.COMMANDS:
            status, _, _ = self.refuse([path if a == "{}" else a for a in args], path,
                                       harmless=harmless, label=label)
            if status == 0 and os.path.exists(self.path("out")):
                os.unlink(self.path("out"))

    def test_missing_and_unreadable(self):
        os.mkdir(self.path("folder"))
        self.refuse_machine(None, "./missing.ini")
        self.refuse_machine(None, "./folder")
        self.refuse_machine(None, "/proc/self/mem")

    def test_empty_and_foreign(self):
        self.refuse_machine(b"")
        for label, data in FOREIGN.items():
            self.refuse_machine(data, label=label)

    def test_truncated(self):
        data = Samples.get("ini")
        rng = random.Random(1)
        for length in bad.cuts(data, rng, 15 * bad.ROUNDS):
            # A file that ends behind a value is complete only if no key is left out.
            self.refuse_machine(data[:length], harmless=(0,), label="cut to %d" % length)
        self.refuse_machine(data[:len(data) // 2])

    def test_flipped(self):
        rng = random.Random(2)
        for at, copy in bad.flips(Samples.get("ini"), rng, 20 * bad.ROUNDS):
            self.refuse_machine(copy, harmless=(0,), label="bit of byte %d" % at)

    def test_absurd(self):
        text = Samples.get("ini").decode()
        lines = text.splitlines()
        for i, line in enumerate(lines):
            if "=" not in line or line.startswith(("#", "description", "vendor")):
                continue
            key = line.split("=")[0]
            for value in ("-1", "99999999999999999999", "1e999", "4294967295/4294967295",
                          "1000000000/1", "nan", "", "0/0", "3/2"):
                copy = lines[:i] + ["%s= %s" % (key, value)] + lines[i + 1:]
                if bad.ROUNDS == 1 and (i * 7 + len(value)) % 11:
                    continue
                self.refuse_machine("\n".join(copy).encode(), harmless=(0,), label=copy[i])
        self.refuse_machine(text.encode() + b"\n[tlb]\nunknown-key = 1\n")
        self.refuse_machine(text.encode() + b"\nx" * 100000)
        self.refuse_machine(b"[" + b"a" * 1000000)
        self.refuse_machine(text.replace("[machine]", "[machine]\nbase = ./bad.ini", 1).encode())
        self.refuse_machine(text.replace("[tlb]", "[tlb]\nl2 = \0\0", 1).encode())


class Databases(Case):
    PLOT = ["plot", "{}", "-o", "figure", "--svg", "--kind", "walk-refs"]
    APPEND = ["replay", "with", "--no-plot", "--db", "{}"]

    def setUp(self):
        super().setUp()
        self.put("with", Samples.get("tables"))

    def refuse_database(self, path="bad", harmless=(), label="", commands=(PLOT, APPEND)):
        refused = 0
        for args in commands:
            status, _, _ = self.refuse([path if a == "{}" else a for a in args], path,
                                       harmless=harmless, label=label)
            refused += status != 0
            for name in os.listdir(self.dir):
                if name not in ("with", "bad", "folder"):
                    self.assertEqual(status, 0, label + name)
                    os.unlink(self.path(name))
        return refused

    def test_missing_and_unreadable(self):
        os.mkdir(self.path("folder"))
        self.refuse_database("missing", commands=(self.PLOT,))
        for path in ("folder", "/proc/self/mem", "with/inside", "folder/none/db", "x" * 300):
            self.refuse_database(path)

    def test_empty_and_foreign(self):
        self.put("bad", b"")
        self.refuse_database()
        for label, data in {**FOREIGN, "trace": Samples.get("tables")}.items():
            self.put("bad", data)
            self.refuse_database(label=label)

    def test_newer(self):
        copy = bytearray(Samples.get("db"))
        copy[60:64] = (2).to_bytes(4, "big")
        self.put("bad", bytes(copy))
        self.refuse_database()
        copy = bytearray(Samples.get("db"))
        copy[68:72] = (7).to_bytes(4, "big")
        self.put("bad", bytes(copy))
        self.refuse_database()

    def test_truncated(self):
        data = Samples.get("db")
        rng = random.Random(1)
        for length in bad.cuts(data, rng, 5 * bad.ROUNDS):
            self.put("bad", data[:length])
            self.refuse_database(label="cut to %d" % length, commands=(self.PLOT,))
            # A run can be added though pages of others are gone: those are named on reading.
            self.refuse_database(label="cut to %d" % length, commands=(self.APPEND,),
                                 harmless=(0,))

    def test_flipped(self):
        rng = random.Random(2)
        refused = 0
        for at, copy in bad.flips(Samples.get("db"), rng, 20 * bad.ROUNDS):
            self.put("bad", copy)
            # Only the last run is drawn, and free space holds nothing.
            refused += self.refuse_database(harmless=(0,), label="bit of byte %d" % at)
        self.assertGreater(refused, 2)

    def test_absurd(self):
        data = Samples.get("db")
        for at in range(16, 100, 4):
            copy = bytearray(data)
            copy[at:at + 4] = b"\xff" * 4
            self.put("bad", bytes(copy))
            self.refuse_database(harmless=(0,), label="header+%d" % at)


class Finals(Case):
    def setUp(self):
        super().setUp()
        self.put("with", Samples.get("tables"))

    def replay(self, path="bad", statuses=(2,), **kwargs):
        return self.refuse(["replay", "with", "--no-plot", "--final", path], path, statuses,
                           **kwargs)

    def test_good(self):
        self.put("bad", bad.final())
        self.good(["replay", "with", "--no-plot", "--final", "bad"])
        self.put("bad", gzip.compress(bad.final(), mtime=0))
        self.good(["replay", "with", "--no-plot", "--final", "bad"])

    def test_bad(self):
        os.mkdir(self.path("folder"))
        for path in ("missing", "folder", "/proc/self/mem"):
            self.replay(path)
        self.put("bad", b"")
        self.replay()
        for label, data in FOREIGN.items():
            if label == "zeros":
                continue  # a page of zeros at address 0, and then too few bytes: below
            self.put("bad", data)
            self.replay(label=label)
        for length in (1, 8, 4103, 4105, 8207):
            self.put("bad", bad.final()[:length])
            self.replay(label="cut to %d" % length)

    def test_gzip(self):
        packed = gzip.compress(bad.final(), mtime=0)
        rng = random.Random(1)
        for length in bad.cuts(packed, rng, 5 * bad.ROUNDS):
            self.put("bad", packed[:length])
            self.replay(label="cut to %d" % length)
        for at, copy in bad.flips(packed, rng, 30 * bad.ROUNDS):
            self.put("bad", copy)
            # The header's time means nothing; one run of zeros is like another.
            same = at < 10 or unpacked(copy) == bad.final()
            self.replay(harmless=(0,) if same else (), label="bit of byte %d" % at)

    def test_other_state(self):
        copy = bytearray(bad.final())
        copy[8] ^= bad.A
        self.put("bad", bytes(copy))
        status, out, err = bad.execute(["replay", "with", "--no-plot", "--final", "bad"], self.dir)
        self.assertEqual((status, err), (1, ""))
        self.assertIn(b"final tables differ", out)


class Senseless(Case):
    """Traces without sense, see hostile.h, to the commands that test-hostile does not run."""

    def test_all(self):
        generator = os.environ.get("MMU2D_GEN_HOSTILE")
        if generator is None:
            self.skipTest("MMU2D_GEN_HOSTILE, the program that makes them, is not set")
        rng = random.Random(1)
        ways = (["--html", "out", "--svg", "out"], ["--json", "--caches"], ["--warm", "all"],
                ["--gva", "0x8000001000", "--write", "--user"])
        for seed in range(15 * bad.ROUNDS):
            subprocess.run([generator, str(seed), "300", self.path("bad")], check=True)
            self.good(["trace", "verify", "bad"])
            self.good(["trace", "dump", "bad"])
            for way in ways:
                self.refuse(["walk", "--trace", "bad", "--at", str(rng.randrange(150)), *way],
                            "bad", (2, 3), harmless=(0,), label="seed %d" % seed)
                if os.path.exists(self.path("out")):
                    os.unlink(self.path("out"))


if __name__ == "__main__":
    bad.main()
