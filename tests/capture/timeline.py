# SPDX-License-Identifier: GPL-2.0-or-later
"""Timelines are JSON that viewers take: spans nest, arrows begin and end, counts are the record's.
The recipe of record is a shell script that defines the kprobes of a kernel."""
import collections
import glob
import gzip
import json
import os
import re
import subprocess
import tempfile
import unittest

PROGRAM = os.environ["MMU2D_PROGRAM"]
SOURCE = os.environ["MMU2D_SOURCE"]
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


def nested(spans):
    """The first span that overlaps another of its track without lying in it, or None. Exact."""
    around = []
    for start, end, name in sorted(spans, key=lambda s: (s[0], -s[1])):
        while around and around[-1] <= start:
            around.pop()
        if around and end > around[-1]:
            return name
        around.append(end)
    return None


class Scenario(unittest.TestCase):
    """Timelines of runs of scenarios: in the format, and all that the run counts is there."""

    def variants(self, path):
        done = subprocess.run([PROGRAM, "run", "--json", path], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, check=False)
        return json.loads(done.stdout)

    def check(self, path, run_doc):
        args = ["--variant", run_doc["variant"]] if run_doc["variant"] else []
        done = run("timeline", path, "-o", "-", *args)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        events = json.loads(done.stdout)["traceEvents"]
        tracks, ends = collections.defaultdict(list), collections.defaultdict(dict)
        for e in events:
            self.assertIn(e["ph"], "XibesfM")
            if e["ph"] == "X":
                self.assertGreaterEqual(e["dur"], 0)
                # In ns, so that sums are exact.
                start = round(1000 * e["ts"])
                tracks[e["pid"], e["tid"]].append((start, start + round(1000 * e["dur"]), e["name"]))
            elif e["ph"] in "besf":
                self.assertNotIn(e["ph"], ends[e["cat"], e["id"]])
                ends[e["cat"], e["id"]][e["ph"]] = e
        for place, spans in tracks.items():
            self.assertIsNone(nested(spans), place)
        for both in ends.values():
            self.assertIn(sorted(both), (["b", "e"], ["f", "s"]))
            first, last = both.get("b", both.get("s")), both.get("e", both.get("f"))
            self.assertLessEqual(first["ts"], last["ts"])
            for end in both.values() if "s" in both else ():
                at = round(1000 * end["ts"])
                self.assertTrue(any(a <= at <= b for a, b, _ in tracks[end["pid"], end["tid"]]))
        named = {(e["pid"], e["tid"]) for e in events if e["name"] == "thread_name"}
        self.assertLessEqual(set(tracks), named)
        count = collections.Counter(e["name"] for e in events if e["ph"] == "X")
        self.assertEqual(count["remote flush"], run_doc["events"].get("kvm_flush_remote_tlbs", 0))
        self.assertEqual(sum(e["ph"] == "X" and e["pid"] == 5 and e["cat"] == "flush" for e in events),
                         run_doc["events"].get("kvm_hw_flush", 0))
        ended = [e["args"]["line"] for e in events if e.get("cat") == "step" and
                 e["args"]["result"] != "not ended"]
        self.assertEqual(sorted(ended), sorted(set(ended)))
        self.assertLessEqual(set(ended), {s["line"] for s in run_doc["steps"]})
        self.assertGreaterEqual(len(ended), len(run_doc["steps"]) // 2)
        findings = [e["name"] for e in events if e.get("cat") == "finding"]
        self.assertLessEqual(set(findings), {v["invariant"] for v in run_doc["violations"]})
        return events, len(findings)

    def test_scenarios(self):
        """Every third scenario of the tree, all variants."""
        arrows, findings, names = 0, 0, set()
        paths = sorted(glob.glob(os.path.join(SOURCE, "scenarios", "*", "*.scn")))
        for path in paths[::3]:
            for doc in self.variants(path):
                with self.subTest(scenario=path, variant=doc["variant"]):
                    events, found = self.check(path, doc)
                    findings += found
                    arrows += sum(e["ph"] == "s" for e in events)
                    names |= {e["name"] for e in events if e["ph"] == "s"}
        self.assertGreater(arrows, 30)
        self.assertGreater(findings, 10)
        self.assertLessEqual({"TLB_FLUSH", "kick"}, names)

    def test_schedule(self):
        path = os.path.join(SOURCE, "scenarios", "regressions", "2021-pv-flush-before-sync.scn")
        with tempfile.TemporaryDirectory() as folder:
            saved = os.path.join(folder, "s.sched")
            self.assertIn(run("run", path, "--variant", "before", "--save-schedule",
                              saved).returncode, (0, 1))
            plain = run("timeline", path, "--variant", "before", "-o", "-")
            self.assertEqual(run("timeline", "--schedule", saved, "-o", "-").stdout.count("\n"),
                             plain.stdout.count("\n"))
            self.assertEqual(run("timeline", path, "--schedule", saved, "--kvm", "6.1", "-o",
                                 "-").returncode, 2)
        other = run("timeline", path, "--variant", "before", "--kvm", "6.12", "-o", "-")
        self.assertNotEqual(other.stdout, plain.stdout)

    def test_refusals(self):
        path = os.path.join(SOURCE, "scenarios", "regressions", "2021-pv-flush-before-sync.scn")
        for args, word in (((), "before, after"), (("--variant", "x"), "before, after"),
                           (("--variant", "before", "--time", "1,2"), "--time"),
                           (("--variant", "before", "--kvm", "9.9"), "9.9")):
            done = run("timeline", path, "-o", "-", *args)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertIn(word, done.stderr)


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

    def test_what_it_records_can_be_read(self):
        """A line of each kprobe, as the kernel prints what the recipe asks for."""
        values = {"u32": "3", "s32": "-3", "x32": "0x3", "u8": "1", "x64": "0x3000",
                  "symbol": "kvm_mmu_load+0x12/0x30 [kvm]"}
        for kernel in ("5.10", "6.1", "6.12", "6.18"):
            script = run("record", "--kernel", kernel).stdout
            probes = re.findall(r"^(?:\[ .* \] && )?probe (\w+) (\w+) '(.*)'$", script, re.M)
            self.assertGreater(len(probes), 20)
            lines = []
            for i, (name, function, fields) in enumerate(probes):
                printed = "".join(f" {field.split('=')[0]}={values[field.rsplit(':', 1)[1]]}"
                                  for field in fields.split())
                lines.append(f"  vmm-9  [001] .....  1.{i:06}: {name}: "
                             f"({function}+0x4/0x30 [kvm]){printed}\n")
            with tempfile.NamedTemporaryFile("w", suffix=".txt") as f:
                f.writelines(lines)
                f.flush()
                result = run("import", "--from", "ftrace", "--json", f.name)
            self.assertEqual((result.returncode, result.stderr), (0, ""), kernel)
            doc = json.loads(result.stdout)
            self.assertEqual(doc["events"], len(probes))
            self.assertEqual(doc["unknown_events"], 0)

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
