#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""mmu2d-db(5) names every table, view and column of schema.sql, in order, and nothing else."""
import re
import sqlite3
import sys

schema_path, page_path = sys.argv[1:]
with open(schema_path, encoding='utf-8') as f:
    schema = f.read()
db = sqlite3.connect(':memory:')
db.executescript(schema)
want = {
    kind: {name: [row[1] for row in db.execute(f'PRAGMA table_info({name})')]
           for (name,) in db.execute('SELECT name FROM sqlite_schema WHERE type = ?', (kind,))}
    for kind in ('table', 'view')
}
have = {'table': {}, 'view': {}}
kind = columns = None
with open(page_path, encoding='utf-8') as f:
    page = f.read()
for line in page.split('\n'):
    if line.startswith('.Sh '):
        kind = {'TABLES': 'table', 'VIEWS ON THE TABLES': 'view'}.get(line[4:])
    elif kind and line.startswith('.Ss '):
        columns = have[kind][line[4:]] = []
    elif kind and (m := re.match(r'\.It Sy (\w+)', line)):
        columns.append(m[1])

errors = []
for kind in want:
    for name in sorted(want[kind].keys() | have[kind].keys()):
        if want[kind].get(name) != have[kind].get(name):
            errors.append(f'{kind} {name}: schema {want[kind].get(name)}, '
                          f'page {have[kind].get(name)}')
for pragma, text in (('application_id', 'application id {}'), ('user_version', 'which is {}.')):
    value, = db.execute(f'PRAGMA {pragma}').fetchone()
    if text.format(value) not in re.sub(r'\s+', ' ', page):
        errors.append(f'page does not say: {text.format(value)}')
for name, sql in db.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'table'"):
    if not sql.endswith(('STRICT', 'STRICT, WITHOUT ROWID')):
        errors.append(f'table {name} is not STRICT')
print('\n'.join(errors))
sys.exit(1 if errors else 0)
