# SPDX-License-Identifier: GPL-2.0-or-later
"""Scenarios that nobody would write: those of the tree with steps taken out, put in, swapped and cut
by `until`, on other machines and with duties left out. Each runs to a verdict or is refused in one
line, and the schedule of each run leads to the same state again.

Longer: scenarios.py PROGRAM --rounds 100
"""
import glob
import json
import os
import random
import re
import unittest

import bad
from bad import SOURCE, Case, execute

VCPU_VERBS = """preempt|resume|enter|exit|await-acks|invlpg gva=0x400000|mov-cr3 gpt=A|mov-cr0 clear=pg
mov-cr0 set=wp|mov-cr4 set=pcide|mov-cr4 clear=pae|mov-cr4 clear=pge|wrmsr-efer clear=nx
invpcid type=2|invpcid type=0 pcid=1 gva=0x400000|invpcid type=1 pcid=4095|read gva=0x400000|read gva=0x0
read gva=0xdeadbeef000|write gva=0x400ff8 value=1 size=8|write gva=0xffff888000000000 value=1
write gva=0x7fffffffffff value=3 size=1|fetch gva=0x400000|set-pte gva=0x400000 clear
set-pte gva=0x400000 gpa=0xfffff000 rights=rwx|set-pte gva=0x400000 level=2 value=0x83
set-pte gva=0x400000 level=4 clear|ipi to=vcpu0 do=flush-all|ipi to=vcpu1 do=invlpg gva=0x400000
pv-flush to=vcpu1|pv-flush to=vcpu0|await gva=0x400000 value=5|cmpxchg gva=0x400000 old=1 new=2"""
HOST_VERBS = """unmap gpa=0x0..0xffffff|unmap gpa=0x5000..0x5fff|unmap gpa=0x3c0000..0x3c0fff|release
slot-delete id=0|slot-delete id=0 unmap|slot-create id=1 gpa=0x10000000..0x100fffff
slot-create id=0 gpa=0x0..0x3fffff|slot-move id=0 gpa=0x400000..0x7fffff|slot-flags id=0 log-dirty
slot-flags id=0 readonly|slot-flags id=0|get-dirty-log id=0|clear-dirty-log id=0 gpa=0x0..0x3fffff
migrate gpa=0x5000|migrate gpa=0x3c0000|protect gpa=0x0..0x3fffff|unprotect gpa=0x0..0x3fffff
age gpa=0x0..0x3fffff|test-age gpa=0x5000|poke gpa=0x3c6000 value=0|track gpa=0x5000
poke gpa=0x3c0000 value=0xffffffffffffffff|track gpa=0x3c6000|untrack gpa=0x5000|page-limit n=1
page-limit n=3|page-limit n=0|pcpu-offline pcpu=0|pcpu-offline pcpu=1"""
SETTINGS = """guest = 4level|guest = 5level|guest = pae|guest = 32bit|guest = none|mmu = direct|mmu = shadow
vendor = amd|vendor = intel|vpid = no|asids = 2|page-limit = 3|guest.pcid = yes|guest.pse = no
guest.wp = no|guest.smep = yes|kvm = 5.4|kvm = 6.12|memory = 1m|memory = 2m|tlb = machine|pcpus = 1
ept-ad = no|kvm.slot-delete = leafs|kvm.slot-delete = zap-all-slow|maxphyaddr = 36"""


def choices(text):
    return text.replace("\n", "|").split("|")


def names(path, macro):
    with open(os.path.join(SOURCE, path), encoding="utf-8") as f:
        return re.findall(r'(?m)^%s\(\w+,\s*"([\w-]+)"' % macro, f.read())


class Senseless(Case):
    @classmethod
    def setUpClass(cls):
        cls.files = sorted(glob.glob(os.path.join(SOURCE, "scenarios", "*", "*.scn")))
        cls.points = names("sim/engine/points.def", "POINT")
        cls.duties = names("sim/vm/duty.def", "DUTY")

    def until(self, rng):
        return " until " + rng.choice(self.points) if rng.random() < 0.3 else ""

    def change_steps(self, rng, body):
        for _ in range(rng.randrange(1, 12)):
            kind, at = rng.randrange(5), rng.randrange(len(body) + 1)
            if kind == 0 and body:
                del body[at - 1]
            elif kind == 1:
                body.insert(at, "vcpu%d: %s%s" % (rng.randrange(2), rng.choice(choices(VCPU_VERBS)),
                                                  self.until(rng)))
            elif kind == 2:
                body.insert(at, "host: %s%s" % (rng.choice(choices(HOST_VERBS)), self.until(rng)))
            elif kind == 3 and body:
                other = rng.randrange(len(body))
                body[at - 1], body[other] = body[other], body[at - 1]
            else:
                body.insert(at, "%s: continue%s" % (rng.choice(["vcpu0", "vcpu1", "host"]),
                                                    self.until(rng)))

    def change_machine(self, rng, head):
        first = head.index("[machine]") + 1
        for _ in range(rng.randrange(3)):
            setting = rng.choice(choices(SETTINGS))
            if rng.random() < 0.4:
                setting = "bug.%s = yes" % rng.choice(self.duties)
            last = next(i for i in range(first, len(head)) if head[i].startswith("["))
            key = setting.split(" = ")[0] + " ="
            head[first:last] = [setting] + [s for s in head[first:last] if not s.startswith(key)]
        if not any(line.startswith("vcpus") for line in head):
            head.insert(first, "vcpus = 2")

    def make(self, rng):
        with open(rng.choice(self.files), encoding="utf-8") as f:
            lines = [line for line in f.read().split("\n")
                     if not line.startswith(("result @", "always", "never", "sometimes"))]
        steps = lines.index("[steps]") + 1
        ends = [i for i, line in enumerate(lines) if line in ("[orders]", "[final]")] + [len(lines)]
        head = lines[:steps]
        body = [re.sub(r"\s*->.*", "", line) for line in lines[steps:min(ends)] if line.strip()]
        if "[machine]" in head:
            self.change_machine(rng, head)
        self.change_steps(rng, body)
        return "\n".join(head + body) + "\n"

    def again(self, text, label):
        """The schedule of the first variant that can run."""
        variants = re.findall(r"(?m)^\[variant (.*)\]", text)
        options = ["--variant", variants[0]] if variants else []
        status, out, err = execute(["run", "--json", "scn", *options, "--save-schedule", "s"],
                                   self.dir)
        if status == 2:
            return
        self.assertEqual(err, "", label)
        # The order as written ends where a step cannot be taken; a schedule goes on from there.
        if re.search("continues an actor|cannot begin|ended without", json.loads(out)[0]["why"] or ""):
            return
        status, _, err = execute(["run", "-q", "--schedule", "s"], self.dir)
        self.assertIn(status, (0, 1), label)
        self.assertEqual(err, "", label)

    def test_runs(self):
        ran = 0
        for seed in range(25 * bad.ROUNDS):
            text = self.make(random.Random(seed))
            self.put("scn", text.encode())
            status, _, err = execute(["run", "scn", "--explain"], self.dir)
            label = "seed %d, status %d: %s" % (seed, status, err[-300:])
            self.assertIn(status, (0, 1, 2), label)
            self.assertEqual(err.count("\n"), status == 2, label)
            if status != 2:
                ran += 1
                self.again(text, label)
        self.assertGreater(ran, 5)


if __name__ == "__main__":
    bad.main()
