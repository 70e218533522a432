#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""TAP: what we make, an independent dissector reads: tshark's MIKEY dissector on our messages, sent to port 2269.

    test_mikey_tshark.py PRINTER     (prints `name hex` lines)
"""
import os
import shutil
import struct
import subprocess
import sys
import tempfile

FIELDS = ['mikey.version', 'mikey.type', 'mikey.prf_func', 'mikey.csb_id', 'mikey.cs_count', 'mikey.cs_id_map_type',
          'mikey.t.ts_type', 'mikey.rand.len', 'mikey.rand.data', 'mikey.id.role', 'mikey.id.type',
          'mikey.sp.no', 'mikey.sp.encr_alg', 'mikey.sp.auth_alg', 'mikey.sakke.params', 'mikey.sakke.idscheme',
          'mikey.sakke.len', 'mikey.ext.type', 'mikey.sign.type', 'mikey.sign.len', '_ws.malformed']
RAND = '101112131415161718191a1b1c1d1e1f'


def pcap(messages):
    """One UDP datagram to port 2269 each, over raw IPv4 (link type 101)."""
    out = struct.pack('<IHHiIII', 0xa1b2c3d4, 2, 4, 0, 0, 65535, 101)
    for m in messages:
        udp = struct.pack('>HHHH', 2269, 2269, 8 + len(m), 0) + m
        ip = struct.pack('>BBHHHBBH4s4s', 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, b'\x7f\0\0\1', b'\x7f\0\0\1')
        out += struct.pack('<IIII', 0, 0, len(ip + udp), len(ip + udp)) + ip + udp
    return out


def dissect(messages, fields=FIELDS):
    with tempfile.TemporaryDirectory() as top:
        path = os.path.join(top, 'mikey.pcap')
        with open(path, 'wb') as f:
            f.write(pcap(messages))
        args = ['tshark', '-n', '-r', path, '-T', 'fields', '-E', 'separator=|', '-E', 'occurrence=a', '-E', 'aggregator=;']
        for field in fields:
            args += ['-e', field]
        done = subprocess.run(args, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                              env=dict(os.environ, HOME=top))
    return [dict(zip(fields, line.split('|'))) for line in done.stdout.splitlines()]


def numbers(text):
    return [int(x, 0) for x in text.split(';') if x]


def header_timestamp_and_rand_are_read(seen):
    for f, csb, maps in zip(seen.values(), (0x2a1b2c3d, 0x2a1b2c3d, 0x1a1b2c3d), (1, 1, 1)):
        assert numbers(f['mikey.version']) == [1] and numbers(f['mikey.type']) == [26], f
        assert numbers(f['mikey.prf_func']) == [1] and numbers(f['mikey.csb_id']) == [csb], f
        assert numbers(f['mikey.cs_count']) == [0] and numbers(f['mikey.cs_id_map_type']) == [maps], f
        assert numbers(f['mikey.t.ts_type']) == [0] and f['mikey.rand.data'].replace(':', '') == RAND, f


def identities_are_read_with_their_roles(seen):
    assert numbers(seen['upload']['mikey.id.role']) == [1, 2, 6, 7], seen['upload']
    names = dissect([bytes.fromhex(HEX['upload'])], ['mikey.id.data'])
    assert names == [{'mikey.id.data': 'sip:alice@mc.example;mdsi.mc.example;kms.mc.example;kms.mc.example'}], names
    assert numbers(seen['hidden']['mikey.id.role']) == [8, 2, 6, 7], seen['hidden']
    assert numbers(seen['hidden']['mikey.id.type']) == [2, 1, 1, 1], seen['hidden']


def sakke_policy_extensions_and_signature_are_read(seen):
    for f in seen.values():
        assert numbers(f['mikey.sakke.params']) == [1] and numbers(f['mikey.sakke.idscheme']) == [2], f
        assert numbers(f['mikey.sakke.len']) == [273], f
        assert numbers(f['mikey.sign.type']) == [2] and numbers(f['mikey.sign.len']) == [129], f
    call = seen['call']
    assert numbers(call['mikey.sp.no']) == [0] and numbers(call['mikey.sp.encr_alg']) == [6], call
    assert numbers(call['mikey.ext.type']) == [6, 7], call
    assert numbers(seen['hidden']['mikey.ext.type']) == [241], seen['hidden']


def nothing_is_malformed_to_it(seen):
    for name, f in seen.items():
        assert f['_ws.malformed'] == '', (name, f)


def a_message_cut_short_is_malformed_to_it(seen):
    assert seen and dissect([bytes.fromhex(HEX['upload'])[:300]])[0]['_ws.malformed'] != ''


HEX = {}


def main():
    tests = [header_timestamp_and_rand_are_read, identities_are_read_with_their_roles,
             sakke_policy_extensions_and_signature_are_read, nothing_is_malformed_to_it,
             a_message_cut_short_is_malformed_to_it]
    print('1..%d' % len(tests))
    if not shutil.which('tshark'):
        for n, t in enumerate(tests, 1):
            print('ok %d - %s # SKIP tshark is not installed' % (n, t.__name__))
        return 0
    for line in subprocess.run(sys.argv[1:2], check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines():
        name, text = line.split()
        HEX[name] = text
    rows = dissect([bytes.fromhex(t) for t in HEX.values()])
    seen = dict(zip(HEX, rows))
    bad = 0
    for n, t in enumerate(tests, 1):
        try:
            t(seen)
            print('ok %d - %s' % (n, t.__name__))
        except AssertionError as e:
            bad = 1
            print('not ok %d - %s\n#   %s' % (n, t.__name__, e))
    return bad


if __name__ == '__main__':
    sys.exit(main())
