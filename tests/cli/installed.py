# SPDX-License-Identifier: GPL-2.0-or-later
"""What `meson install` puts down works by itself: library, headers, pkg-config file, program."""
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import unittest

from common import SOURCE

BUILD = os.environ["MMU2D_BUILD"]
SANITIZE = os.environ["MMU2D_SANITIZE"]


def call(command, **kwargs):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          check=False, timeout=300, **kwargs)


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.root = tempfile.mkdtemp(prefix="mmu2d-installed-")
        meson = shlex.split(os.environ["MMU2D_MESON"])
        result = call([*meson, "install", "-C", BUILD, "--no-rebuild", "--destdir", cls.root])
        if result.returncode != 0:
            raise AssertionError(result.stdout + result.stderr)
        cls.prefix = cls.root + os.environ["MMU2D_PREFIX"]
        cls.libdir = os.path.join(cls.prefix, os.environ["MMU2D_LIBDIR"])

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.root)

    def pkg_config(self, *args):
        env = dict(os.environ, PKG_CONFIG_PATH=os.path.join(self.libdir, "pkgconfig"))
        result = call(["pkg-config", *args, "mmu2d"], env=env)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout.split()

    def test_example(self):
        program = os.path.join(self.root, "translate")
        sanitize = [] if SANITIZE == "none" else ["-fsanitize=" + SANITIZE]
        # Nothing of the source tree but the example itself may be needed.
        result = call([*shlex.split(os.environ["MMU2D_CC"]), "-std=c11", "-Wall", "-Wextra",
                       "-Werror", *sanitize, os.path.join(SOURCE, "lib/example/translate.c"),
                       *self.pkg_config("--cflags", "--libs"), "-o", program], cwd=self.root)
        self.assertEqual(result.returncode, 0, result.stderr)
        env = dict(os.environ, LD_LIBRARY_PATH=self.libdir,
                   MMU2D_MACHINES=os.path.join(self.prefix, "share/mmu2d/machines"))
        result = call([program], env=env)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertIn("zen3 (NPT)", result.stdout)
        self.assertIn("skylake-sp (EPT)", result.stdout)

    def test_version(self):
        self.assertEqual(["mmu2d", *self.pkg_config("--modversion")],
                         self.program("--version").stdout.split())

    def program(self, *args, **env):
        return call([os.path.join(self.prefix, "bin/mmu2d"), *args],
                    env=dict(os.environ, **env))

    def test_program(self):
        folder = os.path.join(self.prefix, "share/mmu2d/machines")
        result = self.program("machines", "--json", MMU2D_MACHINES=folder)
        self.assertEqual(result.returncode, 0, result.stderr)
        for machine in json.loads(result.stdout):
            self.assertTrue(machine["path"].startswith(folder), machine)

    def test_pages_and_completion(self):
        for path in ("man/man1/mmu2d.1", "man/man1/mmu2d-machines.1", "man/man5/mmu2d-machine.5",
                     "bash-completion/completions/mmu2d"):
            self.assertTrue(os.path.exists(os.path.join(self.prefix, "share", path)), path)
        for command in self.program("--list-cmds").stdout.split():
            page = "share/man/man1/mmu2d-%s.1" % command
            self.assertTrue(os.path.exists(os.path.join(self.prefix, page)), page)


if __name__ == "__main__":
    sys.exit(unittest.main())
