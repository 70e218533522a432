#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""TAP: every negative test of the programs that play hostile peers bites: without the check it is about, it fails.

    bite_rows.py --build DIR [--make] [--each] [--only WORD] [--ran FILE]
    bite_rows.py --build DIR --fill PROGRAM...      what fells the tests that have no line yet; for the table

DIR was configured with -Dbite=true; bite.py does the same for single checks. tests/bite/rows.tsv holds each test of PROGRAMS
once, with one of: the checks to waive (`a+b` where a second one stands behind the first), without which it fails; `good`,
a test of what is accepted, or of what is no answer to a peer; `library`, one that rests on the SIP library alone, and
`bound`, one that rests on there being nothing behind the end (of the octets, of a memory of fixed size, of the keys held), each
with the reason why no switch of ours can reach it.

The quick form, part of `make check`, runs a program once for all tests that the same checks fell, but not sipp. --each (`make bite`) runs
every test alone, so that none can fail for what was let in before it, with every check in force first; and shows of each
`library` or `bound` test that no check it meets fells it. --ran FILE: what passed in another build, in place of a run of our own
(`program:test<TAB>ok`).
"""
import argparse
import collections
import os
import sys

sys.dont_write_bytecode = True
from bite_run import Programs  # noqa: E402

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TABLE = os.path.join(TOP, 'tests', 'bite', 'rows.tsv')
# Those that play hostile peers, and those of the conformance rows for seed 001 7.2.5, mikey 10, sip 2.6 and flows 0.2.
PROGRAMS = ('client_call', 'key_download', 'message_kind', 'mikey_example', 'mikey_forms', 'mikey_open', 'mikey_params',
            'mikey_parse', 'mikey_replay', 'server_auth', 'server_binding', 'server_busy', 'server_hiding', 'server_hostile',
            'server_octets', 'server_queue', 'server_redirect', 'server_redirect_core', 'server_register', 'server_suite',
            'sipp', 'ue_download', 'ue_hiding', 'ue_hostile', 'ue_redirect')
# Raises a domain each time: its lines are for --each alone.
SLOW = ('sipp',)
# What the other tests of a program stand on: run before each.
FIRST = {'ue_download': ('mcx_sec_176_a_download_replaces_the_csk_before_the_200',)}
GOOD, LIBRARY, BOUND = 'good', 'library', 'bound'
DEPTH = 4  # checks behind one another

Row = collections.namedtuple('Row', 'program what tests note')


def read():
    rows = []
    with open(TABLE, encoding='utf-8') as f:
        for line in f.read().splitlines():
            if not line or line.startswith('#'):
                continue
            program, what, tests, note = (line.split('\t') + [''] * 3)[:4]
            rows.append(Row(program, what, tuple(t.strip() for t in tests.split(',') if t.strip()), note))
    return rows


def is_check(row):
    return row.what not in (GOOD, LIBRARY, BOUND)


def job(program, waived, tests):
    return program, waived, FIRST.get(program, ()) + tuple(tests)


def complete(rows, names):
    """The table and the programs' tests are the same; names: {program: tests}."""
    wrong, seen = [], collections.Counter((r.program, t) for r in rows for t in r.tests)
    wrong += ['%s:%s stands %d times' % (p, t, n) for (p, t), n in sorted(seen.items()) if n > 1]
    wrong += ['%s:%s has no line' % (p, t) for p in names for t in sorted(names[p]) if (p, t) not in seen]
    wrong += ['%s:%s is no test that passes' % (p, t) for p, t in sorted(seen) if t not in names.get(p, ())]
    wrong += ['%s: %s wants a reason' % (r.program, r.what) for r in rows
              if not r.note and (r.what in (LIBRARY, BOUND) or '+' in r.what)]
    return wrong


def fallen(row, test, before, after):
    """What is wrong with this test of the row, or ''."""
    name = '%s:%s' % (row.program, test)
    missed = set(row.what.split('+')) - set(after.seen)
    if test not in before:
        return name + ' does not pass with every check in force'
    if test in after.passed:
        return name + ' passes without it'
    if after.trouble == 'hung':
        return name + ' hangs without it'
    return '%s never meets %s' % (name, '+'.join(sorted(missed))) if missed else ''


def results(rows, wrongs):
    return [('%s without %s: %d fail' % (r.program, r.what, len(r.tests)), w) for r, w in zip(rows, wrongs)]


def quick(rows, programs, passed):
    ours = [r for r in rows if is_check(r) and r.program not in SLOW]
    runs = programs.run_all([job(r.program, r.what, r.tests) for r in ours])
    slow = sorted(runs.items(), key=lambda x: -x[1].seconds)[:10]
    print('# the longest runs: ' + ', '.join('%s without %s %.1f s' % (p, w, o.seconds) for (p, w, _), o in slow))
    return results(ours, [[w for t in r.tests for w in [fallen(r, t, passed.get(r.program, ()), runs[job(r.program, r.what, r.tests)])]
                           if w] for r in ours])


def each(rows, programs):
    ours = [r for r in rows if is_check(r)]
    rest = [(r.program, t) for r in rows if r.what in (LIBRARY, BOUND) for t in r.tests]
    base = programs.run_all([job(r.program, '', (t,)) for r in ours for t in r.tests] + [job(p, '', (t,)) for p, t in rest])
    runs = programs.run_all([job(r.program, r.what, (t,)) for r in ours for t in r.tests])
    done = results(ours, [[w for t in r.tests for w in [fallen(r, t, base[job(r.program, '', (t,))].passed,
                                                               runs[job(r.program, r.what, (t,))])] if w] for r in ours])
    more = programs.run_all([job(p, c, (t,)) for p, t in rest for c in base[job(p, '', (t,))].seen])
    wrong = ['%s:%s fails without %s' % (p, t, c) for p, t in rest for c in base[job(p, '', (t,))].seen
             if t not in more[job(p, c, (t,))].passed]
    wrong += ['%s:%s does not pass' % (p, t) for p, t in rest if t not in base[job(p, '', (t,))].passed]
    return done + [('no check fells the %d tests that rest on the SIP library or on a bound' % len(rest), wrong)]


# ---- to fill the table

def fells(outcome, test, waived):
    return test not in outcome.passed and outcome.trouble != 'hung' and set(waived.split('+')) <= set(outcome.seen)


def search(programs, program, test, usual):
    """The check that fells this test, the first of those it meets; else checks that stand behind one another."""
    base = programs.run(job(program, '', (test,)))
    if test not in base.passed:
        return 'does not pass alone'
    met = [c for c in base.seen if c not in usual] or base.seen
    for check in met:
        if fells(programs.run(job(program, check, (test,))), test, check):
            return check
    for first in met:
        chain, seen = [first], list(met)
        while len(chain) < DEPTH:
            outcome = programs.run(job(program, '+'.join(chain), (test,)))
            if fells(outcome, test, '+'.join(chain)):
                return '+'.join(chain)
            new = [c for c in outcome.seen if c not in seen and c not in usual] or \
                  [c for c in met if c not in chain and c != first][:1]
            if not new:
                break
            chain += new[:1]
            seen += new[:1]
    return 'nothing: meets ' + ' '.join(met)


def fill(programs, wanted, rows):
    held = {(r.program, t) for r in rows for t in r.tests}
    whole = programs.run_all([(p, '', None) for p in wanted])
    idle = programs.run_all([job(p, '', ('-',)) for p in wanted])  # what its set-up meets
    tests = [(p, t) for p in wanted for t in sorted(whole[p, '', None].passed) if (p, t) not in held]
    for (p, t), how in programs.each(lambda x: search(programs, x[0], x[1], idle[job(x[0], '', ('-',))].seen), tests):
        print('%s\t%s\t%s' % (p, how, t), flush=True)


def ran(path):
    passed = collections.defaultdict(set)
    with open(path, encoding='utf-8') as f:
        for line in f.read().splitlines():
            name, _, verdict = line.partition('\t')
            program, _, test = name.partition(':')
            if verdict == 'ok':
                passed[program].add(test)
    return passed


def judged(rows, programs, a):
    """[(what is shown, what is wrong with it)]"""
    wanted = [p for p in PROGRAMS if not a.only or any(r.program == p for r in rows)]
    if a.ran:
        known = ran(a.ran)
        names = {p: known[p] for p in wanted}
    else:
        whole = programs.run_all([(p, '', None) for p in wanted])
        names = {p: whole[p, '', None].passed for p in wanted}
    done = [] if a.only else [('every test of a hostile peer has its line and every line its test', complete(rows, names))]
    return done + (each(rows, programs) if a.each else quick(rows, programs, names))


def main():
    ap = argparse.ArgumentParser(description='show that every negative test of a hostile peer bites')
    ap.add_argument('--build', required=True)
    ap.add_argument('--make', action='store_true', help='build the programs first')
    ap.add_argument('--each', action='store_true', help='every test alone')
    ap.add_argument('--only', default='', help='lines with this word')
    ap.add_argument('--ran', help='what passed in another build')
    ap.add_argument('--jobs', type=int, default=2 * (os.cpu_count() or 1), help='so many programs at once')
    ap.add_argument('--fill', nargs='+', metavar='PROGRAM')
    a = ap.parse_args()
    rows = [r for r in read() if a.only in '%s:%s' % (r.program, r.what)]
    programs = Programs(a.build, a.jobs)
    trouble = programs.make(PROGRAMS) if a.make else ''
    if trouble:
        sys.exit('Bail out! the bite build failed:\n' + trouble)
    if a.fill:
        fill(programs, a.fill, rows)
        return 0
    done = judged(rows, programs, a)
    print('1..%d' % len(done))
    for number, (name, wrong) in enumerate(done, 1):
        print('%s %d - %s' % ('not ok' if wrong else 'ok', number, name))
        for w in wrong:
            print('#   ' + w)
    return 1 if any(w for _, w in done) else 0


if __name__ == '__main__':
    sys.exit(main())
