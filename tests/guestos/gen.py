#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""mmu2d gen end to end: what it writes reads back, equal options give equal bytes, and every
wrong option, path or full disk gives one line, the right status and no file."""
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

PROGRAM = os.environ['MMU2D_PROGRAM']


def run(*args, **kw):
    return subprocess.run([PROGRAM, *args], capture_output=True, timeout=60, **kw)


class Gen(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)

    def path(self, name):
        return os.path.join(self.dir.name, name)

    def refused(self, status, *args):
        result = run('gen', *args)
        self.assertEqual(result.returncode, status, (args, result))
        lines = result.stderr.decode().splitlines()
        self.assertEqual(len(lines), 1, (args, result))
        self.assertTrue(lines[0].startswith('mmu2d gen: '), lines)
        self.assertEqual(result.stdout, b'')
        self.assertEqual(os.listdir(self.dir.name), [], args)
        return lines[0]

    def test_kinds(self):
        for kind in 'stride', 'uniform', 'zipf', 'chase', 'gups', 'mix':
            a, b, c = self.path(kind), self.path(kind + '2'), self.path(kind + '3')
            common = ('--refs', '20001', '--fetch-share', '0.1', '--vcpus', '2')
            result = run('gen', kind, '-o', a, '--json', *common)
            self.assertEqual(result.returncode, 0, result)
            document = json.loads(result.stdout)
            self.assertEqual(document['refs'], 20001)
            self.assertEqual(document['config']['kind'], kind)
            self.assertEqual(run('gen', kind, '-q', '-o', b, *common).stdout, b'')
            run('gen', kind, '-o', c, '--seed', '2', *common)
            with open(a, 'rb') as x, open(b, 'rb') as y, open(c, 'rb') as z:
                first = x.read()
                self.assertEqual(first, y.read())
                self.assertNotEqual(first, z.read())
            piped = run('gen', kind, '-o', '-', *common)
            self.assertEqual(piped.returncode, 0)
            self.assertEqual(piped.stdout, first)

    def test_counts(self):
        out = self.path('x.m2t')
        result = run('gen', 'gups', '-o', out, '--refs', '1000')
        self.assertEqual(result.stdout.split(), [b'read', b'500', b'write', b'500'])
        result = run('gen', 'zipf', '-o', out, '--refs', '0', '--json')
        self.assertEqual(result.returncode, 0, result)
        self.assertEqual(json.loads(result.stdout)['refs'], 0)

    @unittest.skipUnless('trace' in run('--list-cmds').stdout.decode().split(),
                         'this build has no trace command')
    def test_reads_back(self):
        out = self.path('x.m2t')
        run('gen', 'stride', '-o', out, '--refs', '5000', '--vcpus', '2', '--processes', '3',
            '--slice', '500', '--write-share', '0', '--bytes', '1M')
        self.assertEqual(run('trace', 'verify', out).returncode, 0)
        info = json.loads(run('trace', 'info', '--json', out).stdout)
        self.assertEqual(info['refs'], 5000)
        dump = run('trace', 'dump', out).stdout.decode()
        self.assertEqual(dump.count('read'), 5000)
        # 2500 references a vCPU in slices of 500: a process event at the start of each.
        self.assertEqual(dump.count('aspace'), 10)

    def test_usage(self):
        out = self.path('x.m2t')
        for args in (
                (), ('stride',), ('-o', out), ('stride', 'zipf', '-o', out),
                ('walk', '-o', out), ('', '-o', out), ('stride', '-o', out, '--nothing'),
                ('stride', '-o', '-', '--json'), ('stride', '-o', ''),
                ('stride', '-o', out, '--refs', 'many'), ('stride', '-o', out, '--refs', '-1'),
                ('stride', '-o', out, '--refs', '1e9'),
                ('stride', '-o', out, '--bytes', '0'), ('stride', '-o', out, '--bytes', '9999T'),
                ('stride', '-o', out, '--vcpus', '0'), ('stride', '-o', out, '--vcpus', '1000'),
                ('stride', '-o', out, '--stride', '0'), ('zipf', '-o', out, '--theta', 'nan'),
                ('zipf', '-o', out, '--write-share', '1.01'),
                ('stride', '-o', out, '--base', '0x1234'),
                ('stride', '-o', out, '--base', '0xfffffffffffff000'),
                ('mix', '-o', out, '--hot-share', '0.9', '--window-share', '0.2')):
            self.refused(2, *args)
        self.assertIn('--bytes', self.refused(2, 'zipf', '-o', out, '--bytes', '12'))
        self.assertIn('--hot-share', self.refused(2, 'mix', '-o', out, '--hot-share', '1'))

    def test_paths(self):
        self.refused(2, 'stride', '-o', self.path('no/such/folder'))
        self.refused(75, 'stride', '-o', '/dev/full')
        with open('/dev/full', 'wb') as full:
            result = subprocess.run([PROGRAM, 'gen', 'stride', '-o', '-'], stdout=full,
                                    stderr=subprocess.PIPE, timeout=60)
        self.assertEqual(result.returncode, 75, result)
        self.assertEqual(len(result.stderr.splitlines()), 1)
        folder = self.path('folder')
        os.mkdir(folder)
        result = run('gen', 'stride', '-o', folder)
        self.assertEqual(result.returncode, 2, result)
        self.assertEqual(os.listdir(folder), [])
        self.assertEqual(os.listdir(self.dir.name), ['folder'])

    def test_interrupted(self):
        out = self.path('x.m2t')
        with open(out, 'wb') as old:
            old.write(b'what was there before')
        child = subprocess.Popen([PROGRAM, 'gen', 'zipf', '-o', out, '--refs', '4000000000'],
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(0.5)
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=30)
        self.assertEqual(child.returncode, 75, err)
        self.assertEqual(len(err.splitlines()), 1, err)
        self.assertEqual(os.listdir(self.dir.name), ['x.m2t'])
        with open(out, 'rb') as old:
            self.assertEqual(old.read(), b'what was there before')


if __name__ == '__main__':
    sys.exit(unittest.main(verbosity=1))
