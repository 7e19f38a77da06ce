# SPDX-License-Identifier: GPL-2.0-or-later
"""The walk command: counts of the literature, faults, pictures, real tables, bad input."""
import json
import os
import re
import sys
import tempfile
import unittest
import xml.etree.ElementTree

SOURCE = os.environ["MMU2D_SOURCE"]
sys.path.insert(0, os.path.join(SOURCE, "tests", "cli"))
from common import CliMixin, run  # noqa: E402

GVA = "0x71234567"
TRACE = os.path.join(SOURCE, "traces", "s-linux-tdp-u.m2t")


class Walk(unittest.TestCase, CliMixin):
    def walk(self, *args, gva=GVA):
        where = () if gva is None else ("--gva", gva)
        result = run("walk", *where, *args, "--json")
        self.assert_status(result, 0)
        self.assertEqual(result.stderr, "")
        document = json.loads(result.stdout)
        self.assertEqual(document["refs"], len(document["steps"]))
        self.assertEqual([s["order"] for s in document["steps"]],
                         list(range(1, document["refs"] + 1)))
        return document

    def refs(self, *args, gva=GVA):
        return self.walk(*args, gva=gva)["refs"]


class Counts(Walk):
    """References per walk: (g + 1)(n + 1) - 1, less what large pages save."""

    def test_cold(self):
        sizes = {"4k": 0, "2m": 1, "1g": 2}
        for levels in (4, 5):
            for nested in (4, 5):
                for page, g in sizes.items():
                    for nested_page, n in sizes.items():
                        args = ("--guest", str(levels), "--nested-levels", str(nested),
                                "--guest-page", page, "--nested-page", nested_page)
                        with self.subTest(args=args):
                            want = (levels - g + 1) * (nested - n + 1) - 1
                            self.assertEqual(self.refs(*args), want)
                            self.assertEqual(
                                self.refs(*args, "--machine", "sapphire-rapids"), want)

    def test_other_modes(self):
        for args, want in [
                (("--guest", "4", "--nested", "none"), 4),
                (("--guest", "5", "--nested", "none"), 5),
                (("--guest", "pae"), 19),
                (("--guest", "pae", "--machine", "skylake-sp"), 14),  # PDPTEs in registers
                (("--guest", "pae", "--nested", "none"), 3),
                (("--guest", "pae", "--nested", "none", "--machine", "haswell"), 2),
                (("--guest", "32"), 14),
                (("--guest", "32", "--guest-page", "4m"), 9),
                (("--guest", "32", "--guest-page", "4m", "--nested-page", "2m"), 7),
                (("--guest", "32", "--guest-page", "4m", "--nested", "none"), 1)]:
            with self.subTest(args=args):
                self.assertEqual(self.refs(*args), want)

    def test_warm(self):
        for warm, want in [("pml4e", 15), ("pdpte", 10), ("pde", 5), ("psc", 5), ("ntlb", 4),
                           ("psc,ntlb", 1), ("npde", 9), ("npsc", 9), ("psc,npsc", 2),
                           ("data", 24), ("tlb", 0), ("all", 0)]:
            for machine in ("generic", "skylake-sp", "zen3"):
                with self.subTest(warm=warm, machine=machine):
                    self.assertEqual(self.refs("--warm", warm, "--machine", machine), want)
        self.assertEqual(self.refs("--warm", "pml5e", "--guest", "5"), 20)
        self.assertEqual(self.refs("--warm", "all", "--tlb-miss"), 1)

    def test_reuse(self):
        """Within one walk, and after a neighbour's."""
        alone = self.refs("--caches")
        self.assertLess(alone, 24)
        names = [s["name"] for s in self.walk("--before", "0x71235567")["steps"]]
        self.assertEqual(names[0], "gL1")
        self.assertTrue(all(n.endswith("@final") for n in names[1:]))
        self.assertEqual(self.refs("--before", GVA), 0)
        self.assertEqual(self.refs("--before", GVA, "--tlb-miss"), 1)

    def test_order(self):
        """Each guest entry comes right after the nested walk that finds it."""
        names = [s["name"] for s in self.walk()["steps"]]
        want = []
        for column in ("gL4", "gL3", "gL2", "gL1", "final"):
            want += ["nL%d@%s" % (n, column) for n in (4, 3, 2, 1)]
            want += [column] if column != "final" else []
        self.assertEqual(names, want)


class Entries(Walk):
    def test_chain(self):
        """Each entry leads to the next one, and the last to the result."""
        document = self.walk("--user", "--write", gva="0x7f1234567890")
        frame = 0xffffffffff000
        table = int(document["nested"]["ncr3"], 16)
        for step in document["steps"]:
            address, value = int(step["entry_address"], 16), int(step["entry_value"], 16)
            if step["dimension"] == "nested":
                shift = 12 + 9 * (step["level"] - 1)
                index = int(step["gpa"], 16) >> shift & 511
                self.assertEqual(address, table + 8 * index, step["name"])
                hpa = (value & frame) | (int(step["gpa"], 16) & 4095)
                table = value & frame
            else:
                self.assertEqual(address, hpa, step["name"])
                index = 0x7f1234567890 >> 12 + 9 * (step["level"] - 1) & 511
                self.assertEqual(address & 4095, 8 * index, step["name"])
                gpa = value & frame
                table = int(document["nested"]["ncr3"], 16)
        self.assertEqual(gpa | 0x890, int(document["steps"][-1]["gpa"], 16))
        self.assertEqual(document["result"]["hpa"], hex(hpa))

    def test_updates(self):
        first = self.walk("--untouched", "--write")["steps"]
        seen = set()
        for step in first:  # the nested root is read five times, the first read sets A
            with self.subTest(step=step["name"]):
                self.assertEqual("accessed" in step["updates"], step["entry_address"] not in seen)
            seen.add(step["entry_address"])
        self.assertEqual({s["name"] for s in first if "dirty" in s["updates"]},
                         {"nL1@gL4", "nL1@gL3", "nL1@gL2", "nL1@gL1", "gL1", "nL1@final"})
        self.assertTrue(all(s["updates"] == [] for s in self.walk("--write")["steps"]))

    def test_time(self):
        document = self.walk()
        causes = document["cycles_by_cause"]
        self.assertEqual(sum(causes.values()), document["cycles"])
        for dimension in ("guest", "nested"):
            self.assertEqual(sum(s["cycles"] for s in document["steps"]
                                 if s["dimension"] == dimension), causes["fetch_" + dimension])
        warm = self.walk("--warm", "data")
        self.assertEqual({s["served_by"] for s in warm["steps"]}, {"L1"})

    def test_deterministic(self):
        self.assertEqual(run("walk", "--gva", GVA).stdout, run("walk", "--gva", GVA).stdout)


class Faults(Walk):
    def fault(self, *args, **kwargs):
        return self.walk(*args, **kwargs)["result"]

    def test_page_fault(self):
        result = self.fault("--write", "--edit", "gL1:-W")
        self.assertEqual((result["kind"], result["error_code"], result["cr2"]),
                         ("pf", "0x3", GVA))
        self.assertEqual(self.fault("--edit", "gL2:-P")["error_code"], "0x0")
        self.assertEqual(self.fault("--user", "--fetch", "--edit", "gL3:+NX")["error_code"],
                         "0x15")
        # Bit 7 of a PML4 entry is reserved.
        self.assertEqual(self.fault("--edit", "gL4:+PS")["error_code"], "0x9")
        self.assertEqual(self.fault("--user", gva="0xffff888000001000")["error_code"], "0x5")

    def test_general_protection(self):
        document = self.walk(gva="0x800000000000")
        self.assertEqual((document["result"]["kind"], document["refs"]), ("gp", 0))

    def test_npf(self):
        result = self.fault("--write", "--edit", "nL1@final:-W")
        self.assertEqual((result["kind"], result["exitinfo1"]), ("npf", "0x100000007"))
        result = self.fault("--edit", "nL2@gL3:=0x0")
        self.assertEqual(result["exitinfo1"], "0x200000006")

    def test_ept(self):
        result = self.fault("--machine", "skylake-sp", "--write", "--edit", "nL1@final:-W")
        # Write; readable and executable; linear address valid; final; user, writable page.
        self.assertEqual((result["kind"], result["qualification"]), ("ept_violation", "0x7aa"))
        result = self.fault("--machine", "skylake-sp", "--edit", "nL1@final:-R")
        self.assertEqual(result["kind"], "ept_misconfig")

    def test_text(self):
        out = run("walk", "--gva", GVA, "--write", "--edit", "nL1@final:-W").stdout
        self.assertIn("24 FAULT", out)
        self.assertIn("EXITINFO1 0x100000007", out)
        self.assertIn("bit 32 = 1", out)


class Text(Walk):
    def test_grid(self):
        for args in ((), ("--guest", "5", "--nested-levels", "5"), ("--nested", "none"),
                     ("--guest", "pae"), ("--warm", "psc,npsc"), ("--warm", "tlb")):
            result = run("walk", "--gva", GVA, *args)
            self.assert_status(result, 0)
            with self.subTest(args=args):
                self.assertLessEqual(max(map(len, result.stdout.splitlines())), 122)
                rules = {len(l) for l in result.stdout.splitlines() if l.startswith("      +")}
                self.assertEqual(len(rules), 1)

    def test_numbers(self):
        """Every step's address and value stand in the grid."""
        out = run("walk", "--gva", GVA).stdout
        for step in self.walk()["steps"]:
            self.assertIn("@%x" % int(step["entry_address"], 16), out)
            self.assertIn("=%x" % int(step["entry_value"], 16), out)
        self.assertIn("24 table entries read: 4 guest + 20 nested", out)

    def test_skipped(self):
        out = run("walk", "--gva", GVA, "--warm", "pde,npde").stdout
        self.assertIn(" psc ", out)
        self.assertIn(" nested psc ", out)
        self.assertIn(" nested TLB ", run("walk", "--gva", GVA, "--warm", "ntlb").stdout)


class Pictures(Walk):
    CASES = [(), ("--guest", "5", "--nested-levels", "5", "--untouched"), ("--nested", "none"),
             ("--warm", "psc,ntlb"), ("--write", "--edit", "nL1@final:-W"), ("--warm", "tlb"),
             ("--guest-page", "2m", "--nested-page", "1g")]

    def test_svg(self):
        for args in self.CASES:
            with self.subTest(args=args):
                result = run("walk", "--gva", GVA, *args, "--svg", "-")
                self.assert_status(result, 0)
                root = xml.etree.ElementTree.fromstring(result.stdout)
                self.assertEqual(root.tag, "{http://www.w3.org/2000/svg}svg")
                groups = root.iter("{http://www.w3.org/2000/svg}g")
                orders = sorted(int(g.get("data-order")) for g in groups
                                if "step" in g.get("class") and "page" not in g.get("class"))
                self.assertEqual(orders, list(range(1, self.refs(*args) + 1)))

    def test_html(self):
        for args in self.CASES:
            with self.subTest(args=args):
                result = run("walk", "--gva", GVA, *args, "--html", "-")
                self.assert_status(result, 0)
                page = result.stdout
                root = xml.etree.ElementTree.fromstring(page.replace("<!DOCTYPE html>", ""))
                self.assertIsNotNone(root.find(".//svg"))
                self.assertEqual(len(root.findall(".//ol/li")), self.refs(*args) + 2)
                for word in ("http", "src=", "href=", "@import", "fetch("):
                    self.assertNotIn(word, page)
                for key in ("ArrowRight", "ArrowLeft", "Home", "End"):
                    self.assertIn(key, page)

    def test_files(self):
        with tempfile.TemporaryDirectory() as folder:
            svg, html = os.path.join(folder, "a.svg"), os.path.join(folder, "a.html")
            result = run("walk", "--gva", GVA, "--svg", svg, "--html", html)
            self.assert_status(result, 0)
            self.assertIn("24 table entries read", result.stdout)
            self.assertEqual(sorted(os.listdir(folder)), ["a.html", "a.svg"])

    def test_full_disk(self):
        for option in ("--svg", "--html"):
            self.assert_fails(run("walk", "--gva", GVA, option, "/dev/full"), 75, "/dev/full")
        with open("/dev/full", "w", encoding="utf-8") as full:
            self.assert_status(run("walk", "--gva", GVA, stdout=full), 75)

    def test_bad_path(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "none", "a.svg")
            self.assert_fails(run("walk", "--gva", GVA, "--svg", path), 2, path)
            self.assert_fails(run("walk", "--gva", GVA, "--svg", folder), 2, folder)
            self.assertEqual(os.listdir(folder), [])


class Traces(Walk):
    def at(self, ref, *args, gva=None):
        return self.walk("--trace", TRACE, "--at", str(ref), *args, gva=gva)

    def test_recorded_address(self):
        kinds = set()
        for ref in (0, 1, 4095, 70000, 262143, 262144, 300000, 431000, 596238):
            with self.subTest(ref=ref):
                document = self.at(ref)
                kinds.add(document["nested"]["kind"])
                self.assertTrue(document["trace"]["agrees"])
                self.assertEqual(document["result"]["hpa"], document["trace"]["recorded_hpa"])
                self.assertGreater(document["refs"], 0)
        self.assertEqual(kinds, {"none", "npt"})

    def test_caches_of_the_replay(self):
        document = self.at(300000, "--caches")
        self.assertTrue(document["trace"]["agrees"])
        self.assertLess(document["refs"], self.at(300000)["refs"])

    def test_other_address(self):
        document = self.at(300000, gva=self.at(300000)["access"]["gva"])
        self.assertEqual(document["result"]["hpa"], self.at(300000)["result"]["hpa"])
        self.assertNotIn("recorded_hpa", document["trace"])

    def test_edit(self):
        document = self.at(300000, "--edit", "gL4:-P")
        self.assertEqual(document["result"]["kind"], "pf")
        self.assertFalse(document["trace"]["agrees"])

    def test_guest_model(self):
        """A trace without tables: the model has mapped the page by then."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "g.m2t")
            self.assert_status(run("gen", "uniform", "--refs", "5000", "--processes", "2", "-q",
                                   "-o", path), 0)
            for ref in (0, 2500, 4999):
                document = self.walk("--trace", path, "--at", str(ref), gva=None)
                self.assertEqual(document["result"]["kind"], "ok")
                self.assertEqual(document["refs"], 24)

    def test_bad(self):
        self.assert_fails(run("walk", "--trace", TRACE, "--at", "596239"), 2, TRACE, "596239")
        self.assert_fails(run("walk", "--trace", TRACE, "--at", "x"), 2, "--at=x")
        self.assert_fails(run("walk", "--trace", "/nonexistent", "--at", "1"), 2, "/nonexistent")
        self.assert_fails(run("walk", "--trace", TRACE), 2, "--at")
        self.assert_fails(run("walk", "--trace", TRACE, "--at", "1", "--guest", "5"), 2, "--guest")
        self.assert_fails(run("walk", "--trace", TRACE, "--at", "1", "--gva", "1", "--vcpu", "7"),
                          2, "--vcpu=7")
        with tempfile.NamedTemporaryFile(suffix=".m2t") as f:
            with open(TRACE, "rb") as good:
                f.write(good.read(100000))
            f.flush()
            self.assert_fails(run("walk", "--trace", f.name, "--at", "590000"), 2, f.name)


class BadUsage(Walk):
    def test_usage(self):
        for args, words in [
                ((), ["--gva"]),
                (("--gva", "12q"), ["--gva=12q", "number"]),
                (("--gva", "0x10000000000000000"), ["64 bits"]),
                (("--gva", "-1"), ["number"]),
                (("--gva", "1", "extra"), ["extra"]),
                (("--gva", "1", "--write", "--fetch"), ["--fetch"]),
                (("--gva", "1", "--guest", "6"), ["--guest=6", "pae"]),
                (("--gva", "1", "--nested", "ept"), ["--nested=ept", "vendor"]),
                (("--gva", "1", "--nested-levels", "3"), ["4 or 5"]),
                (("--gva", "1", "--guest-page", "4m"), ["--guest-page=4m"]),
                (("--gva", "1", "--guest", "32", "--guest-page", "2m"), ["--guest-page=2m"]),
                (("--gva", "0x100000000", "--guest", "pae"), ["2^32"]),
                (("--gva", "1", "--warm", "pdx"), ["--warm", "pdx"]),
                (("--gva", "1", "--warm", "pml5e"), ["PML5E"]),
                (("--gva", "1", "--warm", "ntlb", "--nested", "none"), ["nested TLB"]),
                (("--gva", "1", "--warm", "psc", "--caches"), ["--warm"]),
                (("--gva", "1", "--edit", "gL1"), ["--edit=gL1", "colon"]),
                (("--gva", "1", "--edit", "gL1:"), ["+ or -"]),
                (("--gva", "1", "--edit", "gL1:-Q"), ["+ or -"]),
                (("--gva", "1", "--edit", "nL1:-P"), ["column"]),
                (("--gva", "1", "--edit", "gL5:-P"), ["no such entry"]),
                (("--gva", "1", "--edit", "gL1:=zz"), ["number"]),
                (("--gva", "1", "--at", "4"), ["--trace"]),
                (("--gva", "1", "--machine", "zen99"), ["zen99"]),
                (("--gva", "1", "--set", "nope.x=1"), ["nope"]),
                (("--gva", "1", "--json", "--svg", "-"), ["standard output"]),
                (("--gva", "1", "--svg", "-", "--html", "-"), ["standard output"])]:
            with self.subTest(args=args):
                self.assert_fails(run("walk", *args), 2, *words)

    def test_help_has_examples(self):
        self.assertRegex(run("walk", "--help").stdout, re.compile(r"^  mmu2d walk --gva", re.M))


if __name__ == "__main__":
    unittest.main()
