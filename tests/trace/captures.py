# SPDX-License-Identifier: GPL-2.0-or-later
"""Import the recorded captures and compare the counts by kind with those of their documentation.
MMU2D_CAPTURES names the folder; without it the test is skipped."""
import json
import os
import subprocess
import sys
import tempfile

PROGRAM = os.environ["MMU2D_PROGRAM"]
CAPTURES = os.environ.get("MMU2D_CAPTURES")

# vCPUs, R, W, F, elided, PTW, INVLPG, VMRUN, exits by code
MMT = {
    "s-native.u": (2, 194992, 112291, 142519, 0, 186, 2, 1, 0, {}),
    "s-linux-tdp.u": (1, 257420, 151185, 187634, 0, 3351, 2, 1, 100,
                      {0x60: 82, 0x64: 14, 0x7C: 3}),
    "s-linux-tdp.f": (1, 686592, 342948, 404309, 5606439, 162792, 194, 112, 642,
                      {0x60: 431, 0x72: 175, 0x64: 29, 0x7C: 6}),
    "s-linux-shadow.f": (1, 563819, 138219, 215175, 5082783, 18919, 78, 42, 698,
                         {0x4E: 368, 0x60: 137, 0x13: 78, 0x64: 55, 0x79: 42, 0x7C: 12, 3: 5}),
    "s-ptmod-tdp.f": (2, 398956, 142157, 160761, 3298109, 25331, 7761, 141, 698,
                      {0x400: 433, 0x60: 263, 0x7B: 1}),
    "s-churn-tdp.f": (2, 741737, 236070, 226289, 4795902, 31257, 1, 0, 2509,
                      {0x400: 2487, 0x60: 22}),
}


def run(*args):
    return subprocess.run([PROGRAM, *args], stdout=subprocess.PIPE, check=True).stdout.decode()


def same(what, got, want):
    if got != want:
        sys.exit("%s: got %s, expected %s" % (what, got, want))
    print("%s: %s" % (what, got))


def check_mmt(name, out):
    vcpus, reads, writes, fetches, elided, ptw, cr3, invlpg, vmrun, exits = MMT[name]
    doc = json.loads(run("import", os.path.join(CAPTURES, "mmt", name + ".mmt.gz"), "-o", out,
                         "--json"))
    counts = doc["counts"]
    same(name + " vcpus", doc["vcpus"], vcpus)
    same(name + " refs", [counts[k] for k in ("read", "write", "fetch")],
         [reads, writes, fetches])
    same(name + " elided", doc["elided"], elided)
    same(name + " ptwrite", counts.get("ptwrite", 0), ptw)
    same(name + " invlpg", counts.get("invlpg", 0), invlpg)
    same(name + " vmrun", counts.get("vmrun", 0), vmrun)
    loads = [line for line in run("trace", "dump", out, "--kind", "reg").splitlines()
             if " cr3 new" in line]
    same(name + " cr3", len(loads), cr3)
    by_code = {}
    for line in run("trace", "dump", out, "--kind", "vmexit").splitlines():
        code = int(line.split("code=")[1].split()[0], 16)
        by_code[code] = by_code.get(code, 0) + 1
    same(name + " exits", by_code, exits)
    info = json.loads(run("trace", "info", "--json", out))
    same(name + " read back", info["counts"], counts)
    run("trace", "verify", out)


def main():
    if not CAPTURES or not os.path.isdir(CAPTURES):
        print("skipped: MMU2D_CAPTURES does not name the folder of captures")
        sys.exit(77)
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "out.m2t")
        for name in MMT:
            check_mmt(name, out)
        doc = json.loads(run("import", os.path.join(CAPTURES, "lackey", "gzip-5M.lk.gz"), "-o",
                             out, "--json"))
        counts = doc["counts"]
        # 13,625 modifications are a read and a write each.
        same("lackey", [counts[k] for k in ("fetch", "read", "write")],
             [3881666, 815426 + 13625, 289278 + 13625])


main()
