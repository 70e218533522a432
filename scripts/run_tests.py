#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Run every test of a built tree and count every single one of them.

    run_tests.py --build DIR [--sanitized DIR] [--bite DIR] [--analyse] [--suite NAME]... [--tap PROGRAM=FILE]...

meson runs the test programs; each prints TAP, so one program is many tests. This script reads what they printed, shows
each failure with its output, writes the list of what ran to DIR/ran.txt (`program:test<TAB>ok|skip|fail`), and checks
docs/rows against that list. With --bite, bite.py and bite_rows.py show that the negative tests fail without what they test. A
program that ends early, prints no test, or exits non-zero without a failed test counts as one failure of its own. The
last line is `N passed, N failed, N skipped`; the exit code is 0 only when tests ran and none failed.
"""
import argparse
import json
import os
import re
import subprocess
import sys

TAP_LINE = re.compile(r'^(ok|not ok)\b\s*(\d+)?\s*(?:-\s*)?(.*)$')
PLAN = re.compile(r'^1\.\.(\d+)(?:\s*#\s*SKIP\b\s*(.*))?$', re.I)
SKIP = re.compile(r'\s*#\s*(SKIP|TO[D]O)\b\s*(.*)$', re.I)


def parse_tap(text):
    """[(verdict, name)] and the number the plan promised (None without a plan, 0 for a skipped program)."""
    tests, plan, bail = [], None, False
    for line in text.splitlines():
        line = line.strip()
        m = PLAN.match(line)
        if m:
            plan = (plan or 0) + int(m.group(1))
            if m.group(2) is not None and int(m.group(1)) == 0:
                tests.append(('skip', m.group(2) or 'the whole program'))
                plan = None
            continue
        if line.startswith('Bail out!'):
            bail = True
        m = TAP_LINE.match(line)
        if not m:
            continue
        word, _, name = m.groups()
        skip = SKIP.search(name)
        # cmocka writes "not ok 3 # SKIP name": a skipped test counts as skipped with either word, and has its name there.
        name = SKIP.sub('', name).strip() or (skip.group(2).strip() if skip else '')
        # TAP's other directive makes a failure not count: there is no such thing here.
        if skip and skip.group(1).upper() == 'SKIP':
            tests.append(('skip', name))
        else:
            tests.append(('ok' if word == 'ok' and not skip else 'fail', name))
    return tests, plan, bail


def judge(record):
    """The tests of one program as [(verdict, name)], with what is wrong with the program itself added."""
    out = record.get('stdout', '')
    tests, plan, bail = parse_tap(out)
    result = record['result']
    if not tests and result == 'SKIP':
        return [('skip', 'the whole program')]
    if not tests:
        return [('fail', 'printed no test (%s)' % result.lower())]
    if plan is not None and plan != len(tests):
        tests.append(('fail', 'promised %d tests, printed %d' % (plan, len(tests))))
    elif bail or (result not in ('OK', 'SKIP') and not any(v == 'fail' for v, _ in tests) and
                  not (record.get('returncode') == 0 and any(v == 'skip' for v, _ in tests))):
        # meson reads cmocka's "not ok ... # SKIP" as a failure; the program itself says none
        tests.append(('fail', 'ended badly: %s, exit %s' % (result.lower(), record.get('returncode'))))
    return tests


def run_meson(build, suites, label):
    log = 'checked' + ('-' + label if label else '')
    cmd = ['meson', 'test', '-C', build, '--no-rebuild', '--quiet', '--logbase', log]
    for s in suites:
        cmd += ['--suite', s]
    path = os.path.join(build, 'meson-logs', log + '.json')
    if os.path.exists(path):
        os.unlink(path)
    done = subprocess.run(cmd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if not os.path.exists(path):
        print(done.stdout[-3000:])
        return []
    with open(path, encoding='utf-8', errors='replace') as f:
        return [json.loads(line) for line in f if line.strip()]


def collect(records, label):
    """[(verdict, 'program:test', record)], failures shown as they are met."""
    rows = []
    for r in records:
        program = r['name'].split(' / ')[-1]
        tests = judge(r)
        bad = [n for v, n in tests if v == 'fail']
        if bad:
            print('\n--- FAILED %s%s (exit %s, %.1f s)' % (label and label + ' ' or '', program, r.get('returncode'),
                                                       r.get('duration', 0)))
            for n in bad:
                print('    not ok: ' + n)
            tail = (r.get('stdout', '') + '\n' + (r.get('stderr') or '')).strip().splitlines()
            print('\n'.join('    | ' + t for t in tail[-60:]))
        prefix = label + '/' if label else ''
        rows += [(v, '%s%s:%s' % (prefix, program, n), r) for v, n in tests]
    return rows


def script(label, args):
    """One of our scripts that prints TAP; what it said is shown when it failed."""
    done = subprocess.run([sys.executable] + args, check=False, stdout=subprocess.PIPE, text=True)
    tests, plan, _ = parse_tap(done.stdout)
    rows = [(v, '%s:%s' % (label, n), None) for v, n in tests]
    if not tests or plan not in (None, len(tests)):
        rows.append(('fail', '%s: printed %d of %s tests' % (label, len(tests), plan), None))
    if done.returncode or any(v == 'fail' for v, _, _ in rows):
        print(done.stdout)
    return rows


def write(ran, rows):
    with open(ran, 'w', encoding='utf-8') as f:
        for verdict, name, _ in sorted(rows, key=lambda r: r[1]):
            f.write('%s\t%s\n' % (name, verdict))


def main():
    ap = argparse.ArgumentParser(description='run every test and count each')
    ap.add_argument('--build', required=True)
    ap.add_argument('--sanitized')
    ap.add_argument('--bite')
    ap.add_argument('--analyse', action='store_true', help='the quick form of analyse.py too')
    ap.add_argument('--suite', action='append', default=[])
    ap.add_argument('--tap', action='append', default=[], metavar='PROGRAM=FILE', help='what another program printed')
    a = ap.parse_args()

    rows = collect(run_meson(a.build, a.suite, ''), '')
    if a.sanitized:
        rows += collect(run_meson(a.sanitized, ['unit', 'vector', 'sanitized'], 'sanitized'), 'sanitized')

    for given in a.tap:
        program, _, path = given.partition('=')
        text = ''
        if os.path.exists(path):
            with open(path, encoding='utf-8') as f:
                text = f.read()
        rows += collect([{'name': program, 'stdout': text, 'result': 'OK'}], '')

    here = os.path.dirname(os.path.abspath(__file__))
    ran = os.path.join(a.build, 'ran.txt')
    write(ran, rows)
    if a.bite:
        rows += script('bite', [os.path.join(here, 'bite.py'), '--make', '--build', a.bite, '--product', a.build])
        rows += script('bite_rows', [os.path.join(here, 'bite_rows.py'), '--make', '--build', a.bite, '--ran', ran])

    if a.analyse:
        rows += script('analyse', [os.path.join(here, 'analyse.py'), '--quick', '--build', a.build])

    write(ran, rows)
    if not a.suite:
        rows += script('rows', [os.path.join(here, 'rows.py'), '--check', ran])

    count = {v: sum(1 for r in rows if r[0] == v) for v in ('ok', 'fail', 'skip')}
    for verdict, name, _ in rows:
        if verdict == 'skip':
            print('skipped: ' + name)
    print('%d passed, %d failed, %d skipped' % (count['ok'], count['fail'], count['skip']))
    return 0 if count['ok'] and not count['fail'] else 1


if __name__ == '__main__':
    sys.exit(main())
