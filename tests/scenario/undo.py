# SPDX-License-Identifier: GPL-2.0-or-later
"""All scenarios with each micro-step undone and taken again (see test-undo.c)."""
import glob
import os
import subprocess
import sys

source = os.environ["MMU2D_SOURCE"]
files = sorted(glob.glob(os.path.join(source, "scenarios", "**", "*.scn"), recursive=True))
env = dict(os.environ, MMU2D_MACHINES=os.path.join(source, "machines"))
sys.exit(subprocess.run([sys.argv[1], *files], env=env, check=False).returncode if files else 1)
