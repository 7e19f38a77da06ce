# SPDX-License-Identifier: GPL-2.0-or-later
"""Every place that output can go to, bad in every way: no folder, no file name, a full disk, a
limit on file sizes. What was there before stays as it was, and nothing new is left."""
import os
import resource
import shutil
import subprocess
import tempfile

import bad
from bad import Case, Samples

# {} is the output. "in", "db" and "lackey" are good inputs.
WRITERS = {
    "gen": ["gen", "uniform", "--refs", "20000", "-q", "-o", "{}"],
    "import": ["import", "lackey", "-q", "-o", "{}"],
    "cut": ["trace", "cut", "in", "--refs", "100..4000", "-q", "-o", "{}"],
    "merge": ["trace", "merge", "in", "in", "-q", "-o", "{}"],
    "db": ["replay", "in", "--no-plot", "--db", "{}"],
    "plot-of-replay": ["replay", "in", "--plot", "{}"],
    "plot": ["plot", "db", "--svg", "--kind", "tlb", "-o", "{}"],
    "svg": ["walk", "--gva", "0x7000", "--svg", "{}"],
    "html": ["walk", "--gva", "0x7000", "--html", "{}"],
}
# A figure's names only start with what is given.
PLOTS = ("plot", "plot-of-replay")

PRINTERS = (
    ["replay", "in", "--no-plot"], ["replay", "in", "--no-plot", "--json"],
    ["trace", "info", "in"], ["trace", "info", "in", "--json"], ["trace", "verify", "in"],
    ["trace", "dump", "in"], ["trace", "cut", "in", "--refs", "5..9", "-o", "-"],
    ["trace", "merge", "in", "in", "-o", "-"], ["gen", "stride", "--refs", "9", "-o", "-"],
    ["import", "lackey", "-o", "-"], ["import", "lackey", "--json", "-o", "/dev/null"],
    ["walk", "--gva", "0x7000"], ["walk", "--gva", "0x7000", "--json"],
    ["walk", "--gva", "0x7000", "--svg", "-"], ["walk", "--gva", "0x7000", "--html", "-"],
    ["machines"], ["machines", "zen3"], ["help"], ["plot", "db", "--svg", "-o", "figure"],
)


def limit_file_size(size):
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


class Outputs(Case):
    def setUp(self):
        super().setUp()
        self.put("in", Samples.get("plain"))
        self.put("db", Samples.get("db"))
        self.put("lackey", bad.IMPORTS["lackey"] * 20)

    def write(self, name, path, shown=None, statuses=(2,), **kwargs):
        args = [path if a == "{}" else a for a in WRITERS[name]]
        # What a replay has found is told though its figures cannot be drawn.
        return self.refuse(args, path if shown is None else shown, statuses,
                           partial=name == "plot-of-replay", label=name, **kwargs)

    def test_good(self):
        for name in WRITERS:
            self.good([self.path("out-" + name) if a == "{}" else a for a in WRITERS[name]])
        for args in PRINTERS:
            self.good(args)

    def test_no_folder(self):
        for name in WRITERS:
            shown = {"plot": "none", "plot-of-replay": "none"}.get(name)
            self.write(name, "none/out", shown)
            self.write(name, "in/out", "in" if shown else None)

    def test_no_file_name(self):
        os.mkdir(self.path("folder"))
        for name in WRITERS:
            self.write(name, "folder")
            self.write(name, "", "")
            self.write(name, "x" * 300)

    def test_unwritable_folder(self):
        for name in WRITERS:
            # Nobody makes files there, root neither.
            self.write(name, "/proc/out", "/proc" if name in PLOTS else None)

    def test_full_device(self):
        for name in WRITERS:
            self.write(name, "/dev/full", statuses=(2,) if name in PLOTS + ("db",) else (75,))
        for args in PRINTERS:
            with open("/dev/full", "wb") as full:
                shutil.rmtree(self.path("figures"), ignore_errors=True)
                before = set(os.listdir(self.dir))
                status, _, err = bad.execute(args, self.dir, stdout=full)
                self.assertEqual(status, 75, args)
                self.assertEqual(err.count("\n"), 1, err)
                self.assertIn("No space left on device", err)
                for name in set(os.listdir(self.dir)) - before:
                    self.assertTrue(name.startswith("figure-"), name)

    def test_file_size_limit(self):
        """At any length of the output: the old file, or nothing, stays."""
        for name in WRITERS:
            args = [a if a != "{}" else "out" for a in WRITERS[name]]
            for old in (False, True):
                for size in (0, 1, 100, 4096, 9000):
                    for entry in os.listdir(self.dir):
                        if entry.startswith("out"):
                            os.unlink(self.path(entry))
                    if old:
                        self.put("out", Samples.get("db") if name == "db" else b"old")
                    before = bad.content(self.dir)
                    status, _, err = bad.execute(args, self.dir,
                                                 preexec_fn=limit_file_size(size))
                    label = "%s within %d bytes: %s" % (name, size, err)
                    if status == 0:
                        self.assertGreater(size, 0, label)
                        continue
                    self.assertIn(status, (2, 75), label)
                    self.assertEqual(err.count("\n"), 1, label)
                    after = bad.content(self.dir)
                    if name in PLOTS:  # numbers and scripts of complete figures may stay
                        after = {k: v for k, v in after.items() if not k.startswith("out-")}
                    self.assertEqual(after, before, label)

    def test_small_disk(self):
        """A disk that fills up, where one can be mounted."""
        disk = tempfile.mkdtemp(prefix="mmu2d-disk-")
        self.addCleanup(os.rmdir, disk)
        mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", disk],
                               stderr=subprocess.DEVNULL, check=False)
        if mount.returncode != 0:
            self.skipTest("no right to mount a small disk")
        self.addCleanup(subprocess.run, ["umount", disk], check=True)
        tried = 0
        for name in WRITERS:
            self.good(["out" if a == "{}" else a for a in WRITERS[name]])
            made = [n for n in os.listdir(self.dir) if n.startswith("out")]
            large = max(os.path.getsize(self.path(n)) for n in made) > 8192
            for entry in made:
                os.unlink(self.path(entry))
            if not large:
                continue
            tried += 1
            args = [os.path.join(disk, "out") if a == "{}" else a for a in WRITERS[name]]
            status, _, err = bad.execute(args, self.dir)
            self.assertEqual(status, 75, (name, err))
            self.assertEqual(err.count("\n"), 1, err)
            self.assertEqual([n for n in os.listdir(disk) if not n.startswith("out-")], [], name)
            for entry in os.listdir(disk):
                os.unlink(os.path.join(disk, entry))
        self.assertGreaterEqual(tried, 5)

    def test_no_figures_nobody_asked_for(self):
        status, out, err = bad.execute(["replay", self.path("in")], "/proc")
        self.assertEqual(status, 0, err)
        self.assertEqual(err.count("\n"), 1, err)
        self.assertNotIn(b"figures", out)
        status, out, err = bad.execute(["replay", self.path("in")], self.dir)
        self.assertEqual((status, err), (0, ""))
        self.assertIn(b"figures: in-", out)

    def test_replaced_only_when_complete(self):
        """A link stays one; a file gets its new content at once."""
        self.put("target", b"old")
        os.symlink("target", self.path("link"))
        self.good(["gen", "stride", "--refs", "100", "-q", "-o", "link"])
        self.assertTrue(os.path.islink(self.path("link")))
        self.good(["trace", "verify", "target"])


if __name__ == "__main__":
    bad.main()
