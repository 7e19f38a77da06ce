# SPDX-License-Identifier: GPL-2.0-or-later
"""The frame around the subcommands: help, lists, exit statuses, completion, output errors."""
import json
import os
import shutil
import subprocess
import tempfile
import unittest

from common import PROGRAM, SOURCE, CliMixin, commands, options, run


class Frame(CliMixin, unittest.TestCase):
    def test_version(self):
        result = run("--version")
        self.assert_status(result, 0)
        self.assertRegex(result.stdout, r"^mmu2d \d+\.\d+\.\d+\n$")

    def test_no_command(self):
        self.assert_fails(run(), 2, "no command")

    def test_unknown_command(self):
        self.assert_fails(run("machnies"), 2, "machnies", "did you mean 'machines'?")
        self.assert_fails(run("xyzzy"), 2, "xyzzy", "mmu2d help")
        self.assert_fails(run("a\nb\x1b[2J"), 2, "a\\x0ab\\x1b[2J")
        self.assert_fails(run(""), 2)
        self.assert_fails(run("x" * 100000), 2)

    def test_unknown_option(self):
        self.assert_fails(run("--frobnicate"), 2, "--frobnicate")
        for command in commands():
            with self.subTest(command=command):
                self.assert_fails(run(command, "--frobnicate"), 2, "--frobnicate",
                                  "mmu2d " + command)
        self.assert_fails(run("machines", "--jsno"), 2, "did you mean --json?")

    def test_every_command_is_listed(self):
        text = run("help").stdout
        for command in commands():
            self.assertRegex(text, r"(?m)^  %s +\w" % command)

    def test_help_of_every_command(self):
        for command in commands():
            with self.subTest(command=command):
                result = run(command, "--help")
                self.assert_status(result, 0)
                self.assertEqual(result.stderr, "")
                self.assertLessEqual(result.stdout.count("\n"), 60)
                self.assertEqual(run(command, "-h").stdout, result.stdout)
                for option in options(command):
                    self.assertIn(option.rstrip("="), result.stdout)

    def test_help_shows_page(self):
        topics = commands() + ["mmu2d"]
        if shutil.which("man") or shutil.which("mandoc"):
            topics += ["machine.5", "machine(5)", "scenario", "invariants.7"]
        else:
            self.assert_fails(run("help", "machine.5"), 2, "neither man nor mandoc",
                              "mmu2d-machine.5")
        for topic in topics:
            with self.subTest(topic=topic):
                result = run("help", topic)
                self.assert_status(result, 0)
                self.assertGreater(len(result.stdout), 150)
        self.assert_fails(run("help", "machnies"), 2, "did you mean 'machines'?")
        self.assert_fails(run("help", "../../etc/passwd"), 2)
        self.assert_fails(run("help", ""), 2)
        self.assert_fails(run("help", "help", "help"), 2)

    def test_help_without_formatters(self):
        with tempfile.TemporaryDirectory() as empty:
            for command in commands():
                result = run("help", command, env={"PATH": empty})
                self.assert_status(result, 0)
                self.assertIn("Usage: mmu2d", result.stdout)

    def test_full_disk(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("no /dev/full")
        for args in (["--version"], ["--list-cmds"], ["help"], ["machines"], ["machines", "zen2"],
                     ["machines", "zen2", "--json"], ["machines", "--help"]):
            with self.subTest(args=args), open("/dev/full", "w") as full:
                self.assert_fails(run(*args, stdout=full), 75, "No space left")

    def test_closed_descriptors(self):
        result = subprocess.run(["sh", "-c", '"$0" machines >&-', PROGRAM],
                                stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(result.returncode, 2)
        self.assertEqual(result.stderr.count("\n"), 1)
        result = subprocess.run(["sh", "-c", '"$0" machines <&- 2>&-', PROGRAM],
                                stdout=subprocess.PIPE, text=True, check=False)
        self.assertEqual(result.returncode, 0)
        self.assertIn("zen2", result.stdout)

    def test_odd_locales(self):
        for locale in ("C", "C.UTF-8", "no_SUCH.locale"):
            result = run("machines", "zen2", "--json", env={"LC_ALL": locale})
            self.assert_status(result, 0)
            settings = json.loads(result.stdout)["settings"]
            self.assertEqual(settings["tlb.l2"]["value"], "2048/16")

    def test_end_of_options(self):
        self.assertEqual(run("machines", "--", "zen2").stdout, run("machines", "zen2").stdout)
        self.assert_fails(run("machines", "--", "--json"), 2, "--json")


class Machines(CliMixin, unittest.TestCase):
    def test_list(self):
        result = run("machines")
        self.assert_status(result, 0)
        names = [line.split()[0] for line in result.stdout.splitlines()]
        for name in ("haswell", "skylake-sp", "icelake-sp", "sapphire-rapids", "zen1", "zen2",
                     "zen3", "zen4", "generic", "litmus"):
            self.assertIn(name, names)
        listed = json.loads(run("machines", "--json").stdout)
        self.assertEqual([m["name"] for m in listed], names)

    def test_printed_machine_is_a_machine_file(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in ("zen3", "skylake-sp", "generic"):
                first = run("machines", name).stdout
                path = os.path.join(folder, "copy.ini")
                with open(path, "w", encoding="utf-8") as f:
                    f.write(first)
                again = run("machines", path)
                self.assert_status(again, 0)
                self.assertEqual(again.stdout, first)

    def test_set(self):
        result = run("machines", "zen2", "--set", "tlb.l2=1024/8", "--set", "walk.ad_update = 7",
                     "--json")
        settings = json.loads(result.stdout)["settings"]
        self.assertEqual(settings["tlb.l2"], {"value": "1024/8", "source": None})
        self.assertEqual(settings["walk.ad-update"]["value"], "7")
        self.assertIsNotNone(settings["tlb.l1d.unified"]["source"])
        for bad, word in (("tlb.l2", "SECTION.KEY=VALUE"), ("=", "SECTION.KEY=VALUE"),
                          ("tlb.l2=", "ENTRIES/WAYS"), ("tlb.l3=1/1", "did you mean 'l2'?"),
                          ("tbl.l2=1/1", "did you mean 'tlb'?"), ("tlb.l2=12/8", "ways"),
                          ("tlb.l2=1536/8", "power of two"), ("tlb.l2=99999999/1", "65536"),
                          ("tlb.l2=none", "tlb.l2"), ("mem.line=48", "power of two"),
                          ("machine.clock-ghz=inf", "0.1 to 20"),
                          ("walk.walkers=-1", "1 to 64"), ("mem.l1=3K/8", "mem.l1")):
            with self.subTest(bad=bad):
                self.assert_fails(run("machines", "zen2", "--set", bad), 2, word)
        self.assert_fails(run("machines", "--set", "tlb.l2=1024/8"), 2, "--set")

    def test_bad_files(self):
        with tempfile.TemporaryDirectory() as folder:
            def write(data):
                path = os.path.join(folder, "m.ini")
                with open(path, "wb") as f:
                    f.write(data)
                return path

            with open(os.path.join(SOURCE, "machines/zen2.ini"), "rb") as f:
                good = f.read()
            self.assert_status(run("machines", write(good)), 0)
            cases = (
                (b"", "missing"), (b"\n\n", "missing"), (b"\x7fELF\x00\x01\xff", ":1:"),
                (b"x = 1\n", ":1:1: expected [SECTION]"), (b"[tlb\n", ":1:1:"),
                (b"[tlb]\nl2\n", ":2:1: expected KEY = VALUE"),
                (b"[tlb]\nl2 = 1/1\nl2 = 2/2\n", ":3:1: key 'l2' was already set on line 2"),
                (b"[tlb]\nl1-hit = 1\nl1_hit = 2\n", ":3:1: key 'l1_hit' was already"),
                (b"[machine]\nbase = zen2\nbase = zen2\n", ":3:1: key 'base' was already"),
                (b"[tlb]\n[tlb]\n", ":2:1: section"),
                (b"[tlb]\n  l2 = 64 / 4\n", ":2:8: tlb.l2: expected"),
                (b"[nosuch]\nx = 1\n", ":2:1: unknown section 'nosuch'"),
                (b"[machine]\nbase = nosuch\n", ":2:8: no machine 'nosuch'"),
                (b"[machine]\nbase = ./m.ini\n", "loop"),
                (b"[machine]\nvendor = amd\nbase = zen2\n", ":3:8: machine.base"),
                (good.replace(b"vendor = amd", b"vendor = via"), ":12:10: machine.vendor"),
                (good.replace(b"vendor = amd", b"vendor = intel"), "'invvpid' is missing"),
                (good[:len(good) // 2], "missing"), (good + b"\xff", "0xff"),
                (good + b"#" * (1 << 20), "1048576"), (good + b"a" * 70000, "expected KEY"))
            for data, word in cases:
                with self.subTest(data=data[:40], word=word):
                    self.assert_fails(run("machines", write(data)), 2, "m.ini", word)
            self.assert_fails(run("machines", os.path.join(folder, "none.ini")), 2, "none.ini",
                              "No such file")
            self.assert_fails(run("machines", folder + "/"), 2, "directory")
            self.assert_fails(run("machines", "/dev/zero"), 2, "/dev/zero")
            if os.getuid() != 0:
                os.chmod(write(good), 0)
                self.assert_fails(run("machines", os.path.join(folder, "m.ini")), 2, "denied")
        self.assert_fails(run("machines", "zen5x"), 2, "did you mean 'zen")
        self.assert_fails(run("machines", ""), 2)

    def test_environment(self):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "mine.ini"), "w", encoding="utf-8") as f:
                f.write("[machine]\nbase = zen4\n[ntlb]\nsize = none # tried\n")
            with open(os.path.join(folder, "zen1.ini"), "w", encoding="utf-8") as f:
                f.write("nonsense\n")
            env = {"MMU2D_MACHINES": folder}
            result = run("machines", "mine", "--json", env=env)
            self.assert_status(result, 0)
            self.assertEqual(json.loads(result.stdout)["settings"]["ntlb.size"],
                             {"value": "none", "source": "tried"})
            self.assert_status(run("machines", "zen2", env=env), 0)
            # One broken file does not hide the others, but shows.
            listed = run("machines", env=env)
            self.assert_status(listed, 2)
            self.assertIn("mine", listed.stdout)
            self.assertIn("zen1.ini:1:1", listed.stderr)


class Completion(unittest.TestCase):
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
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(result.stderr, "")
        return result.stdout.split()

    def setUp(self):
        if shutil.which("bash") is None:
            self.skipTest("no bash")

    def test_commands(self):
        self.assertEqual(self.complete("machi"), ["machines"])
        self.assertLessEqual(set(commands()), set(self.complete("")))

    def test_options(self):
        self.assertEqual(self.complete("machines", "--js"), ["--json"])
        for command in commands():
            self.assertLessEqual({o for o in options(command) if o.startswith("--")},
                                 set(self.complete(command, "--")))

    def test_machines(self):
        self.assertEqual(self.complete("machines", "zen3"), ["zen3"])
        self.assertIn("haswell", self.complete("replay", "--machine", "h"))

    def test_kernels(self):
        self.assertEqual(self.complete("profiles", "5.1"), ["5.10", "5.15", "5.17", "5.18"])
        self.assertEqual(self.complete("knobs", "pv-"), ["pv-flush"])
        self.assertEqual(self.complete("knobs", "spte"), ["spte-layout"])


if __name__ == "__main__":
    unittest.main()
