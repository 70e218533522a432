#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""TAP: SIP, SDP, MIKEY and SRTP as we send them, read by tshark's dissectors with the values that were meant, and no complaint.

    test_sip_tshark.py MCX CLIENTS PACKETS

A domain is raised; CLIENTS (secrets_call.c, a program of the tests) is two client engines that register, talk, call nobody, and
send a damaged key. It writes clear copies of what its SIP ports send and get (sip_copy.c), which nothing but a program of the
tests can do: test_secrets.py shows it. PACKETS prints SRTP packets. All of it goes into pcap files, a UDP datagram each.
"""
import base64
import collections
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'e2e'))
import tap  # noqa: E402

MCX, CLIENTS, PACKETS = (os.path.abspath(p) for p in sys.argv[1:4])
COPY = re.compile(rb'(sent|recv) (\S+) (\d+)\n')
top = tempfile.mkdtemp(prefix='mcx-tshark-')
folder = os.path.join(top, 'town')
env = dict(os.environ, MCX_PORT_BASE=tap.port_base())


def pcap(path, datagrams, port):
    with open(path, 'wb') as f:
        f.write(struct.pack('<IHHiIII', 0xa1b2c3d4, 2, 4, 0, 0, 262144, 101))
        for m in datagrams:
            udp = struct.pack('>HHHH', port, port, 8 + len(m), 0) + m
            ip = struct.pack('>BBHHHBBH4s4s', 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, b'\x7f\0\0\1', b'\x7f\0\0\1')
            f.write(struct.pack('<IIII', 0, 0, len(ip + udp), len(ip + udp)) + ip + udp)


def take_whole(stream):
    """The whole messages at the start of a stream, taken off it; a pair of line ends keeps it alive (RFC 5626 3.5.1)."""
    whole = []
    while True:
        del stream[:len(stream) - len(stream.lstrip(b'\r\n'))]
        head, end, _ = bytes(stream).partition(b'\r\n\r\n')
        length = re.search(rb'^Content-Length:\s*(\d+)', head, re.M)
        size = len(head) + 4 + int(length.group(1)) if length else 0
        if not end or size > len(stream):
            return whole
        whole.append(bytes(stream[:size]))
        del stream[:size]


def copies(text):
    """(way, message) each: TLS cuts them where it likes."""
    whole, streams, at = [], {}, 0
    while at < len(text):
        m = COPY.match(text, at)
        at = m.end() + int(m.group(3))
        stream = streams.setdefault(m.groups()[:2], bytearray())
        stream += text[m.end():at]
        whole += [(m.group(1).decode(), w) for w in take_whole(stream)]
    assert not any(streams.values()), streams
    return whole


def mcx(*args):
    done = subprocess.run([MCX, *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env, timeout=200,
                          check=False)
    assert done.returncode == 0, done.stdout


def run_domain():
    dump = os.path.join(top, 'dump')
    mcx('up', folder)
    for user in ('alice', 'bob'):
        mcx('user', 'add', user, '--dir', folder)
    with subprocess.Popen([CLIENTS, folder, 'alice', 'bob'], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                          env=dict(env, MCX_SIP_COPY=dump)) as call:
        while call.stdout.readline() not in ('up\n', ''):
            pass
        call.stdin.write('hang up\n')
        call.stdin.flush()
        assert call.stdout.readline() == 'over\n', 'the clients did not come to their end'
        call.stdin.write('end\n')
        call.stdin.flush()
    with open(dump, 'rb') as f:
        return copies(f.read())


def dissect(name, datagrams, port, fields, *more):
    path = os.path.join(top, name + '.pcap')
    pcap(path, datagrams, port)
    args = ['tshark', '-n', '-r', path, *more, '-T', 'fields', '-E', 'separator=\x1f', '-E', 'aggregator=\x1e', '-E', 'occurrence=a']
    for f in fields:
        args += ['-e', f]
    done = subprocess.run(args, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=dict(os.environ, HOME=top))
    lines = done.stdout.decode(errors='replace').rstrip('\n').split('\n')
    assert len(lines) == len(datagrams), '%s: %d messages, %d read' % (name, len(datagrams), len(lines))
    return [dict(zip(fields, (v.split('\x1e') if v else [] for v in line.split('\x1f')))) for line in lines]


SIP = ['sip.Method', 'sip.Status-Code', 'sip.Call-ID', 'sip.CSeq.seq', 'sip.CSeq.method', 'sip.Content-Type', 'sdp.media.media',
       'sdp.media.proto', 'sdp.media.port_string', 'sdp.connection_info.address', 'mikey.type', 'mikey.csb_id', 'mikey.id.role',
       'mikey.sign.len', '_ws.malformed', '_ws.expert.message', '_ws.expert.severity']
# What tshark remarks about connections, not about messages: it sees UDP datagrams where there were several TLS connections.
NOT_OURS = re.compile(r'Suspected resend|Retransmi|request in frame|response in frame', re.I)
messages, seen = [], []


def load():
    messages.extend(run_domain())
    seen.extend(dissect('sip', [m for _, m in messages], 5060, SIP))
    kinds = collections.Counter((way, m.split(b'\r\n', 1)[0].split()[m.startswith(b'SIP/')].decode()) for way, m in messages)
    print('# %d messages: %s' % (len(messages), ', '.join('%s %s %d' % (*k, n) for k, n in sorted(kinds.items()))))


def header(message, name):
    m = re.search(rb'^' + name + rb':[ \t]*([^\r\n]*)', message.split(b'\r\n\r\n')[0], re.I | re.M)
    return m.group(1).decode() if m else None


def every_message_is_sip_to_tshark_with_the_method_status_and_call_we_wrote():
    kinds = set()
    for (way, m), f in zip(messages, seen):
        first = m.split(b'\r\n', 1)[0].decode().split(' ')
        if first[0] == 'SIP/2.0':
            assert f['sip.Status-Code'] == [first[1]], (first, f)
        else:
            assert f['sip.Method'][:1] == [first[0]] and not f['sip.Status-Code'], (first, f)
        assert f['sip.Call-ID'] == [header(m, b'Call-ID')], f
        assert [f['sip.CSeq.seq'][0], f['sip.CSeq.method'][0]] == header(m, b'CSeq').split(), f
        kinds.add((way, first[1] if first[0] == 'SIP/2.0' else first[0]))
    ours = {('sent', k) for k in ('REGISTER', 'INVITE', 'ACK', 'BYE', '200', '488')}
    servers = {('recv', k) for k in ('INVITE', 'ACK', 'BYE', '200', '404', '488')}
    assert kinds >= ours | servers, (ours | servers) - kinds


def no_message_is_malformed_or_earns_an_expert_remark():
    for (_, m), f in zip(messages, seen):
        # A binary part it takes for a string too, and remarks what stands behind the first octet 0 of that.
        remarks = [t for t in f['_ws.expert.message'] if not NOT_OURS.search(t)
                   and not (t == 'Trailing stray characters' and b'\0' in m)]
        assert not f['_ws.malformed'] and not remarks, (remarks, m[:3000])


def each_session_description_has_the_media_and_address_we_wrote():
    count = 0
    for (_, m), f in zip(messages, seen):
        lines = re.findall(rb'^m=(\S+) (\d+) (\S+)', m, re.M)
        if b'application/sdp' not in m or not lines:
            continue
        count += 1
        assert f['sdp.media.media'] == [l[0].decode() for l in lines], f
        assert f['sdp.media.port_string'] == [l[1].decode() for l in lines], f
        assert f['sdp.media.proto'] == [l[2].decode() for l in lines], f
        assert f['sdp.connection_info.address'] == [a.decode() for a in re.findall(rb'^c=IN IP4 (\S+)', m, re.M)], f
    assert count >= 6, count


def the_key_line_of_each_offer_is_a_mikey_sakke_message_to_tshark():
    count = 0
    for (way, m), f in zip(messages, seen):
        key = re.search(rb'^a=key-mgmt:mikey (\S+)', m, re.M)
        if not key or not m.startswith(b'INVITE'):
            continue
        count += 1
        octets = base64.b64decode(key.group(1))
        assert f['mikey.type'] == ['26'] and int(f['mikey.csb_id'][0], 0) == int.from_bytes(octets[4:8], 'big'), (way, f)
        assert f['mikey.id.role'] == ['1', '2', '6', '7'] and f['mikey.sign.len'] == ['129'], (way, f)
    assert count >= 3, count


def no_body_tells_tshark_who_is_called_or_shows_a_token():
    """What is protected on its way: the XML is ciphertext in each part that a signalling plane could read."""
    bodies = [m.partition(b'\r\n\r\n')[2] for _, m in messages]
    assert sum(b'xenc:EncryptedData' in b or b'EncryptedData' in b for b in bodies) >= 4
    token = re.compile(rb'eyJ[\w-]{8,}\.eyJ')  # three letters alone come up in ciphertext by chance
    assert not [b for b in bodies if token.search(b) or b'mcptt-access-token><mcpttString' in b]


def an_srtp_packet_has_the_rtp_header_we_wrote():
    said = subprocess.run([PACKETS], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    rows = [dict(p.split('=') for p in line.split()) for line in said]
    fields = ['rtp.version', 'rtp.marker', 'rtp.p_type', 'rtp.seq', 'rtp.timestamp', 'rtp.ssrc', 'rtp.payload', '_ws.malformed']
    read = dissect('srtp', [bytes.fromhex(r['packet']) for r in rows], 40000, fields, '-d', 'udp.port==40000,rtp')
    assert len(rows) >= 3
    for r, f in zip(rows, read):
        assert f['rtp.version'] == ['2'] and f['rtp.marker'] == [r['marker']] and f['rtp.p_type'] == [r['type']], (r, f)
        assert f['rtp.seq'] == [r['seq']] and f['rtp.timestamp'] == [r['timestamp']] and not f['_ws.malformed'], (r, f)
        assert int(f['rtp.ssrc'][0], 0) == int(r['ssrc'], 16), (r, f)
        # Ciphertext, tag of 16, MKI of 4: as long as that, and the payload is not to be seen.
        payload = bytes.fromhex(f['rtp.payload'][0].replace(':', ''))
        assert len(payload) == len(bytes.fromhex(r['payload'])) + 20 and bytes.fromhex(r['payload']) not in payload, (r, f)


TESTS = [every_message_is_sip_to_tshark_with_the_method_status_and_call_we_wrote,
         no_message_is_malformed_or_earns_an_expert_remark, each_session_description_has_the_media_and_address_we_wrote,
         the_key_line_of_each_offer_is_a_mikey_sakke_message_to_tshark, no_body_tells_tshark_who_is_called_or_shows_a_token,
         an_srtp_packet_has_the_rtp_header_we_wrote]
if not shutil.which('tshark'):
    print('1..0 # SKIP tshark is not installed')
    sys.exit(0)
try:
    load()
    result = tap.run(TESTS)
finally:
    subprocess.run([MCX, 'down', folder], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    shutil.rmtree(top, ignore_errors=True)
sys.exit(result)
