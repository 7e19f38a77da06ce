# SPDX-License-Identifier: GPL-2.0-or-later
"""Check finds nothing in healthy captures, and what is observable of damage in damaged copies:
events dropped, doubled, changed and moved, by the hundred. docs/captures.md has the table.

Run by hand, `damage.py N CAPTURE...` prints the share that is found of N copies a class."""
import collections
import glob
import gzip
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import unittest

PROGRAM = os.environ["MMU2D_PROGRAM"]
DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")
CAPTURES = os.path.join(os.environ.get("MMU2D_CAPTURES", "/nonexistent"), "ftrace")
# With sanitizers everything takes ten times as long: fewer copies then.
SLOW = os.environ.get("MMU2D_SANITIZE", "none") != "none"
NEED_ALL = unittest.skipUnless(os.path.isdir(CAPTURES),
                               "MMU2D_CAPTURES does not name the folder of captures")
EVENT = re.compile(r"\.\d+: +(\w+):")
TDP = "kvm_tdp_mmu_spte_changed"
CHANGE = re.compile(r"level (\d) old_spte (\w+) new_spte (\w+)")
TIME = re.compile(r" +\d+\.\d+:")


def read(path):
    """Lines without the head, whose count of events would tell of every missing one."""
    with gzip.open(path, "rt") as f:
        return [line for line in f if not line.startswith("#")]


def check(lines):
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as f:
        f.writelines(lines)
        f.flush()
        result = subprocess.run([PROGRAM, "check", "--json", f.name], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, check=False)
    if result.returncode not in (0, 1, 2):
        raise AssertionError(result.stderr)
    doc = json.loads(result.stdout)
    if result.returncode == 2:
        return 1, 0, {"cut"}
    return doc["certain"], doc["possible"], {v["rule"] for v in doc["violations"]}


def present(value):
    return int(value, 16) >> 11 & 1


class Copies:
    """Damaged copies of one capture."""

    def __init__(self, lines, seed=1):
        self.lines = lines
        self.random = random.Random(seed)
        self.at = collections.defaultdict(list)
        for i, line in enumerate(lines):
            m = EVENT.search(line)
            if m:
                self.at[m.group(1)].append(i)
                self.at["any"].append(i)

    def where(self, name, test=None):
        return [i for i in self.at[name] if test is None or test(self.lines[i])]

    def change(self, name, level, was, now):
        """Changes of TDP entries: of leafs (level 1) or others, by presence before and after."""
        def test(line):
            m = CHANGE.search(line)
            return ((m.group(1) == "1") == (level == 1) and present(m.group(2)) == was and
                    present(m.group(3)) == now)
        return self.where(name, test)

    def drop(self, i):
        return self.lines[:i] + self.lines[i + 1:]

    def double(self, i):
        return self.lines[:i + 1] + self.lines[i:]

    def flip(self, i, field):
        """One bit, but not an accessed or dirty one, which hardware may have set."""
        line = self.lines[i]
        m = re.search(field + r" (\w+)", line)
        bit = self.random.choice([b for b in range(52) if b not in (5, 6, 8, 9)])
        value = int(m.group(1), 16) ^ 1 << bit
        return (self.lines[:i] + [line[:m.start(1)] + "%x" % value + line[m.end(1):]] +
                self.lines[i + 1:])

    def swap(self, i, keep_times):
        a, b = self.lines[i:i + 2]
        if keep_times:
            ta, tb = TIME.search(a), TIME.search(b)
            a, b = (a[:ta.start()] + tb.group() + a[ta.end():],
                    b[:tb.start()] + ta.group() + b[tb.end():])
        return self.lines[:i] + [b, a] + self.lines[i + 2:]

    def pairs(self):
        """Neighbours of one CPU at different times."""
        found = []
        for i in self.at["any"][:-1]:
            a, b = self.lines[i:i + 2]
            if EVENT.search(b) and a.split("[")[1][:3] == b.split("[")[1][:3] and \
                    TIME.search(a).group() != TIME.search(b).group():
                found.append(i)
        return found

    def classes(self):
        """(name, places, how)"""
        for name in list(self.at):
            if name != "any":
                yield "drop " + name, self.at[name], self.drop
                yield "double " + name, self.at[name], self.double
        yield "drop TDP zap of a leaf", self.change(TDP, 1, 1, 0), self.drop
        yield "drop TDP unlink", self.change(TDP, 0, 1, 0), self.drop
        yield "drop TDP map", self.change(TDP, 1, 0, 1), self.drop
        yield "drop TDP link", self.change(TDP, 0, 0, 1), self.drop
        yield "drop TDP change", self.change(TDP, 1, 1, 1), self.drop
        for field in ("old_spte", "new_spte"):
            yield ("flip a bit of TDP " + field, self.at[TDP],
                   lambda i, field=field: self.flip(i, field))
        yield ("flip a bit of a set SPTE", self.at["kvm_mmu_set_spte"],
               lambda i: self.flip(i, "spte"))
        yield "swap lines", self.pairs(), lambda i: self.swap(i, False)
        yield "swap events", self.pairs(), lambda i: self.swap(i, True)
        yield "cut in a line", self.at["any"][200:], self.cut

    def cut(self, i):
        # In the event's name: a shorter number would be as good as a whole one.
        return self.lines[:i] + [self.lines[i][:TIME.search(self.lines[i]).end() + 4]]

    def some(self, places, n):
        return places if len(places) <= n else sorted(self.random.sample(places, n))


# What every damaged copy of these classes is: "certain", or "reported" if others could explain it.
WANT = {
    "certain": [
        "drop kvm_entry", "drop kvm_exit", "drop kvm_page_fault", "double kvm_entry",
        "double kvm_exit", "double kvm_page_fault", "double kvm_mmu_spte_requested",
        "double kvm_mmu_set_spte", "double " + TDP, "double kvm_mmu_prepare_zap_page",
        "double inval_mmio", "drop TDP unlink", "drop TDP map",
        "drop TDP link", "drop TDP change", "flip a bit of TDP old_spte",
        "flip a bit of TDP new_spte", "swap lines", "cut in a line",
        "drop svm_flush_tlb_asid",
    ],
    "reported": [
        "double flush_remote_tlbs", "double svm_flush_tlb_asid", "double mmu_load",
        "double unmap_gfn_range", "double commit_zap", "double svm_flush_tlb_all",
        "drop unmap_gfn_range",
    ],
    # If the record goes on long enough.
    "whole": ["drop TDP zap of a leaf"],
}


def measure(copies, n):
    """For each class: copies made, certain findings, possible ones, rules."""
    base = check(copies.lines)
    for name, places, how in copies.classes():
        made = certain = possible = 0
        rules = collections.Counter()
        missed = []
        for i in copies.some(places, n):
            made += 1
            found = check(how(i))
            if found[0] > base[0]:
                certain += 1
            elif found[1] > base[1]:
                possible += 1
            else:
                missed.append(i + 1)
            rules.update(found[2])
        if made:
            yield name, made, certain, possible, rules, missed


class Healthy(unittest.TestCase):
    def test_cuts(self):
        for path in glob.glob(os.path.join(DATA, "*.gz")):
            with self.subTest(path=path):
                certain, possible, _ = check(read(path))
                self.assertEqual(certain, 0)
                if "lost" not in path:
                    self.assertEqual(possible, 0)

    @NEED_ALL
    def test_all(self):
        paths = glob.glob(os.path.join(CAPTURES, "*.txt.gz"))
        paths += glob.glob(os.path.join(CAPTURES, "*.dat*"))
        paths = [p for p in paths if not p.endswith(".log.gz")]
        self.assertGreater(len(paths), 25)
        for path in paths:
            with self.subTest(path=path):
                result = subprocess.run([PROGRAM, "check", "--json", path],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        check=False)
                self.assertEqual((result.returncode, result.stderr), (0, b""))
                doc = json.loads(result.stdout)
                self.assertEqual(doc["certain"], 0)
                # Where events were lost, what follows may not fit.
                if "lost" not in path:
                    self.assertEqual(doc["possible"], 0, doc["violations"][:2])
                self.assertGreater(doc["premises"]["time-order"], 400)


class Partial(unittest.TestCase):
    """What is not recorded is not judged: nothing is certain in a part of a healthy record."""

    def assert_silent(self, path):
        lines = read(path)
        parts = {"from %d %%" % (100 * share): lines[int(len(lines) * share):]
                 for share in (.03, .2, .5, .8)}
        parts["without kprobes"] = [line for line in lines if " (kvm_" not in line and
                                    not re.search(r": \(\w+\+0x", line)]
        parts["without flushes"] = [line for line in lines if "flush" not in line]
        parts["of one CPU"] = [line for line in lines if "[000]" in line]
        for name, part in parts.items():
            with self.subTest(path=path, part=name):
                certain, _, rules = check(part)
                if name != "of one CPU":
                    self.assertEqual(certain, 0, rules)

    def test_cuts(self):
        for path in glob.glob(os.path.join(DATA, "*.txt.gz")):
            if "report" not in path:
                self.assert_silent(path)

    @NEED_ALL
    def test_all(self):
        names = ("demand-tdp", "notif-legacy", "hv-shadow", "churn-tdp", "churn-6.12-tdp",
                 "churn-legacy", "notif-shadow", "avic-tdp")
        for name in names[:3] if SLOW else names:
            self.assert_silent(os.path.join(CAPTURES, "dev-%s.txt.gz" % name))


class Damage(unittest.TestCase):
    def damage(self, name, n, whole=False):
        total = 0
        copies = Copies(read(os.path.join(DATA, name)))
        n = 1 if SLOW else n
        for what, made, certain, possible, _, missed in measure(copies, n):
            total += made
            with self.subTest(capture=name, damage=what):
                if what in WANT["certain"] or (whole and what in WANT["whole"]):
                    self.assertEqual(certain, made, missed)
                elif what in WANT["reported"]:
                    self.assertEqual(certain + possible, made, missed)
        return 1000 if SLOW else total

    def test_tdp(self):
        self.assertGreater(self.damage("thp-tdp.txt.gz", 8, whole=True), 250)

    def test_direct(self):
        self.assertGreater(self.damage("thp-legacy.txt.gz", 8), 200)

    def test_shadow(self):
        self.assertGreater(self.damage("churn-shadow.txt.gz", 4), 150)

    def test_notifiers(self):
        self.assertGreater(self.damage("notif-tdp.txt.gz", 5), 150)

    def test_dropped_flush(self):
        """A remote flush that a notifier, a zap or the dirty log owes."""
        for name in ("notif-tdp", "notif-legacy"):
            copies = Copies(read(os.path.join(DATA, name + ".txt.gz")))
            places = copies.at["flush_remote_tlbs"]
            self.assertGreater(len(places), 3)
            for i in copies.some(places, 2 if SLOW else 12):
                with self.subTest(capture=name, line=i + 1):
                    certain, possible, rules = check(copies.drop(i))
                    self.assertGreater(certain + possible, 0)
                    self.assertIn("flush-owed", rules)


def main(argv):
    if len(argv) < 3:
        unittest.main()
    sums = collections.OrderedDict()
    for path in argv[2:]:
        for what, made, certain, possible, rules, missed in measure(Copies(read(path)),
                                                                    int(argv[1])):
            print("%-18s %-38s %3d: %3d certain %3d possible  %s %s" % (
                os.path.basename(path)[4:-7], what, made, certain, possible,
                dict(rules.most_common(3)), missed[:3]), flush=True)
            s = sums.setdefault(what, [0, 0, 0])
            for k, v in enumerate((made, certain, possible)):
                s[k] += v
    for what, (made, certain, possible) in sums.items():
        print("| %s | %d | %d %% | %d %% |" % (what, made, 100 * certain / made,
                                             100 * possible / made))


if __name__ == "__main__":
    main(sys.argv)
