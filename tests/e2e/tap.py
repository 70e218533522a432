# SPDX-License-Identifier: Apache-2.0
"""TAP for whole-process tests: tap.run([function, ...]) runs them in order; an exception is a failure, Skip skips.

MCX_TESTS=NAME,NAME in the environment runs these alone, after the steps (`always`) that stand before the last of them.
"""
import os
import random
import socket
import sys
import traceback


class Skip(Exception):
    pass


def chosen(tests):
    names = os.environ['MCX_TESTS'].split(',')
    last = max([n for n, t in enumerate(tests) if t.__name__ in names], default=-1)
    return [t for t in tests[:last + 1] if t.__name__ in names or getattr(t, 'always', False)]


def run(tests):
    tests = chosen(tests) if 'MCX_TESTS' in os.environ else tests
    print('1..%d' % len(tests), flush=True)
    bad = 0
    for n, test in enumerate(tests, 1):
        try:
            test()
            print('ok %d - %s' % (n, test.__name__), flush=True)
        except Skip as e:
            print('ok %d - %s # SKIP %s' % (n, test.__name__, e), flush=True)
        except Exception:  # a test that cannot go on has failed, whatever the reason
            bad += 1
            print('not ok %d - %s' % (n, test.__name__), flush=True)
            for line in traceback.format_exc().splitlines():
                print('#   ' + line)
            sys.stdout.flush()
    return 1 if bad else 0


def true(test):
    """For tests that return what must be true."""
    def must():
        assert test(), test.__name__
    must.__name__ = test.__name__
    return must


PORTS = (5060, 5061, 6444, 7443, 7444, 8443, 8444)


def port_base():
    """A value for MCX_PORT_BASE whose ports are free now."""
    for _ in range(200):
        base = random.randrange(1000, 34000)
        try:
            for p in PORTS:
                for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                    with socket.socket(socket.AF_INET, kind) as s:
                        s.bind(('127.0.0.1', base + p))
            return str(base)
        except OSError:
            continue
    raise RuntimeError('no free ports')
