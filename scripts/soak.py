#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The main job again and again against one running domain, watching what its daemons use.

    soak.py --mcx PATH --minutes N

Raises a domain of its own in a temporary folder, runs `mcx demo` until the time is over, and prints after each round
the resident memory and open descriptors of every daemon. Fails when a round fails, a daemon was restarted, or memory
or descriptors still grow over the last two thirds of the rounds.
"""
import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

GROWTH_KIB = 4096  # over two thirds of the run; allocators settle within less
GROWTH_FDS = 4


def sample(folder):
    with open(os.path.join(folder, 'run.json'), encoding='utf-8') as f:
        processes = json.load(f)['processes']
    out = {}
    for p in processes:
        with open('/proc/%d/status' % p['pid'], encoding='utf-8') as f:
            rss = next(int(line.split()[1]) for line in f if line.startswith('VmRSS'))
        out[p['name']] = (rss, len(os.listdir('/proc/%d/fd' % p['pid'])), p['restarts'])
    return out


def without_hourly_limit(folder):
    """Two users who fetch keys every few seconds are not what the KMS's limit is made for."""
    path = os.path.join(folder, 'kms', 'conf')
    with open(path, encoding='utf-8') as f:
        text = f.read()
    with open(path, 'w', encoding='utf-8') as f:
        f.write(re.sub(r'^(limit_hour|limit_period) = \d+$', r'\1 = 0', text, flags=re.M))


def main():
    ap = argparse.ArgumentParser(description='the main job again and again')
    ap.add_argument('--mcx', required=True)
    ap.add_argument('--minutes', type=float, default=10)
    a = ap.parse_args()
    folder = os.path.join(tempfile.mkdtemp(prefix='mcx-soak-'), 'soak')
    rounds, bad, times = [], [], []
    try:
        subprocess.run([a.mcx, 'up', folder], check=True, stdout=subprocess.DEVNULL)
        subprocess.run([a.mcx, 'down', folder], check=True, stdout=subprocess.DEVNULL)
        without_hourly_limit(folder)
        subprocess.run([a.mcx, 'up', folder], check=True, stdout=subprocess.DEVNULL)
        end = time.time() + 60 * a.minutes
        while time.time() < end:
            begin = time.time()
            done = subprocess.run([a.mcx, 'demo', '--dir', folder, '--once', '--json'], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True, check=False)
            times.append(time.time() - begin)
            if done.returncode:
                bad.append('round %d failed: %s%s' % (len(rounds) + 1, done.stdout[-600:], done.stderr[-600:]))
                break
            rounds.append(sample(folder))
            print('round %d, %.1f s: %s' % (len(rounds), times[-1], ', '.join(
                '%s %d KiB %d fds' % (n, s[0], s[1]) for n, s in rounds[-1].items())), flush=True)
    finally:
        subprocess.run([a.mcx, 'down', folder], check=False, stdout=subprocess.DEVNULL)
        shutil.rmtree(os.path.dirname(folder))
    if len(rounds) >= 6:
        first, last = rounds[len(rounds) // 3], rounds[-1]
        for name in last:
            for what, index, limit in (('KiB', 0, GROWTH_KIB), ('descriptors', 1, GROWTH_FDS)):
                if last[name][index] - first[name][index] > limit:
                    bad.append('%s grew by %d %s' % (name, last[name][index] - first[name][index], what))
    bad += ['%s was restarted' % n for n, s in (rounds[-1] if rounds else {}).items() if s[2]]
    print('%d rounds, %.1f s each; %s' % (len(rounds), sum(times) / max(1, len(times)), '; '.join(bad) or 'nothing grew'))
    return 1 if bad or not rounds else 0


if __name__ == '__main__':
    sys.exit(main())
