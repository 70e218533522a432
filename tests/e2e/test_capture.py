#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""TAP: who, where and which group: nothing of it can be read in a full capture of the main job through Kamailio.

    test_capture.py MCX

Every SIP message of the job crosses the SIP core, whose own sipdump module writes down each one, as it came and as it left:
between client and core, and between core and MC server. The capture is then taken apart (multipart, message/sip, base64,
percent-encoding, over and over) and searched. With identity hiding on no MC ID may be in it; with hiding off they stand in
the I_MESSAGEs and nowhere else (TS 33.180 5.2.6, 9.3). The main job uses no group and no location.
"""
import base64
import glob
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import urllib.parse

import tap

MCX = sys.argv[1]
SIPDUMP = '/usr/lib/x86_64-linux-gnu/kamailio/modules/sipdump.so'
PATIENCE_S = 120
top = tempfile.mkdtemp(prefix='mcx-capture-')
zone = 'town.mcx.test'
PSI = 'sip:mcptt@' + zone
# What stands for a user where nobody may know who it is; no other name of the run holds these letters.
USERS = ('alice', 'bob')
SOUGHT = ('alice', 'bob@')  # in any case: three letters stand in random octets by chance, in one run of some
env = dict(os.environ, MCX_PORT_BASE=tap.port_base())
core_port = int(env['MCX_PORT_BASE']) + 5071


def mcx(*args):
    done = subprocess.run([MCX, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, timeout=280,
                          check=False)
    assert done.returncode == 0, '%s: %s%s' % (args, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout


def wait_for(what, condition):
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, 'in vain: ' + what
        time.sleep(0.5)


# ---- a run of the main job, and what the core saw of it ----

def core_of(folder):
    with open(os.path.join(folder, 'run.json'), encoding='utf-8') as f:
        return [p for p in json.load(f)['processes'] if p['name'] == 'kamailio'][0]


def capture_at_core(folder):
    """The supervisor starts the core again with the module loaded; local.cfg is an operator's own file."""
    dump = os.path.join(folder, 'core', 'dump')
    os.mkdir(dump, 0o700)
    with open(os.path.join(folder, 'core', 'local.cfg'), 'a', encoding='utf-8') as f:
        f.write('loadmodule "sipdump.so"\n' + ''.join('modparam("sipdump", "%s", %s)\n' % p for p in (
            ('enable', '1'), ('mode', '4'), ('wait', '100000'), ('folder', '"%s"' % dump), ('fprefix', '"sip-"'))))
    before = core_of(folder)['pid']

    def it_is_another():
        core = core_of(folder)
        if core['pid'] == before:  # a signal that comes while it starts is not always heard
            try:
                os.kill(before, signal.SIGTERM)
            except ProcessLookupError:
                pass
        return core['pid'] != before and core['state'] == 'ready'
    wait_for('the core with its capture', it_is_another)
    return dump


def messages_of(dump):
    """(way, whole message) each; sipdump dresses every message as one UDP datagram in an Ethernet frame."""
    found = []
    for name in sorted(glob.glob(dump + '/sip-*.pcap')):
        with open(name, 'rb') as f:
            text = f.read()
        magic, _, _, _, _, _, link = struct.unpack_from('<IHHiIII', text)
        assert (magic, link) == (0xa1b2c3d4, 1), text[:24]
        at = 24
        while at < len(text):
            _, _, kept, whole = struct.unpack_from('<IIII', text, at)
            frame = text[at + 16:at + 16 + kept]
            assert kept == whole == len(frame) and frame[12:15] == b'\x08\0E' and frame[23] == 17, frame[:42]
            to = int.from_bytes(frame[36:38], 'big')
            found.append(('received' if to == core_port else 'sent', frame[42:]))
            at += 16 + kept
    return found


class Run:
    def __init__(self, name, hiding):
        self.folder = os.path.join(top, name, 'town')
        os.makedirs(os.path.dirname(self.folder), 0o700)
        mcx('up', self.folder, '--core', 'kamailio', '--identity-hiding', hiding)
        try:
            dump = capture_at_core(self.folder)
            if hiding == 'off':  # else the domain draws such names by itself
                for user in USERS:
                    mcx('user', 'add', user, '--dir', self.folder, '--impu', 'sip:line-%d@%s' % (USERS.index(user), zone))
            lines = mcx('demo', '--dir', self.folder, '--once', '--json').splitlines()
            self.verdict = json.loads(lines[-1])
            users = [json.loads(u) for u in mcx('user', 'list', '--dir', self.folder, '--json').splitlines()]
            self.impus = {u['name']: u['impu'] for u in users}
        finally:
            mcx('down', self.folder)
        self.messages = messages_of(dump)


# ---- taking it apart ----

MIKEY = re.compile(rb'a=key-mgmt:mikey ([A-Za-z0-9+/=]+)')
TOKEN = re.compile(rb'[A-Za-z0-9+/_-]{12,}')


def split(message):
    head, _, body = message.partition(b'\r\n\r\n')
    kind = re.search(rb'^(?:Content-Type|c)[ \t]*:[ \t]*([^\r\n]+)', head, re.I | re.M)
    return head, kind.group(1) if kind else b'', body


def parts(kind, body):
    """The leaves of a body as (type, octets)."""
    boundary = re.search(rb'boundary="?([^";]+)', kind)
    if kind.lower().startswith(b'multipart/') and boundary:
        for piece in body.split(b'--' + boundary.group(1))[1:-1]:
            head, inner, content = split(piece.strip(b'\r\n') if b'\r\n\r\n' not in piece else piece[2:])
            content = content[:-2] if content.endswith(b'\r\n') else content
            if re.search(rb'^Content-Transfer-Encoding:\s*base64', head, re.I | re.M):
                content = base64.b64decode(content)
            yield from parts(inner, content)
    elif kind.lower().startswith(b'message/sip'):
        _, inner, content = split(body)
        yield from parts(inner, content)
    else:
        yield kind.split(b';')[0].strip().lower(), body


def i_messages(message):
    _, kind, body = split(message)
    for leaf, octets in parts(kind, body):
        if leaf == b'application/mikey':
            yield octets, octets
        for m in MIKEY.finditer(octets):
            yield base64.b64decode(m.group(1)), m.group(1)


def identities(i_message):
    """The URIs of an I_MESSAGE: (initiator, responder), None where a UID stands."""
    found = {}
    at, code = 10 + 9 * i_message[8], i_message[2]
    assert i_message[8] == 0 and i_message[1] == 26, i_message[:12]
    while code in (5, 11, 14):  # T, RAND, IDR (RFC 6043)
        following = i_message[at]
        if code == 14:
            role, kind = i_message[at + 1], i_message[at + 2]
            n = int.from_bytes(i_message[at + 3:at + 5], 'big')
            found[role] = (kind, i_message[at + 5:at + 5 + n])
            at += 5 + n
        else:
            at += 10 if code == 5 else 2 + i_message[at + 1]
        code = following
    uri = lambda role: found[role][1].decode() if role in found else None  # noqa: E731
    return uri(1), uri(2)


def layers(octets, depth=3):
    """What is in it, and in what is encoded in it."""
    yield octets
    if depth == 0:
        return
    plain = urllib.parse.unquote_to_bytes(octets)
    if plain != octets:
        yield from layers(plain, depth - 1)
    for m in TOKEN.finditer(octets):
        token = m.group().replace(b'-', b'+').replace(b'_', b'/')
        for start in range(4):  # whatever stands before it
            piece = token[start:len(token) - (len(token) - start) % 4]
            yield from layers(base64.b64decode(piece), depth - 1)


def readable(octets):
    """Users of whom there is something in it."""
    return {u for layer in layers(octets) for u, sought in zip(USERS, SOUGHT) if sought.encode() in layer.lower()}


def seen_in(message):
    """Users readable in the message: on its whole, and in each part as it is."""
    _, kind, body = split(message)
    return readable(message).union(*(readable(octets) for _, octets in parts(kind, body)))


def without_i_messages(message):
    for _, text in list(i_messages(message)):
        message = message.replace(text, b'')
    return message


def methods(run):
    return {re.match(rb'(?:SIP/2.0 )?(\w+)', m).group(1).decode() for _, m in run.messages}


# ---- the tests ----

runs = {}


def the_search_finds_what_is_there_in_every_dress():
    bob = b'sip:bob@town.mcx.test'
    for dress in (bob, b'x' + base64.b64encode(b'<uri>' + bob + b'</uri>'), base64.urlsafe_b64encode(b'{"a":"' + bob + b'"}'),
                  b'sip:%62%6f%62@town', base64.b64encode(urllib.parse.quote(b'0' + bob, safe='').encode()),
                  base64.b64encode(base64.b64encode(b'  ' + bob)), b'SIP:BOB@TOWN'):
        assert readable(b'To: <' + dress + b'>'), dress
    inner = b'INVITE sip:x SIP/2.0\r\nContent-Type: multipart/mixed;boundary=b\r\n\r\n--b\r\nContent-Type: text/a\r\n' \
            b'Content-Transfer-Encoding: base64\r\n\r\n' + base64.b64encode(b'..' + bob) + b'\r\n--b--\r\n'
    assert seen_in(b'REGISTER sip:y SIP/2.0\r\nContent-Type: message/sip\r\n\r\n' + inner) == {'bob'}
    assert not readable(b'To: <sip:line-0@town.mcx.test>')


def the_main_job_is_secure_with_identity_hiding_on_and_the_capture_is_whole():
    runs['on'] = Run('on', 'on')
    assert runs['on'].verdict == {'verdict': 'secure', 'met': 10, 'of': 10}, runs['on'].verdict
    the_capture_is_whole(runs['on'])


def the_capture_is_whole(run):
    assert methods(run) >= {'REGISTER', 'MESSAGE', 'INVITE', 'ACK', 'BYE', '200', '488'}, methods(run)
    ways = [way for way, _ in run.messages]
    assert ways.count('received') > 20 and ways.count('sent') > 20, ways
    assert any(b'Content-Type: message/sip' in m for _, m in run.messages), 'no third-party REGISTER'
    kinds = {octets[4] >> 4 for _, m in run.messages for octets, _ in i_messages(m)}
    assert kinds == {1, 2}, kinds  # private call and client-server keys
    for impu in run.impus.values():
        assert any(impu.encode() in m for _, m in run.messages), impu


def mcsec_with_identity_hiding_on_no_mc_id_can_be_read_in_the_capture():
    leaks = [(way, m) for way, m in runs['on'].messages if seen_in(m)]
    assert not leaks, '%d of %d, the first: %s %r' % (len(leaks), len(runs['on'].messages), leaks[0][0], leaks[0][1][:3000])
    assert {identities(o) for _, m in runs['on'].messages for o, _ in i_messages(m)} == {(None, None)}


def with_identity_hiding_on_the_sip_identities_name_nobody():
    impus = list(runs['on'].impus.values())
    assert len(set(impus)) == 2 and all(re.fullmatch(r'sip:line-[0-9a-f]{12}@' + zone, i) for i in impus), impus


def the_main_job_is_secure_with_identity_hiding_off_and_the_capture_is_whole():
    runs['off'] = Run('off', 'off')
    assert runs['off'].verdict == {'verdict': 'secure', 'met': 10, 'of': 10}, runs['off'].verdict
    the_capture_is_whole(runs['off'])


def mcsec_with_identity_hiding_off_the_capture_holds_exactly_the_identities_of_the_i_messages():
    alice, bob = ('sip:%s@%s' % (u, zone) for u in USERS)
    found = {identities(o) for _, m in runs['off'].messages for o, _ in i_messages(m)}
    assert found == {(alice, PSI), (bob, PSI), (PSI, alice), (PSI, bob), (alice, bob)}, found
    carriers = [m for _, m in runs['off'].messages if list(i_messages(m))]
    assert carriers and all(seen_in(m) for m in carriers)
    leaks = [m for _, m in runs['off'].messages if seen_in(without_i_messages(m))]
    assert not leaks, '%d: %r' % (len(leaks), leaks[0][:3000])


if not os.path.exists(SIPDUMP):
    print('1..0 # SKIP kamailio with its sipdump module is not installed')
    sys.exit(0)
try:
    result = tap.run([the_search_finds_what_is_there_in_every_dress,
                      the_main_job_is_secure_with_identity_hiding_on_and_the_capture_is_whole,
                      mcsec_with_identity_hiding_on_no_mc_id_can_be_read_in_the_capture,
                      with_identity_hiding_on_the_sip_identities_name_nobody,
                      the_main_job_is_secure_with_identity_hiding_off_and_the_capture_is_whole,
                      mcsec_with_identity_hiding_off_the_capture_holds_exactly_the_identities_of_the_i_messages])
finally:
    for name in ('on', 'off'):
        if os.path.exists(os.path.join(top, name, 'town', 'run.json')):
            subprocess.run([MCX, 'down', os.path.join(top, name, 'town')], env=env, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, check=False)
    shutil.rmtree(top, ignore_errors=True)
sys.exit(result)
