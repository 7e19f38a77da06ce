# SPDX-License-Identifier: GPL-2.0-or-later
"""A window of a capture as a ladder: every event of it once, under its vCPU or task, at its time."""
import gzip
import os
import re
import subprocess
import unittest

PROGRAM = os.environ["MMU2D_PROGRAM"]
DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")


def run(*args, **kwargs):
    return subprocess.run([PROGRAM, "ladder", *args], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, encoding="utf-8", check=False, **kwargs)


def path_of(name):
    return os.path.join(DATA, name + ".txt.gz")


LINE = re.compile(r"\s*(.*)-(\d+)\s+(?:\(.{7}\)\s+)?\[\d+\] \S{4,5}\s+([\d.]+): (\w+):(.*)")


class Ladder(unittest.TestCase):
    def lines(self, name):
        """(number, task, time, event, payload) of each event."""
        with gzip.open(path_of(name), "rt") as f:
            for number, line in enumerate(f, 1):
                found = LINE.match(line)
                if found:
                    task, pid, time, event, payload = found.groups()
                    yield number, "%s-%s" % (task, pid), time, event, payload

    def rows(self, text):
        """Titles, and (time, column, text) of each event; wrapped lines joined."""
        lines = text.splitlines()
        titles = [x.strip() for x in lines[2].split("|")[1:]]
        self.assertEqual(lines[3].count("+"), len(titles))
        rows = []
        for line in lines[4:]:
            cells = line.split("|")
            time, cells = cells[0].strip(), [c.strip() for c in cells[1:]]
            column = [i for i, c in enumerate(cells) if c]
            self.assertEqual(len(column), 1, line)
            if time or cells[column[0]].startswith("..."):
                rows.append([time, titles[column[0]], cells[column[0]]])
            else:
                rows[-1][2] += " " + cells[column[0]]
        return titles, rows

    def check(self, name, first, last):
        events = list(self.lines(name))
        vcpu = {}
        for _, task, _, event, payload in events:
            if event == "kvm_entry":
                vcpu[task] = "vCPU " + re.search(r"vcpu (\d+)", payload).group(1)
        want = [(time, vcpu.get(task, task), event) for number, task, time, event, _ in events
                if first <= number <= last]
        done = run(path_of(name), "--all", "-w", "300", "--lines", "%d,%d" % (first, last))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        titles, rows = self.rows(done.stdout)
        self.assertEqual(len(rows), len(want))
        for (time, column, text), (when, who, event) in zip(rows, want):
            self.assertEqual((time, column), (when, who))
            if event != "tracing_mark_write":
                self.assertEqual(text.split()[0], event)
        self.assertEqual(sorted(titles, key=lambda t: not t.startswith("vCPU")), titles)

    def test_events(self):
        for name in ("notif-tdp", "churn-shadow", "thp-legacy"):
            n = max(x[0] for x in self.lines(name))
            for first in (12, n // 3, n // 2, n - 60):
                with self.subTest(capture=name, first=first):
                    self.check(name, first, min(first + 200, n))

    def test_time(self):
        events = list(self.lines("notif-tdp"))
        a, b = events[len(events) // 2][2], events[len(events) // 2 + 40][2]
        done = run(path_of("notif-tdp"), "--all", "--time", "%s,%s" % (a, b), "-w", "200")
        rows = self.rows(done.stdout)[1]
        self.assertEqual([r[0] for r in rows],
                         [e[2] for e in events if float(a) <= float(e[2]) <= float(b)])

    def test_width_and_folding(self):
        name = "churn-tdp" if os.path.exists(path_of("churn-tdp")) else "notif-tdp"
        n = max(x[0] for x in self.lines(name))
        window = ("--lines", "%d,%d" % (n // 2, n // 2 + 1500))
        done, whole = run(path_of(name), *window), run(path_of(name), "--all", *window)
        shown, every = self.rows(done.stdout)[1], self.rows(whole.stdout)[1]
        hidden = sum(int(r[2].split()[1]) for r in shown if r[2].startswith("..."))
        self.assertEqual(len([r for r in shown if not r[2].startswith("...")]) + hidden,
                         len(every))
        # Three columns; at 72 the longest names alone would be wider.
        for line in run(path_of(name), "-w", "100", *window).stdout.splitlines()[2:]:
            self.assertLessEqual(len(line), 100)

    def test_standard_input(self):
        with gzip.open(path_of("thp-tdp")) as f:
            text = f.read().decode()
        done = run("-", "--lines", "12,40", input=text)
        self.assertEqual(done.stdout.replace("  -,", "  %s," % path_of("thp-tdp")),
                         run(path_of("thp-tdp"), "--lines", "12,40").stdout)

    def test_refusals(self):
        capture = path_of("thp-tdp")
        for args, word in (((capture, "--time", "5"), "--time"), ((capture, "--lines", "0,4"), "--lines"),
                           ((capture, "--lines", "9,4"), "--lines"), ((capture, "--lines", "a,4"), "--lines"),
                           ((capture, "--time", "0.001,0.002"), "no event in this window"),
                           ((capture, "--variant", "x"), "scenario"),
                           (("/dev/null", "--lines", "1,2"), "empty")):
            done = run(*args)
            self.assertEqual(done.returncode, 2, args)
            self.assertIn(word, done.stderr)
            self.assertEqual((done.stdout, done.stderr.count("\n")), ("", 1))


if __name__ == "__main__":
    unittest.main()
