# SPDX-License-Identifier: GPL-2.0-or-later
"""What the end-to-end tests share: the program under test and ways to run it."""
import os
import subprocess

SOURCE = os.environ["MMU2D_SOURCE"]
PROGRAM = os.environ["MMU2D_PROGRAM"]


def run(*args, program=PROGRAM, env=None, timeout=60, **kwargs):
    """Run the program with @args; returns the CompletedProcess with decoded output."""
    full_env = dict(os.environ, LC_ALL="C.UTF-8")
    full_env.update(env or {})
    kwargs.setdefault("stdin", subprocess.DEVNULL)
    kwargs.setdefault("stdout", subprocess.PIPE)
    kwargs.setdefault("stderr", subprocess.PIPE)
    return subprocess.run([program, *args], env=full_env, timeout=timeout,
                          encoding="utf-8", errors="surrogateescape", check=False, **kwargs)


def commands():
    return run("--list-cmds").stdout.split()


def options(command):
    return run(command, "--list-opts").stdout.split()


class CliMixin:
    """For unittest.TestCase: the manners that every command keeps."""

    def assert_status(self, result, status):
        self.assertEqual(result.returncode, status, result.args[1:] + [result.stderr])

    def assert_fails(self, result, status, *words):
        """Exit @status, nothing on stdout, one line on stderr that has all @words."""
        self.assert_status(result, status)
        if result.stdout is not None:
            self.assertEqual(result.stdout, "")
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        self.assertTrue(result.stderr.startswith("mmu2d"), result.stderr)
        for word in words:
            self.assertIn(word, result.stderr)
