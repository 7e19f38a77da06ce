#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Turn a text file into a C string constant: embed.py INPUT OUTPUT NAME HEADER."""
import sys

source, output, name, header = sys.argv[1:]
escapes = {'\\': '\\\\', '"': '\\"', '\t': '\\t'}
with open(source, encoding='utf-8') as f, open(output, 'w', encoding='utf-8') as out:
    out.write(f'/* Made from {name}.sql at build; do not edit. */\n#include "{header}"\n\n')
    out.write(f'const char m2d_store_{name}[] =\n')
    for line in f:
        out.write('\t"' + ''.join(escapes.get(c, c) for c in line.rstrip('\n')) + '\\n"\n')
    out.write('\t;\n')
