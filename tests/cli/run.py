# SPDX-License-Identifier: GPL-2.0-or-later
"""mmu2d run and mmu2d duties: verdicts, exit statuses, JSON, schedules, and what goes wrong."""
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from common import PROGRAM, SOURCE, CliMixin, run

PV_FLUSH = os.path.join(SOURCE, "scenarios/regressions/2021-pv-flush-before-sync.scn")
SIMPLE = """mmu2d-scenario 1
title   Two vCPUs read
origin  test

[machine]
vcpus = 2

[layout]
slot id=0 gpa=0x0..0x3fffff
gpt A
gva 0x400000 = 0x5000 gpt=A rights=rwu
memory gpa=0x5000 value=0x111

[steps]
@1.1 vcpu0: read gva=0x400000 -> value 0x111
@2.1 vcpu1: write gva=0x400000 value=0x222
@1.2 vcpu0: read gva=0x400000 -> value {second}
"""


class Case(CliMixin, unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="mmu2d-run-")
        self.addCleanup(folder.cleanup)
        self.dir = folder.name

    def path(self, name):
        return os.path.join(self.dir, name)

    def put(self, name, text):
        path = self.path(name)
        with open(path, "wb") as f:
            f.write(text if isinstance(text, bytes) else text.encode())
        return path

    def good(self):
        return self.put("good.scn", SIMPLE.format(second="0x222"))

    def wrong(self):
        return self.put("wrong.scn", SIMPLE.format(second="0x333"))


class Verdicts(Case):
    def test_as_expected(self):
        result = run("run", PV_FLUSH)
        self.assert_status(result, 0)
        self.assertEqual(result.stderr, "")
        lines = result.stdout.splitlines()
        self.assertTrue(lines[0].startswith(PV_FLUSH + ": Paravirtual"), lines[0])
        self.assertRegex(lines[1], r"^  pass  before .*unsynced-shadow \(violated, as expected\)$")
        for line, name in zip(lines[2:], ("after", "guest-flushes-locally-first", "sync-roots")):
            self.assertRegex(line, r"^  pass  %s .* clean$" % name)
        self.assertEqual(lines[-1], "%d passed, 0 failed" % (len(lines) - 2))

    def test_otherwise(self):
        result = run("run", self.wrong())
        self.assert_status(result, 1)
        self.assertEqual(result.stderr, "")
        self.assertRegex(result.stdout, "FAIL .* expected clean; a result differs")
        self.assertRegex(result.stdout, r"result: line 17: read .*expected value 0x333, found .*0x222")

    def test_one_variant(self):
        result = run("run", PV_FLUSH, "--variant", "after")
        self.assert_status(result, 0)
        self.assertNotIn("before  ", result.stdout)
        self.assertEqual(result.stdout.count("pass"), 1)

    def test_kernel_and_duties_change_a_verdict(self):
        result = run("run", PV_FLUSH, "--variant", "after", "--kvm", "5.10")
        self.assert_status(result, 1)
        self.assertRegex(result.stdout, "FAIL .*kvm 5.10 .*unsynced-shadow")
        self.assert_status(run("run", PV_FLUSH, "--variant", "after", "--without", "sync-pv"), 1)
        self.assert_status(run("run", PV_FLUSH, "--variant", "before", "--kvm", "6.12"), 1)

    def test_quiet(self):
        self.assertEqual(run("run", "-q", PV_FLUSH).stdout, "")
        result = run("run", "-q", self.good(), self.wrong())
        self.assert_status(result, 1)
        self.assertNotIn("good.scn", result.stdout)
        self.assertIn("wrong.scn", result.stdout)
        self.assertIn("1 passed, 1 failed", result.stdout)

    def test_several_files(self):
        result = run("run", self.good(), PV_FLUSH, self.wrong())
        self.assert_status(result, 1)
        self.assertIn("good.scn: Two vCPUs read\n", result.stdout)
        self.assertRegex(result.stdout, r"\n\d+ passed, 1 failed\n$")

    def test_stdin(self):
        with open(PV_FLUSH, encoding="utf-8") as f:
            result = run("run", "-", stdin=f)
        self.assert_status(result, 0)
        self.assertTrue(result.stdout.startswith("-: Paravirtual"), result.stdout)

    def test_same_bytes(self):
        first = run("run", PV_FLUSH, "--explain", "--cost").stdout
        self.assertEqual(run("run", PV_FLUSH, "--explain", "--cost").stdout, first)


class Explanations(Case):
    def test_ladder(self):
        result = run("run", PV_FLUSH, "--explain", "--variant", "before")
        self.assert_status(result, 0)
        head = next(line for line in result.stdout.splitlines() if "| vcpu0" in line)
        self.assertEqual([w.strip() for w in head.split("|")[1:]], ["vcpu0", "vcpu1"])
        for label in ("1.1", "2.1", "2.2", "1.2", "1.3", "2.3", "2.4"):
            self.assertRegex(result.stdout, r"(?m)^ +%s \| " % re.escape(label))
        for event in ("kvm_mmu_unsync_page", "pv_flush_flag", "kvm_pv_tlb_flush need_flush_tlb=1",
                      "kvm_request target=1 request=6 (STEAL_UPDATE)"):
            self.assertIn(event, result.stdout)

    def test_story(self):
        """Birth of the entry, what made it stale, what should have ended it, with the steps."""
        text = run("run", PV_FLUSH, "--explain", "--variant", "before").stdout
        story = text[text.index("\n  unsynced-shadow: "):]
        for moment in ("cached:  @1.1 vcpu0", "changed: @1.2 vcpu0", "promise: @1.3 vcpu0",
                       "found:   @2.3 vcpu1"):
            self.assertIn(moment, re.sub(r" \(line \d+\)", "", story))

    def test_width(self):
        for width in (60, 100, 300):
            text = run("run", PV_FLUSH, "-x", "--variant", "after", "-w", str(width)).stdout
            ladder = [line for line in text.splitlines() if " | " in line]
            if width >= 100:
                self.assertLessEqual(max(map(len, ladder)), width)
        self.assert_fails(run("run", PV_FLUSH, "-w", "39"), 2, "--width=39", "40 to 1000")
        self.assert_fails(run("run", PV_FLUSH, "-w", "1001"), 2, "1001")
        self.assert_fails(run("run", PV_FLUSH, "-w", "wide"), 2, "wide")

    def test_cost(self):
        text = run("run", PV_FLUSH, "--cost").stdout
        table = text[text.index("\n\n") + 2:].split("\n\n")[0].splitlines()
        variants = table[0].split()
        self.assertEqual(variants[0], "before")
        rows = {row[:32].strip(): [int(n) for n in row[32:].split()] for row in table[1:]}
        for name, numbers in rows.items():
            self.assertEqual(len(numbers), len(variants), name)
        for i in range(len(variants)):
            self.assertEqual(rows["cycles"][i],
                             rows["hardware walks"][i] + rows["hypervisor software"][i] +
                             rows["cross-CPU"][i])
            self.assertEqual(rows["hypervisor software"][i],
                             sum(rows[name][i] for name in (
                                 "exits and entries", "flush instructions", "fault handling",
                                 "emulation", "synchronising", "zapping", "loading roots",
                                 "other")))
        # To unload roots costs a load of the root; to sync them does not.
        at = {name: i for i, name in enumerate(variants)}
        self.assertGreater(rows["loading roots"][at["after"]],
                           rows["loading roots"][at["sync-roots"]])


class Json(Case):
    def test_keys(self):
        result = run("run", PV_FLUSH, "--json", "--cost")
        self.assert_status(result, 0)
        runs = json.loads(result.stdout)
        self.assertEqual([r["variant"] for r in runs][:2], ["before", "after"])
        for r in runs:
            for key in ("scenario", "variant", "kvm", "verdict", "expected", "violations"):
                self.assertIn(key, r)
            self.assertEqual(r["scenario"], PV_FLUSH)
            self.assertEqual(r["verdict"], "pass")
            self.assertEqual({v["invariant"] for v in r["violations"]}, set(r["expected"]))
            self.assertRegex(r["state"], "^0x[0-9a-f]{1,16}$")
            self.assertGreater(r["cost"]["cycles"], 0)
        self.assertEqual(runs[0]["kvm"], "5.10")
        self.assertEqual(runs[0]["expected"], ["unsynced-shadow"])
        for v in runs[0]["violations"]:
            for key in ("invariant", "actor", "step", "story"):
                self.assertIn(key, v)
            self.assertRegex(v["actor"], r"^(vcpu\d|host)$")
        # The invariant could have been broken in the clean variants too.
        for r in runs:
            self.assertGreater(r["premises"]["unsynced-shadow"], 0, r["variant"])

    def test_failure(self):
        result = run("run", self.wrong(), "--json")
        self.assert_status(result, 1)
        only, = json.loads(result.stdout)
        self.assertEqual((only["verdict"], only["variant"], only["violations"]), ("fail", "", []))
        self.assertIsNotNone(only["steps"][2]["mismatch"])

    def test_several(self):
        result = run("run", self.good(), self.wrong(), "--json")
        self.assertEqual([r["verdict"] for r in json.loads(result.stdout)], ["pass", "fail"])

    def test_nothing_half_done(self):
        """An unusable file among good ones: no JSON at all."""
        bad = self.put("bad.scn", "mmu2d-scenario 1\n[steps]\nvcpu0: reed gva=0x0\n")
        self.assert_fails(run("run", self.good(), bad, "--json"), 2, "bad.scn:3:8",
                          "did you mean 'read'?")

    def test_duties(self):
        duties = json.loads(run("duties", "--json").stdout)
        text = run("duties").stdout.splitlines()
        self.assertEqual([d["name"] for d in duties], [line.split()[0] for line in text])
        self.assertGreater(len(duties), 50)
        self.assertTrue(all(d["text"] for d in duties))
        self.assert_fails(run("duties", "flush-pv"), 2, "flush-pv")


class BadUsage(Case):
    def test_names(self):
        self.assert_fails(run("run"), 2, "scenario")
        self.assert_fails(run("run", PV_FLUSH, "--variant", "aftr"), 2, "aftr",
                          "did you mean 'after'?")
        self.assert_fails(run("run", PV_FLUSH, "--variant", "xyzzy"), 2, "no variant 'xyzzy'")
        self.assert_fails(run("run", self.good(), "--variant", "after"), 2, "no variant")
        self.assert_fails(run("run", PV_FLUSH, "--kvm", "5.1x"), 2, "--kvm", "5.1x")
        self.assert_fails(run("run", PV_FLUSH, "--kvm", ""), 2, "--kvm")
        self.assert_fails(run("run", PV_FLUSH, "--kvm", "5.10+0123456789ab"), 2, "0123456789ab")
        self.assert_fails(run("run", PV_FLUSH, "--without", "flsh-pv"), 2,
                          "did you mean 'flush-pv'?")
        self.assert_fails(run("run", PV_FLUSH, "--without", "xyzzy"), 2, "mmu2d duties")
        self.assert_fails(run("run", PV_FLUSH, "--explian"), 2, "did you mean --explain?")

    def test_places(self):
        for text, words in (
                ("", ("empty.scn:1:1",)), ("mmu2d-scenario 2\n", (":1:16",)),
                ("mmu2d-scenario 1\n[setps]\n", (":2:2", "did you mean 'steps'?")),
                ("mmu2d-scenario 1\n[machine]\nbug.flsh-pv = yes\n[steps]\nvcpu0: enter\n",
                 (":3:5", "did you mean 'flush-pv'?")),
                ("mmu2d-scenario 1\n[machine]\nkvm = 4.x\n[steps]\nvcpu0: enter\n", (":3:7",)),
                ("mmu2d-scenario 1\n[steps]\nvcpu0: enter until nowhere\n", (":3:20",)),
                (b"\x7fELF\0\1\2", (":1:5",)), (b"mmu2d-scenario 1\n\0\n", (":2:1",)),
                (b"mmu2d-scenario 1\ntitle \xff\n", (":2:7",))):
            with self.subTest(text=text):
                self.assert_fails(run("run", self.put("empty.scn", text)), 2, *words)

    def test_files(self):
        self.assert_fails(run("run", self.path("none.scn")), 2, "none.scn", "No such file")
        self.assert_fails(run("run", self.dir), 2, self.dir, "directory")
        self.assert_fails(run("run", ""), 2)
        self.assert_fails(run("run", "/dev/zero"), 2, "/dev/zero")
        self.assert_fails(run("run", "-", stdin=subprocess.DEVNULL), 2, "-:1:1")
        self.assert_fails(run("run", "/proc/self/mem"), 2, "/proc/self/mem")

    def test_first_verdicts_stay(self):
        result = run("run", self.good(), self.path("none.scn"))
        self.assert_status(result, 2)
        self.assertIn("pass", result.stdout)
        self.assertEqual(result.stderr.count("\n"), 1)


class Schedules(Case):
    def save(self, scenario=PV_FLUSH, variant="before", *args):
        path = self.path("saved")
        options = ["--variant", variant] if variant else []
        result = run("run", scenario, *options, "--save-schedule", path, *args)
        self.assertEqual(result.stderr, "")
        self.assertIn(result.returncode, (0, 1))
        with open(path, encoding="utf-8") as f:
            return f.read()

    def test_round_trip(self):
        for variant in ("before", "after", "guest-flushes-locally-first", "sync-roots"):
            first = self.save(PV_FLUSH, variant)
            self.assertRegex(first, r"(?s)^mmu2d-schedule 1\nscenario .*\nsha256 [0-9a-f]{64}\n"
                                    r"variant %s\nkvm .*\nchoices v0.*\nstate [0-9a-f]{16}\n$"
                             % variant)
            os.rename(self.path("saved"), self.path("first"))
            result = run("run", "--schedule", self.path("first"))
            self.assert_status(result, 0)
            self.assertEqual(result.stderr, "")
            self.assertIn(variant, result.stdout)
            # The scenario may be named as well, and the schedule saved again is the same.
            result = run("run", PV_FLUSH, "--schedule", self.path("first"), "--save-schedule",
                         self.path("again"))
            self.assert_status(result, 0)
            with open(self.path("again"), encoding="utf-8") as f:
                self.assertEqual(f.read(), first)

    def test_every_scenario(self):
        """The first variant of each scenario ends in the same state when its schedule is run."""
        paths = glob.glob(os.path.join(SOURCE, "scenarios", "*", "*.scn"))
        saved, tried = self.path("saved"), 0
        for path in sorted(paths):
            with open(path, encoding="utf-8") as f:
                variants = re.findall(r"(?m)^\[variant (.*)\]", f.read())
            for variant in variants[:1] or [None]:
                with self.subTest(scenario=os.path.basename(path), variant=variant):
                    options = ["--variant", variant] if variant else []
                    first = run("run", "-q", path, *options, "--save-schedule", saved)
                    again = run("run", "-q", "--schedule", saved)
                    self.assertEqual((first.stderr, again.stderr), ("", ""))
                    tried += 1
        self.assertGreater(tried, 3)

    def test_of_a_search(self):
        """What explore found happens again."""
        result = run("explore", "-q", PV_FLUSH, "--variant", "before", "--preemptions", "1",
                     "--save-schedule", self.path("found"))
        self.assert_status(result, 0)
        result = run("run", "--schedule", self.path("found"), "--explain")
        self.assert_status(result, 0)
        self.assertEqual(result.stderr, "")
        self.assertIn("unsynced-shadow: vcpu1", result.stdout)

    def test_at_once(self):
        """A vCPU that is scheduled out in the middle of a step: its schedule says where."""
        text = SIMPLE.format(second="0x222").replace(
            "@1.2", "@2.2 vcpu1: set-pte gva=0x400000 gpa=0x6000 until fault\n"
            "@2.3 vcpu1: preempt\n@2.4 vcpu1: resume\n@2.5 vcpu1: continue\n@1.2")
        schedule = self.save(self.put("beside.scn", text), None)
        self.assertRegex(schedule, r"(?m)^choices .* v1! v1! ")
        self.assertEqual(run("run", "--schedule", self.path("saved")).stderr, "")

    def test_without_variants(self):
        self.assertNotIn("variant", self.save(self.good(), None))
        self.assert_status(run("run", "--schedule", self.path("saved")), 0)

    def test_kernel_and_duties_are_kept(self):
        text = self.save(PV_FLUSH, "after", "--kvm", "6.12", "--without", "sync-pv", "--without",
                         "flush-wrprot")
        self.assertIn("\nkvm 6.12\nwithout sync-pv\nwithout flush-wrprot\n", text)
        result = run("run", "--schedule", self.path("saved"))
        self.assertEqual(result.stderr, "")
        self.assertIn("kvm 6.12", result.stdout)

    def test_timing_does_not_matter(self):
        self.save()
        self.assertEqual(run("run", "--schedule", self.path("saved"), "--cost").stderr, "")

    def test_other_order(self):
        """Another order is another state; the schedule's own says so."""
        text = self.save(self.good(), None)
        choices = re.search(r"(?m)^choices .*$", text).group()
        other = text.replace(choices, "choices v1*400 v0*400")
        result = run("run", "--schedule", self.put("other", other))
        self.assert_status(result, 1)
        self.assertEqual(result.stderr.count("\n"), 1)
        self.assertIn("the schedule says", result.stderr)
        silent = re.sub(r"(?m)^state .*\n", "", other)
        self.assertEqual(run("run", "--schedule", self.put("silent", silent)).stderr, "")

    def refuse(self, text, *words):
        self.assert_fails(run("run", "--schedule", self.put("bad", text)), 2, "bad:", *words)

    def test_damaged(self):
        text = self.save()
        lines = text.splitlines(keepends=True)
        self.refuse("", "bad:1", "mmu2d-schedule 1")
        self.refuse(text.replace("schedule 1", "schedule 2"), "bad:1")
        self.refuse(text.replace("\n", "\r\n"), "bad:1")
        self.refuse(text + "what 1\n", "bad:%d" % (len(lines) + 1), "choices or state")
        self.refuse(text + lines[2], "a second line 'sha256'")
        self.refuse(text + lines[-1], "a second line 'state'")
        self.refuse(text.replace("sha256 ", "sha256 x"), "bad:3", "64 hexadecimal digits")
        self.refuse(text.replace("choices v0", "choices w0"), "bad:6", "choices such as")
        self.refuse(text.replace("choices v0", "choices v9*1 v0"), "bad:6")
        self.refuse(text.replace("choices v0", "choices v3 v0"), "bad:6", "below 2")
        self.refuse(re.sub(r"v0\*\d+", "v0*0", text), "bad:6")
        self.refuse(text.replace("state ", "state 0x"), "16 hexadecimal digits")
        self.refuse(text.replace("variant before", "variant befor"), "did you mean 'before'?")
        self.refuse(text.replace("variant before\n", ""), "a line 'variant'")
        self.refuse(text.replace("kvm 5.10", "kvm 5.x"), "5.x")
        self.refuse(text.replace("kvm 5.10", "kvm 5.10\nwithout nothing"), "bad:6", "mmu2d duties")
        self.refuse(text.replace("variant before", "variant\0before"), "NUL")
        for name in ("scenario", "sha256", "choices"):
            self.refuse(re.sub(r"(?m)^%s .*\n" % name, "", text), "a line '%s'" % name)
        for length in range(0, len(text) - 1, 7):
            result = run("run", "--schedule", self.put("bad", text[:length]))
            # Without the state at its end a schedule is complete.
            if "choices" in text[:length] and text[length - 1] == "\n":
                continue
            self.assert_fails(result, 2, "bad:")

    def test_changed_scenario(self):
        path = self.good()
        self.save(path, None)
        with open(path, "a", encoding="utf-8") as f:
            f.write("# a word\n")
        self.assert_fails(run("run", "--schedule", self.path("saved")), 2, "saved:3",
                          "good.scn as it is now", "sha256")
        self.assert_fails(run("run", PV_FLUSH, "--schedule", self.path("saved")), 2, "saved:3")
        os.unlink(path)
        self.assert_fails(run("run", "--schedule", self.path("saved")), 2, "good.scn",
                          "No such file")

    def test_usage(self):
        self.save()
        for option in (("--variant", "after"), ("--kvm", "5.10"), ("--without", "flush-pv")):
            self.assert_fails(run("run", "--schedule", self.path("saved"), *option), 2, option[0])
        self.assert_fails(run("run", "--schedule", self.path("saved"), PV_FLUSH, PV_FLUSH), 2,
                          "one scenario")
        self.assert_fails(run("run", "--schedule", self.path("none")), 2, "none", "No such file")
        self.assert_fails(run("run", "--schedule", self.dir), 2, "directory")
        self.assert_fails(run("run", PV_FLUSH, "--save-schedule", self.path("x")), 2,
                          "--variant=NAME")
        self.assert_fails(run("run", PV_FLUSH, PV_FLUSH, "--save-schedule", self.path("x")), 2,
                          "one scenario")
        with open(PV_FLUSH, encoding="utf-8") as f:
            self.assert_fails(run("run", "-", "--save-schedule", self.path("x"), stdin=f), 2,
                              "standard input")
        self.assertFalse(os.path.exists(self.path("x")))

    def test_line_feed_in_the_name(self):
        path = self.put("a\nb.scn", SIMPLE.format(second="0x222"))
        result = run("run", path, "--save-schedule", self.path("x"))
        self.assert_status(result, 2)
        self.assertIn("line feed", result.stderr)
        self.assertFalse(os.path.exists(self.path("x")))


class Outputs(Case):
    def test_full_disk(self):
        for args in ((), ("--json",), ("--explain",), ("--cost",)):
            with open("/dev/full", "wb") as full:
                self.assert_fails(run("run", PV_FLUSH, *args, stdout=full), 75, "No space left")
        with open("/dev/full", "wb") as full:
            self.assert_fails(run("duties", stdout=full), 75, "No space left")

    def test_schedule_cannot_be_written(self):
        for path in ("/proc/none", self.path("none/saved"), self.dir, "", "/dev/full"):
            result = run("run", PV_FLUSH, "--variant", "before", "-q", "--save-schedule", path)
            self.assert_fails(result, 75 if path == "/dev/full" else 2)
        self.assertEqual(os.listdir(self.dir), [])

    def test_old_schedule_stays(self):
        path = self.put("saved", "old")
        result = run("run", PV_FLUSH, "--variant", "before", "-q", "--save-schedule", path,
                     preexec_fn=self.limit_files)
        self.assert_fails(result, 2, "saved")
        with open(path, encoding="utf-8") as f:
            self.assertEqual(f.read(), "old")
        self.assertEqual(os.listdir(self.dir), ["saved"])

    @staticmethod
    def limit_files():
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))

    def test_broken_pipe(self):
        with subprocess.Popen([PROGRAM, "run", *[PV_FLUSH] * 50, "--explain"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            process.stdout.readline()
            process.stdout.close()
            process.wait(timeout=60)
            self.assertIn(process.returncode, (2, -signal.SIGPIPE))

    def test_interrupt(self):
        """Soon over, with one line, whether a run is under way or a pipe says nothing."""
        with subprocess.Popen([PROGRAM, "run", *[PV_FLUSH] * 20000], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, encoding="utf-8") as process:
            # Read, so that the program is not stopped by a full pipe.
            process.stdout.readline()
            process.send_signal(signal.SIGINT)
            started = time.monotonic()
            _, err = process.communicate(timeout=30)
            self.assertLess(time.monotonic() - started, 20)
            self.assertEqual((process.returncode, err), (75, "mmu2d run: interrupted\n"))
        with subprocess.Popen([PROGRAM, "run", "-"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              encoding="utf-8") as process:
            time.sleep(0.3)
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.wait(timeout=30), 75)
            self.assertEqual(process.stderr.read().count("\n"), 1)
            process.stdin.close()


class Completion(Case):
    SCRIPT = r'''
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
compopt() { :; }
_mmu2d
printf '%s\n' "${COMPREPLY[@]}"
'''

    def complete(self, *words):
        result = subprocess.run(
            ["bash", "--norc", "-c", self.SCRIPT, "bash",
             os.path.join(SOURCE, "tools/completion/mmu2d.bash"), PROGRAM, *words],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False,
            cwd=self.dir)
        self.assertEqual(result.stderr, "")
        return result.stdout.split()

    def setUp(self):
        super().setUp()
        if shutil.which("bash") is None:
            self.skipTest("no bash")

    def test_duties(self):
        self.assertEqual(self.complete("run", "x.scn", "--without", "flush-p"), ["flush-pv"])
        self.assertIn("kick", self.complete("run", "x.scn", "--without", ""))

    def test_variants(self):
        self.assertEqual(self.complete("run", PV_FLUSH, "--variant", "aft"), ["after"])
        self.assertEqual(self.complete("ladder", PV_FLUSH, "--variant", "sy"), ["sync-roots"])

    def test_scenarios(self):
        self.good()
        self.put("notes.txt", "")
        os.mkdir(self.path("folder"))
        self.assertEqual(sorted(self.complete("run", "")), ["folder", "good.scn"])
        self.assertEqual(self.complete("lint", "go"), ["good.scn"])


if __name__ == "__main__":
    unittest.main()
