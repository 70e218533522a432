#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""TAP: the client-server key's life at mcx-server as sipp sees it, an independent SIP stack: each upload, call and message that
is refused with its status line and Warning, each that is accepted, and key downloads to sipp as the client.

    test_sipp.py MCX BODIES

A domain is raised. BODIES (sipp_bodies.c) makes what sipp cannot, the signed and encrypted bodies, as files; sipp injects them
into the scenarios of sipp/*.xml over TCP, and its checks decide: the status line and the Warning header by regular expressions.
"""
import json
import os
import random
import shutil
import socket
import sqlite3
import string
import subprocess
import sys
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'e2e'))
import tap  # noqa: E402
from town import Town  # noqa: E402

ICSI = 'urn:urn-7:3gpp-service.ims.icsi.mcptt'
PHRASES = {200: 'OK', 400: 'Bad Request', 403: 'Forbidden', 404: 'Not Found', 415: 'Unsupported Media Type',
           488: 'Not Acceptable Here', 489: 'Bad Event', 412: 'Precondition Failed'}
WARNINGS = {100: 'function not allowed due to no common security algorithm', 101: 'service authorisation failed',
            107: 'user not authorised to make private calls', 136: 'authentication of the MIKEY-SAKKE I_MESSAGE failed',
            139: 'integrity protection check failed', 140: 'unable to decrypt XML content',
            141: 'user unknown to the participating function', 142: 'unable to determine the controlling function',
            145: 'unable to determine called party'}
MULTIPART = 'Content-Type: multipart/mixed;boundary="mcx-sipp"'
REGISTER = 'Expires: 600'
PUBLISH = 'Event: poc-settings\n      Expires: 4294967295\n      P-Preferred-Service: ' + ICSI
SERVICE = 'P-Preferred-Service: ' + ICSI
NO_PORT = 254  # sipp's exit code when it could not bind: nothing was said

town = Town(sys.argv[1], 'sipp')
mcx, folder, zone = town.mcx, town.folder, 'town.mcx.test'
alice, psi = 'sip:alice@' + zone, 'sip:mcptt@' + zone
work = os.path.join(town.top, 'sipp')
port = int(town.env['MCX_PORT_BASE']) + 5060


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def lasting_port():
    """One that no outgoing connection of this machine is given: sipp listens on it time and again."""
    while True:
        number = random.randrange(15000, 20000)
        with socket.socket() as s:
            try:
                s.bind(('127.0.0.1', number))
                return number
            except OSError:
                continue


contact_port = lasting_port()


def raise_domain():
    mcx('up', folder)
    for name in ('alice', 'bob'):
        mcx('user', 'add', name, '--dir', folder)
    mcx('down', folder)
    with open(os.path.join(folder, 'server/conf'), 'a', encoding='utf-8') as f:
        f.write('register_over = {"tls", "tcp"}\n')  # this sipp speaks no TLS: the address below it authenticates
    mcx('up', folder)
    os.mkdir(work)
    subprocess.run([sys.argv[2], folder, 'alice', 'bob', work], check=True, env=town.env, timeout=120)


# ---- sipp

def scenario(name, **texts):
    with open(os.path.join(HERE, 'sipp', name), encoding='utf-8') as f:
        return string.Template(f.read()).substitute(texts)


def start(text, *args):
    """sipp at work on this scenario, in the folder of the bodies; its ports are free ones, unless another process is faster."""
    number = len(os.listdir(work))
    path = os.path.join(work, 'scenario-%d.xml' % number)
    with open(path, 'w', encoding='utf-8') as f:
        f.write(text)
    errors = path[:-4] + '.errors'
    process = subprocess.Popen(['sipp', '-sf', path, '-m', '1', '-t', 't1', '-i', '127.0.0.1', '-nostdin', '-trace_err',
                                '-error_file', errors, '-timeout', '90', '-timeout_error', '-cp', str(free_port()), *args],
                               cwd=work, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               env=dict(os.environ, TERM='dumb'))
    process.errors = errors
    return process


def passed(process):
    out = process.communicate(timeout=120)[0]
    said = ''
    if os.path.exists(process.errors):
        with open(process.errors, encoding='utf-8', errors='replace') as f:
            said = f.read()
    assert process.returncode == 0, 'sipp: exit %d\n%s\n%s' % (process.returncode, said[-3000:], out[-300:])


def expect(warning):
    if warning:
        return ('<ereg regexp="^ *399 sip.%s .%d %s.$" search_in="hdr" header="Warning:" check_it="true" '
                'assign_to="warning"/>' % (zone, warning, WARNINGS[warning]))
    return '<ereg regexp="[0-9]" search_in="hdr" header="Warning:" check_it_inverse="true" assign_to="warning"/>'


def ask(method, headers, body, status, warning=0):
    """One request; body: a file of the folder, or None."""
    inject = '[file name="%s"]' % body if body else ''
    text = scenario('invite.xml' if method == 'INVITE' else 'request.xml', method=method, headers=headers, body=inject,
                    uri='sip:' + zone if method == 'REGISTER' else psi, to=alice if method == 'REGISTER' else psi,
                    contact_port=contact_port, status=status, phrase=PHRASES[status], warning=expect(warning), **{'from': alice})
    for _ in range(5):
        process = start(text, '-p', str(free_port()), '127.0.0.1:%d' % port)
        process.wait(timeout=120)
        if process.returncode != NO_PORT:
            break
    passed(process)


def stored():
    """What the server keeps, but the record of what it refused."""
    db = sqlite3.connect('file:%s?mode=ro' % os.path.join(folder, 'server/db'), uri=True, timeout=20)
    try:
        return [(t, db.execute('SELECT * FROM %s ORDER BY 1, 2' % t).fetchall()) for t in
                ('bindings', 'users', 'replay', 'calls', 'downloads')]
    finally:
        db.close()


TESTS = []


def case(name, *args):
    """A request that is refused, and nothing is stored."""
    def test():
        before = stored()
        ask(*args)
        assert stored() == before
    test.__name__ = '%s_is_%d%s' % (name.replace('-', '_'), args[3], '_%d' % args[4] if len(args) > 4 else '')
    TESTS.append(test)


def step(test):
    test.always = True
    TESTS.append(test)
    return test


# ---- nobody is registered

case('options', 'OPTIONS', 'Accept: application/sdp', None, 200)
case('a_call_of_nobody', 'INVITE', MULTIPART + '\n      ' + SERVICE, 'call-clear', 404, 141)
case('a_message_of_nobody', 'MESSAGE', SERVICE + '\n      Content-Type: application/mikey', 'message-key', 404, 141)
case('a_publish_of_nobody', 'PUBLISH', PUBLISH + '\n      ' + MULTIPART, 'publish-damaged', 404, 141)
REFUSALS = (('damaged', 488, 136), ('cut', 488, 136), ('private-call-key', 488, 136), ('multicast-key', 488, 136),
            ('for-another', 488, 136), ('of-another', 488, 136), ('old', 488, 136), ('early', 488, 136), ('suite', 403, 100),
            ('no-key', 403, 140), ('no-token', 403, 101), ('forged-token', 403, 101), ('clear', 403, 139), ('two-keys', 400),
            ('nested', 400))
for what, *answer in REFUSALS:
    case('register_' + what, 'REGISTER', REGISTER + '\n      ' + MULTIPART, 'register-' + what, *answer)


def bound():
    return [(b[0], b[1]) for b in sqlite_rows('SELECT mcptt_id, csk_id FROM bindings WHERE csk IS NOT NULL')]


def sqlite_rows(sql):
    db = sqlite3.connect('file:%s?mode=ro' % os.path.join(folder, 'server/db'), uri=True, timeout=20)
    try:
        return db.execute(sql).fetchall()
    finally:
        db.close()


# ---- Alice is registered

@step
def a_register_with_csk_in_octets_and_one_in_base64_are_200_and_bind():
    ask('REGISTER', REGISTER + '\n      ' + MULTIPART, 'register-binary', 200)
    first = bound()
    ask('REGISTER', REGISTER + '\n      ' + MULTIPART, 'register-good', 200)
    assert len(first) == len(bound()) == 1 and first != bound(), (first, bound())


case('register_again', 'REGISTER', REGISTER + '\n      ' + MULTIPART, 'register-good', 488, 136)
for what, *answer in (('clear', 403, 139), ('no-target', 403, 145), ('two-targets', 403, 145), ('no-key', 403, 107),
                      ('cut-key', 488, 136), ('client-server-key', 488, 136), ('other-client', 403, 140),
                      ('other-csk', 403, 139), ('unknown-csk', 403, 139), ('stranger', 404)):
    case('call_' + what, 'INVITE', MULTIPART + '\n      ' + SERVICE, 'call-' + what, *answer)
TESTS[-1].always = True  # whose body comes again
case('call_body_again', 'INVITE', MULTIPART + '\n      ' + SERVICE, 'call-stranger', 403, 140)
for what, kind, status in (('text', 'text/plain', 415), ('key', 'application/mikey', 403),
                           ('info', 'application/vnd.3gpp.mcptt-info+xml', 403), ('junk', 'multipart/mixed;boundary=b', 400)):
    case('message_' + what, 'MESSAGE', SERVICE + '\n      Content-Type: ' + kind, 'message-' + what, status)
for what, *answer in REFUSALS:
    case('publish_' + what, 'PUBLISH', PUBLISH + '\n      ' + MULTIPART, 'publish-' + what, *answer)
case('publish_another_event', 'PUBLISH', PUBLISH.replace('poc-settings', 'presence') + '\n      ' + MULTIPART, 'publish-good', 489)
case('publish_unknown_etag', 'PUBLISH', PUBLISH + '\n      SIP-If-Match: nobody-knows\n      ' + MULTIPART, 'publish-good', 412)


# ---- key downloads to sipp

def client():
    return json.loads(mcx('server', 'clients', '--dir', folder, '--json').stdout.splitlines()[0])


def listening(number):
    with open('/proc/net/tcp', encoding='ascii') as f:
        return any(line.split()[1].endswith(':%04X' % number) and line.split()[3] == '0A' for line in f.readlines()[1:])


def download(answer):
    """sipp is the client at Alice's contact; what the server holds of her afterwards."""
    text = scenario('download.xml', impu=alice, psi=psi, answer=answer)
    uas = start(text, '-p', str(contact_port))
    end = time.monotonic() + 20
    while not listening(contact_port) and uas.poll() is None:
        assert time.monotonic() < end, 'sipp does not listen'
        time.sleep(0.02)
    mcx('server', 'csk-renew', 'alice', '--dir', folder)
    passed(uas)


def answered(status, phrase, headers=''):
    return scenario('answer.xml', status=status, phrase=phrase, headers=headers)


def wait_for(condition):
    end = time.monotonic() + 20
    while not condition(client()):
        assert time.monotonic() < end, client()
        time.sleep(0.05)


@step
def a_key_download_that_sipp_answers_200_is_in_use():
    old = client()['csk_id']
    download(answered(200, 'OK'))
    wait_for(lambda b: b['csk_id'] != old and not b['pending_csk_id'])


@step
def a_key_download_without_an_answer_leaves_the_old_csk_in_use():
    old = client()['csk_id']
    download('')
    assert client()['csk_id'] == old and client()['pending_csk_id'], client()


@step
def a_publish_with_a_later_csk_takes_its_place():
    ask('PUBLISH', PUBLISH + '\n      ' + MULTIPART, 'publish-good', 200)
    assert not client()['pending_csk_id'], client()


@step
def a_key_download_that_sipp_answers_488_136_leaves_the_old_csk_in_use_and_is_on_record():
    old = client()['csk_id']
    download(answered(488, 'Not Acceptable Here',
                      'Warning: 399 127.0.0.1 "136 authentication of the MIKEY-SAKKE I_MESSAGE failed"'))
    assert client()['csk_id'] == old, client()
    text = mcx('audit', 'export', 'server', '--dir', folder).stdout
    assert 'the client refused' in text, text[-2000:]


@step
def a_register_with_expires_0_is_200_and_nothing_is_bound():
    ask('REGISTER', 'Expires: 0', None, 200)
    assert bound() == []


def skipped(test):
    def skip():
        raise tap.Skip('sipp is not installed: scripts/deps.sh test')
    skip.__name__ = test.__name__
    return skip


if not shutil.which('sipp'):
    sys.exit(tap.run([skipped(t) for t in TESTS]))
try:
    raise_domain()
    result = tap.run(TESTS)
finally:
    if os.environ.get('MCX_KEEP'):
        print('# %s stays' % work)
        mcx('down', folder, code=None)
    else:
        town.close()
sys.exit(result)
