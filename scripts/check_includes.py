#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""TAP: includes run downward only.

The house has floors; a room may include itself and the rooms its row names, nothing else. A file belongs to the deepest
room that is a prefix of its path. The check proves first, on a made-up tree, that it finds an upward include.
"""
import os
import re
import sys
import tempfile

PUBLIC = ['include/mcsec']
IBC = ['src/sec/ibc/' + d for d in ('field', 'lanes', 'curve', 'pairing', 'p256')]  # its own affair: nobody else's
SEC = PUBLIC + ['src/sec/base', 'src/sec/ibc', 'src/sec/keys', 'src/sec/mikey', 'src/sec/payload']
MCX_LOW = SEC + ['include/mcx', 'src/mcx/doc', 'src/mcx/token', 'src/mcx/xmlsec', 'src/mcx/kmssec', 'src/mcx/media',
                 'src/mcx/floor', 'src/mcx/sds']
MCX = MCX_LOW + ['src/mcx/flow']
DAEMON = MCX + ['src/net', 'src/store', 'src/custody', 'src/audit', 'src/app']

# Ground floor first. What a room may include besides itself.
ROOMS = {
    'include/mcsec': [],
    'include/mcx': PUBLIC,
    'src/sec/base': PUBLIC,
    'src/sec/ibc/field': PUBLIC + ['src/sec/base', 'src/sec/ibc/lanes'],  # v8.h: eight lanes of 64 bits
    'src/sec/ibc/lanes': PUBLIC + ['src/sec/base', 'src/sec/ibc/field', 'src/sec/ibc/curve'],
    'src/sec/ibc/curve': PUBLIC + ['src/sec/base', 'src/sec/ibc/field', 'src/sec/ibc/lanes'],
    'src/sec/ibc/pairing': PUBLIC + ['src/sec/base'] + IBC[:3],
    'src/sec/ibc/p256': PUBLIC + ['src/sec/base', 'src/sec/ibc/field', 'src/sec/ibc/lanes'],
    'src/sec/ibc': PUBLIC + ['src/sec/base'] + IBC,
    'src/sec/keys': PUBLIC + ['src/sec/base'],
    'src/sec/mikey': PUBLIC + ['src/sec/base', 'src/sec/ibc', 'src/sec/keys', 'src/sec/payload'],
    'src/sec/payload': PUBLIC + ['src/sec/base', 'src/sec/ibc', 'src/sec/keys'],
    'src/mcx/doc': SEC,
    'src/mcx/token': SEC,
    'src/mcx/xmlsec': SEC + ['src/mcx/doc'],  # SIP bodies
    'src/mcx/kmssec': SEC + ['src/mcx/doc'],  # documents of the KMS
    'src/mcx/media': SEC,
    'src/mcx/floor': SEC,
    'src/mcx/sds': SEC + ['src/mcx/doc'],
    'src/mcx/flow': MCX_LOW,
    'src/net': MCX,
    'src/store': PUBLIC + ['src/sec/base'],
    'src/custody': PUBLIC + ['src/sec/base'],
    'src/audit': PUBLIC + ['src/sec/base', 'src/store'],
    'src/app': PUBLIC + ['src/sec/base', 'src/net', 'src/store', 'src/audit'],
    'src/kms': DAEMON,
    'src/idms': DAEMON,
    'src/gms': DAEMON,
    'src/server': DAEMON,
    'src/console': DAEMON,
    'src/ue': MCX + ['src/net', 'src/store', 'src/custody'],
    'src/tool': DAEMON + ['src/ue', 'src/kms'],  # the ceremony works on the KMS's own store
}
# The KMS process has neither SIP nor media code, nor the protection of SIP bodies; those have not its documents'.
FORBIDDEN = {'src/kms': re.compile(r'^(src/net/(sip|rtp)|src/mcx/(media|xmlsec)/)'),
             'src/server': re.compile(r'^src/mcx/kmssec/')}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')


def room_of(path):
    found = [r for r in ROOMS if path.startswith(r + '/')]
    return max(found, key=len) if found else None


def resolve(top, path, name):
    """The included file's path in the tree, or None for a header that is not ours."""
    for base in (os.path.dirname(path), 'src', 'include'):
        candidate = os.path.normpath(os.path.join(base, name))
        if os.path.isfile(os.path.join(top, candidate)):
            return candidate
    return None


def sources(top):
    for start in ('include', 'src'):
        for folder, _, names in os.walk(os.path.join(top, start)):
            for n in sorted(names):
                if n.endswith(('.c', '.h')):
                    yield os.path.relpath(os.path.join(folder, n), top)


def faults_of(top):
    """{room: [what is wrong]} for every room that has a file."""
    faults = {}
    for path in sources(top):
        room = room_of(path)
        if room is None:
            faults.setdefault('(no room)', []).append(path + ' lies in no room of the table')
            continue
        mine = faults.setdefault(room, [])
        with open(os.path.join(top, path), encoding='utf-8') as f:
            for number, line in enumerate(f, 1):
                m = INCLUDE.match(line)
                target = m and resolve(top, path, m.group(1))
                if not target:
                    continue
                other = room_of(target)
                allowed = other == room or other in ROOMS[room]
                if not allowed or (room in FORBIDDEN and FORBIDDEN[room].match(target)):
                    mine.append('%s:%d includes %s' % (path, number, target))
    return faults


def self_test():
    with tempfile.TemporaryDirectory() as top:
        for path, text in (('src/sec/base/a.c', '#include "net/http.h"\n'), ('src/net/http.h', ''),
                           ('src/net/b.c', '#include "sec/base/c.h"\n'), ('src/sec/base/c.h', ''),
                           ('src/net/sip.h', ''), ('src/kms/d.c', '#include "net/sip.h"\n#include "net/http.h"\n')):
            full = os.path.join(top, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, 'w', encoding='utf-8') as f:
                f.write(text)
        return faults_of(top) == {'src/sec/base': ['src/sec/base/a.c:1 includes src/net/http.h'], 'src/net': [],
                                  'src/kms': ['src/kms/d.c:1 includes src/net/sip.h']}


def main():
    top = sys.argv[1]
    results = [('an upward include is found', self_test(), [])]
    results += [('%s includes downward only' % r, not f, f) for r, f in sorted(faults_of(top).items())]
    print('1..%d' % len(results))
    for n, (name, good, why) in enumerate(results, 1):
        print('%s %d - %s' % ('ok' if good else 'not ok', n, name))
        for w in why:
            print('#   ' + w)
    return 0 if all(r[1] for r in results) else 1


if __name__ == '__main__':
    sys.exit(main())
