#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Recorded system traces end to end: every translation right on every machine, nothing read
outside the recording, record counts as the recorder counted them, accessed and dirty bits as
recorded at the end, equal output twice. The bundled traces always; with --captures those in
$MMU2D_CAPTURES/mmt, imported first."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

SOURCE = os.environ["MMU2D_SOURCE"]
PROGRAM = os.environ["MMU2D_PROGRAM"]
CAPTURES = os.environ.get("MMU2D_CAPTURES")
MACHINES = ("generic", "zen2", "haswell")
TIMINGS = ("functional", "blocking", "overlapped")

# Counted by the recorder: reads, writes, fetches, left out by its filter, table stores, CR3 loads,
# INVLPG, VMRUN, exits by code.
CAPTURED = {
    "s-native.u": (194992, 112291, 142519, 0, 186, 2, 1, 0, {}),
    "s-linux-tdp.u": (257420, 151185, 187634, 0, 3351, 2, 1, 100, {0x60: 82, 0x64: 14, 0x7c: 3}),
    "s-linux-tdp.f": (686592, 342948, 404309, 5606439, 162792, 194, 112, 642,
                      {0x60: 431, 0x72: 175, 0x64: 29, 0x7c: 6}),
    "s-linux-shadow.f": (563819, 138219, 215175, 5082783, 18919, 78, 42, 698,
                         {0x4e: 368, 0x60: 137, 0x13: 78, 0x64: 55, 0x79: 42, 0x7c: 12, 3: 5}),
    "s-ptmod-tdp.f": (398956, 142157, 160761, 3298109, 25331, 7761, 141, 698,
                      {0x400: 433, 0x60: 263, 0x7b: 1}),
    "s-churn-tdp.f": (741737, 236070, 226289, 4795902, 31257, 1, 0, 2509, {0x400: 2487, 0x60: 22}),
}
BUNDLED = {
    "s-linux-tdp-u.m2t": CAPTURED["s-linux-tdp.u"],
    "s-linux-tdp-f.m2t": CAPTURED["s-linux-tdp.f"],
}


def run(*args):
    return subprocess.run([PROGRAM, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          stdin=subprocess.DEVNULL, encoding="utf-8", timeout=300, check=False)


class Replay(unittest.TestCase):
    """One trace on machines and timing models."""

    def ok(self, *args):
        done = run(*args)
        self.assertEqual(done.returncode, 0, (args, done.stderr))
        return done.stdout

    def replay(self, trace, *args):
        return json.loads(self.ok("replay", trace, "--json", "-q", *args))

    def check_counts(self, trace, expected):
        """Records by kind, as trace info counts them."""
        reads, writes, fetches, elided, stores, _, invlpgs, vmruns, exits = expected
        info = json.loads(self.ok("trace", "info", "--json", trace))
        counts = info["counts"]
        self.assertEqual((counts["read"], counts["write"], counts["fetch"]),
                         (reads, writes, fetches))
        self.assertEqual(info["refs"], reads + writes + fetches)
        self.assertEqual(info["elided"], elided)
        self.assertEqual(info["damage"], [])
        self.assertEqual(info["unknown_kinds"], 0)
        for key, want in (("ptwrite", stores), ("invlpg", invlpgs), ("vmrun", vmruns),
                          ("vmexit", sum(exits.values()))):
            self.assertEqual(counts.get(key, 0), want, key)

    def check_time(self, doc):
        """The clock is the sum of its causes, in total and by class."""
        by_cause = sum(c["cycles"] for c in doc["cycles_by_cause"])
        self.assertEqual(by_cause, doc["cycles"])
        self.assertEqual(sum(doc["cycles_by_class"].values()), doc["cycles"])
        direct = sum(b["direct_cycles"] for b in doc["flush_bill"])
        flush = sum(c["cycles"] for c in doc["cycles_by_cause"] if c["cause"] == "flush")
        self.assertEqual(direct, flush)

    def check_right(self, doc, expected, name):
        c = doc["counters"]
        self.assertEqual((c["reads"], c["writes"], c["fetches"]), expected[:3], name)
        self.assertEqual(c["elided"], expected[3], name)
        self.assertEqual(c["pt_writes"], expected[4], name)
        self.assertEqual(c["wrong"], 0, (name, doc["violations"][:1]))
        self.assertEqual(c["outside"], 0, name)
        self.assertEqual(doc["violations"], [], name)
        self.assertEqual(c["checked"] + c["direct_refs"] + c["io_refs"], sum(expected[:3]), name)
        self.assertIn("stale_legal", c)
        self.assertLessEqual(c["stale_legal"], c["checked"])
        if expected[7] and not expected[8].get(0x400):
            self.assertEqual(c["nested_faults"], 0, name)

    def check_trace(self, trace, expected, machines, timings):
        self.check_counts(trace, expected)
        for machine in machines:
            cycles = {}
            for timing in timings:
                name = f"{os.path.basename(trace)} on {machine}, {timing}"
                doc = self.replay(trace, "--machine", machine, "--timing", timing)
                self.check_right(doc, expected, name)
                self.check_time(doc)
                cycles[timing] = doc["cycles"]
            self.assertEqual(cycles["functional"], 0)
            if "blocking" in cycles:
                self.assertLessEqual(cycles["overlapped"], cycles["blocking"])


    def check_shadow(self, trace, expected, *args):
        """The trace's guest on KVM's shadow tables: everything comes out where it was recorded,
        and what KVM did adds up."""
        doc = self.replay(trace, "--mmu", "shadow", *args)
        name = (os.path.basename(trace), *args)
        c = doc["counters"]
        self.check_right(doc, expected, name)
        self.check_time(doc)
        self.assertEqual(c["kvm_faults"],
                         sum(c["kvm_" + x] for x in ("fixed", "spurious", "retried", "emulated",
                                                     "injected")), name)
        self.assertEqual((c["kvm_mmio"], c["nested_entries"]), (0, 0), name)
        self.assertGreater(c["kvm_fixed"], 0, name)
        self.assertGreaterEqual(c["kvm_sptes_set"], c["kvm_fixed"], name)
        self.assertGreater(c["kvm_pages_made"], 3, name)
        return c

    def check_beside(self, trace, other, recorded):
        """What a real KVM paid is counted as the recorder did, and the model pays about that."""
        doc = self.replay(trace, "--mmu", "shadow", "--kvm", "6.1", "--timing", "functional",
                          "--beside", other)
        self.assertEqual(doc["violations"], [])
        sim, rec = doc["beside"]["simulated"], doc["beside"]["recorded"]
        exits = {int(code, 16): n for code, n in doc["beside"]["recorded_exits"].items()}
        reads, writes, fetches, elided, _, cr3s, invlpgs, _, codes = recorded
        self.assertEqual(exits, codes)
        self.assertEqual((rec["exits"], rec["page_faults"]), (sum(codes.values()), codes[0x4e]))
        self.assertEqual((rec["cr3_loads"], rec["invlpgs"]), (cr3s, invlpgs))
        self.assertLess(rec["guest_refs"], reads + writes + fetches + elided)
        for side in (sim, rec):
            self.assertEqual(side["page_faults"],
                             side["injected"] + side["mended"] + side["neither"])
            self.assertLessEqual(side["absent"] + side["wp_kernel"] + side["wp_user"],
                                 side["page_faults"])
            self.assertEqual(side["exits"], side["page_faults"] + side["cr_writes"] +
                             side["invlpg_exits"] + side["other_exits"] + side.get("cr_reads", 0))
        c = doc["counters"]
        for key, counter in (("emulated", "kvm_emulated"), ("unsyncs", "kvm_unsyncs"),
                             ("syncs", "kvm_syncs"), ("sptes_set", "kvm_sptes_made")):
            self.assertEqual(sim[key], c[counter])
            self.assertGreater(sim[key], 0)
        self.assertFalse({"emulated", "unsyncs", "syncs"} & set(rec))
        # As a share of what decides it, of the same order on both sides.
        for key in ("page_faults", "injected", "mended", "neither", "wp_kernel"):
            ratio = sim[key] / sim["guest_faults"] / (rec[key] / rec["guest_faults"])
            self.assertTrue(0.5 < ratio < 2, (key, ratio))
        ratio = sim["root_switches"] / sim["cr3_loads"] / (rec["root_switches"] / rec["cr3_loads"])
        self.assertTrue(0.8 < ratio < 1.25, ratio)
        return doc


class Bundled(Replay):
    """Traces in the tree."""

    def trace(self, name):
        return os.path.join(SOURCE, "traces", name)

    def test_right_everywhere(self):
        for name, expected in BUNDLED.items():
            self.check_trace(self.trace(name), expected, MACHINES, TIMINGS)

    def test_more_walkers_never_slower(self):
        last = None
        for walkers in (1, 2, 4, 8):
            doc = self.replay(self.trace("s-linux-tdp-f.m2t"), "--timing", "overlapped",
                              "--set", f"walk.walkers={walkers}")
            self.assertTrue(last is None or doc["cycles"] <= last, walkers)
            last = doc["cycles"]

    def test_same_output_twice(self):
        for args in (["--timing", "overlapped"], ["--mmu", "shadow"], ["--mmu", "npt", "--timing", "blocking"],
                     ["--mmu", "native", "--seed", "7"]):
            docs = [self.replay(self.trace("s-linux-tdp-u.m2t"), *args) for _ in range(2)]
            for doc in docs:
                for key in ("seconds", "refs_per_second"):
                    del doc[key]
            self.assertEqual(docs[0], docs[1], args)

    def test_shadow(self):
        for name, expected in BUNDLED.items():
            counts = json.loads(self.ok("trace", "info", "--json", self.trace(name)))["counts"]
            for machine in MACHINES:
                for timing in TIMINGS:
                    c = self.check_shadow(self.trace(name), expected, "--machine", machine,
                                          "--timing", timing)
                    # One vCPU: nothing else makes it leave the guest.
                    self.assertEqual((c["kvm_cr_writes"], c["kvm_invalidations"]), expected[5:7])
                    self.assertEqual(c["kvm_injected"], counts["page-fault"])
                    self.assertEqual(c["kvm_exits"], sum(expected[8].values()) + expected[5] +
                                     expected[6] + c["kvm_faults"])
                    self.assertEqual(c["exits"], c["kvm_exits"])
                    # Stores to tables that are shadowed are seen, most by way of unsync pages.
                    self.assertGreater(c["kvm_emulated"], 0)
                    self.assertGreater(c["kvm_unsyncs"], 0)

    def test_shadow_of_other_kernels(self):
        trace, expected = self.trace("s-linux-tdp-f.m2t"), BUNDLED["s-linux-tdp-f.m2t"]
        faults = {}
        for kvm in ("5.4", "5.10", "5.18", "6.12", "6.12-aa8d1f48d353"):
            c = self.check_shadow(trace, expected, "--kvm", kvm, "--timing", "functional")
            faults[kvm] = c["kvm_faults"]
        self.assertEqual(faults["6.12"], self.check_shadow(trace, expected)["kvm_faults"])
        self.assertEqual(run("replay", trace, "--kvm", "5.18").returncode, 2)
        self.assertEqual(run("replay", trace, "--mmu", "shadow", "--kvm", "x").returncode, 2)
        self.assertEqual(run("replay", trace, "--mmu", "shadow", "--set",
                             "kvm.pv-flush=no").returncode, 2)

    def test_shadow_costs(self):
        trace = self.trace("s-linux-tdp-f.m2t")
        docs = [self.replay(trace, "--mmu", "shadow", *args)
                for args in ((), ("--set", "kvm.emulate=100000"))]
        causes = [{c["cause"]: c["cycles"] for c in doc["cycles_by_cause"]} for doc in docs]
        self.assertEqual(causes[1]["kvm_emulate"], 100000 * docs[1]["counters"]["kvm_emulated"])
        self.assertGreater(causes[0]["kvm_fault"], 0)
        self.assertGreater(causes[0]["kvm_sync"], 0)
        del causes[0]["kvm_emulate"], causes[1]["kvm_emulate"]
        self.assertEqual(causes[0], causes[1])

    def test_beside(self):
        tdp, other = self.trace("s-linux-tdp-f.m2t"), self.trace("s-linux-shadow-f.m2t")
        self.check_beside(tdp, other, CAPTURED["s-linux-shadow.f"])
        text = self.ok("replay", tdp, "--mmu", "shadow", "--kvm", "6.1", "--no-plot", "--beside", other)
        with open(os.path.join(SOURCE, "docs", "shadow-cost.md"), encoding="utf-8") as f:
            page = f.read()
        # The page's table has the figures of both sides, by page faults of the guest.
        for row, label in (("page faults", "exits for page faults"), ("write, CPL 0", "write at CPL 0"),
                           ("> SPTE set", "after which an SPTE"), ("> neither", "after which neither"),
                           ("made writable", "that became writable"), ("dropped", "went away")):
            line = [x for x in text[text.index("Beside"):].splitlines()
                    if x.strip().startswith(row + " ")][0]
            words = line.strip()[len(row):].split()
            cells = [x for x in page.splitlines() if x.startswith("|") and label in x][0].split("|")
            self.assertEqual(words[5], cells[3].strip(), row)
            self.assertAlmostEqual(float(words[2]), float(cells[2]), delta=0.15 * float(words[2]))
        for args, word in ((["--beside", other], "--mmu"),
                           (["--mmu", "shadow", "--beside", "-"], "files"),
                           (["--mmu", "shadow", "--beside", "/dev/null"], "/dev/null"),
                           (["--mmu", "shadow", "--beside", other + "x"], "No such")):
            done = run("replay", tdp, *args)
            self.assertEqual(done.returncode, 2)
            self.assertIn(word, done.stderr)
            self.assertEqual(done.stderr.count("\n"), 1)

    def test_time_of_the_guest_model(self):
        for mmu, machine in (("native", "generic"), ("npt", "zen4"), ("ept", "haswell")):
            for timing in ("blocking", "overlapped"):
                doc = self.replay(self.trace("s-linux-tdp-u.m2t"), "--mmu", mmu,
                                  "--machine", machine, "--timing", timing,
                                  "--set", "guest.share-2m=0.5")
                self.check_time(doc)
                self.assertGreater(doc["counters"]["walks"], 0)


class Captured(Replay):
    """Traces outside the tree, if they are there."""

    def imported(self, name, folder):
        out = os.path.join(folder, name + ".m2t")
        self.ok("import", "--from", "mmtrace", "-q", "-o", out,
                os.path.join(CAPTURES, "mmt", name + ".mmt.gz"))
        return out

    def test_all(self):
        with tempfile.TemporaryDirectory() as folder:
            for name, expected in CAPTURED.items():
                with self.subTest(name=name):
                    trace = self.imported(name, folder)
                    self.check_trace(trace, expected, MACHINES, ("functional", "overlapped"))
                    self.check_events(trace, expected)

    def test_shadow(self):
        """What KVM's shadow paging does for each guest, beside exits of the recording."""
        with tempfile.TemporaryDirectory() as folder:
            for name, expected in CAPTURED.items():
                if not expected[7]:
                    continue
                trace = self.imported(name, folder)
                if name == "s-linux-shadow.f":
                    done = run("replay", trace, "--mmu", "shadow")
                    self.assertEqual(done.returncode, 2)
                    self.assertIn("on shadow tables already", done.stderr)
                    continue
                for machine in MACHINES:
                    c = self.check_shadow(trace, expected, "--machine", machine,
                                          "--timing", "functional")
                others = {k: n for k, n in expected[8].items() if k != 0x400}
                self.assertGreaterEqual(c["kvm_exits"], sum(others.values()))
                print(name, "recorded", {hex(k): n for k, n in expected[8].items()}, "shadow",
                      {k[4:]: n for k, n in c.items() if k.startswith("kvm_") and n})

    def test_beside(self):
        """The capture of the issue, from files as the recorder wrote them."""
        with tempfile.TemporaryDirectory() as folder:
            other = self.imported("s-linux-shadow.f", folder)
            for name in ("s-linux-tdp.f", "s-linux-tdp.u"):
                trace = self.imported(name, folder)
                if name == "s-linux-tdp.f":
                    doc = self.check_beside(trace, other, CAPTURED["s-linux-shadow.f"])
                else: # too short to compare shares
                    doc = self.replay(trace, "--mmu", "shadow", "--beside", other)
                    self.assertEqual(doc["violations"], [])
                self.assertEqual(doc["counters"]["wrong"], 0)
                print(name, doc["beside"])

    def check_events(self, trace, expected):
        """CR3 loads and exits by code, from the text of the trace."""
        cr3s, exits, invlpgs = 0, {}, 0
        for line in self.ok("trace", "dump", "--kind", "reg,invlpg,vmexit", trace).splitlines():
            words = line.split()
            cr3s += "reg" in words and "cr3" in words and "initial" not in words
            invlpgs += "invlpg" in words
            if "vmexit" in words:
                code = [w for w in words if w.startswith("code=")]
                code = int(code[0][5:], 0)
                exits[code] = exits.get(code, 0) + 1
        self.assertEqual((cr3s, invlpgs, exits), (expected[5], expected[6], expected[8]))

    def test_final_state(self):
        """Accessed and dirty bits of all tables at the end: none missing, none extra."""
        with tempfile.TemporaryDirectory() as folder:
            trace = self.imported("s-ptmod-tdp.f", folder)
            final = os.path.join(CAPTURES, "mmt", "s-ptmod-tdp.f.final.gz")
            for machine in MACHINES:
                text = self.ok("replay", trace, "-q", "--no-plot", "--machine", machine,
                               "--timing", "functional", "--final", final)
                line = [x for x in text.splitlines() if x.startswith("final tables:")]
                self.assertEqual(len(line), 1, text)
                self.assertTrue(line[0].endswith(
                    "; A: 0 missing, 0 extra; D: 0 missing, 0 extra"), line[0])
                self.assertGreater(int(line[0].split(",")[1].split()[0]), 11000)


if __name__ == "__main__":
    CHOSEN = Bundled
    if "--captures" in sys.argv:
        if not CAPTURES:
            print("skipped: MMU2D_CAPTURES does not name a folder of captures")
            sys.exit(77)
        CHOSEN = Captured
    SUITE = unittest.defaultTestLoader.loadTestsFromTestCase(CHOSEN)
    sys.exit(not unittest.TextTestRunner(verbosity=2).run(SUITE).wasSuccessful())
