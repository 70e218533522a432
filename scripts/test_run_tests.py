#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""TAP: the test runner counts what it must count; above all, that nothing broken passes for a success."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import run_tests  # noqa: E402


def judged(stdout, result='OK', code=0):
    return [v for v, _ in run_tests.judge({'stdout': stdout, 'result': result, 'returncode': code, 'name': 'x'})]


CASES = [
    ('each TAP line is one test', judged('1..2\nok 1 - a\nok 2 - b\n') == ['ok', 'ok']),
    ('a failed line fails', judged('1..2\nok 1 - a\nnot ok 2 - b\n', 'FAIL', 1) == ['ok', 'fail']),
    ('a skipped line is skipped', judged('1..1\nok 1 - a # SKIP no schemas\n') == ['skip']),
    ('a test cmocka skips is skipped, by its name',
     run_tests.parse_tap('1..1\nnot ok 1 # SKIP a\n')[0] == [('skip', 'a')]),
    ('a program whose only fault is a test cmocka skipped is good', judged('1..1\nnot ok 1 # SKIP a\n', 'FAIL') == ['skip']),
    ('a skipped test does not hide a bad end', judged('1..1\nnot ok 1 # SKIP a\n', 'ERROR', 139) == ['skip', 'fail']),
    ('a skipped program is one skip', judged('1..0 # SKIP no schemas\n', 'SKIP') == ['skip']),
    ('a program that prints nothing fails', judged('') == ['fail']),
    ('a program that stops before its plan ends fails', judged('1..3\nok 1 - a\n', 'ERROR', 139) == ['ok', 'fail']),
    ('a program that exits non-zero after good tests fails', judged('1..1\nok 1 - a\n', 'ERROR', 1) == ['ok', 'fail']),
    ('a failure announced as work to be done still fails', judged('1..1\nnot ok 1 - a # TO' 'DO one day\n') == ['fail']),
    ('a timeout fails', judged('ok 1 - a\n', 'TIMEOUT', None) == ['ok', 'fail']),
    ('the name is taken without number and dash', run_tests.parse_tap('ok 7 - a b\n')[0] == [('ok', 'a b')]),
]

print('1..%d' % len(CASES))
for number, (name, good) in enumerate(CASES, 1):
    print('%s %d - %s' % ('ok' if good else 'not ok', number, name))
sys.exit(0 if all(good for _, good in CASES) else 1)
