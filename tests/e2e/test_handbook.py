#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs/operations.md as it is written: every `sh` block is run, in order, in an empty folder. One test a chapter.

    test_handbook.py MCX OPERATIONS_MD
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

import tap

MCX, BOOK = os.path.abspath(sys.argv[1]), sys.argv[2]
top = tempfile.mkdtemp(prefix='mcx-handbook-')
built = os.path.join(os.path.dirname(MCX), '..')
env = dict(os.environ, MCX_PORT_BASE=tap.port_base(),
           PATH=os.pathsep.join([os.path.join(built, d) for d in ('tool', 'kms')] + [os.environ['PATH']]))


def chapters():
    """(heading, [block, ...]) of each chapter that has blocks."""
    found, heading, block = [], None, None
    with open(BOOK, encoding='utf-8') as f:
        for line in f:
            if block is not None:
                if line.startswith('```'):
                    found[-1][1].append(''.join(block))
                    block = None
                else:
                    block.append(line)
            elif line.startswith('```sh'):
                block = []
                if not found or found[-1][0] != heading:
                    found.append((heading, []))
            elif line.startswith('#'):
                heading = line.lstrip('# ').strip()
    return found


def test_of(heading, blocks):
    def test():
        for block in blocks:
            done = subprocess.run(['bash', '-euxo', 'pipefail', '-c', block], cwd=top, env=env, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, check=False)
            assert done.returncode == 0, '%s\n%s' % (block, done.stdout[-3000:])
    test.__name__ = 'handbook_' + re.sub(r'\W+', '_', heading.lower()).strip('_')
    return test


try:
    all_of_it = chapters()
    assert len(all_of_it) >= 12, 'the handbook lost its blocks'
    result = tap.run([test_of(*c) for c in all_of_it])
finally:
    subprocess.run([MCX, 'down', os.path.join(top, 'run')], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   check=False)
    shutil.rmtree(top, ignore_errors=True)
sys.exit(result)
