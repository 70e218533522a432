#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Run the benchmark programs of a built tree (meson `benchmark()`), one after the other.

Each prints one JSON object a line: {"op","impl","peer","sp_asm","consttime","n","median_us","per_s_core","ratio"}, where
ratio = peer time / our time. The lines go to standard output as they come and to BUILD/bench.jsonl; progress and, at
the end, a table go to standard error. Targets are stated against a peer with wolfSSL's SP assembler, given as
PEER=/path/lib.so (docs/performance.md says how to build one); without it only the installed library is measured, and
that is said. A run takes about six minutes, two of them for
the 22,000 clients of bench_storm and the 1,000 of bench_roll.
"""
import argparse
import json
import os
import subprocess
import sys

KEYS = ['op', 'impl', 'peer', 'sp_asm', 'consttime', 'n', 'median_us', 'per_s_core', 'ratio']
OPS = ['field_mul', 'sakke_load_kms', 'sakke_encapsulate', 'sakke_encapsulate_batch', 'sakke_decapsulate',
       'sakke_load_rsk', 'sakke_issue_rsk', 'kms_issue_set', 'eccsi_sign', 'eccsi_issue', 'eccsi_verify',
       'imessage_create', 'imessage_open']


def programs(build):
    """Their command lines, in which meson names files relative to the built tree."""
    out = subprocess.run(['meson', 'introspect', build, '--benchmarks'], check=True, stdout=subprocess.PIPE, text=True)
    return [(b['cmd'], dict(os.environ, **b['env'])) for b in json.loads(out.stdout)]


def run(cmd, env, cwd=None):
    """The rows of one program as they come, and its exit code at the end."""
    with subprocess.Popen(cmd, env=env, cwd=cwd, stdout=subprocess.PIPE, text=True) as p:
        for line in p.stdout:
            if line.startswith('{'):
                yield line.strip()
    yield p.returncode


def table(rows):
    print('\n%-26s %-22s %-44s %10s %10s %7s' % ('operation', 'implementation', 'against', 'median us', 'per s', 'ratio'),
          file=sys.stderr)
    for r in rows:
        print('%-26s %-22s %-44s %10.1f %10.0f %7.2f' % (r['op'], r['impl'], r['peer'], r['median_us'],
                                                         r['per_s_core'], r['ratio']), file=sys.stderr)


def tap(cmd):
    """What `make check` asks: every row is there with its keys, and the comparisons between peers passed."""
    rows, code = [], None
    for r in run(cmd, dict(os.environ, PEER='')):
        if isinstance(r, int):
            code = r
        else:
            rows.append(json.loads(r))
    results = [('everyone agrees with everyone', code == 0),
               ('every row has the keys and no other', bool(rows) and all(list(r) == KEYS for r in rows)),
               ('no peer has SP assembler unless one is given', not any(r['sp_asm'] for r in rows))]
    results += [('a row for %s' % op, any(r['op'] == op and r['median_us'] > 0 for r in rows)) for op in OPS]
    print('1..%d' % len(results))
    for n, (name, good) in enumerate(results, 1):
        print('%s %d - %s' % ('ok' if good else 'not ok', n, name))
    return 0 if all(good for _, good in results) else 1


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('--build', default='build', help='the built tree (default: build)')
    ap.add_argument('--op', metavar='PART', help='only operations whose name has this in it')
    ap.add_argument('--quick', action='store_true', help='one call of each: shows that all works, its times mean nothing')
    ap.add_argument('--tap', nargs='+', metavar='COMMAND', help='run this benchmark quickly and print TAP about its rows')
    a = ap.parse_args()
    if a.tap:
        return tap(a.tap[:1] + ['--quick'] + a.tap[1:])
    if os.environ.get('PEER'):
        os.environ['PEER'] = os.path.abspath(os.environ['PEER'])
    rows, failed = [], 0
    extra = (['--quick'] if a.quick else []) + (['--op', a.op] if a.op else [])
    with open(os.path.join(a.build, 'bench.jsonl'), 'w', encoding='utf-8') as f:
        for cmd, env in programs(a.build):
            for r in run(cmd[:1] + extra + cmd[1:], env, a.build):
                if isinstance(r, int):
                    failed += r != 0
                    continue
                print(r, flush=True)
                print(r, file=f, flush=True)
                rows.append(json.loads(r))
    table(rows)
    if not any(r['sp_asm'] for r in rows):
        print('No peer with SP assembler was given (PEER=/path/lib.so): the targets were not measured.', file=sys.stderr)
    return 0 if rows and not failed else 1


if __name__ == '__main__':
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
