# SPDX-License-Identifier: GPL-2.0-or-later
"""The program against its manual page: what an independent decoder reads from files that the
program wrote, and what the program reads from a file put together by hand."""
import os
import subprocess
import tempfile
import unittest

import m2t

PROGRAM = os.environ["MMU2D_PROGRAM"]
SOURCE = os.environ["MMU2D_SOURCE"]
KINDS = ("read", "write", "fetch")


def run(*args):
    return subprocess.run([PROGRAM, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          check=True).stdout.decode()


def as_text(record):
    """A page or a reference as `trace dump` prints it; of an event what all kinds share."""
    if record[0] == "page":
        return "page 0x%x %s" % (record[1], "zero" if record[2] is None else "data")
    if record[0] == "event":
        _, ordinal, vcpu, f = record
        return "%d v%d %s" % (ordinal, vcpu, "guest" if f["guest"] else "host")
    _, ordinal, r = record
    text = "%d v%d %s %s 0x%x" % (ordinal, r["vcpu"], "guest" if r["mode"] else "host",
                                  KINDS[r["kind"]], r["va"])
    if r["pa"] is not None:
        text += " pa=0x%x" % r["pa"]
    if r["size"]:
        text += " size=%d" % r["size"]
    if r["n"] != 1:
        text += " n=%d" % r["n"]
    text += " user" if r["user"] else " supervisor"
    text += " io" if r["io"] else ""
    text += " direct" if r["direct"] else ""
    text += " cross" if (r["va"] & 0xFFF) + (r["size"] or 1) > 4096 else ""
    return text


class Format(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)

    def path(self, name):
        return os.path.join(self.dir.name, name)

    def compare(self, path):
        with open(path, "rb") as f:
            data = f.read()
        lines = run("trace", "dump", path).splitlines()
        records = list(m2t.decode(data))
        self.assertEqual(len(lines), len(records))
        values = 0
        for line, record in zip(lines, records):
            text = as_text(record)
            if record[0] == "ref":
                self.assertEqual(line, text)
            elif record[0] == "page":
                self.assertTrue(line.endswith(text), line)
            else:
                self.assertTrue(line.startswith(text), (line, text))
                shown = set(word.split("=")[1] for word in line.split() if "=" in word)
                for name in "nabcde":
                    if record[3][name]:
                        self.assertIn("0x%x" % record[3][name], shown)
                        values += 1
        return len(records), values

    def test_bundled(self):
        part = self.path("part.m2t")
        run("trace", "cut", SOURCE + "/traces/s-linux-tdp-f.m2t", "--refs", "500000..640000",
            "-o", part)
        records, values = self.compare(part)
        self.assertGreater(records, 140000)
        self.assertGreater(values, 10000)

    def test_merged(self):
        """Several vCPUs in turn, every reference another one."""
        merged = self.path("merged.m2t")
        sample = SOURCE + "/tests/trace/data/sample.lackey"
        run("import", sample, "-o", self.path("a.m2t"))
        run("trace", "merge", self.path("a.m2t"), self.path("a.m2t"), self.path("a.m2t"),
            "--every", "1", "-o", merged)
        self.assertEqual(self.compare(merged)[0], 3 * 354 + 3)

    def by_hand(self):
        """A page, two events, five references; one op of each form."""
        data = m2t.file_header(1, 2)
        meta = m2t.chunk(3, 0, {10: b"source\0by hand\0"})
        index = [(64, 0, 0, 0, 3, len(meta))]
        page = m2t.chunk(2, 1, {8: (0x7001).to_bytes(8, "little")}, pages=1)
        index.append((64 + len(meta), 0, 0, 0, 2, len(page)))
        table = (
            bytes([0x14, 8, 1, 2, 1, 0, 0, 0]) + (0x1000).to_bytes(8, "little")  # read, frame
            + bytes([0x15, 4, 1, 0, 0, 0, 0, 0]) + (16).to_bytes(8, "little")  # write, exact
            + bytes([2, 0, 0, 3, 0, 0, 0, 0]) + (0).to_bytes(8, "little")  # fetch
            + bytes([0, 0, 0, 0, 2, 0, 0, 0]) + (0).to_bytes(8, "little"))  # spelled out
        escape = m2t.varint(0x14 | 8 << 7 | 1 << 15 | 1 << 19) + m2t.zigzag(-0x1000)
        sections = {
            1: table,
            2: bytes([0, 1, 2, 2, 3]),
            3: bytes.fromhex("3412") + bytes.fromhex("000040") + bytes.fromhex("040000"),
            4: m2t.zigzag(0x55) + escape + m2t.zigzag(-3),
            5: m2t.varint(2) + m2t.varint(2) + bytes([1, 0])
            + m2t.varint(0) + m2t.varint(2) + bytes([0, 1])
            + m2t.varint(0) + m2t.varint(1) + bytes([1, 0]),
            # reg cr3 with a byte behind the known fields, then an unknown kind
            6: bytes([1, 6, 0x81, 4]) + m2t.zigzag(0x5000) + bytes([77, 200, 2, 9, 9]),
            7: m2t.varint(12) + m2t.varint(300),
        }
        records = m2t.chunk(1, 2, sections, refs=5, events=2, segments=3, sums=(2, 1, 312),
                            const=(1, 1, 0), listed=4)
        index.append((64 + len(meta) + len(page), 0, 5, 2, 1, len(records)))
        data += meta + page + records
        return m2t.finish(data, 1, 2, index, 5, 2, 1)

    def test_by_hand(self):
        path = self.path("hand.m2t")
        with open(path, "wb") as f:
            f.write(self.by_hand())
        # Page 2 of the first reference becomes frame 0 + 2 - 0 + 0x55; the write ends at 0x2250
        # + 4; the spelled-out read starts 0x1000 below that, with frame 0x57 + 1 - 2 - 3.
        self.assertEqual(run("trace", "dump", path).splitlines(), [
            "0 page 0x7000 zero",
            "0 v1 host reg cr3 initial new=0x5000 old=0x0",
            "0 v1 host read 0x2234 pa=0x57234 size=8 user",
            "1 v1 host write 0x224c pa=0x5724c size=4 user",
            "2 v0 guest fetch 0x400000 n=12 supervisor",
            "3 v0 guest fetch 0x400004 n=300 supervisor",
            "4 v1 host read 0x1250 pa=0x53250 size=8 user",
        ])
        self.assertIn("by hand", run("trace", "info", path))


if __name__ == "__main__":
    unittest.main(verbosity=1)
