# SPDX-License-Identifier: GPL-2.0-or-later
"""Shadow paging of real kernels, predicted: cuts of captures in data/, of Linux 6.1 and (names with
6.12) 6.12, of guests with four levels of tables, with PAE and with two; with MMU2D_CAPTURES the whole
ones too. That the comparison can fail: each duty that the model leaves out is missed by some
capture."""
import re
import unittest

from common import NEED_ALL, Bundled, Whole, data, otherwise, replay, run

# How much of each cut may come out otherwise, and what is in it: the kernel's events by kind.
CUTS = {
    "churn-shadow": (0, {"kvm_mmu_set_spte": 350, "page fault outcome": 800}),
    "crowd-6.12-shadow": (0, {"kvm_mmu_set_spte": 270, "kvm_mmu_get_page": 160,
                              "kvm_mmu_unsync_page": 20, "svm_flush_tlb_gva": 110}),
    "dirty-shadow": (2, {"kvm_mmu_set_spte": 800}),
    "hv-shadow": (4, {"kvm_mmu_set_spte": 300, "kvm_mmu_sync_page": 10, "svm_flush_tlb_gva": 10}),
    "notif-shadow": (0, {"kvm_mmu_set_spte": 600, "flush_remote_tlbs": 20}),
    "pae-shadow": (0, {"kvm_mmu_set_spte": 300, "kvm_mmu_get_page": 4, "svm_flush_tlb_gva": 50}),
    "ptmod-shadow": (4, {"kvm_mmu_set_spte": 700, "kvm_mmu_sync_page": 10,
                         "kvm_mmu_unsync_page": 10, "svm_flush_tlb_current": 300}),
    "ptmod1-6.12-shadow": (0, {"kvm_mmu_set_spte": 300, "kvm_mmu_unsync_page": 20}),
    "thp-shadow": (0, {"kvm_mmu_set_spte": 86, "kvm_mmu_get_page": 5}),
    "touch-shadow": (0, {"kvm_mmu_set_spte": 400}),
    "two-level-6.12-shadow": (0, {"kvm_mmu_set_spte": 300, "svm_flush_tlb_gva": 50}),
}

# Without this duty at least so many of the kernel's events come out otherwise.
DUTIES = {
    "ptmod-shadow": {"flush-sync-hw": 900, "sync-cr3": 60, "wrprot-shadowed": 100,
                     "guest-ad": 3, "guest-d-writable": 100, "rmap-add": 100},
    "hv-shadow": {"sync-pv": 200, "flush-guest-hw": 50, "flush-sync-page": 40,
                  "mark-unsync-parents": 200, "wrprot-sync": 200, "check-requests": 60},
    "crowd-6.12-shadow": {"retry-gpte": 1, "sync-invlpg": 150, "flush-track-write": 150,
                          "zap-drop-spte": 100, "rmap-add": 400},
    "pae-shadow": {"sync-invlpg": 300, "flush-invlpg-spte": 200, "flush-load": 40},
    "ptmod1-6.12-shadow": {"zap-track-write": 100, "zap-drop-spte": 100, "wrprot-upper": 30,
                           "sync-child": 10, "flush-track-write": 70, "flush-wrprot": 30},
}


class Cuts(Bundled, unittest.TestCase):
    mmu, cuts, duties = "shadow", CUTS, DUTIES

    def test_walks_are_not_counted(self):
        """What KVM's walks show of the guest's tables is taken from the capture."""
        doc = replay(data("touch-shadow"))[0]
        walks = sum(n["kernel"] for kind, n in doc["events"].items() if "paging" in kind)
        self.assertGreater(walks, doc["total"]["kernel"])

    def test_accessed_and_dirty(self):
        """What the walker sets in the guest's tables is compared, though not counted."""
        for args, share in (((), 1), (("--without", "guest-ad"), 0)):
            events = replay(data("ptmod-shadow"), *args)[0]["events"]
            for kind in ("kvm_mmu_set_accessed_bit", "kvm_mmu_set_dirty_bit"):
                self.assertGreater(events[kind]["kernel"], 600)
                self.assertEqual(events[kind]["predicted"], events[kind]["kernel"] * share)

    def test_inputs_are_told(self):
        """Guest entries that only an SPTE or a flush shows are in no share."""
        doc = replay(data("pae-shadow"))[0]
        self.assertGreater(doc["total"]["input"], 0)
        self.assertRegex(run(data("pae-shadow")).stdout,
                         r"\n%d events show guest entries that nothing else does" %
                         doc["total"]["input"])


class Knobs(unittest.TestCase):
    """Behaviours that changed between the recorded kernels: the other one does not fit."""

    def test_invlpg(self):
        for name, other in (("pae-shadow", "6.1+9fd4a4e3a3d9"),
                            ("two-level-6.12-shadow", "6.12-9fd4a4e3a3d9")):
            with self.subTest(name):
                doc = replay(data(name), "--kvm", other)[0]
                self.assertGreater(otherwise(doc), 30)

    def test_sync_intact(self):
        doc = replay(data("ptmod-shadow"), "--kvm", "6.1+e6722d9211b2")[0]
        self.assertGreater(otherwise(doc), 5)


@NEED_ALL
class All(Whole, unittest.TestCase):
    kind, least, same = "shadow", 6, ("dev-hv-shadow.txt.gz", "dev-hv-shadow.dat")


if __name__ == "__main__":
    unittest.main()
