# SPDX-License-Identifier: GPL-2.0-or-later
"""Timelines are JSON that viewers take: spans nest, arrows begin and end, counts are the record's.
The recipe of record is a shell script that defines the kprobes of a kernel."""
import collections
import gzip
import json
import os
import subprocess
import tempfile
import unittest

PROGRAM = os.environ["MMU2D_PROGRAM"]
DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")


def run(*args):
    return subprocess.run([PROGRAM, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, encoding="utf-8", check=False)


class Timeline(unittest.TestCase):
    def draw(self, name, *args):
        result = run("timeline", os.path.join(DATA, name + ".txt.gz"), "-o", "-", *args)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return json.loads(result.stdout)["traceEvents"]

    def count(self, name, event):
        with gzip.open(os.path.join(DATA, name + ".txt.gz"), "rt") as f:
            return sum(" %s: " % event in line for line in f)

    def test_spans(self):
        for name in ("notif-tdp", "thp-legacy", "churn-shadow"):
            with self.subTest(capture=name):
                events = self.draw(name)
                guest = [e for e in events if e["ph"] == "X" and e["name"] == "guest"]
                self.assertEqual(len(guest), self.count(name, "kvm_exit"))
                sptes = [e for e in events if e["name"] == "set SPTE"]
                self.assertEqual(len(sptes), self.count(name, "kvm_mmu_set_spte"))
                tracks = collections.defaultdict(list)
                for e in events:
                    if e["ph"] == "X" and e["pid"] == 1:
                        tracks[e["tid"]].append((e["ts"], e["ts"] + e["dur"], e["name"]))
                self.assertTrue(tracks)
                for spans in tracks.values():
                    self.assert_nested(spans)

    def assert_nested(self, spans):
        """Each span lies in the one around it or beside it, to a microsecond."""
        around = []
        for start, end, name in sorted(spans, key=lambda s: (s[0], -s[1])):
            while around and around[-1] <= start + 1:
                around.pop()
            if around:
                self.assertLessEqual(end, around[-1] + 1.001, name)
            around.append(end)

    def test_arrows(self):
        events = self.draw("notif-tdp")
        ends = collections.defaultdict(dict)
        for e in events:
            if e["ph"] in "sf":
                ends[e["id"]][e["ph"]] = e
        self.assertEqual(len(ends), self.count("notif-tdp", "svm_flush_tlb_all"))
        for pair in ends.values():
            self.assertLessEqual(pair["s"]["ts"], pair["f"]["ts"])
            self.assertEqual((pair["s"]["pid"], pair["f"]["pid"]), (2, 1))

    def test_window(self):
        events = self.draw("thp-tdp")
        times = sorted(e["ts"] for e in events if e["ph"] == "X")
        a, b = times[len(times) // 3] / 1e6, times[len(times) // 2] / 1e6
        part = [e for e in self.draw("thp-tdp", "--time", "%f,%f" % (a, b)) if e["ph"] == "X"]
        self.assertGreater(len(part), 5)
        self.assertLess(len(part), len(times))
        for e in part:
            self.assertLessEqual(e["ts"] / 1e6, b + 1e-6)
            self.assertGreaterEqual((e["ts"] + e["dur"]) / 1e6, a - 1e-6)

    def test_usage(self):
        capture = os.path.join(DATA, "thp-tdp.txt.gz")
        for args in ((capture,), (capture, "-o", "-", "--time", "5"), ("-o", "-"),
                     (capture, "-o", "-", "--time", "5,4")):
            result = run("timeline", *args)
            self.assertEqual(result.returncode, 2)
            self.assertIn("expected", result.stderr)

    def test_nothing_is_left_behind(self):
        with tempfile.TemporaryDirectory() as folder:
            out = os.path.join(folder, "t.json")
            self.assertEqual(run("timeline", "/dev/null", "-o", out).returncode, 2)
            self.assertEqual(os.listdir(folder), [])


class Record(unittest.TestCase):
    def test_script(self):
        for kernel, has, lacks in (("6.1", "kvm_set_spte_gfn", "kvm_mmu_recover_huge_pages"),
                                   ("6.12.1", "kvm_flush_remote_tlbs_memslot", "kvm_set_spte_gfn"),
                                   ("6.14", " kvm_set_memory_region", "__kvm_set_memory_region")):
            result = run("record", "--kernel", kernel, "-o", "it's.dat")
            self.assertEqual((result.returncode, result.stderr), (0, ""))
            self.assertIn(has, result.stdout)
            self.assertNotIn(lacks, result.stdout)
            check = subprocess.run(["sh", "-n"], input=result.stdout, encoding="ascii",
                                   check=False)
            self.assertEqual(check.returncode, 0)

    def test_refusals(self):
        for args in (("--kernel", "x"), ("--seconds", "-1"), ("file",)):
            result = run("record", *args)
            self.assertEqual(result.returncode, 2)
            self.assertEqual(result.stderr.count("\n"), 1)
        if not os.access("/sys/kernel/tracing/kprobe_events", os.W_OK):
            result = run("record", "--run")
            self.assertEqual(result.returncode, 2)
            self.assertEqual(result.stderr.count("\n"), 1)


if __name__ == "__main__":
    unittest.main()
