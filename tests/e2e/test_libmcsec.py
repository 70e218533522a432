#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""TAP: libmcsec as installed. A program outside the tree links it by pkg-config; it exports mcsec_* alone and needs
libcrypto and libc alone; its headers name no other library's type.

    test_libmcsec.py BUILD_ROOT PREFIX SOURCE
"""
import os
import re
import shlex
import subprocess
import sys
import tempfile

ALLOWED = re.compile(r'^(libcrypto\.so\.\d+|libc\.so\.6|libpthread\.so\.0|ld-linux-[\w-]+\.so\.\d+)$')
STANDARD = {'stddef.h', 'stdint.h'}


def out(*args, **kw):
    return subprocess.run(args, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **kw).stdout


def find(top, name):
    for folder, _, names in os.walk(top):
        if name in names:
            return os.path.join(folder, name)
    raise FileNotFoundError(name)


class Installed:
    def __init__(self, build, prefix, source, top):
        self.source, self.top, self.prefix = source, top, prefix
        out('meson', 'install', '-C', build, '--no-rebuild', '--quiet', '--destdir', top)
        self.lib = find(top, 'libmcsec.so')
        self.pc = os.path.dirname(find(top, 'libmcsec.pc'))
        self.headers = os.path.dirname(find(os.path.join(top, prefix.lstrip('/')), 'mikey.h'))

    def pkg_config(self, *args):
        env = dict(os.environ, PKG_CONFIG_PATH=self.pc, PKG_CONFIG_SYSROOT_DIR=self.top)
        return shlex.split(out('pkg-config', *args, 'libmcsec', env=env))

    def a_program_outside_the_tree_links_and_runs(self):
        program = os.path.join(self.top, 'use_libmcsec')
        out('cc', '-std=c17', '-Wall', '-Wextra', '-Wpedantic', '-Werror', self.source, '-o', program,
            *self.pkg_config('--cflags', '--libs'))
        said = out(program, env=dict(os.environ, LD_LIBRARY_PATH=os.path.dirname(self.lib)))
        assert said == 'opened\n', said

    def only_mcsec_symbols_are_exported(self):
        names = [l.split()[-1] for l in out('nm', '-D', '--defined-only', self.lib).splitlines()]
        other = [n for n in names if not n.startswith('mcsec_') and n != 'MCSEC_1']
        assert not other, other
        assert len(names) > 40, names

    def every_declared_function_is_exported(self):
        exported = {l.split()[-1].split('@')[0] for l in out('nm', '-D', '--defined-only', self.lib).splitlines()}
        missing = []
        for name in sorted(os.listdir(self.headers)):
            with open(os.path.join(self.headers, name), encoding='utf-8') as f:
                text = re.sub(r'/\*.*?\*/', '', f.read(), flags=re.S)
            for declared in re.findall(r'^MCSEC_API\s[^;]*?\b(mcsec_\w+)\s*(?:\(|;)', text, flags=re.M | re.S):
                if declared not in exported:
                    missing.append('%s: %s' % (name, declared))
        assert not missing, missing

    def only_libcrypto_and_libc_are_needed(self):
        needed = re.findall(r'\(NEEDED\).*\[(.*)\]', out('readelf', '-d', self.lib))
        other = [n for n in needed if not ALLOWED.match(n)]
        assert not other, other
        assert any(n.startswith('libcrypto') for n in needed), needed
        assert self.pkg_config('--print-requires-private') == ['libcrypto'], self.pkg_config('--print-requires-private')

    def no_header_names_another_library(self):
        foreign = []
        for name in sorted(os.listdir(self.headers)):
            with open(os.path.join(self.headers, name), encoding='utf-8') as f:
                for kind, included in re.findall(r'^\s*#\s*include\s+([<"])([^>"]+)', f.read(), flags=re.M):
                    own = kind == '"' and os.path.isfile(os.path.join(self.headers, included))
                    if not own and included not in STANDARD:
                        foreign.append('%s includes %s' % (name, included))
        assert not foreign, foreign


def main():
    build, prefix, source = sys.argv[1:4]
    tests = ['a_program_outside_the_tree_links_and_runs', 'only_mcsec_symbols_are_exported',
             'every_declared_function_is_exported', 'only_libcrypto_and_libc_are_needed',
             'no_header_names_another_library']
    bad = 0
    print('1..%d' % len(tests))
    with tempfile.TemporaryDirectory() as top:
        installed = Installed(build, prefix, source, top)
        for n, name in enumerate(tests, 1):
            try:
                getattr(installed, name)()
                print('ok %d - %s' % (n, name))
            except (AssertionError, OSError, subprocess.CalledProcessError) as e:
                bad = 1
                print('not ok %d - %s' % (n, name))
                for line in (str(e) + '\n' + str(getattr(e, 'output', '') or '')).splitlines():
                    print('#   ' + line)
    return bad


if __name__ == '__main__':
    sys.exit(main())
