# SPDX-License-Identifier: GPL-2.0-or-later
"""Manual pages: one for each command, sound, and telling of every option and setting."""
import glob
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest

from common import SOURCE, commands, options, run

PAGES = os.path.join(SOURCE, "docs", "man")


def read(page):
    with open(os.path.join(PAGES, page), encoding="utf-8") as f:
        return f.read()


def plain(page):
    """The page's words without macros, escapes and the spacing that Ns takes away."""
    text = re.sub(r"\\-", "-", read(page))
    return text.replace("\\&", "")


class Pages(unittest.TestCase):
    def test_every_command_has_a_page(self):
        for command in commands():
            self.assertTrue(os.path.exists(os.path.join(PAGES, "mmu2d-%s.1" % command)), command)

    def test_main_page_lists_every_command(self):
        text = read("mmu2d.1")
        for command in commands():
            self.assertRegex(text, r"(?m)^\.It Cm %s$" % command)

    def test_options(self):
        for command in commands():
            text = plain("mmu2d-%s.1" % command)
            for option in options(command):
                # mdoc writes --json as "Fl -json".
                name = option.rstrip("=")[1:]
                with self.subTest(command=command, option=option):
                    self.assertRegex(text, r"Fl %s(?![\w-])" % re.escape(name))

    def test_no_option_is_invented(self):
        for command in commands():
            known = {o.rstrip("=")[1:] for o in options(command)}
            for name in re.findall(r"(?m)^\.It Fl (-[\w-]+)", plain("mmu2d-%s.1" % command)):
                with self.subTest(command=command, option=name):
                    self.assertIn(name, known)

    def test_machine_settings(self):
        text = read("mmu2d-machine.5")
        sections = dict(re.findall(r"(?ms)^\.Ss \[(\w+)\]\n(.*?)(?=^\.S[sh] )", text))
        documented = {"%s.%s" % (s, k) for s, body in sections.items()
                      for k in re.findall(r"(?m)^\.It Cm ([\w.-]+)", body)}
        result = run("machines", "generic", "--json")
        self.assertEqual(documented, set(json.loads(result.stdout)["settings"]))

    def test_points_and_events(self):
        text = plain("mmu2d-scenario.5")
        for section, path, macro, known in (
                ("Points", "sim/engine/points.def", "POINT", {"none"}),
                ("Events", "sim/engine/event.def", "EVENT", set())):
            with open(os.path.join(SOURCE, path), encoding="utf-8") as f:
                names = set(re.findall(r'(?m)^%s\(\w+,\s*"([\w-]+)"' % macro, f.read())) - known
            body = re.search(r"(?ms)^\.Ss %s\n(.*?)(?=^\.S[sh] )" % section, text).group(1)
            self.assertEqual(set(re.findall(r"(?m)^\.It Cm ([\w-]+)", body)), names)

    def test_example(self):
        """The scenario in mmu2d-scenario(5) passes, and lint has nothing to say."""
        example = re.search(r"(?ms)^\.Sh EXAMPLES.*?^\.Bd [^\n]*\n(.*?)^\.Ed",
                            read("mmu2d-scenario.5")).group(1)
        for command in ("run", "lint"):
            with tempfile.TemporaryFile("w+", encoding="utf-8") as f:
                f.write(example)
                f.seek(0)
                result = run(command, "-", stdin=f)
                self.assertEqual((result.returncode, result.stderr), (0, ""), result.stdout)

    def test_lint(self):
        if shutil.which("mandoc") is None:
            self.skipTest("mandoc is not installed")
        for page in sorted(glob.glob(os.path.join(PAGES, "*.[1-9]"))):
            with self.subTest(page=os.path.basename(page)):
                result = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", page],
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        text=True, check=False)
                self.assertEqual(result.stdout, "")

    def test_cross_references(self):
        for path in glob.glob(os.path.join(PAGES, "*.[1-9]")):
            for name, section in re.findall(r"(?m)^\.Xr (mmu2d[\w-]*) (\d)", read(path)):
                with self.subTest(page=os.path.basename(path), to=name):
                    self.assertTrue(os.path.exists(os.path.join(PAGES, name + "." + section)))


if __name__ == "__main__":
    unittest.main()
