# SPDX-License-Identifier: GPL-2.0-or-later
"""The direct MMU of real kernels, predicted: cuts of captures in data/, of Linux 6.1 and (names with
6.12) 6.12; with MMU2D_CAPTURES the whole ones too. That the comparison can fail: each duty that the
model leaves out is missed by some capture."""
import os
import re
import unittest

from common import CAPTURES, NEED_ALL, Bundled, Whole, data, otherwise, replay, run

# What is in the cuts, and how much of it may come out otherwise: kernel's events by kind.
CUTS = {
    "churn-legacy": (0, {"kvm_mmu_set_spte": 957, "kvm_mmu_zap_all_fast": 4,
                         "mark_mmio_spte": 37, "kvm_mmu_prepare_zap_page": 39}),
    "demand-legacy": (0, {"kvm_mmu_set_spte": 795, "fast_page_fault": 2}),
    "dirty-legacy": (0, {"kvm_mmu_set_spte": 1173, "fast_page_fault": 47}),
    "linux-legacy": (0, {"kvm_mmu_zap_all_fast": 23, "kvm_mmu_get_page": 34}),
    "move-6.12-legacy": (1, {"kvm_mmu_set_spte": 559, "mark_mmio_spte": 136}),
    "notif-legacy": (2, {"kvm_mmu_set_spte": 1257, "flush_remote_tlbs": 64}),
    "pae-legacy": (0, {"kvm_mmu_set_spte": 318}),
    "table-6.12-legacy": (0, {"kvm_mmu_set_spte": 335}),
    "thp-legacy": (0, {"kvm_mmu_set_spte": 67}),
    "thpnotif-legacy": (8, {"kvm_mmu_set_spte": 2083, "flush_remote_tlbs": 529}),
    "touch-6.12-legacy": (0, {"kvm_mmu_set_spte": 618}),
    "two-level-legacy": (0, {"kvm_mmu_set_spte": 312}),
}

# Without this duty at least so many of the kernel's events come out otherwise.
DUTIES = {
    "churn-legacy": {"zap-slot": 300, "flush-commit-zap": 150, "retry-invalid-slot": 700,
                     "reload-obsolete": 1500, "wrprot-log": 1, "mmio-generation": 6,
                     "flush-load": 12, "flush-overwrite": 4},
    "dirty-legacy": {"wrprot-dirty": 40, "dirty-on-map": 50, "flush-dirty-log": 10,
                     "flush-unlink": 12},
    "notif-legacy": {"flush-notifier": 200, "zap-notifier": 200, "retry-notifier": 900,
                     "wrprot-host-ro": 500},
    "thpnotif-legacy": {"flush-age": 700},
}


class Cuts(Bundled, unittest.TestCase):
    mmu, cuts, duties = "direct", CUTS, DUTIES

    def test_wrong_kernel(self):
        """Linux 5.10 has other bits in SPTEs."""
        doc = replay(data("notif-legacy"), "--kvm", "5.10")[0]
        self.assertGreater(otherwise(doc), 1000)
        self.assertEqual(doc["kvm"], "5.10")


@NEED_ALL
class All(Whole, unittest.TestCase):
    kind, least, same = "legacy", 7, ("dev-thp-legacy.txt.gz", "dev-thp-legacy.v6.dat.gz")

    def test_tdp_is_refused(self):
        result = run(os.path.join(CAPTURES, "dev-thp-tdp.txt.gz"))
        self.assertEqual(result.returncode, 2)
        self.assertRegex(result.stderr, r"^mmu2d replay: .*dev-thp-tdp.txt.gz: a capture of the TDP MMU")
        self.assertEqual(result.stderr.count("\n"), 1)


class Output(unittest.TestCase):
    def test_table(self):
        text = run(data("thp-legacy")).stdout
        self.assertRegex(text, r"direct MMU, model of Linux 6\.1 \(.+\)\n")
        self.assertRegex(text, r"(?m)^kvm_mmu_set_spte +67 +67 +100\.00 % +0 +0 +0$")
        self.assertRegex(text, r"(?m)^total +\d+ +\d+ +100\.00 % +0 +0 +0$")

    def test_diff(self):
        args = ("--without", "wrprot-host-ro", "--diff", data("touch-6.12-legacy"))
        rows = [line for line in run(*args).stdout.splitlines() if line.startswith("! ")]
        self.assertEqual(len(rows), 1)
        self.assertRegex(rows[0], r"^!  +\d+ +\d+\.\d{6} +\d+ kvm_mmu_set_spte gfn=\w+ \*spte=\w+825 "
                                  r".* \| model: gfn=\w+ \*spte=\w+ ")

    def test_diff_of_a_kind(self):
        args = ("--without", "flush-notifier", "--diff-kind", "flush_remote_tlbs",
                data("notif-legacy"))
        rows = re.findall(r"(?m)^[-+!] .*$", run(*args).stdout)
        self.assertGreater(len(rows), 20)
        self.assertTrue(all(" flush_remote_tlbs" in row for row in rows))

    def test_at(self):
        text = run("--at", "100", data("thp-legacy")).stdout
        places = [int(p) for p in re.findall(r"(?m)^[ !+-] +(\d+) +\d+\.\d{6} ", text)]
        self.assertTrue(places and min(places) >= 60 and max(places) <= 140)
        when = re.search(r"(?m)^  +\d+ +(\d+\.\d{6}) ", text).group(1)
        self.assertIn(when, run("--at", when, data("thp-legacy")).stdout)

    def test_status_of_a_bad_share(self):
        self.assertEqual(replay(data("churn-legacy"), "--without", "reload-obsolete")[1], 1)

    def test_usage(self):
        for args, says in ((("--without", "flush-notifer"), "did you mean flush-notifier?"),
                           (("--kvm", "7"), "--kvm"), (("--at", "soon"), "--at=soon")):
            result = run(*args, data("thp-legacy"))
            self.assertEqual(result.returncode, 2, args)
            self.assertIn(says, result.stderr)
            self.assertEqual(result.stderr.count("\n"), 1)


if __name__ == "__main__":
    unittest.main()
