# SPDX-License-Identifier: GPL-2.0-or-later
"""The commands knobs and profiles: text, JSON, wrong input."""
import json
import os
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.environ["MMU2D_SOURCE"], "tests", "cli"))
from common import CliMixin, run  # noqa: E402


class Knobs(CliMixin, unittest.TestCase):
    def test_list(self):
        result = run("knobs")
        self.assert_status(result, 0)
        rows = [re.split(r" +", line, maxsplit=3) for line in result.stdout.splitlines()[1:]]
        listed = json.loads(run("knobs", "--json").stdout)
        changes = [[k["name"], a["value"], b["value"]]
                   for k in listed for a, b in zip(k["steps"], k["steps"][1:])]
        self.assertEqual([row[:3] for row in rows], changes)
        self.assertGreaterEqual(len(listed), 30)
        # The columns line up.
        for line in result.stdout.splitlines():
            self.assertRegex(line, r"^.{20} \S.{11} \S.{11} \S")

    def test_one(self):
        for knob in json.loads(run("knobs", "--json").stdout):
            with self.subTest(knob=knob["name"]):
                self.assertEqual(json.loads(run("knobs", knob["name"], "--json").stdout), knob)
                text = run("knobs", knob["name"]).stdout
                for word in (knob["what"], knob["where"], knob["source"], knob["first"] or "",
                             *knob["commit"], *(v["name"] for v in knob["values"]),
                             *(v["text"] for v in knob["values"])):
                    self.assertIn(word, text)
                names = [v["name"] for v in knob["values"]]
                self.assertIn(knob["before"], names)
                self.assertIn(knob["after"], names)
        self.assertEqual(run("knobs", "pv_flush").stdout, run("knobs", "pv-flush").stdout)

    def test_pv_flush(self):
        knob = json.loads(run("knobs", "pv-flush", "--json").stdout)
        self.assertEqual([v["name"] for v in knob["values"]], ["hw", "unload", "sync"])
        self.assertEqual([(s["value"], s["first"], s["commit"]) for s in knob["steps"]],
                         [("hw", None, []), ("unload", "5.13", ["b53e84eed08b"]),
                          ("sync", "5.16", ["61b05a9fd4ae"])])

    def test_wrong_input(self):
        self.assert_fails(run("knobs", "pv-fulsh"), 2, "did you mean 'pv-flush'?")
        self.assert_fails(run("knobs", ""), 2, "no knob ''")
        self.assert_fails(run("knobs", "x" * 1000), 2, "no knob")
        self.assert_fails(run("knobs", "pv-flush", "ad-flush"), 2, "'ad-flush'")
        self.assert_fails(run("knobs", "--jsno"), 2, "did you mean --json?")


class Profiles(CliMixin, unittest.TestCase):
    def test_list(self):
        result = run("profiles")
        self.assert_status(result, 0)
        names = [line.split()[0] for line in result.stdout.splitlines()]
        self.assertEqual(names, "5.4 5.10 5.15 5.17 5.18 6.1 6.3 6.6 6.12 6.14 6.19 7.2".split())
        self.assertEqual([line.split()[0] for line in result.stdout.splitlines() if "*" in line],
                         ["6.12"])
        listed = json.loads(run("profiles", "--json").stdout)
        self.assertEqual([p["kvm"] for p in listed], names)
        # Following the text from line to line gives what JSON says.
        now = dict(listed[0]["knobs"])
        for line, profile in zip(result.stdout.splitlines(), listed):
            now.update(word.split("=") for word in line.split() if "=" in word)
            self.assertEqual(now, profile["knobs"])

    def test_one(self):
        for kernel in ("5.4", "5.13", "6.12", "5.10+b53e84eed08b", "6.12-aa8d1f48d353"):
            with self.subTest(kernel=kernel):
                shown = json.loads(run("profiles", kernel, "--json").stdout)
                self.assertEqual(shown["kvm"], kernel)
                text = run("profiles", kernel).stdout
                self.assertEqual(dict(re.findall(r"(?m)^kvm\.(\S+) = (\S+) +# \S", text)),
                                 shown["knobs"])
                names = [k["name"] for k in json.loads(run("knobs", "--json").stdout)]
                self.assertEqual(list(shown["knobs"]), names)

    def test_two(self):
        result = run("profiles", "5.12", "5.13")
        self.assert_status(result, 0)
        self.assertEqual([line.split() for line in result.stdout.splitlines()
                          if line.startswith("pv-flush")],
                         [["pv-flush", "hw", "unload", "b53e84eed08b"]])
        a = json.loads(run("profiles", "5.4", "--json").stdout)["knobs"]
        b = json.loads(run("profiles", "7.2", "--json").stdout)["knobs"]
        both = json.loads(run("profiles", "5.4", "7.2", "--json").stdout)
        self.assertEqual((both["from"], both["to"]), ("5.4", "7.2"))
        self.assertEqual([(d["name"], d["from"], d["to"]) for d in both["differences"]],
                         [(k, a[k], b[k]) for k in a if a[k] != b[k]])
        commits = {d["name"]: d["commit"] for d in both["differences"]}
        self.assertEqual(commits["retry-scope"],
                         ["4a42d848db95", "8569992d64b8", "d02c357e5bfa"])
        self.assertEqual(commits["slot-delete"], ["aa8d1f48d353"])
        back = json.loads(run("profiles", "7.2", "5.4", "--json").stdout)
        self.assertEqual({d["name"]: d["commit"] for d in back["differences"]}, commits)
        self.assertEqual(run("profiles", "6.3", "6.3").stdout, "")

    def test_backports_make_the_next(self):
        """5.17 with what 5.18 brought is 5.18."""
        brought = json.loads(run("profiles", "5.17", "5.18", "--json").stdout)["differences"]
        kernel = "5.17" + "".join("+" + d["commit"][-1] for d in brought)
        self.assertGreater(len(brought), 2)
        self.assertEqual(run("profiles", kernel, "5.18").stdout, "")

    def test_wrong_input(self):
        for args, word in ((("6",), "MAJOR.MINOR"), (("6.20",), "5.4 to 7.3"),
                           (("5.10.44",), "5.10+b53e84eed08b"), (("6.12+",), "hexadecimal"),
                           (("6.12+0123456789ab",), "no knob"), (("6.12", "6.x"), "6.x"),
                           (("5.13+b53e84eed08b",), "already"), (("6.12", "6.13", "6.14"), "6.14"),
                           (("--json", ""), "MAJOR.MINOR"), (("6.12\n",), "+COMMIT")):
            with self.subTest(args=args):
                self.assert_fails(run("profiles", *args), 2, word)


if __name__ == "__main__":
    unittest.main()
