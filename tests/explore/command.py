# SPDX-License-Identifier: GPL-2.0-or-later
"""`mmu2d explore` end to end: tables, schedules, [orders], --drop, coverage."""
import json
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.environ["MMU2D_SOURCE"], "tests", "cli"))
from common import SOURCE, CliMixin, run  # noqa: E402  pylint: disable=wrong-import-position

PV_FLUSH = os.path.join(SOURCE, "scenarios", "regressions", "2021-pv-flush-before-sync.scn")
PV_FLUSH_3 = os.path.join(SOURCE, "scenarios", "regressions", "2021-pv-flush-three-vcpus.scn")
# Two vCPUs race for one word; the host changes the page behind it.
SCENARIO = """mmu2d-scenario 1
title   A race

[machine]
vcpus = 2
{machine}
[layout]
slot id=0 gpa=0x0..0x3fffff
gpt A
gva 0x400000 = 0x5000 gpt=A rights=rw
memory gpa=0x5000 value=0x111

[steps]
@1 vcpu0: write gva=0x400000 value=0x222
@2 vcpu1: read gva=0x400000
{steps}
{rest}
"""


def explore(*args):
    result = run("explore", "-q", "--json", *args)
    return result, json.loads(result.stdout) if result.stdout else []


class Explore(CliMixin, unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)

    def path(self, name):
        return os.path.join(self.dir.name, name)

    def scenario(self, rest="", steps="", machine=""):
        path = self.path("race.scn")
        with open(path, "w", encoding="utf-8") as f:
            f.write(SCENARIO.format(rest=rest, steps=steps, machine=machine))
        return path

    def variant(self, *args):
        result, rows = explore(*args)
        self.assertEqual(len(rows), 1, result.stderr)
        return result.returncode, rows[0]

    def test_table(self):
        for path, steps in ((PV_FLUSH, 83), (PV_FLUSH_3, 84)):
            status, row = self.variant(path, "--variant", "before")
            self.assertEqual((status, row["verdict"]), (0, "pass"))
            found = row["violations"][0]
            self.assertEqual((found["invariant"], found["preemptions"], found["steps"],
                              found["shortest"]), ("unsynced-shadow", 1, steps, True))
            rows = row["table"]
            self.assertLessEqual(len(rows), 12)
            self.assertEqual((rows[0]["first"], rows[-1]["last"]), (1, steps))
            for before, after in zip(rows, rows[1:]):
                self.assertEqual(before["last"] + 1, after["first"])
            self.assertEqual([r["breaks"] for r in rows].count(True), 1)
            self.assertTrue(rows[-1]["breaks"])
            self.assertEqual([r["preempts"] for r in rows].count(True), found["preemptions"])
            # The row of the last repair holds that step, and the schedule says who takes it.
            at = row["repair"]["step"]
            self.assertEqual([r["first"] <= at <= r["last"] for r in rows if r["repair"]], [True])
            self.assertNotEqual(row["repair"]["instead"], row["schedule"][at - 1])

    def test_repair(self):
        """From the step before the last repair a clean end can be reached, from that step none."""
        _, row = self.variant(PV_FLUSH, "--variant", "before")
        text = run("explore", "-q", PV_FLUSH, "--variant", "before").stdout
        self.assertIn(f"* Until step {row['repair']['step']} it could be repaired", text)

    def test_schedule(self):
        schedule = self.path("s")
        for path in (PV_FLUSH, PV_FLUSH_3):
            self.variant(path, "--variant", "before", "--save-schedule", schedule)
            result = run("run", "--json", "--schedule", schedule)
            self.assert_status(result, 0)
            again = json.loads(result.stdout)[0]
            with open(schedule, encoding="utf-8") as f:
                self.assertIn("state " + again["state"][2:], f.read())
            self.assertEqual({v["invariant"] for v in again["violations"]}, {"unsynced-shadow"})

    def test_small_where_not_shortest(self):
        """Where the search for the shortest is not made, the schedule is made smaller."""
        status, row = self.variant(PV_FLUSH, "--variant", "before", "--engine", "random")
        self.assertEqual(status, 0)
        found = row["violations"][0]
        self.assertFalse(found["shortest"])
        self.assertLess(found["steps"], row["depth"])
        self.assertLessEqual(found["preemptions"], 2)

    def test_open(self):
        """What a bound kept from being found is neither a pass nor a failure."""
        status, row = self.variant(PV_FLUSH, "--variant", "before", "--preemptions", "0")
        self.assertEqual((status, row["verdict"], row["complete"]), (3, "bound", True))
        status, row = self.variant(PV_FLUSH, "--variant", "after", "--states", "100")
        self.assertEqual((status, row["verdict"], row["complete"]), (3, "pass", False))

    def test_bound_is_told(self):
        """What is complete within a bound on preemptions says so, whoever set the bound."""
        for path, more, bound in ((PV_FLUSH, (), -1), (PV_FLUSH, ("--preemptions", "0"), 0),
                                  (PV_FLUSH_3, (), 1)):
            options = (path, "--variant", "after", *more)
            self.assertEqual(self.variant(*options)[1]["max_preemptions"], bound)
            text = run("explore", "-q", *options).stdout
            self.assertIn("complete;" if bound < 0 else f"complete within {bound} preemption", text)
        self.assertIn("explored, complete within 1 preemption: ",
                      run("run", PV_FLUSH_3, "--variant", "after").stdout)

    def orders(self, claims, orders="as-written\nexplore", status=0):
        path = self.scenario(f"[orders]\n{orders}\n[final]\n{claims}")
        result = run("run", "--json", path)
        self.assert_status(result, status)
        return json.loads(result.stdout)[0]

    def test_claims(self):
        row = self.orders("sometimes read(@2) == 0x111\nsometimes read(@2) == 0x222\n"
                          "never read(@2) == 0x333\nalways result(@1) == ok")
        self.assertTrue(row["orders"]["complete"])
        self.assertGreater(row["orders"]["states"], 10)
        for claim in ("always read(@2) == 0x222", "never read(@2) == 0x111",
                      "sometimes read(@2) == 0x333"):
            row = self.orders(claim, status=1)
            self.assertIn(claim, row["why"])
        # As written the read comes last; only that order is asked for here.
        self.orders("always read(@2) == 0x222", orders="as-written")
        row = self.orders("always read(@2) == 0x222", orders="as-written\nperm 2 1", status=1)
        self.assertIn("order of line", row["why"])
        self.orders("sometimes read(@2) == 0x111", orders="as-written\nperm 2 1")
        self.orders("sometimes read(@2) == 0x111", orders="as-written\nperm 1 2", status=1)

    def test_claims_in_explore(self):
        path = self.scenario("[orders]\nas-written\nexplore\n[final]\nalways read(@2) == 0x222\n"
                             "sometimes count(kvm_exit) > 0")
        status, row = self.variant(path)
        self.assertEqual((status, row["verdict"]), (1, "fail"))
        self.assertEqual(row["violations"][0]["invariant"], "claim")
        counts = {c["quantifier"]: (c["yes"], c["no"]) for c in row["claims"]}
        self.assertGreater(counts["always"][1], 0)
        # Claims about the order as written are not looked at in others unless asked for.
        path = self.scenario("[final]\nalways read(@2) == 0x222")
        self.assertEqual(self.variant(path)[0], 0)
        self.assertEqual(self.variant(path, "--claims")[0], 1)

    def test_claims_of_all_looks(self):
        """Ends that the first look saw count also where a long search follows it."""
        row = self.variant(PV_FLUSH_3, "--variant", "after")[1]
        self.assertGreater(row["states"], 20000)
        for claim in row["claims"]:
            self.assertGreater(claim["yes"] + claim["no"], row["terminals"])

    def test_claims_tell_states_apart(self):
        """Ends that differ in the past alone, which a claim asks for, are different ends."""
        path = self.scenario("[orders]\nas-written\nexplore\n[final]\n"
                             "sometimes count(kvm_flush_remote_tlbs) == 0\n"
                             "sometimes reached(accessed) > 0", steps="@3 vcpu1: invlpg gva=0x400000")
        self.assertEqual(self.variant(path)[0], 0)

    def test_processor_is_one_vcpus(self):
        """Two vCPUs on one processor take turns, and the last one makes room."""
        path = self.scenario(machine="pcpus = 1\n")
        status, row = self.variant(path)
        self.assertEqual((status, row["complete"]), (0, True))
        two = self.variant(self.scenario())[1]
        self.assertLess(row["states"], two["states"])
        self.assertTrue(all(step["ended"] for step in row["steps"]))

    def test_drop(self):
        result, rows = explore(PV_FLUSH, "--variant", "after", "--drop", "all")
        self.assert_status(result, 0)
        verdict = {d.get("duty", d.get("step")): (d["verdict"], d["why"]) for d in rows[0]["drops"]}
        self.assertEqual(verdict["sync-pv"][0], "necessary")
        self.assertIn("unsynced-shadow", verdict["sync-pv"][1])
        self.assertEqual(verdict["flush-sync-page"][0], "redundant")
        self.assertEqual(verdict["zap-slot"][0], "no difference")
        step = next(v for k, v in verdict.items() if k.startswith("@1.3"))
        self.assertEqual(step[0], "necessary")
        self.assertIn("expected value 0x222", step[1])
        one = run("explore", "-q", PV_FLUSH, "--variant", "after", "--drop", "@1.3").stdout
        self.assertIn("1 necessary, 0 redundant", one)
        # Nothing is dropped from what is broken already.
        _, rows = explore(PV_FLUSH, "--variant", "before", "--drop", "sync-pv")
        self.assertNotIn("drops", rows[0])

    def test_drop_says_what_it_wants(self):
        result = run("explore", "-q", PV_FLUSH, "--drop", "flush-pvv")
        self.assert_fails(result, 2, "flush-pvv", "flush-pv")

    def test_coverage(self):
        expects = "[variant a]\nexpect = lost-accessed\nbug.flush-age = yes\n[variant b]\n"
        path = self.scenario(machine=expects)
        result = run("explore", "-q", path, "--variant", "b", "--require-coverage")
        self.assert_status(result, 1)
        self.assertIn("never at stake: lost-accessed", result.stdout)
        result = run("explore", "-q", PV_FLUSH, "--variant", "after", "--require-coverage")
        self.assert_status(result, 0)
        counts = run("explore", "-q", PV_FLUSH, "--variant", "after", "--coverage").stdout
        for word in ("steps that ended: line", "unsynced-shadow", "flag-set"):
            self.assertIn(word, counts)
        missed = counts.split("none did: ")[1].split()
        self.assertLessEqual({"spte-read", "emulated", "freed"}, set(missed))
        self.assertNotIn("published", missed)

    def test_engines_agree(self):
        """Each engine finds the race, and none finds one where there is none."""
        for engine in ("exhaust", "shortest", "random"):
            for variant, found in (("before", True), ("after", False)):
                with self.subTest(engine=engine, variant=variant):
                    row = self.variant(PV_FLUSH, "--variant", variant, "--engine", engine,
                                       "--runs", "300")[1]
                    self.assertEqual(bool(row["violations"]), found)

    def test_dpor(self):
        """Without a table of states, with footprints and without."""
        alone = os.path.join(SOURCE, "scenarios", "litmus", "guest-accessed-dirty-bits.scn")
        for more in ((), ("--reduce",)):
            status, row = self.variant(alone, "--variant", "direct", "--engine", "dpor", *more)
            self.assertEqual((status, row["complete"], row["runs"]), (0, True, 1))
            status, row = self.variant(self.scenario(), "--engine", "dpor", "--seconds", "0.3",
                                       *more)
            self.assertEqual((status, row["verdict"], row["complete"]), (3, "pass", False))
            self.assertGreater(row["runs"], 1)

    def test_bound_with_engine(self):
        """A search that an engine did not end is no proof; a sample does not say it is one."""
        for engine, status in (("exhaust", 3), ("shortest", 3), ("random", 0)):
            found, row = self.variant(PV_FLUSH, "--variant", "after", "--engine", engine,
                                      "--states", "100", "--runs", "20")
            self.assertEqual((found, row["verdict"], row["complete"]), (status, "pass", False))
        text = run("explore", "-q", PV_FLUSH, "--variant", "after", "--engine", "random",
                   "--runs", "20").stdout
        self.assertIn("no violation, sampled; 20 schedules", text)

    def test_bad_bounds(self):
        for option in ("--states=0", "--states=-1", "--memory=0", "--memory=9223372036854775807",
                       "--seconds=0", "--seconds=nan", "--seconds=-1", "--runs=0", "--hw=256",
                       "--hw=-2", "--preemptions=-2"):
            with self.subTest(option=option):
                name = option.split("=", maxsplit=1)[0]
                self.assert_fails(run("explore", "-q", PV_FLUSH, option), 2, name, "expected")
        for engine in ("dpor", "random"):
            result = run("explore", "-q", PV_FLUSH, "--engine", engine, "--preemptions", "1")
            self.assert_fails(result, 2, "--preemptions", "exhaust")


if __name__ == "__main__":
    unittest.main()
