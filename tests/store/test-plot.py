#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""mmu2d plot from end to end, and the JSON document: test-plot.py MMU2D MAKE_DB."""
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as ET

MMU2D, MAKE_DB = (os.path.abspath(p) for p in sys.argv[1:3])
KINDS = ('cycles', 'walk-refs', 'tlb')
HAVE_GNUPLOT = shutil.which('gnuplot') is not None


class Plot(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix='m2d-plot-')
        self.addCleanup(shutil.rmtree, self.dir)

    def make(self, name, what):
        subprocess.run([MAKE_DB, os.path.join(self.dir, name), str(what)], check=True)

    def plot(self, *args, status=0, env=None):
        p = subprocess.run([MMU2D, 'plot', *args], cwd=self.dir, env=env, timeout=60,
                           stdin=subprocess.DEVNULL, capture_output=True)
        self.assertEqual(p.returncode, status, p.stderr)
        if status != 0:
            lines = p.stderr.decode('utf-8', 'replace').split('\n')
            self.assertEqual(len(lines), 2, lines)
            self.assertTrue(lines[0].startswith('mmu2d plot: '), lines)
        else:
            self.assertEqual(p.stderr, b'')
        return os.fsdecode(p.stdout).split('\n')[:-1], p.stderr.decode('utf-8', 'replace')

    def check_pictures(self, names):
        for name in names:
            data = self.read(name)
            if name.endswith('.svg'):
                root = ET.fromstring(data)
                self.assertTrue(root.tag.endswith('svg'))
                self.assertGreater(len(data), 2000)
            elif name.endswith('.png'):
                self.assertEqual(data[:8], b'\x89PNG\r\n\x1a\n')
                self.assertGreater(len(data), 2000)

    def svg_text(self, name):
        root = ET.parse(os.path.join(self.dir, name)).getroot()
        return '\n'.join(''.join(e.itertext()) for e in root.iter() if e.tag.endswith('}text'))

    def read(self, name):
        with open(os.path.join(self.dir, name), 'rb') as f:
            return f.read()

    def files(self):
        return sorted(os.listdir(self.dir))

    @unittest.skipUnless(HAVE_GNUPLOT, 'gnuplot is not installed')
    def test_all(self):
        self.make('r.db', 2)
        names, _ = self.plot('r.db')
        self.assertEqual(names, [f'r-{k}.{s}' for k in KINDS for s in ('tsv', 'gp', 'svg', 'png')])
        self.assertEqual(self.files(), sorted(names + ['r.db']))
        self.check_pictures(names)
        for k in KINDS:
            text = self.svg_text(f'r-{k}.svg')
            self.assertIn('Run 2 of r.db: zen3, npt, blocking, 2 vCPUs, 60,000,000 references '
                          'of it\'s {a} }"trace" #1`x`\\n.m2t', text)
        self.assertIn('Cycles per memory reference', self.svg_text('r-cycles.svg'))
        self.assertIn('mean ', self.svg_text('r-walk-refs.svg'))
        self.assertIn('Time (million references)', self.svg_text('r-tlb.svg'))

    @unittest.skipUnless(HAVE_GNUPLOT, 'gnuplot is not installed')
    def test_same_bytes(self):
        self.make('r.db', 1)
        names, _ = self.plot('r.db')
        first = [self.read(n) for n in names]
        names, _ = self.plot('r.db')
        for n, data in zip(names, first):
            self.assertEqual(self.read(n), data, n)

    @unittest.skipUnless(HAVE_GNUPLOT, 'gnuplot is not installed')
    def test_script_stands_alone(self):
        """An author runs gnuplot on the .gp and gets the same picture again."""
        self.make('r.db', 1)
        self.plot('r.db', '--svg', '-k', 'cycles')
        first = self.read('r-cycles.svg')
        os.unlink(os.path.join(self.dir, 'r-cycles.svg'))
        p = subprocess.run(['gnuplot', '-d', 'r-cycles.gp'], cwd=self.dir, capture_output=True,
                           check=True)
        self.assertEqual(p.stderr, b'')
        self.assertEqual(self.read('r-cycles.svg'), first)

    @unittest.skipUnless(HAVE_GNUPLOT, 'gnuplot is not installed')
    def test_numbers(self):
        """The .tsv files hold what SQL says."""
        self.make('r.db', 2)
        self.plot('r.db', '--svg', '--run', '1,2')
        db = sqlite3.connect(os.path.join(self.dir, 'r.db'))

        def table(kind):
            with open(os.path.join(self.dir, f'r-{kind}.tsv'), encoding='utf-8') as f:
                rows = [line.rstrip('\n').split('\t') for line in f]
            self.assertTrue(all(len(r) == len(rows[0]) for r in rows))
            return rows[0], rows[1:]

        head, rows = table('cycles')
        self.assertEqual(head, ['cause', 'label', 'class', 'run 1 [cycles]',
                                'run 1 [cycles/reference]', 'run 2 [cycles]',
                                'run 2 [cycles/reference]'])
        for run in (1, 2):
            want = {r[0]: r[1:] for r in db.execute(
                'SELECT cause, class, cycles, per_ref FROM cycles_view '
                'WHERE run_id = ? AND cycles > 0', (run,))}
            self.assertEqual({r[0] for r in rows}, set(want))
            for r in rows:
                cls, cycles, per_ref = want[r[0]]
                self.assertEqual((r[2], int(r[1 + 2 * run])), (cls, cycles))
                self.assertAlmostEqual(float(r[2 + 2 * run]), per_ref, delta=1e-5 * per_ref)
        head, rows = table('walk-refs')
        want = dict(db.execute('SELECT refs, walks FROM walk_refs_view WHERE run_id = 2'))
        self.assertEqual({int(r[0]): int(r[3]) for r in rows if r[3] != '0'}, want)
        self.assertAlmostEqual(sum(float(r[4]) for r in rows), 100, places=3)
        head, rows = table('tlb')
        want = db.execute('SELECT ref, l1d_miss_ratio, l1i_miss_ratio, l2_miss_ratio '
                          'FROM samples_view WHERE run_id = 2 ORDER BY ref').fetchall()
        rows = [r for r in rows if r[0] == '2']
        self.assertEqual(len(rows), len(want))
        for r, w in zip(rows, want):
            self.assertEqual(int(r[2]), w[0])
            for a, b in zip(r[3:], w[1:]):
                if b is None:
                    self.assertEqual(a, 'NaN')
                else:
                    self.assertAlmostEqual(float(a), 100 * b, delta=1e-3)
        self.assertIn('NaN', (r[4] for r in rows))

    @unittest.skipUnless(HAVE_GNUPLOT, 'gnuplot is not installed')
    def test_choice(self):
        self.make('r.db', 9)
        names, _ = self.plot('r.db', '--png', '-k', 'tlb', '-r', '3', '-o', 'x')
        self.assertEqual(names, ['x-tlb.tsv', 'x-tlb.gp', 'x-tlb.png'])
        names, _ = self.plot('r.db', '-k', 'cycles,walk-refs', '-r', '1,2,3', '-r', '4,5,6,7,8')
        self.assertEqual(len(names), 8)
        self.check_pictures(names)
        _, err = self.plot('r.db', '-r', 'all', status=2)
        self.assertIn('9 runs in one figure, expected at most 8', err)

    @unittest.skipUnless(HAVE_GNUPLOT, 'gnuplot is not installed')
    def test_no_data(self):
        self.make('r.db', 'empty')
        names, _ = self.plot('r.db')
        self.check_pictures(names)
        self.assertIn('functional timing only counts', self.svg_text('r-cycles.svg'))
        self.assertIn('No walk took place', self.svg_text('r-walk-refs.svg'))
        self.assertIn('no samples', self.svg_text('r-tlb.svg'))

    @unittest.skipUnless(HAVE_GNUPLOT, 'gnuplot is not installed')
    def test_names(self):
        """No file name is taken for an option, a pipe, a shell command or the end of a string."""
        self.make('r.db', 1)
        for base in ("a b'c\"d", '$(touch hacked)', '`touch hacked`', '<touch hacked', '|touch hacked',
                     '~', "'; system('touch hacked'); '", '-x', '@x', 'a\\nb', 'ü', '%d', 'a,b',
                     os.fsdecode(b'\xff\xfe')):
            names, _ = self.plot('r.db', '--svg', '--png', '-k', 'cycles', f'--output={base}')
            self.assertEqual(names, [f'{base}-cycles.{s}' for s in ('tsv', 'gp', 'svg', 'png')])
            self.check_pictures(names)
            self.assertNotIn('hacked', self.files())
            for n in names:
                os.unlink(os.path.join(self.dir, n))
            self.assertEqual(self.files(), ['r.db'])
        os.mkdir(os.path.join(self.dir, 'sub dir'))
        names, _ = self.plot('r.db', '-k', 'tlb', '-o', 'sub dir/x', '--png')
        self.check_pictures(names)
        os.rename(os.path.join(self.dir, 'r.db'), os.path.join(self.dir, '-r.db'))
        names, _ = self.plot('-k', 'tlb', '--png', '--', '-r.db')
        self.assertEqual(names[0], '-r-tlb.tsv')

    def test_no_gnuplot(self):
        self.make('r.db', 1)
        env = dict(os.environ, PATH=self.dir)
        names, err = self.plot('r.db', status=2, env=env)
        self.assertIn('gnuplot', err)
        self.assertIn('not installed', err)
        self.assertEqual(names, [f'r-{k}.{s}' for k in KINDS for s in ('tsv', 'gp')])
        self.assertEqual(self.files(), sorted(names + ['r.db']))

    def test_bad_gnuplot(self):
        """gnuplot fails, is killed, or writes half a picture: status, one line, nothing halved."""
        self.make('r.db', 1)
        for script, status, part in (
                ('echo "x.gp, line 3: bad" >&2; exit 1', 2, 'line 3: bad'),
                ('kill -INT $$; sleep 5', 75, 'killed by signal 2'),
                ('for f in r-cycles; do echo "<svg>" > $f.svg; done', 2, 'did not complete')):
            path = os.path.join(self.dir, 'gnuplot')
            with open(path, 'w', encoding='utf-8') as f:
                f.write(f'#!/bin/sh\n{script}\n')
            os.chmod(path, 0o755)
            env = dict(os.environ, PATH=self.dir + ':' + os.environ['PATH'])
            names, err = self.plot('r.db', '-k', 'cycles', status=status, env=env)
            self.assertIn(part, err)
            self.assertEqual(self.files(), ['gnuplot', 'r-cycles.gp', 'r-cycles.tsv', 'r.db'])

    def test_bad_use(self):
        self.make('r.db', 1)
        for args, part in (((), 'no file given'), (('r.db', 'r.db'), 'several files'),
                           (('r.db', '--run', 'x'), "'x' is not the id of a run"),
                           (('r.db', '--run', ''), 'is not the id of a run'),
                           (('r.db', '--run', '0'), "'0' is not the id of a run"),
                           (('r.db', '--run', '99999999999999999999'), 'is not the id of a run'),
                           (('r.db', '--run', '7'), 'no run 7'),
                           (('r.db', '--kind', 'x'), "'x' is not a figure"),
                           (('r.db', '--kind', ''), "'' is not a figure"),
                           (('r.db', '--kind', 'tlb,'), "'' is not a figure"),
                           (('r.db', '-o', ''), 'not a file name'),
                           (('r.db', '-o', '.'), 'not a file name'),
                           (('r.db', '-o', '/dev/full'), 'not a file name'),
                           (('r.db', '-o', 'x/'), 'not a file name'),
                           (('r.db', '-o', 'a\nb'), 'control character'),
                           (('r.db', '-o', 'no/such'), 'cannot create'),
                           (('r.db', '--nonsense'), 'nonsense'),
                           (('missing.db',), 'missing.db: cannot open'),
                           (('.',), 'a directory'), (('/dev/null',), 'not a regular file')):
            _, err = self.plot(*args, status=2)
            self.assertIn(part, err)
        with open(os.path.join(self.dir, 'text.db'), 'w', encoding='utf-8') as f:
            f.write('hello\n')
        self.assertIn('not a SQLite database', self.plot('text.db', status=2)[1])
        db = sqlite3.connect(os.path.join(self.dir, 'r.db'))
        db.execute('UPDATE runs SET refs = 1')
        db.commit()
        self.assertIn('corrupted or altered', self.plot('r.db', status=2)[1])
        db.execute('DELETE FROM runs')
        db.commit()
        self.assertIn('holds no run', self.plot('r.db', status=2)[1])
        self.assertEqual(self.files(), ['r.db', 'text.db'])

    def test_full_output(self):
        self.make('r.db', 1)
        with open('/dev/full', 'wb') as full:
            p = subprocess.run([MMU2D, 'plot', 'r.db', '-k', 'cycles'], cwd=self.dir, stdout=full,
                               stderr=subprocess.PIPE)
        self.assertEqual(p.returncode, 75 if HAVE_GNUPLOT else 2)

    def test_views(self):
        """Views agree with each other and with the tables."""
        self.make('r.db', 1)
        db = sqlite3.connect(os.path.join(self.dir, 'r.db'))
        row = db.execute('SELECT * FROM runs_view')
        row = dict(zip((c[0] for c in row.description), row.fetchone()))
        self.assertEqual(row['seed'], '0xfffffffffffffffe')
        self.assertEqual(row['violations'], 2)
        self.assertEqual(row['cycles'],
                         db.execute('SELECT sum(cycles) FROM cycles').fetchone()[0])
        self.assertEqual(row['refs'], 60000000)
        walks, refs = db.execute('SELECT sum(walks), sum(refs * walks) FROM walk_refs').fetchone()
        self.assertAlmostEqual(row['refs_per_walk'], refs / walks)
        self.assertEqual(row['walks'], walks)
        self.assertAlmostEqual(
            db.execute('SELECT sum(share) FROM cycles_view').fetchone()[0], 1)
        self.assertAlmostEqual(
            db.execute('SELECT sum(share) FROM walk_refs_view').fetchone()[0], 1)
        hits, misses, ratio = db.execute(
            "SELECT hits, misses, miss_ratio FROM tlb_view WHERE structure = 'l1d'").fetchone()
        self.assertAlmostEqual(ratio, misses / (hits + misses))
        self.assertEqual(row['l1d_miss_ratio'], ratio)
        self.assertEqual(db.execute('SELECT ref FROM violations_view').fetchone()[0],
                         str(2**63))
        self.assertEqual(db.execute('SELECT sum(count) FROM flush_bill_view').fetchone(),
                         db.execute('SELECT sum(count) FROM flush_bill').fetchone())

    def test_json(self):
        out = subprocess.run([MAKE_DB, '--json'], check=True, capture_output=True).stdout
        doc = json.loads(out.decode('utf-8'))
        self.make('r.db', 1)
        db = sqlite3.connect(os.path.join(self.dir, 'r.db'))
        self.assertEqual(doc['refs'], 60000000)
        self.assertEqual(doc['seconds'], 1.25)
        self.assertEqual(doc['refs_per_second'], 48000000)
        self.assertEqual(doc['cycles'], db.execute('SELECT cycles FROM runs').fetchone()[0])
        self.assertEqual(doc['counters'],
                         dict(db.execute('SELECT name, value FROM counters_view')))
        self.assertEqual(sum(c['cycles'] for c in doc['cycles_by_cause']), doc['cycles'])
        self.assertEqual(sum(doc['cycles_by_class'].values()), doc['cycles'])
        bill = db.execute('SELECT * FROM flush_bill_view')
        keys = [c[0] for c in bill.description][1:]
        want = sorted((dict(zip(keys, r[1:])) for r in bill), key=lambda b: b['cause'])
        self.assertEqual(sorted(doc['flush_bill'], key=lambda b: b['cause']), want)
        self.assertEqual(doc['violations'][0]['ref'], 2**63)
        self.assertEqual(doc['violations'][0]['invariant'], 'stale-gpa')
        self.assertEqual(doc['seed'], 2**64 - 2)
        self.assertEqual(len(doc['vcpus']), 2)
        self.assertEqual(sum(v['counters']['walks'] for v in doc['vcpus']),
                         doc['counters']['walks'])
        self.assertEqual({h['refs']: h['walks'] for h in doc['walk_refs']},
                         dict(db.execute('SELECT refs, walks FROM walk_refs_view')))
        self.assertEqual(doc['config'], dict(db.execute('SELECT key, value FROM configs')))
        self.assertEqual(len(doc['samples']['ref']), 120)
        self.assertTrue(all(len(v) == 120 for v in doc['samples'].values()))


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1])
