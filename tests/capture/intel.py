# SPDX-License-Identifier: GPL-2.0-or-later
"""Captures of Intel hosts. None has been at hand: the text here is made by hand, as Linux 6.1 prints
its events and by the order in which its functions stand. So the rules must find nothing certain, say
that they are untried and what they leave out, and still notice what is missing."""
import json
import os
import subprocess
import tempfile
import unittest

PROGRAM = os.environ["MMU2D_PROGRAM"]

LINK, LEAF = 0x907, 0x0600000000000b77  # RWX, A; of a leaf also D, write-back, KVM's write bits


def run(*args):
    return subprocess.run([PROGRAM, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, encoding="utf-8", check=False)


class Host:
    """Text of tracefs, event by event."""

    def __init__(self):
        self.lines, self.time, self.moved = [], 5000000, {}

    def put(self, pid, cpu, event, payload=""):
        self.time += 3
        self.lines.append("%16s-%-7d [%03d] ...1. %5d.%06d: %s: %s" % (
            "CPU/KVM" if pid != 100 else "qemu", pid, cpu, self.time // 1000000,
            self.time % 1000000, event, payload))

    def probe(self, pid, cpu, name, function, args="", module="kvm"):
        self.put(pid, cpu, name, "(%s+0x0/0x70 [%s]) %s" % (function, module, args))

    def flush(self, vcpu, cpu, what):
        name = "vmx_flush_tlb_" + what
        self.probe(101 + vcpu, cpu, name, name, module="kvm_intel")

    def slot(self, number, gpa, size, hva):
        self.probe(100, 0, "set_memory_region", "__kvm_set_memory_region",
                   "slot=%d flags=0 gpa=0x%x size=0x%x hva=0x%x" % (number, gpa, size, hva))
        self.probe(100, 0, "inval_mmio", "kvm_mmu_invalidate_mmio_sptes", "gen=0x%x" % (2 * number + 2))

    def entry(self, vcpu, cpu):
        # On another CPU a vCPU asks itself for a flush of everything.
        if self.moved.setdefault(vcpu, cpu) != cpu:
            self.flush(vcpu, cpu, "all")
            self.moved[vcpu] = cpu
        self.put(101 + vcpu, cpu, "kvm_entry", "vcpu %d, rip 0xffffffff81000000" % vcpu)

    def exit(self, vcpu, cpu, reason, info1=0, info2=0):
        self.put(101 + vcpu, cpu, "kvm_exit", "vcpu %d reason %s rip 0xffffffff81000000 info1 0x%016x "
                 "info2 0x%016x intr_info 0x00000000 error_code 0x00000000" % (vcpu, reason, info1, info2))

    def load(self, vcpu, cpu, new):
        pid = 101 + vcpu
        self.probe(pid, cpu, "mmu_load", "kvm_mmu_load")
        if new:
            self.put(pid, cpu, "kvm_mmu_get_page",
                     "sp gen 0 gfn 0 l4 8-byte q0 direct wux nxe ad root 0 sync new")
        self.probe(pid, cpu, "sync_roots", "kvm_mmu_sync_roots")
        self.flush(vcpu, cpu, "current")

    def fault(self, vcpu, cpu, gfn, pfn, links=()):
        pid = 101 + vcpu
        self.exit(vcpu, cpu, "EPT_VIOLATION", 0x182, gfn << 12)
        self.put(pid, cpu, "kvm_page_fault", "vcpu %d rip 0xffffffff81000000 address 0x%016x error_code "
                 "0x182" % (vcpu, gfn << 12))
        self.put(pid, cpu, "kvm_mmu_spte_requested", "gfn %x pfn %x level 1" % (gfn, pfn))
        for level, page in links:
            self.put(pid, cpu, "kvm_mmu_get_page", "sp gen 0 gfn %x l%d 8-byte q0 direct wux nxe ad "
                     "root 0 sync new" % (gfn & ~((1 << 9 * (level - 1)) - 1), level - 1))
            self.put(pid, cpu, "kvm_tdp_mmu_spte_changed", "as id 0 gfn %x level %d old_spte 0 new_spte "
                     "%x" % (gfn & ~((1 << 9 * (level - 1)) - 1), level, page << 12 | LINK))
        spte = pfn << 12 | LEAF
        self.put(pid, cpu, "kvm_tdp_mmu_spte_changed",
                 "as id 0 gfn %x level 1 old_spte 0 new_spte %x" % (gfn, spte))
        self.put(pid, cpu, "kvm_mmu_set_spte", "gfn %x spte %x (rwxu) level 1 at %x" % (
            gfn, spte, 0x123003000 + 8 * (gfn & 511)))
        self.entry(vcpu, cpu)

    def notifier(self, gfn, pfn):
        hva = 0x7f0000000000 + (gfn << 12)
        self.put(100, 2, "kvm_unmap_hva_range", "mmu notifier unmap range: 0x%x -- 0x%x" % (hva, hva + 4096))
        self.probe(100, 2, "unmap_gfn_range", "kvm_unmap_gfn_range", "start=0x%x end=0x%x" % (gfn, gfn + 1))
        self.put(100, 2, "kvm_tdp_mmu_spte_changed", "as id 0 gfn %x level 1 old_spte %x new_spte 0" % (
            gfn, pfn << 12 | LEAF))
        self.probe(100, 2, "flush_remote_tlbs", "kvm_flush_remote_tlbs", "caller=kvm_mmu_notifier+0x10/0x40")

    def served(self, vcpu, cpu):
        self.exit(vcpu, cpu, "EXTERNAL_INTERRUPT")
        # Who asked goes on: the vCPU must know.
        self.put(100, 2, "kvm_test_age_hva", "mmu notifier test age hva: 0x7f0000900000")
        self.flush(vcpu, cpu, "all")
        self.entry(vcpu, cpu)


def healthy():
    h = Host()
    h.slot(0, 0, 0x1000000, 0x7f0000000000)
    h.load(0, 0, True)
    h.entry(0, 0)
    h.load(1, 1, False)
    h.entry(1, 1)
    h.fault(0, 0, 0x200, 0x50000, ((4, 0x123001), (3, 0x123002), (2, 0x123003)))
    h.fault(1, 1, 0x201, 0x50001)
    for gfn in range(0x202, 0x210):
        h.fault(gfn & 1, gfn & 1, gfn, 0x50000 + gfn)
    # A fast path that re-enters without a word.
    h.exit(0, 0, "PREEMPTION_TIMER")
    h.exit(0, 0, "MSR_WRITE")
    h.entry(0, 0)
    h.notifier(0x201, 0x50001)
    h.served(0, 0)
    h.served(1, 1)
    # To another CPU, where everything is flushed and nobody asked for it.
    h.exit(1, 1, "EXTERNAL_INTERRUPT")
    h.entry(1, 3)
    h.fault(1, 3, 0x201, 0x60001)
    h.notifier(0x202, 0x50202)
    h.served(0, 0)
    h.served(1, 3)
    h.exit(0, 0, "EPT_MISCONFIG", 0, 0xfe000000)
    h.put(101, 0, "kvm_emulate_insn", "0:ffffffff81000000:89 07 (prot64)")
    h.entry(0, 0)
    h.exit(0, 0, "INVLPG")
    h.entry(0, 0)
    h.exit(0, 0, "CR_ACCESS", 3)
    h.entry(0, 0)
    h.put(100, 2, "kvm_set_irq", "gsi 4 level 0 source 0")
    h.exit(0, 0, "HLT")
    h.exit(1, 3, "HLT")
    return h.lines


class Intel(unittest.TestCase):
    def check(self, lines):
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as f:
            f.write("\n".join(lines) + "\n")
            f.flush()
            done = run("check", "--json", "-q", f.name)
            self.assertEqual(done.stderr, "")
            self.assertEqual(done.returncode, 0)
            text = run("check", "-q", f.name)
            self.assertEqual(text.returncode, 0)
            return json.loads(done.stdout)

    def test_healthy(self):
        doc = self.check(healthy())
        self.assertEqual(doc["violations"], [])
        self.assertEqual((doc["mmu"], doc["vmx"], doc["parse_errors"]), ("TDP MMU", True, 0))
        self.assertEqual(doc["unknown_events"], 1)  # kvm_set_irq
        for rule in ("root-flush", "spte-chain", "flush-owed", "spte-illegal"):
            self.assertGreater(doc["premises"][rule], 0, rule)
        self.assertTrue(any("fast paths" in line for line in doc["not_judged"]))
        self.assertFalse(any("vendor" in line for line in doc["not_judged"]))

    def without(self, lines, word, nth=0):
        at = [i for i, line in enumerate(lines) if word in line][nth]
        return lines[:at] + lines[at + 1:]

    def test_damage_is_possible_only(self):
        """What is missing shows, and is never certain."""
        lines = healthy()
        for word, nth, rule in (("vmx_flush_tlb_all", 1, "request-served"),
                                ("vmx_flush_tlb_current", 0, "root-flush"),
                                (": flush_remote_tlbs", 0, "flush-owed"),
                                ("kvm_tdp_mmu_spte_changed", 4, None),
                                (": kvm_page_fault", 2, "missing-event")):
            doc = self.check(self.without(lines, word, nth))
            self.assertEqual(doc["certain"], 0)
            self.assertGreater(doc["possible"], 0, word)
            if rule is not None:
                self.assertIn(rule, {v["rule"] for v in doc["violations"]}, word)
            for v in doc["violations"]:
                self.assertTrue(v["doubt"])

    def test_every_line_dropped_or_doubled(self):
        lines = healthy()
        for i in range(0, len(lines), 3):
            self.check(lines[:i] + lines[i + 1:])
            self.check(lines[:i + 1] + lines[i:])

    def test_no_probes(self):
        """Without the vendor's functions nothing is said of flushes, but that."""
        lines = [x for x in healthy() if "vmx_flush" not in x]
        doc = self.check(lines)
        self.assertEqual([v for v in doc["violations"] if v["rule"] in (
            "request-served", "root-flush", "table-reused")], [])
        self.assertEqual(sum("vendor's" in x for x in doc["not_judged"]), 2)

    def test_timeline(self):
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as f:
            f.write("\n".join(healthy()) + "\n")
            f.flush()
            events = json.loads(run("timeline", f.name, "-o", "-").stdout)["traceEvents"]
        self.assertEqual(sum(e["name"] == "flush all" for e in events), 5)
        self.assertEqual(sum(e["ph"] == "s" for e in events), 4)

    def test_recipe(self):
        text = run("record", "--kernel", "6.1").stdout
        for what in ("all", "current", "guest", "gva"):
            self.assertIn("[ -d /sys/module/kvm_intel ] && probe vmx_flush_tlb_%s " % what, text)
        self.assertIn("[ -d /sys/module/kvm_amd ] && probe svm_flush_tlb_asid ", text)
        self.assertNotIn("vmx_", run("record", "--kernel", "5.4").stdout)


if __name__ == "__main__":
    unittest.main()
