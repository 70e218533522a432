# SPDX-License-Identifier: Apache-2.0
"""The test programs of a build that was configured with -Dbite=true, run with checks waived (src/sec/base/check.h).

A job is (program, checks to waive as `a+b` or '', the tests to run as a tuple; None: all of them). What comes of it is
an Outcome. A test that did not end, because its program hung or died, neither passed nor failed.
"""
import collections
import concurrent.futures
import json
import os
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
from run_tests import parse_tap  # noqa: E402

LONGEST_S = 120

# seen: the checks that refused or would have, in the order in which they were met first.
Outcome = collections.namedtuple('Outcome', 'passed failed seen trouble seconds')


class Programs:
    def __init__(self, build, jobs=2 * (os.cpu_count() or 1)):
        self.jobs = jobs
        # A folder of an older tree knows older tests, until ninja has looked.
        subprocess.run(['ninja', '-C', build, 'build.ninja'], stdout=subprocess.DEVNULL, check=True)
        self.build = build
        self.tests = {t['name']: t for t in self.introspect('--tests')}

    def introspect(self, what):
        said = subprocess.run(['meson', 'introspect', what, self.build], stdout=subprocess.PIPE, check=True).stdout
        return json.loads(said)

    def make(self, names, more=()):
        """These programs, what they run, and other targets; the output of a build that failed, else ''."""
        files = {t['id']: t['filename'][0] for t in self.introspect('--targets')}
        used = [self.tests[n] for n in names if n in self.tests]
        top = os.path.abspath(self.build)
        wanted = {os.path.join(top, w) for t in used for w in t['cmd']} & set(files.values()) | \
                 {files[d] for t in used for d in t['depends'] if d in files}
        targets = sorted(os.path.relpath(w, top) for w in wanted) + list(more)
        done = subprocess.run(['nice', 'ninja', '-C', self.build] + targets, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        return done.stdout[-3000:] if done.returncode else ''

    def run(self, job):
        program, waived, tests = job
        t = self.tests[program]
        env = dict(os.environ, **t['env'])
        for name, value in (('MCX_BITE', waived or None), ('MCX_TESTS', None if tests is None else ','.join(tests))):
            env.pop(name, None)
            if value is not None:
                env[name] = value
        begin = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            env['MCX_BITE_SEEN'] = os.path.join(folder, 'seen')
            out, trouble = '', ''
            try:
                done = subprocess.run(t['cmd'], env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                      timeout=LONGEST_S, check=False, cwd=t.get('workdir') or self.build)
                out = done.stdout.decode(errors='replace')
                trouble = 'died of signal %d' % -done.returncode if done.returncode < 0 else ''
            except subprocess.TimeoutExpired as e:
                out, trouble = (e.stdout or b'').decode(errors='replace'), 'hung'
            seen = []
            if os.path.exists(env['MCX_BITE_SEEN']):
                with open(env['MCX_BITE_SEEN'], encoding='utf-8') as f:
                    seen = list(dict.fromkeys(f.read().splitlines()))
        verdicts, _, _ = parse_tap(out)
        return Outcome({n for v, n in verdicts if v == 'ok'}, {n for v, n in verdicts if v == 'fail'}, seen, trouble,
                       time.monotonic() - begin)

    def run_all(self, jobs):
        """{job: outcome}"""
        return dict(self.each(self.run, jobs))

    def each(self, function, arguments):
        """(argument, function's result) of each, in their order, several at work at once."""
        with concurrent.futures.ThreadPoolExecutor(self.jobs) as pool:
            yield from zip(arguments, pool.map(function, arguments))
