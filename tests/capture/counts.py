# SPDX-License-Identifier: GPL-2.0-or-later
"""What import counts in captures of a real KVM equals what was counted when they were recorded.
MMU2D_CAPTURES names the folder of all captures; the cuts in data/ are for everybody, counted here
by another reader."""
import collections
import glob
import gzip
import json
import os
import re
import subprocess
import unittest

PROGRAM = os.environ["MMU2D_PROGRAM"]
DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")
CAPTURES = os.path.join(os.environ.get("MMU2D_CAPTURES", "/nonexistent"), "ftrace")
NEED_ALL = unittest.skipUnless(os.path.isdir(CAPTURES),
                               "MMU2D_CAPTURES does not name the folder of captures")
LINE = re.compile(r".*?-\d+ +\[\d+\] +(?:\S+ +)?\d+\.\d+: +(?:print: +)?(\w+):")


def count(path):
    result = subprocess.run([PROGRAM, "import", "--json", path], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, check=True)
    if result.stderr:
        raise AssertionError(result.stderr)
    doc = json.loads(result.stdout)
    # Names of exceptions have two words, of which the recorder kept the first.
    exits = collections.Counter()
    for name, n in doc["exits"].items():
        exits[name.split()[0]] += n
    doc["exits"] = dict(exits)
    return doc


class Cuts(unittest.TestCase):
    def test_events_by_name(self):
        paths = glob.glob(os.path.join(DATA, "*.gz"))
        self.assertGreater(len(paths), 5)
        for path in paths:
            with self.subTest(path=path), gzip.open(path, "rt") as f:
                doc = count(path)
                lines = f.readlines()
                lost = sum(" [LOST " in line for line in lines)
                self.assertEqual(lost > 0, "lost" in path)
                lines = [LINE.match(line) for line in lines]
                names = collections.Counter(m.group(1) for m in lines if m)
                self.assertEqual(doc["by_name"], names)
                self.assertEqual(doc["parse_errors"], 0)
                self.assertEqual(doc["events"], sum(names.values()))
                self.assertEqual(doc["derived"]["lost_markers"], lost)

    def test_two_texts_of_one_run(self):
        """What trace-cmd reports of a run is what tracefs said, as far as it goes."""
        a = count(os.path.join(DATA, "hv-shadow.txt.gz"))
        b = count(os.path.join(DATA, "hv-shadow.report.txt.gz"))
        # The cuts are of 900 lines; one of those of the report is its head.
        for name in ("kvm_mmu_set_spte", "kvm_entry", "kvm_exit", "kvm_mmu_get_page",
                     "tracing_mark_write"):
            self.assertAlmostEqual(a["by_name"][name], b["by_name"][name], delta=1)
        for key in ("get_page_new", "get_page_existing", "distinct_fault_pages",
                    "distinct_leaf_gfn_level"):
            self.assertAlmostEqual(a["derived"].get(key, 0), b["derived"].get(key, 0), delta=1)


class All(unittest.TestCase):
    @NEED_ALL
    def test_counts(self):
        want = collections.defaultdict(lambda: collections.defaultdict(dict))
        with open(os.path.join(CAPTURES, "counts.tsv"), encoding="ascii") as f:
            for line in f:
                name, kind, key, n = line.rstrip("\n").split("\t")
                want[name][kind][key] = int(n)
        self.assertGreater(len(want), 20)
        for name, w in want.items():
            with self.subTest(capture=name):
                doc = count(os.path.join(CAPTURES, name + ".txt.gz"))
                # The marks of lost events were no lines to whoever counted.
                self.assertEqual(w["derived"].pop("unparsed_lines", 0),
                                 w["derived"]["lost_markers"])
                self.assertEqual(doc["by_name"], w["event"])
                self.assertEqual(doc["exits"], w["exit"])
                self.assertEqual(doc["derived"], w["derived"])
                self.assertEqual(doc["parse_errors"], 0)

    @NEED_ALL
    def test_dat(self):
        """A trace.dat gives what the text of the same run gives."""
        for dat in ("dev-thp-tdp.dat", "dev-hv-shadow.dat", "dev-thp-legacy.v6.dat.gz"):
            with self.subTest(dat=dat):
                a = count(os.path.join(CAPTURES, dat))
                b = count(os.path.join(CAPTURES, re.sub(r"\..*", "", dat) + ".txt.gz"))
                self.assertRegex(a.pop("format"), "trace.dat version [67]")
                b.pop("format")
                a.pop("input")
                b.pop("input")
                self.assertEqual(a, b)

    @NEED_ALL
    def test_report(self):
        a = count(os.path.join(CAPTURES, "dev-hv-shadow.report.txt.gz"))
        b = count(os.path.join(CAPTURES, "dev-hv-shadow.txt.gz"))
        a.pop("input")
        b.pop("input")
        self.assertEqual(a, b)


if __name__ == "__main__":
    unittest.main()
