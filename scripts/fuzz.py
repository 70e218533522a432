#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fuzz every parser of hostile input, and say how much was tried, reached and found.

    fuzz.py --build DIR [--seconds N] [--jobs N] [--tap FILE] [--json FILE] [--doc] [--grow] [TARGET ...]

Builds the targets of tests/fuzz with clang (address and undefined behaviour sanitizers, source coverage) into DIR, only
the objects they need. Runs them for N seconds in all, the same time each, --jobs at a time; then prints a table:
executions, inputs kept, lines of the parser reached (tests/fuzz/targets.txt names its files), findings. New inputs stay
in DIR/corpus, so that the next run goes on from there. Exit code 1 when something was found, with the reproducer's path
and what to do with it.

--tap writes each target's verdict as a test: it holds its invariants, and it reaches the share of its lines that
targets.txt asks for. --doc writes the table into docs/fuzzing.md. --grow puts the smallest inputs that reach something new into tests/fuzz/corpus, a few a target.
"""
import argparse
import concurrent.futures
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
FUZZ = os.path.join(ROOT, 'tests/fuzz')
SETUP = ['-Dfuzz=true', '-Db_sanitize=address,undefined', '-Db_lundef=false', '-Dwerror=false', '-Ddebug=false',
         '-Doptimization=1', '-Dwarning_level=0', '-Dc_args=-w -gline-tables-only -fprofile-instr-generate -fcoverage-mapping',
         '-Dc_link_args=-fprofile-instr-generate']
GROW_FILES, GROW_OCTETS = 24, 2048
CASE_SECONDS, MEMORY_MIB = 120, 2560  # a case that hangs; a daemon made in the first one takes its time


def read_targets(wanted):
    targets = []
    with open(os.path.join(FUZZ, 'targets.txt'), encoding='utf-8') as f:
        for line in f:
            words = line.split()
            if not words or words[0] == '#':
                continue
            name, dictionary, longest, least = words[:4]
            files = [p for w in words[4:] for p in sorted(glob.glob(os.path.join(ROOT, 'src', w)))]
            if not files:
                sys.exit('targets.txt: %s covers no file' % name)
            if not wanted or name in wanted:
                targets.append({'name': name, 'dict': dictionary, 'max': longest, 'least': int(least), 'files': files})
    return targets


def build(folder):
    began = time.time()
    if not os.path.exists(os.path.join(folder, 'build.ninja')):
        subprocess.run(['meson', 'setup', folder, ROOT] + SETUP, check=True, stdout=subprocess.DEVNULL,
                       env=dict(os.environ, CC='ccache clang' if shutil.which('ccache') else 'clang'))
    subprocess.run(['nice', 'ninja', '-k', '0', '-C', folder, '--quiet', 'fuzzers'], check=False)
    return time.time() - began


def run(folder, t, seconds, seed):
    """One target for its share of the time; what it did goes into t."""
    name = t['name']
    program = os.path.join(folder, 'tests/fuzz/fuzz_' + name)
    corpus, found = os.path.join(folder, 'corpus', name), os.path.join(folder, 'findings', name + '-')
    seeds = os.path.join(FUZZ, 'corpus', name)
    t['profile'] = os.path.join(folder, 'coverage', name + '.profraw')
    for d in (corpus, os.path.dirname(found), os.path.dirname(t['profile'])):
        os.makedirs(d, exist_ok=True)
    if os.path.exists(t['profile']):
        os.unlink(t['profile'])
    cmd = ['nice', program, '-max_total_time=%d' % max(1, seconds), '-timeout=%d' % CASE_SECONDS,
           '-rss_limit_mb=%d' % MEMORY_MIB, '-max_len=' + t['max'], '-print_final_stats=1', '-artifact_prefix=' + found,
           '-seed=%d' % seed]
    if t['dict'] != '-':
        cmd.append('-dict=' + os.path.join(FUZZ, 'dict', t['dict'] + '.dict'))
    cmd += [corpus] + ([seeds] if os.path.isdir(seeds) else [])
    began = time.time()
    if not os.path.exists(program):
        t.update(seconds=0, executions=0, corpus=0, finding='none: the target was not built', output='')
        return t
    done = subprocess.run(cmd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                          env=dict(os.environ, LLVM_PROFILE_FILE=t['profile']))
    out = done.stdout.decode(errors='replace')
    units = re.findall(r'stat::number_of_executed_units:\s*(\d+)', out) or re.findall(r'(?m)^#(\d+)\t', out)
    kept = re.findall(r'\bcorp: (\d+)', out)
    t.update(seconds=time.time() - began, executions=int(units[-1]) if units else 0,
             corpus=int(kept[-1]) if kept else 0, finding='', output=out)
    if done.returncode:
        path = re.search(r'Test unit written to (\S+)', out)
        t['finding'] = path.group(1) if path else 'none written'
    return t


def coverage(folder, t):
    """Lines of the parser's files that were reached, and how many there are."""
    t['reached'] = t['lines'] = 0
    if not os.path.exists(t['profile']):
        return
    data = t['profile'].replace('.profraw', '.profdata')
    subprocess.run(['llvm-profdata', 'merge', '-sparse', t['profile'], '-o', data], check=True)
    out = subprocess.run(['llvm-cov', 'export', '-summary-only', '-instr-profile', data,
                          os.path.join(folder, 'tests/fuzz/fuzz_' + t['name'])],
                         check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    wanted = {os.path.realpath(p) for p in t['files']}
    for f in json.loads(out)['data'][0]['files']:
        if os.path.realpath(os.path.join(folder, f['filename'])) in wanted:
            t['reached'] += f['summary']['lines']['covered']
            t['lines'] += f['summary']['lines']['count']


def share(t):
    return 100.0 * t['reached'] / t['lines'] if t['lines'] else 0.0


def print_table(targets):
    print('%-16s %12s %9s %8s  %-18s %s' % ('target', 'executions', 'a second', 'inputs', 'lines reached', 'findings'))
    for t in targets:
        lines = '%5.1f %% (%d/%d)' % (share(t), t['reached'], t['lines']) if t['lines'] else '-'
        print('%-16s %12d %9d %8d  %-18s %s' % (t['name'], t['executions'], t['executions'] / max(0.1, t['seconds']),
                                                t['corpus'], lines, 1 if t['finding'] else 0))
    reached, lines = sum(t['reached'] for t in targets), sum(t['lines'] for t in targets)
    print('%-16s %12d %9s %8d  %-18s %d' % (
        'all', sum(t['executions'] for t in targets), '', sum(t['corpus'] for t in targets),
        '%5.1f %% (%d/%d)' % (100.0 * reached / max(1, lines), reached, lines), sum(1 for t in targets if t['finding'])))


def write_doc(targets, seconds):
    """The table of docs/fuzzing.md, between its marks."""
    path = os.path.join(ROOT, 'docs/fuzzing.md')
    with open(path, encoding='utf-8') as f:
        before, begin, rest = f.read().partition('<!-- table -->\n')
        _, end, after = rest.partition('<!-- end -->')
    lines = ['%s, %d seconds in all:\n' % (time.strftime('%Y-%m-%d'), seconds),
             '| target | executions | inputs kept | lines of the parser reached | findings |', '|---|---:|---:|---:|---:|']
    lines += ['| %s | %d | %d | %.1f %% of %d | %d |' % (t['name'], t['executions'], t['corpus'], share(t), t['lines'],
                                                     1 if t['finding'] else 0) for t in targets]
    with open(path, 'w', encoding='utf-8') as f:
        f.write(before + begin + '\n'.join(lines) + '\n' + end + after)


def print_findings(folder, targets):
    for t in targets:
        if not t['finding']:
            continue
        program = os.path.join(folder, 'tests/fuzz/fuzz_' + t['name'])
        print('\nFOUND by %s:\n    %s' % (t['name'], '\n    '.join(t['output'].strip().splitlines()[-40:])))
        print('reproducer: %s' % t['finding'])
        print('  see it again   %s %s' % (program, t['finding']))
        print('  make it small  %s -minimize_crash=1 -runs=100000 %s' % (program, t['finding']))
        print('  then mend the parser at its root, write a unit test of it, and keep the reproducer:\n'
              '                 cp %s %s/' % (t['finding'], os.path.join('tests/fuzz/corpus', t['name'])))


def write_tap(path, targets):
    with open(path, 'w', encoding='utf-8') as f:
        f.write('1..%d\n' % (2 * len(targets)))
        for i, t in enumerate(targets):
            ok = not t['finding'] and t['executions'] > 0
            f.write('%sok %d - %s_holds_its_invariants\n' % ('' if ok else 'not ', 2 * i + 1, t['name']))
            f.write('# %d executions, %d inputs kept\n' % (t['executions'], t['corpus']))
            ok = share(t) >= t['least']
            f.write('%sok %d - %s_reaches_its_parser\n' % ('' if ok else 'not ', 2 * i + 2, t['name']))
            f.write('# %.1f %% of %d lines, %d %% asked for\n' % (share(t), t['lines'], t['least']))


def features(control):
    """From libFuzzer's merge: {path: features it reaches}."""
    with open(control, encoding='utf-8', errors='replace') as f:
        lines = f.read().splitlines()
    n = int(lines[0])
    paths, reach = lines[2:2 + n], {}
    for line in lines[2 + n:]:
        words = line.split()
        if words and words[0] == 'FT':
            reach.setdefault(paths[int(words[1])], set()).update(words[2:])
    return reach


def grow(folder, t):
    """A greedy cover of what the kept inputs reach beyond the checked-in ones."""
    program = os.path.join(folder, 'tests/fuzz/fuzz_' + t['name'])
    seeds, corpus = os.path.join(FUZZ, 'corpus', t['name']), os.path.join(folder, 'corpus', t['name'])
    control, none = os.path.join(folder, 'merge-' + t['name']), os.path.join(folder, 'merged')
    os.makedirs(seeds, exist_ok=True)
    os.makedirs(none, exist_ok=True)
    if os.path.exists(control):
        os.unlink(control)
    env = dict(os.environ, LLVM_PROFILE_FILE='/dev/null')
    subprocess.run([program, '-merge=1', '-merge_control_file=' + control, '-max_len=' + t['max'], none, seeds, corpus],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env)
    reach = features(control)
    for path in glob.glob(os.path.join(none, '*')):
        os.unlink(path)
    have = set().union(*[f for p, f in reach.items() if p.startswith(seeds)] or [set()])
    rest = {p: f for p, f in reach.items() if not p.startswith(seeds) and os.path.getsize(p) <= GROW_OCTETS}
    for _ in range(GROW_FILES - len(glob.glob(os.path.join(seeds, 'grown-*')))):
        best = max(rest, key=lambda p: (len(rest[p] - have), -os.path.getsize(p)), default=None)
        if not best or not rest[best] - have:
            break
        have |= rest.pop(best)
        with open(best, 'rb') as f, open(os.path.join(seeds, 'grown-' + os.path.basename(best)[:8]), 'wb') as g:
            g.write(f.read())


def main():
    ap = argparse.ArgumentParser(description='fuzz every parser of hostile input')
    ap.add_argument('--build', required=True)
    ap.add_argument('--seconds', type=int, default=120)
    ap.add_argument('--jobs', type=int, default=2)
    ap.add_argument('--seed', type=int, default=0, help='the same cases in the same order; 0: others in each run')
    ap.add_argument('--tap')
    ap.add_argument('--json')
    ap.add_argument('--doc', action='store_true')
    ap.add_argument('--grow', action='store_true')
    ap.add_argument('target', nargs='*')
    a = ap.parse_args()
    folder, targets = os.path.abspath(a.build), read_targets(a.target)
    if a.tap and os.path.exists(a.tap):
        os.unlink(a.tap)
    print('fuzz targets built in %.0f s' % build(folder), flush=True)
    each = a.seconds * a.jobs // len(targets)
    with concurrent.futures.ThreadPoolExecutor(a.jobs) as pool:
        list(pool.map(lambda t: run(folder, t, each, a.seed), targets))
        list(pool.map(lambda t: coverage(folder, t), targets))
    print_table(targets)
    print_findings(folder, targets)
    if a.tap:
        write_tap(a.tap, targets)
    if a.json:
        keys = ('name', 'executions', 'seconds', 'corpus', 'reached', 'lines', 'finding')
        with open(a.json, 'w', encoding='utf-8') as f:
            json.dump({'date': time.strftime('%Y-%m-%d'), 'seconds': a.seconds,
                       'targets': [{k: t[k] for k in keys} for t in targets]}, f, indent=1)
    if a.doc:
        write_doc(targets, a.seconds)
    if a.grow:
        for t in targets:
            grow(folder, t)
    return 1 if any(t['finding'] for t in targets) else 0


if __name__ == '__main__':
    sys.exit(main())
