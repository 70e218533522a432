#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Run the benchmark programs of a built tree (meson `benchmark()`), one after the other.

Each prints one JSON object a line: {"op","impl","peer","sp_asm","consttime","n","median_us","per_s_core","ratio"}, where
ratio = peer time / our time. The lines go to standard output and to BUILD/bench.jsonl; a table follows on standard error.
"""
import argparse
import json
import os
import subprocess
import sys


def main():
    ap = argparse.ArgumentParser(description='run the benchmarks')
    ap.add_argument('--build', required=True)
    a = ap.parse_args()
    found = json.loads(subprocess.run(['meson', 'introspect', a.build, '--benchmarks'], check=True,
                                      stdout=subprocess.PIPE, text=True).stdout)
    rows, failed = [], 0
    for b in found:
        done = subprocess.run(b['cmd'], env=dict(os.environ, **b['env']), stdout=subprocess.PIPE, text=True, check=False)
        failed += done.returncode != 0
        for line in done.stdout.splitlines():
            if line.startswith('{'):
                print(line, flush=True)
                rows.append(json.loads(line))
    with open(os.path.join(a.build, 'bench.jsonl'), 'w', encoding='utf-8') as f:
        f.writelines(json.dumps(r) + '\n' for r in rows)
    print('\n%-28s %-22s %12s %12s %8s' % ('operation', 'implementation', 'median us', 'per s, core', 'ratio'),
          file=sys.stderr)
    for r in rows:
        ratio = '%.2f' % r['ratio'] if r.get('ratio') else ''
        print('%-28s %-22s %12.1f %12.0f %8s' % (r['op'], r['impl'], r['median_us'], r['per_s_core'], ratio),
              file=sys.stderr)
    return 0 if rows and not failed else 1


if __name__ == '__main__':
    sys.exit(main())
