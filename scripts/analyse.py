#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""TAP: what the analysers say of the tree: nothing, or each exception is explained in its place.

    analyse.py [--only tidy|gcc|scan|tsan|valgrind]... [--quick] [--build DIR] [--file WORD]

    tidy      clang-tidy with the checks of .clang-tidy over src/ and tests/
    gcc       gcc -fanalyzer over src/
    scan      scan-build (clang's analyzer with more checkers than tidy runs) over src/
    tsan      ThreadSanitizer: the test programs of THREADED, in ./build-tsan/
    valgrind  memcheck: the unit test programs of --build (./build/)

An exception is a comment at the line or the line above it, `NOLINT(check): reason` or `NOLINTNEXTLINE(check): reason`, in
the check's own name (-Wanalyzer-... for gcc, clang-analyzer-... for scan). One without a check or a reason is a finding, and so
is one for gcc or scan that excepts nothing. Races and memory errors in libraries that are not ours stand in tests/analyse/,
each with its reason. --quick is the form of `make check`: tsan and valgrind over the programs of QUICK_*.
"""
import argparse
import concurrent.futures
import glob
import json
import os
import plistlib
import re
import shlex
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
from run_tests import parse_tap  # noqa: E402

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SUPPRESSIONS = os.path.join(TOP, 'tests', 'analyse')
JOBS = os.cpu_count() or 1
STATIC = ('tidy', 'gcc', 'scan')
KINDS = STATIC + ('tsan', 'valgrind')

FINDING = re.compile(r'^(\S+?):(\d+):\d+: (?:warning|error): (.*) \[([^\]]+)\]$')
EXCEPTION = re.compile(r'\b(NOLINT|NOLINTNEXTLINE|NOLINTBEGIN|NOLINTEND)\b(?:\(([^)]*)\))?(?::\s*(.*?))?\s*(?:\*/.*)?$')

# Which programs run the code of which threads. The KMS's watch and its issuer's channels, the audit's keeper, the store,
# the HTTP edge, the identity server's house keeping, the SIP loop and its workers, the relay, the engine and its media.
QUICK_TSAN = ['audit', 'http', 'http_tls', 'ibc_sakke', 'ibc_signers', 'media_session', 'relay', 'revocations', 'sip_dialog',
              'sip_headers', 'sip_loop', 'sip_port', 'sip_tls', 'store']
THREADED = QUICK_TSAN + ['admin', 'alarm', 'audit_faults', 'audit_points', 'base', 'bearer', 'config', 'daemon', 'hear',
                         'http_hostile', 'http_proxy', 'ibc_eccsi', 'idms_abuse', 'idms_authorize', 'idms_failing',
                         'idms_flow', 'idms_refusals', 'idms_resource', 'idms_signin', 'kms_callers', 'kms_ceremony',
                         'kms_client', 'kms_extcert', 'kms_issuer', 'kms_life', 'kms_nodes', 'kms_reports', 'kms_requests',
                         'kms_watch', 'log', 'metrics', 'pace', 'server_binding', 'server_busy',
                         'server_call_moments', 'server_control', 'server_core', 'server_download', 'server_failing',
                         'server_hiding', 'server_hostile', 'server_octets', 'server_private_call', 'server_publish',
                         'server_queue', 'server_redirect', 'server_redirect_core', 'server_register',
                         'server_services', 'server_suite', 'server_torture', 'server_video_call', 'server_xml', 'sip_gate',
                         'sip_unread', 'ue_call', 'ue_download', 'ue_failing', 'ue_hiding', 'ue_hostile', 'ue_keys',
                         'ue_publish', 'ue_redirect', 'ue_store', 'ue_suite', 'ue_video', 'ue_way', 'video_session']
# Not kms_separation, whose search of whole processes walks the shadow memory, nor server_roll, a crowd that does not come up in time.
# The test and what it tests share a process and speak over sockets: a test that prepares an answer and then asks for it has
# put these in order, which ThreadSanitizer sees only when it takes any write as happening before any later read.
PEERS = ['bearer', 'http', 'http_hostile', 'http_proxy', 'idms_abuse', 'idms_authorize', 'idms_failing', 'idms_flow',
         'idms_refusals', 'idms_resource', 'idms_signin', 'kms_client', 'server_binding', 'server_busy',
         'server_call_moments', 'server_control', 'server_core', 'server_download', 'server_failing', 'server_hiding',
         'server_hostile', 'server_octets', 'server_private_call', 'server_publish', 'server_queue', 'server_redirect',
         'server_redirect_core', 'server_register', 'server_services', 'server_suite', 'server_torture',
         'server_video_call', 'server_xml', 'ue_call', 'ue_download', 'ue_failing', 'ue_hiding', 'ue_hostile', 'ue_keys',
         'ue_publish', 'ue_redirect', 'ue_suite', 'ue_video', 'ue_way']
QUICK_VALGRIND = ['base', 'kdf', 'mcptt_info', 'multipart', 'sdp', 'srtp', 'token', 'wrap', 'xml_refuse', 'mikey_parse']


def relative(path, folder):
    return os.path.relpath(os.path.realpath(os.path.join(folder, path)), os.path.realpath(TOP))


class Exceptions:
    """The exceptions of the tree by file and line, which were used, and what is wrong with them."""

    def __init__(self):
        self.at, self.used, self.wrong = {}, set(), []
        paths = [p for room in ('src', 'include', 'tests') for p in
                 glob.glob(os.path.join(TOP, room, '**', '*.[ch]'), recursive=True)]
        for path in sorted(paths):
            self.read(os.path.relpath(path, TOP), path)

    def read(self, name, path):
        with open(path, encoding='utf-8') as f:
            for n, line in enumerate(f, 1):
                m = EXCEPTION.search(line) if 'NOLINT' in line else None
                if not m:
                    continue
                word, checks, reason = m.groups()
                if not checks or '*' in checks:
                    self.wrong.append('%s:%d: %s names no check' % (name, n, word))
                elif word != 'NOLINTEND' and len((reason or '').split()) < 3:
                    self.wrong.append('%s:%d: %s without a reason' % (name, n, word))
                for check in (checks or '').split(','):
                    self.at[name, n + (word == 'NOLINTNEXTLINE'), check.strip()] = n

    def covers(self, name, line, check):
        key = (name, line, check)
        self.used |= {key} & set(self.at)
        return key in self.at

    def unused(self, prefix):
        return ['%s:%d: excepts nothing (%s)' % (k[0], self.at[k], k[2])
                for k in sorted(set(self.at) - self.used) if k[2].startswith(prefix)]


def run(cmd, **more):
    return subprocess.run(cmd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors='replace', check=False,
                          **more)


def configured(folder, args, env=None):
    if not os.path.exists(os.path.join(folder, 'build.ninja')):
        done = run(['meson', 'setup', folder, TOP] + args, env=dict(os.environ, **(env or {})), cwd=TOP)
        if done.returncode:
            sys.exit('Bail out! meson setup %s failed:\n%s' % (folder, done.stdout[-3000:]))
    return folder


def commands(build, rooms, word):
    with open(os.path.join(build, 'compile_commands.json'), encoding='utf-8') as f:
        found = {}
        for c in json.load(f):
            name = relative(c['file'], c['directory'])
            if name.endswith('.c') and name.startswith(rooms) and word in name:
                found.setdefault(name, c)
    return found


def side_by_side(work, items):
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        return list(pool.map(work, items))


def parse(text, folder):
    """{(file, line, check): sentence} of a compiler's output; checks that share a finding are parted by commas."""
    out = {}
    for line in text.splitlines():
        m = FINDING.match(line)
        if m:
            for check in m.group(4).replace(',-warnings-as-errors', '').split(','):
                out[relative(m.group(1), folder), int(m.group(2)), check.strip()] = m.group(3)
    return out


def tidy(a):
    build = configured(a.folder('tidy'), ['-Dwerror=false'], {'CC': 'clang'})
    found = commands(build, ('src/', 'tests/'), a.file)
    said = side_by_side(lambda n: run(['nice', 'clang-tidy', '-p', build, '--quiet', os.path.join(TOP, n)], cwd=build).stdout,
                        sorted(found))
    return parse('\n'.join(said), build), len(found)


def gcc(a):
    build = configured(a.folder('tidy'), ['-Dwerror=false'], {'CC': 'clang'})
    found = commands(build, ('src/',), a.file)

    def one(name):
        flags = [w for w in shlex.split(found[name]['command']) if re.match(r'-(?:[DI]|std=|isystem|pthread)', w)]
        return run(['nice', 'gcc', '-O0', '-fanalyzer', '-fdiagnostics-plain-output', '-c', '-o', '/dev/null'] + flags +
                   [os.path.join(TOP, name)], cwd=build).stdout
    said = parse('\n'.join(side_by_side(one, sorted(found))), build)
    return {(f, l, c.split('] [')[-1]): s for (f, l, c), s in said.items() if '-Wanalyzer' in c}, len(found)


def scan(a):
    """A build of its own each time: scan-build analyses what is compiled."""
    build, report = a.folder('scan'), a.folder('scan-report')
    for old in (build, report):
        shutil.rmtree(old, ignore_errors=True)
    more = ['nullability.NullablePassedToNonnull', 'optin.portability.UnixAPI',
            'security.FloatLoopCounter', 'security.insecureAPI.rand', 'valist.CopyToSelf', 'valist.Uninitialized',
            'valist.Unterminated']
    driver = ['scan-build', '-plist', '-o', report] + [w for c in more for w in ('-enable-checker', c)]
    done = run(driver + ['meson', 'setup', build, TOP, '-Dwerror=false', '-Dtests=false'], cwd=TOP)
    if not done.returncode:
        done = run(['nice'] + driver + ['ninja', '-C', build])
    if done.returncode:
        sys.exit('Bail out! scan-build failed:\n' + done.stdout[-3000:])
    out, files = {}, len(commands(build, ('src/',), ''))
    for path in glob.glob(os.path.join(report, '**', '*.plist'), recursive=True):
        with open(path, 'rb') as f:
            told = plistlib.load(f)
        for d in told['diagnostics']:
            where = d['location']
            out[relative(told['files'][where['file']], build), where['line'],
                'clang-analyzer-' + d['check_name']] = d['description']
    return out, files


def static(kind, a, exceptions):
    """One test: what this analyser finds, without what is explained in its place."""
    found, files = {'tidy': tidy, 'gcc': gcc, 'scan': scan}[kind](a)
    left = ['%s:%d: %s [%s]' % (f, l, s, c) for (f, l, c), s in sorted(found.items())
            if f.startswith(('src/', 'include/', 'tests/')) and not exceptions.covers(f, l, c)]
    if kind == 'gcc' and not a.file:
        left += exceptions.unused('-Wanalyzer')
    left += [] if files else ['no file was analysed']
    return [('%s: %d files' % (kind, files), left)]


def programs(build, names):
    subprocess.run(['ninja', '-C', build, 'build.ninja'], stdout=subprocess.DEVNULL, check=True)  # an older tree's knows less
    said = subprocess.run(['meson', 'introspect', '--tests', build], stdout=subprocess.PIPE, check=True).stdout
    tests = {t['name']: t for t in json.loads(said)}
    absent = sorted(set(names or []) - set(tests))
    if absent:
        sys.exit('Bail out! no such test program: ' + ', '.join(absent))
    return [tests[n] for n in (names if names is not None else sorted(
        n for n, t in tests.items() if 'mcxsec:unit' in t['suite']))]


def watched(test, wrapper, env, logs, sign):
    """The program under a tool that writes to LOGS.PID, children too: what failed, what the tool said, how many tests."""
    for old in glob.glob(glob.escape(logs) + '.*'):
        os.unlink(old)
    try:
        done = run(['nice'] + wrapper + test['cmd'], env=dict(os.environ, **test['env'], **env), cwd=test['workdir'] or None,
                   timeout=1800)
        out, code = done.stdout, done.returncode
    except subprocess.TimeoutExpired as e:
        out, code = (e.stdout or b'').decode(errors='replace'), 'a hang'
    tests, plan, _ = parse_tap(out)
    wrong = ['fails: ' + n for v, n in tests if v == 'fail']
    if not tests or plan not in (None, len(tests)):
        wrong.append('printed %d of %s tests and ended with %s' % (len(tests), plan, code))
    for path in sorted(glob.glob(glob.escape(logs) + '.*')):
        with open(path, encoding='utf-8', errors='replace') as f:
            text = f.read()
        if sign.search(text):
            wrong += ['%s:' % os.path.relpath(path, TOP)] + ['  ' + l for l in text.splitlines()[:60]]
    return wrong, len(tests)


def under_tool(kind, build, names, wrapper, env_of, sign):
    folder = os.path.join(build, 'analyse-' + kind)
    os.makedirs(folder, exist_ok=True)

    def one(test):
        logs = os.path.join(folder, test['name'])
        wrong, count = watched(test, wrapper(logs), env_of(test, logs), logs, sign)
        return '%s: %s, %d tests' % (kind, test['name'], count), wrong
    return side_by_side(one, programs(build, names))


def tsan(a):
    names = QUICK_TSAN if a.quick else THREADED
    build = configured(a.folder('tsan'), ['-Dwerror=false', '-Db_sanitize=thread', '-Db_lundef=false'])
    names = [n for n in names if a.file in n]
    targets = ['all'] if not a.quick else [os.path.relpath(t['cmd'][0], build) for t in programs(build, names)]
    done = run(['nice', 'ninja', '-C', build] + targets)
    if done.returncode:
        sys.exit('Bail out! the build for ThreadSanitizer failed:\n' + done.stdout[-3000:])
    # Shadow memory needs its place: without randomised addresses it is always free.
    still = ['setarch', '-R'] if not run(['setarch', '-R', 'true']).returncode else []
    options = 'suppressions=%s second_deadlock_stack=1 history_size=4 log_path=%%s io_sync=%%d' % os.path.join(SUPPRESSIONS,
                                                                                                          'tsan.supp')
    return under_tool('tsan', build, names, lambda logs: still,
                      lambda test, logs: {'TSAN_OPTIONS': options % (logs, 2 if test['name'] in PEERS else 1)},
                      re.compile('WARNING: ThreadSanitizer|FATAL: ThreadSanitizer'))


def valgrind(a):
    names = [t['name'] for t in programs(a.build, QUICK_VALGRIND if a.quick else None) if a.file in t['name']]
    def wrapper(logs):
        return ['valgrind', '-q', '--trace-children=yes', '--leak-check=full', '--errors-for-leak-kinds=definite',
                '--show-leak-kinds=definite', '--num-callers=24', '--fair-sched=yes', '--log-file=%s.%%p' % logs,
                '--suppressions=' + os.path.join(SUPPRESSIONS, 'valgrind.supp')]
    return under_tool('valgrind', a.build, names, wrapper, lambda test, logs: {}, re.compile(r'^==\d+== \S', re.M))


def main():
    ap = argparse.ArgumentParser(description='run the analysers')
    ap.add_argument('--only', action='append', choices=KINDS)
    ap.add_argument('--quick', action='store_true')
    ap.add_argument('--build', default=os.path.join(TOP, 'build'))
    ap.add_argument('--folders', default=os.path.join(TOP, 'build'), help='prefix of the folders it builds in')
    ap.add_argument('--file', default='', help='only files or programs whose name has this word')
    a = ap.parse_args()
    a.build = os.path.abspath(a.build)
    a.folder = lambda kind: os.path.abspath(a.folders) + '-' + kind
    exceptions = Exceptions()
    results = [('exceptions name their check and their reason: %d' % len(exceptions.at), exceptions.wrong)]
    for kind in a.only or (('tsan', 'valgrind') if a.quick else KINDS):
        results += static(kind, a, exceptions) if kind in STATIC else {'tsan': tsan, 'valgrind': valgrind}[kind](a)
        # What takes minutes is shown when it is known.
    print('1..%d' % len(results))
    for number, (name, wrong) in enumerate(results, 1):
        print('%s %d - %s' % ('not ok' if wrong else 'ok', number, name))
        for w in wrong:
            print('#   ' + w)
    return 1 if any(w for _, w in results) else 0


if __name__ == '__main__':
    sys.exit(main())
