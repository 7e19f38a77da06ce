# SPDX-License-Identifier: GPL-2.0-or-later
"""SIGINT and SIGTERM in the midst of long work: status 75, one line, nothing left behind."""
import json
import os
import signal
import sqlite3
import subprocess
import threading
import time

import bad
from bad import Case, Samples

SLOW = ["--timing", "overlapped", "--mmu", "native"]


class Interrupt(Case):
    def interrupt(self, args, signum=signal.SIGINT, feed=None, after=0.4, left=(), rest=b""):
        """Start, send @signum after a while; (stdout, stderr). @feed: bytes for stdin again and
        again, or b"" for a stdin that stays silent after @rest."""
        before = bad.content(self.dir)
        with subprocess.Popen([bad.PROGRAM, *args], cwd=self.dir, env=bad.ENV, bufsize=0,
                              stdin=subprocess.DEVNULL if feed is None else subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as p:
            done = threading.Event()

            def write():
                try:
                    p.stdin.write(rest)
                    while feed and not done.is_set():
                        p.stdin.write(feed)
                    done.wait(bad.TIMEOUT)
                except BrokenPipeError:
                    pass

            thread = threading.Thread(target=write) if feed is not None else None
            if thread:
                thread.start()
            time.sleep(after)
            self.assertIsNone(p.poll(), "%s ended too soon" % args)
            p.send_signal(signum)
            started = time.monotonic()
            try:
                p.wait(bad.TIMEOUT)
            finally:
                done.set()
                p.kill()
            took = time.monotonic() - started
            out, err = p.stdout.read(), p.stderr.read().decode()
            if thread:
                thread.join()
        self.assertEqual(p.returncode, 75, "%s: %s" % (args, err))
        self.assertEqual(err.count("\n"), 1, err)
        self.assertTrue(err.startswith("mmu2d %s: " % args[0]), err)
        self.assertLess(took, 30, args)
        after = {k: v for k, v in bad.content(self.dir).items() if k not in left}
        self.assertEqual(after, {k: v for k, v in before.items() if k not in left}, args)
        return out, err

    def long_trace(self):
        self.good(["gen", "gups", "--refs", "6000000", "--bytes", "8G", "-q", "-o", "long"])

    def test_replay(self):
        self.long_trace()
        for signum in (signal.SIGINT, signal.SIGTERM):
            out, err = self.interrupt(["replay", "long", *SLOW], signum)
            self.assertIn("long: interrupted after", err)
            self.assertIn(b"interrupted: figures cover this part only", out)
        out, _ = self.interrupt(["replay", "long", "--json", "--db", "runs", *SLOW],
                                left=("runs",))
        run = json.loads(out)
        self.assertTrue(run["interrupted"])
        self.assertLess(run["refs"], 6000000)
        with sqlite3.connect(self.path("runs")) as db:
            self.assertEqual(db.execute("SELECT refs, interrupted FROM runs").fetchall(),
                             [(run["refs"], 1)])
        db.close()

    def test_walk_and_trace(self):
        self.long_trace()
        trace = os.path.getsize(self.path("long"))
        self.assertGreater(trace, 0)
        self.interrupt(["walk", "--trace", "long", "--at", "5999999", "--html", "out"], after=0.2)
        for args in (["trace", "merge", "long", "long", "long", "long", "-o", "out"],
                     ["trace", "cut", "long", "--refs", "1..", "-o", "out"]):
            self.interrupt(args, after=0.1)

    def test_gen(self):
        self.interrupt(["gen", "zipf", "--refs", "1000000000000", "-q", "-o", "out"])

    def test_import(self):
        for kind, data in bad.IMPORTS.items():
            if kind != "mmtrace":
                self.interrupt(["import", "--from", kind, "-", "-o", "out"], feed=data)

    def test_silent_pipe(self):
        """Nothing comes and nothing ends: the wait must."""
        start = Samples.get("plain")[:-200]
        for args in (["replay", "-", "--no-plot"], ["replay", "-", "--no-plot", "--db", "runs"],
                     ["trace", "info", "-"], ["trace", "cut", "-", "--refs", "0..", "-o", "out"],
                     ["walk", "--trace", "-", "--at", "123456789"],
                     ["import", "--from", "din", "-", "-o", "out"], ["import", "-"],
                     ["ladder", "-"]):
            for rest in (b"", start[:30], start):
                if args[0] in ("import", "ladder") and rest:
                    continue
                self.interrupt(args, feed=b"", rest=rest, after=0.15, left=("runs",))


if __name__ == "__main__":
    bad.main()
