#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""TAP: every named check bites: without it, its negative tests fail.

    bite.py --build DIR [--make] [--product DIR] [--only WORD]     the proof; DIR was configured with -Dbite=true
    bite.py --build DIR --find PROGRAM... [--only WORD]   which tests fail without which check, to fill the table

src/sec/base/check.h says how a check gets its name. tests/bite/checks.tsv holds a line for each name: the checks to waive
together (`a+b` where a second check stands behind the first), the clause, the tests that must then fail, and why it
takes several. --make first builds the programs that the table names, and the daemons they run. A test counts as biting when
it passes with every check in force, fails without this one, and the check was met on the way. tests/bite/flows.tsv holds
each demand of flows 0.1 and 0.2 with its checks: none may be without. With --product, also: the programs of that build
hold no trace of all this.
"""
import argparse
import collections
import json
import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True
from bite_run import Programs  # noqa: E402

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TABLE = os.path.join(TOP, 'tests', 'bite', 'checks.tsv')
FLOWS = os.path.join(TOP, 'tests', 'bite', 'flows.tsv')
# The rows of flows 0.1 (V-IM by the steps of mikey 10) and 0.2.
DEMANDS = (['V-BIND', 'V-TOK', 'V-XML'] + ['V-IM %d' % n for n in range(1, 12)] + ['V-ALG', 'V-PERM', 'V-SIZE'] +
           ['malformed', 'wrong-tag', 'not-for-us', 'kms-refused', 'bad-time', 'replay', 'bad-identity', 'bad-signature',
            'undecryptable', 'bad-params', 'revoked', 'busy'])
MACRO = re.compile(r'\bMCX_(?:CHECK|FAULT)\(\s*([a-z0-9_]+\.[a-z0-9_]+),')
SENTENCE = re.compile(r'\b(?:mikey_(?:require|support|lacks)|sakke_once|fail)\([^;]*"([^";]+)"\s*\)\s*;')
TRACES = (b'bite:', b'MCX_BITE', b'mcx_check_waived')

Row = collections.namedtuple('Row', 'waived clause tests note')


def names_of_source():
    found = set()
    for folder, _, names in os.walk(os.path.join(TOP, 'src')):
        for name in names:
            if not name.endswith('.c'):
                continue
            with open(os.path.join(folder, name), encoding='utf-8') as f:
                text = f.read()
            found |= set(MACRO.findall(text))
            if os.path.join('sec', 'mikey') in folder:
                found |= set(SENTENCE.findall(text))
    return found


def table():
    rows = []
    with open(TABLE, encoding='utf-8') as f:
        for line in f.read().splitlines():
            if not line or line.startswith('#'):
                continue
            fields = line.split('\t') + ['', '']
            tests = [tuple(t.strip().split(':')) for t in fields[2].split(',') if t.strip()]
            rows.append(Row(fields[0], fields[1], tests, fields[3]))
    return rows


def make(rows, programs):
    """The programs of the table, and one that is installed for the search for traces."""
    trouble = programs.make({p for r in rows for p, _ in r.tests}, ['src/tool/mcx'])
    if trouble:
        sys.exit('Bail out! the bite build failed:\n' + trouble)


def named_tests(rows):
    """{program: its tests that the table names}: these run, and no others, with checks waived and without."""
    tests = collections.defaultdict(list)
    for r in rows:
        for program, test in r.tests:
            if test not in tests[program]:
                tests[program].append(test)
    return {p: tuple(t) for p, t in tests.items()}


def judge(row, runs, tests):
    """What is wrong with this row, as sentences."""
    wrong = []
    if not row.tests:
        wrong.append('no test is named')
    for program, test in row.tests:
        before, after = runs[program, '', tests[program]], runs[program, row.waived, tests[program]]
        missed = set(row.waived.split('+')) - set(after.seen)
        if test not in before.passed:
            wrong.append('%s:%s does not pass with every check in force' % (program, test))
        elif test in after.passed:
            wrong.append('%s:%s passes without it' % (program, test))
        elif missed:
            wrong.append('%s never meets %s' % (program, '+'.join(sorted(missed))))
    return wrong


def prove(rows, programs):
    tests = named_tests(rows)
    unknown = sorted(set(tests) - set(programs.tests))
    if unknown:
        return [('the table names test programs that exist', ['no such program: ' + ', '.join(unknown)])]
    jobs = sorted({(p, w, tests[p]) for r in rows for p, _ in r.tests for w in ('', r.waived)})
    runs = programs.run_all(jobs)
    print('# %-58s %-28s %s' % ('waived', 'clause', 'tests that fail without it'))
    for r in rows:
        mine = {p: runs[p, r.waived, tests[p]] for p, _ in r.tests}
        fell = sorted({t for p, t in r.tests if t not in mine[p].passed})
        ends = ''.join(' (%s %s)' % (p, o.trouble) for p, o in sorted(mine.items()) if o.trouble)
        print('# %-58s %-28s %s%s' % (r.waived, r.clause, ', '.join(fell), ends))
    longest = sorted(runs.items(), key=lambda x: -x[1].seconds)[:10]
    print('# the longest runs: ' + ', '.join('%s without %s %.1f s' % (p, w or 'nothing', o.seconds)
                                            for (p, w, _), o in longest))
    return [('%s bites' % r.waived, judge(r, runs, tests)) for r in rows]


def complete(rows):
    source = names_of_source()
    named = {n for r in rows for n in r.waived.split('+')}
    wrong = ['without a line: ' + n for n in sorted(source - named)]
    wrong += ['without a check: ' + n for n in sorted(named - source)]
    wrong += ['several checks and no reason: ' + r.waived for r in rows if '+' in r.waived and not r.note]
    return wrong


def flows(rows):
    """Demands without a check, checks without a line."""
    named, wrong, seen = {r.waived for r in rows}, [], set()
    with open(FLOWS, encoding='utf-8') as f:
        lines = [l for l in f.read().splitlines() if l and not l.startswith('#')]
    for line in lines:
        demand, _, cell = line.partition('\t')
        checks = [c.strip() for c in cell.split(';') if c.strip()]
        seen.add(demand.partition(':')[0])
        wrong += [] if checks else ['no check: ' + demand]
        wrong += ['%s: no line for %s' % (demand, c) for c in checks if c not in named]
    wrong += ['not there: ' + d for d in DEMANDS if d not in seen]
    wrong += ['no demand of flows: ' + d for d in sorted(seen - set(DEMANDS))]
    return wrong


def programs_of(build):
    said = subprocess.run(['meson', 'introspect', '--targets', build], stdout=subprocess.PIPE, check=True).stdout
    return sorted(f for t in json.loads(said) if t['installed'] and t['type'] in ('executable', 'shared library')
                  for f in t['filename'] if os.path.exists(f))


def traces(path):
    with open(path, 'rb') as f:
        data = f.read()
    return [w.decode() for w in TRACES if w in data]


def product(build, bite):
    """The product's programs hold nothing of this; a bite build's do, so the search can find it."""
    ours, theirs = programs_of(build), programs_of(bite)
    wrong = ['%s holds %s' % (p, t) for p in ours for t in traces(p)]
    wrong += [] if ours else ['no installed program was found']
    blind = [] if any(set(traces(p)) >= {'bite:', 'MCX_BITE'} for p in theirs) else ['nothing was found in the bite build either']
    return [('the product holds no trace of the switches', wrong), ('the search for traces finds them where they are', blind)]


def find(rows, programs, names, only):
    base = programs.run_all([(p, '', None) for p in names])
    jobs = sorted((p, c, None) for (p, _, _), o in base.items()
                  for c in set(o.seen) | {r.waived for r in rows if '+' in r.waived} if only in c)
    for (program, check, _), o in sorted(programs.run_all(jobs).items(), key=lambda x: (x[0][1], x[0][0])):
        print('%-50s %-20s %s %s' % (check, program, o.trouble, ' '.join(sorted(base[program, '', None].passed - o.passed))))


def main():
    ap = argparse.ArgumentParser(description='show that every named check bites')
    ap.add_argument('--build', required=True)
    ap.add_argument('--make', action='store_true')
    ap.add_argument('--product')
    ap.add_argument('--only', default='')
    ap.add_argument('--find', nargs='+')
    a = ap.parse_args()
    rows = [r for r in table() if a.only in r.waived]
    programs = Programs(a.build)
    if a.make:
        make(rows, programs)
    if a.find:
        find(rows, programs, a.find, a.only)
        return 0
    results = prove(rows, programs)
    if not a.only:
        results.append(('every check of the source has its line, and every line its check', complete(rows)))
        results.append(('every demand of flows 0.1 and 0.2 has its checks', flows(rows)))
    if a.product:
        results += product(a.product, a.build)
    print('1..%d' % len(results))
    for number, (name, wrong) in enumerate(results, 1):
        print('%s %d - %s' % ('not ok' if wrong else 'ok', number, name))
        for w in wrong:
            print('#   ' + w)
    return 1 if any(w for _, w in results) else 0


if __name__ == '__main__':
    sys.exit(main())
