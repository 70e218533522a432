#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""TAP: rules every file of the tree keeps: its licence line, its size, no promise to do something later, formatting."""
import os
import re
import shutil
import subprocess
import sys

SPDX = 'SPDX-License-Identifier: Apache-2.0'
CODE = ('.c', '.h', '.py', '.sh', '.build', '.js', '.css', '.map')
MAX_LINES = {'src/': 520, 'include/': 520, 'tests/': 900}
SKIP_DIRS = {'.git', 'run', 'node_modules', '__pycache__'}


def tracked(top):
    done = subprocess.run(['git', '-C', top, 'ls-files', '-z'], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          check=False) if shutil.which('git') else None
    if done and done.returncode == 0 and done.stdout:
        return [p for p in done.stdout.decode().split('\0') if p and os.path.isfile(os.path.join(top, p))]
    found = []
    for folder, dirs, names in os.walk(top):
        dirs[:] = [d for d in dirs if d not in SKIP_DIRS and not d.startswith('build')]
        found += [os.path.relpath(os.path.join(folder, n), top) for n in names]
    return found


def lines_of(top, path):
    with open(os.path.join(top, path), encoding='utf-8') as f:
        return f.read().splitlines()


def is_code(path):
    return path.endswith(CODE) or os.path.basename(path) in ('Makefile', 'meson.build') or path == '.ci/run'


def without_licence(top, paths):
    return [p for p in paths if is_code(p) and not any(SPDX in l for l in lines_of(top, p)[:3])]


def too_long(top, paths):
    out = []
    for p in paths:
        limit = next((n for start, n in MAX_LINES.items() if p.startswith(start)), None)
        if limit and p.endswith(('.c', '.h')) and len(lines_of(top, p)) > limit:
            out.append('%s has %d lines, more than %d' % (p, len(lines_of(top, p)), limit))
    return out


def without_opening_comment(top, paths):
    """Each C file says in its first lines what it is for."""
    return [p for p in paths if p.startswith(('src/', 'include/')) and p.endswith(('.c', '.h'))
            and not (len(lines_of(top, p)) > 1 and lines_of(top, p)[1].startswith('/*'))]


def promises(top, paths):
    word = re.compile(r'\b(TO' r'DO|FIX' r'ME|X' r'XX)\b')
    return ['%s:%d' % (p, n) for p in paths if is_code(p) and not p.startswith('scripts/check_tree')
            for n, l in enumerate(lines_of(top, p), 1) if word.search(l)]


def badly_formed_data(top, paths):
    out = []
    for p in paths:
        if p == 'scripts/packages.txt':
            rows = [l.split('\t') for l in lines_of(top, p)]
            out += ['%s: %s' % (p, r) for r in rows if len(r) != 2 or r[1] not in ('build', 'test', 'analyse', 'core')]
            if [r[0] for r in rows] != sorted({r[0] for r in rows}):
                out.append(p + ' is not sorted or names a package twice')
    return out


def main():
    top = sys.argv[1]
    paths = tracked(top)
    rules = [('every source file names its licence', without_licence), ('no source file is too long', too_long),
             ('every C file opens with what it is for', without_opening_comment),
             ('no file promises to be finished later', promises),
             ('the list of packages is sorted and well formed', badly_formed_data)]
    print('1..%d' % len(rules))
    bad = 0
    for n, (name, rule) in enumerate(rules, 1):
        why = rule(top, paths)
        bad += bool(why)
        print('%s %d - %s' % ('not ok' if why else 'ok', n, name))
        for w in why[:40]:
            print('#   ' + w)
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
