#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Which lines and branches of src/ the tests run, and which error paths they do not: docs/coverage.md.

    coverage.py [--build DIR] [--suite NAME]... [--report-only] [--write]

Builds DIR (./build-coverage/) with gcc's counters, runs the suites (unit, vector, fuzz, interop, e2e), and prints lines and
branches of each folder. An error path is a run of lines never executed behind a condition that was: it is listed with one word,
why no test goes there, found from what its condition calls (WHY, first match). tests/coverage/why.tsv says otherwise, with a
reason, where a person looked: `file<TAB>text in the condition or the path<TAB>word<TAB>reason`. A line there that matches
nothing is an error. Daemons that a test kills without notice leave no counts: their figures are lower bounds. In this build
mcx-kms is not confined (tests/coverage/counted.h), or it could write none.
"""
import argparse
import collections
import datetime
import json
import os
import re
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PAGE = os.path.join(TOP, 'docs', 'coverage.md')
TABLE = os.path.join(TOP, 'tests', 'coverage', 'why.tsv')
SUITES = ['unit', 'vector', 'fuzz', 'interop', 'e2e']
CODE = re.compile(r'//.*|/\*.*?\*/|"(?:\\.|[^"\\])*"')

WORDS = {
    'memory': 'the machine is out of memory',
    'openssl': 'OpenSSL fails at what it was given in order',
    'library': 'another library fails at what it was given in order',
    'system': 'the operating system refuses a call (no thread, no socket, disk full ...)',
    'database': 'the database fails',
    'never': 'cannot happen: a second lock behind the first, or the end of a switch',
    'untested': 'lacking a test',
}
WHY = [
    ('memory', r'\b(?:[a-z_]*alloc|strn?dup|v?asprintf|open_memstream|[a-z_]*(?:text|copy)_dup|buf_(?:add|put|grow)\w*|\w+_reserve)\('),
    ('openssl', r'\b(?:EVP|OSSL|BN|SSL|X509|RAND|HMAC|EC|PEM|BIO|OPENSSL|CRYPTO|ASN1|d2i|i2d|ECDSA|PKCS\d+)_\w+'),
    ('library', r'\b(?:gnutls|MHD|nta|tport|su|sip|msg|sqlite3|curl|json|opus|cfg|seccomp|srtp|src|sf|C)_\w+|\bxml[A-Z]\w+'),
    ('database', r'\bstore_\w+|\bSTORE_\w+|\bstmt\b|\b(?:db|row|step)_\w+'),
    ('system', r'\b(?:open|openat|read|write|pread|pwrite|fsync|fdatasync|close|socket|bind|listen|accept4?|connect|pipe2?|fork|'
               r'exec\w*|f?stat|lstat|rename|unlink|mkdir|fopen|fclose|fflush|fdopen|fputs|fprintf|setsockopt|getsockname|'
               r'epoll_\w+|eventfd|timerfd_\w+|poll|pthread_\w+|mlock|mmap|mprotect|prctl|getrandom|clock_gettime|gmtime_r|'
               r'send|sendto|recv|recvmsg|sendmsg|socketpair|fcntl|f?chmod|f?chown|flock|ftruncate|opendir|getrlimit|setrlimit|'
               r'getaddrinfo|waitpid|kill|sigaction|signalfd|errno)\b'),
    ('never', r'cannot happen|never\b.*\*/|\bdefault:\s*$'),
]

Path = collections.namedtuple('Path', 'file first last function guard text word')


def run(cmd, **more):
    done = subprocess.run(cmd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors='replace', check=False,
                          cwd=TOP, **more)
    return done.returncode, done.stdout


def count(build, suites):
    """Build, forget the counts of earlier runs, run the suites."""
    if not os.path.exists(os.path.join(build, 'build.ninja')):
        code, said = run(['meson', 'setup', build, '-Dwerror=false', '-Db_coverage=true', '-Doptimization=g',
                          '-Dc_link_args=--coverage',
                          '-Dc_args=-fprofile-update=atomic -include ' + os.path.join(TOP, 'tests/coverage/counted.h')])
        if code:
            sys.exit(said[-3000:])
    code, said = run(['nice', 'ninja', '-C', build])
    if code:
        sys.exit(said[-3000:])
    for folder, _, names in os.walk(build):
        for n in names:
            if n.endswith('.gcno'):  # nothing counted yet, and the issuer may count as another user
                path = os.path.join(folder, n[:-1] + 'a')
                os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC))
                os.chmod(path, 0o666)
    cmd = ['nice', 'meson', 'test', '-C', build, '--no-rebuild', '--quiet', '-t', '4']
    code, said = run(cmd + [w for s in suites for w in ('--suite', s)])
    failed = re.findall(r'^\s*\d+/\d+ (.*?)\s+(?:FAIL|TIMEOUT|ERROR)\b', said, re.M)
    return sorted(f.split(' / ')[-1] for f in failed)


def measured(build):
    for folder, _, names in os.walk(build):
        for n in names:
            if n.endswith('.gcda') and not os.path.getsize(os.path.join(folder, n)):
                os.unlink(os.path.join(folder, n))  # nothing of it ran
    out = os.path.join(build, 'coverage.json')
    code, said = run(['nice', 'gcovr', '-r', TOP, '--object-directory', build, '--filter', os.path.join(TOP, 'src') + '/',
                      '--exclude-unreachable-branches', '-j', str(os.cpu_count() or 1), '--json', out, os.path.join(build, 'src')])
    if code:
        sys.exit(said[-3000:])
    with open(out, encoding='utf-8') as f:
        return {x['file']: [l for l in x['lines'] if not l.get('gcovr/noncode')] for x in json.load(f)['files']}


def rates(files):
    """folder -> [lines, lines run, branches, branches taken]"""
    out = collections.defaultdict(lambda: [0, 0, 0, 0])
    for name, lines in files.items():
        for key in (os.path.dirname(name), 'all'):
            sums = out[key]
            sums[0] += len(lines)
            sums[1] += sum(1 for l in lines if l['count'])
            sums[2] += sum(len(l['branches']) for l in lines)
            sums[3] += sum(1 for l in lines for b in l['branches'] if b['count'])
    return out


def functions(source):
    """The function each line is in, by the column-0 brace of this tree's style."""
    out, name, head = [], '', 0
    for line in source:
        m = re.match(r'[A-Za-z_].*?\b(\w+)\(', line)
        if m and not line.rstrip().endswith(';'):
            name, head = m.group(1), len(out)
        out.append(name)
        if line.startswith('}'):
            name = ''
        elif line.rstrip().endswith(';') and name and not any(l.startswith('{') for l in source[head:len(out)]):
            name = ''
    return out


def condition(source, n):
    """The statement that ends at line n (1-based), as one line: back to where brackets balance."""
    text, first = '', n
    while first > 0 and n - first < 8:
        text = source[first - 1].strip() + ' ' + text
        bare = CODE.sub('', text)
        if bare.count('(') <= bare.count(')') and bare.count('(') and not re.match(r'[&|?:+]', bare):
            break
        first -= 1
    return text.strip()


def origin(source, n, guard):
    """Where the variable that the condition looks at got its value: `x = ...` in the ten lines before."""
    m = re.search(r'\bif \(!?([a-z]\w*(?:(?:->|\.)\w+)*)\b', guard)
    for line in reversed(source[max(0, n - 11):n]) if m else ():
        if re.search(r'(?<![\w>.])\*?%s = ' % re.escape(m.group(1)), line):
            return line.strip() + ' '
    return ''


def error_paths(name, lines, source):
    """Runs of lines never executed in functions that were entered: [(first, last, function, guard, text, origin)]."""
    inside = functions(source)
    entered = {inside[l['line_number'] - 1] for l in lines if l['count']}
    out, before, block = [], None, []

    def close():
        if block:
            first, last = block[0], block[-1]
            body = ' '.join(source[n - 1].strip() for n in block)
            guard = condition(source, before) if before else ''
            out.append((first, last, inside[first - 1], guard, body, origin(source, before or 0, guard)))
        block.clear()
    for l in sorted(lines, key=lambda x: x['line_number']):
        n = l['line_number']
        if n > len(source) or inside[n - 1] not in entered:
            continue
        if l['count']:
            close()
            before = n
        else:
            if block and inside[block[-1] - 1] != inside[n - 1]:
                close()
            block.append(n)
    close()
    return out


def table():
    rows = []
    with open(TABLE, encoding='utf-8') as f:
        for line in f.read().splitlines():
            if line and not line.startswith('#'):
                fields = line.split('\t')
                if len(fields) != 4 or fields[2] not in WORDS or not fields[3]:
                    sys.exit('%s: not file, text, word, reason: %s' % (TABLE, line))
                rows.append(fields)
    return rows


def word_of(name, guard, text, rows, used):
    for r in rows:
        if r[0] == name and (r[1] in guard or r[1] in text):
            used.add(tuple(r))
            return r[2]
    if re.search(r'no memory|_MEMORY\b|_RESOURCES\b|STORE_FULL', guard + text):
        return 'memory'
    for where in (guard, text):
        bare = re.sub(r'"(?:\\.|[^"\\])*"', '""', where)
        for word, rule in WHY:
            if re.search(rule, bare):
                return word
    return 'untested'


def all_paths(files):
    rows, used, out = table(), set(), []
    for name in sorted(files):
        with open(os.path.join(TOP, name), encoding='utf-8') as f:
            source = f.read().splitlines()
        for first, last, function, guard, text, value in error_paths(name, files[name], source):
            out.append(Path(name, first, last, function, guard, text, word_of(name, guard, value + text, rows, used)))
    return out, [r for r in rows if tuple(r) not in used]


def unentered(files):
    """Functions none of whose lines ran: {file: [name]}."""
    out = {}
    for name in sorted(files):
        with open(os.path.join(TOP, name), encoding='utf-8') as f:
            inside = functions(f.read().splitlines())
        ran = collections.defaultdict(int)
        for l in files[name]:
            if l['line_number'] <= len(inside):
                ran[inside[l['line_number'] - 1]] += l['count']
        names = [n for n, c in ran.items() if n and not c]
        if names:
            out[name] = names
    return out


def percent(part, whole):
    return '%.1f' % (100.0 * part / whole) if whole else '-'


def page(files, paths, suites, failed):
    sums = rates(files)
    out = ['# Coverage', '',
           'Written by `make coverage` (scripts/coverage.py) on %s with gcc\'s counters and gcovr; suites %s. Not counted: '
           'what a daemon did before it was killed without notice. mcx-kms does not confine itself in this build: it could '
           'open no file for its counts.'
           % (datetime.date.today().isoformat(), ', '.join(suites)), '']
    if failed:
        out += ['Programs that failed in this build: ' + ', '.join(failed) + '.', '']
    out += ['| folder | lines | run % | branches | taken % |', '|---|---|---|---|---|']
    for folder in sorted(sums, key=lambda f: (f == 'all', f)):
        s = sums[folder]
        out.append('| %s | %d | %s | %d | %s |' % (folder, s[0], percent(s[1], s[0]), s[2], percent(s[3], s[2])))
    out += ['', '## Error paths no test runs', '',
            'A run of lines never executed, in a function that was. The word says why, from what the condition calls or from '
            'tests/coverage/why.tsv.', '', '| why | paths | lines | meaning |', '|---|---|---|---|']
    for word, meaning in WORDS.items():
        mine = [p for p in paths if p.word == word]
        out.append('| %s | %d | %d | %s |' % (word, len(mine), sum(p.last - p.first + 1 for p in mine), meaning))
    for word, meaning in WORDS.items():
        mine = [p for p in paths if p.word == word]
        out += ['', '### %s: %s' % (word, meaning), '']
        by_file = collections.OrderedDict()
        for p in mine:
            by_file.setdefault(p.file, []).append(p)
        for name, some in by_file.items():
            if word == 'untested':
                out.append('- %s' % name)
                out += ['  - %s, line %d: `%s`' % (p.function, p.first, (p.guard + ' → ' + p.text)[:150].replace('`', "'"))
                        for p in some]
            else:
                out.append('- %s: %s' % (name, ', '.join('%s %d' % (p.function, p.first) for p in some)))
    never = unentered(files)
    out += ['', '## Functions no test enters', '']
    out += ['- %s: %s' % (name, ', '.join(names)) for name, names in never.items()]
    return '\n'.join(out) + '\n'


def main():
    ap = argparse.ArgumentParser(description='line and branch coverage, and the error paths without')
    ap.add_argument('--build', default=os.path.join(TOP, 'build-coverage'))
    ap.add_argument('--suite', action='append')
    ap.add_argument('--report-only', action='store_true', help='of the counts that are there')
    ap.add_argument('--write', action='store_true', help='write docs/coverage.md')
    a = ap.parse_args()
    suites = a.suite or SUITES
    failed = [] if a.report_only else count(a.build, suites)
    files = measured(a.build)
    if not files:
        sys.exit('no counts were found')
    paths, stale = all_paths(files)
    text = page(files, paths, suites, failed)
    if a.write:
        with open(PAGE, 'w', encoding='utf-8') as f:
            f.write(text)
    print(text.split('\n### ')[0])
    for r in stale:
        print('tests/coverage/why.tsv: matches nothing: %s' % '\t'.join(r))
    return 1 if stale or failed else 0


if __name__ == '__main__':
    sys.exit(main())
