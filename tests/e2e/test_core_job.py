#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The main job behind a SIP core, Kamailio with the packaged configuration, and what that core refuses and strips.

    test_core_job.py MCX CORE_REPAIR

First the whole job as a person runs it (`CORE=kamailio make run`), then the same domain up again, with a client of this
test's own on raw TLS connections: it speaks SIP with digest, and lies.
"""
import hashlib
import json
import os
import re
import secrets
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import time

import tap

MCX, CORE_REPAIR = sys.argv[1:3]
ICSI = 'urn:urn-7:3gpp-service.ims.icsi.mcptt'
PATIENCE_S = 60
top = tempfile.mkdtemp(prefix='mcx-core-')
folder = os.path.join(top, 'town')
zone = 'town.mcx.test'
env = dict(os.environ, MCX_PORT_BASE=tap.port_base())
core_port = int(env['MCX_PORT_BASE']) + 5071
server_port = int(env['MCX_PORT_BASE']) + 5061
job = None
phones = []


def installed():
    return os.access('/usr/sbin/kamailio', os.X_OK) and os.path.exists(
        '/usr/lib/x86_64-linux-gnu/kamailio/modules/tls.so') or bool(shutil.which('kamailio'))


def path(*parts):
    return os.path.join(folder, *parts)


def bindings(where='1', what='*'):
    db = sqlite3.connect('file:%s?mode=ro' % path('server/db'), uri=True, timeout=10)
    try:
        return db.execute('SELECT count(%s) FROM bindings WHERE %s' % (what, where)).fetchone()[0]
    finally:
        db.close()


def wait_for(what, condition):
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError('in vain: ' + what)


def processes_of_the_domain():
    found = []
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open('/proc/%s/cmdline' % pid, 'rb') as f:
                if folder.encode() in f.read() and int(pid) != os.getpid():
                    found.append(int(pid))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def mcx(*args):
    done = subprocess.run([MCX, *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env, timeout=120,
                          check=False)
    assert done.returncode == 0, done.stdout
    return done.stdout


# ---- a client of our own ----

class Answer:
    def __init__(self, head):
        self.head = head
        self.status = int(head.split(' ', 2)[1])
        w = re.search(r'^Warning: 399 \S+ "(\d{3})', head, re.M)
        self.warning = int(w.group(1)) if w else 0

    def header(self, name):
        found = re.search(r'^%s\s*:\s*(.*?)\r$' % re.escape(name), self.head, re.M | re.I)
        return found.group(1) if found else None


class Peer:
    """One TLS connection; certificate: of a device, or none."""

    def __init__(self, port, host, certificate=None):
        t = ssl.create_default_context(cafile=path('ca/domain.pem'))
        if certificate:
            t.load_cert_chain(certificate)
        self.s = t.wrap_socket(socket.create_connection(('127.0.0.1', port), PATIENCE_S), server_hostname=host)
        self.rest = b''
        self.host = 'core.' + zone
        self.call = secrets.token_hex(6)
        self.cseq = 0

    def close(self):
        self.s.close()

    def send(self, method, uri, user, headers=(), body=b'', to=None):
        self.cseq += 1
        who = 'sip:%s@%s' % (user, zone)
        lines = ['%s %s SIP/2.0' % (method, uri),
                 'Via: SIP/2.0/TLS 127.0.0.1:9;branch=z9hG4bK%s;rport' % secrets.token_hex(8), 'Max-Forwards: 70',
                 'From: <%s>;tag=%s' % (who, self.call), 'To: <%s>' % (to or (who if method == 'REGISTER' else uri)),
                 'Call-ID: ' + self.call + ('' if method == 'REGISTER' else '-%d' % self.cseq),
                 'CSeq: %d %s' % (self.cseq, method), *headers, 'Content-Length: %d' % len(body), '', '']
        self.s.sendall('\r\n'.join(lines).encode() + body)
        while True:
            a = self.read()
            if a.status >= 200:
                return a

    def read(self):
        while b'\r\n\r\n' not in self.rest:
            got = self.s.recv(65536)
            if not got:
                raise ConnectionError('the connection was closed')
            self.rest += got
        head, self.rest = self.rest.split(b'\r\n\r\n', 1)
        head = head.decode() + '\r\n'
        n = int(re.search(r'^(?:Content-Length|l)\s*:\s*(\d+)', head, re.M | re.I).group(1))
        while len(self.rest) < n:
            self.rest += self.s.recv(65536)
        self.rest = self.rest[n:]
        return Answer(head)

    def register(self, user, credentials=None, password=None, expires=600, headers=()):
        """With the password of the domain's file unless one is given; answers the challenge once."""
        name = credentials or user
        if password is None:
            with open(path('ue', name, 'sip-password'), encoding='utf-8') as f:
                password = f.read().strip()
        uri = 'sip:' + zone
        more = ['Contact: <sip:%s@127.0.0.1:9;transport=tls>;+sip.instance="<urn:uuid:%s>"' % (user, INSTANCE),
                'Expires: %d' % expires, 'Supported: path, gruu', *headers]
        a = self.send('REGISTER', uri, user, more)
        if a.status != 401:
            return a
        challenge = a.header('WWW-Authenticate')
        assert 'SHA-256' in challenge, challenge
        realm, nonce = (re.search(k + '="([^"]*)"', challenge).group(1) for k in ('realm', 'nonce'))

        def h(*texts):
            return hashlib.sha256(':'.join(texts).encode()).hexdigest()
        response = h(h(name, realm, password), nonce, '00000001', 'c0ffee', 'auth', h('REGISTER', uri))
        return self.send('REGISTER', uri, user, more + [
            'Authorization: Digest username="%s", realm="%s", nonce="%s", uri="%s", response="%s", algorithm=SHA-256, '
            'qop=auth, nc=00000001, cnonce="c0ffee"' % (name, realm, nonce, uri, response)])


INSTANCE = '00000000-0000-4000-8000-0000000000aa'
PSI = 'sip:mcptt@' + zone


def peer():
    return Peer(core_port, 'core.' + zone)


def message(p, user, *headers):
    return p.send('MESSAGE', PSI, user, ['P-Preferred-Service: ' + ICSI, *headers])


# ---- the whole job ----

def the_whole_main_job_runs_through_the_core():
    global job
    job = subprocess.run([MCX, 'demo', '--dir', folder, '--core', 'kamailio', '--once', '--json'],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, timeout=280, check=False)
    lines = [json.loads(line) for line in job.stdout.splitlines() if line.startswith('{')]
    failed = [line for line in lines if 'condition' in line and not line['met']]
    assert job.returncode == 0 and not failed, '%s\n%s\n%s' % (failed, job.stdout[-2000:], job.stderr[-2000:])
    assert lines[-1] == {'verdict': 'secure', 'met': 10, 'of': 10}, lines[-1]
    assert any('registers at the SIP core' in line.get('text', '') for line in lines)


def logging_off_at_the_core_ends_the_binding_at_the_server():
    assert bindings() == 0


def nothing_stays_behind_when_it_ends():
    wait_for('the end of %s' % processes_of_the_domain(), lambda: not processes_of_the_domain())


def no_log_holds_a_password_and_no_file_is_open_to_others():
    for user in ('alice', 'bob'):
        with open(path('ue', user, 'sip-password'), encoding='utf-8') as f:
            password = f.read().strip()
        for name in ('log', 'core/log', 'server/log'):
            with open(path(name), encoding='utf-8', errors='replace') as f:
                text = f.read()
            assert password not in text and 'Digest' not in text and 'eyJ' not in text, name
        with open(path('core/subscriber'), encoding='utf-8') as f:
            assert password not in f.read()
    for place, folders, files in os.walk(folder):
        for name in folders + files:
            st = os.lstat(os.path.join(place, name))
            assert os.path.islink(os.path.join(place, name)) or not st.st_mode & 0o077, os.path.join(place, name)


# ---- the core and its liars; a domain that stays up ----

def the_same_domain_comes_up_with_its_core_again():
    assert 'SIP core' in mcx('up', folder)
    phone = subprocess.Popen([MCX, 'register', 'alice', '--dir', folder], stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, env=env)
    phones.append(phone)
    wait_for("Alice's binding", lambda: bindings("mcptt_id='sip:alice@%s' AND csk IS NOT NULL" % zone) == 1)


def a_client_publishes_its_authorisation_through_the_core():
    phone = subprocess.Popen([MCX, 'register', 'bob', '--publish', '--dir', folder], stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, env=env)
    phones.append(phone)
    wait_for("Bob's binding", lambda: bindings("mcptt_id='sip:bob@%s' AND csk IS NOT NULL" % zone) == 1)
    phone.send_signal(signal.SIGTERM)
    phone.wait(PATIENCE_S)
    wait_for("the end of Bob's binding", lambda: bindings("impu='sip:bob@%s'" % zone) == 0)


def one_register_for_three_services_authorises_each_through_the_core():
    mcx('user', 'add', 'frank', '--services', 'ptt,video,data', '--dir', folder)
    phones.append(subprocess.Popen([MCX, 'register', 'frank', '--services', 'mcptt,mcvideo,mcdata', '--dir', folder],
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env))
    his = "impu='sip:frank@%s' AND csk IS NOT NULL" % zone
    wait_for("Frank's bindings", lambda: bindings(his, 'DISTINCT service') == 3)
    assert bindings(his) == 3 and bindings(his, 'DISTINCT csk_id') == 1


def an_authorisation_that_the_server_lost_is_repaired_by_publish_through_the_core():
    """No REGISTER of hers would pass: the core has forgotten her password while the repair goes on."""
    mcx('user', 'add', 'grace', '--dir', folder)
    with open(path('core/subscriber'), encoding='utf-8') as f:
        whole = f.read()
    grace = subprocess.Popen([CORE_REPAIR, folder, 'grace', 'sip:frank@' + zone], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, text=True, env=env)
    phones.append(grace)
    what, first = grace.stdout.readline().split()
    assert what == 'registered'
    try:
        with open(path('core/subscriber'), 'w', encoding='utf-8') as f:
            f.writelines(line for line in whole.splitlines(True) if not line.startswith('grace:'))
        grace.stdin.write('now\n')
        grace.stdin.flush()
        assert grace.stdout.readline() == 'refused 404 141\n'
        what, second = grace.stdout.readline().split()
        assert what == 'repaired' and second != first
        assert grace.stdout.readline() == 'called\n'
        assert bindings("impu='sip:grace@%s' AND csk_id=%d" % (zone, int(second, 16))) == 1
    finally:
        with open(path('core/subscriber'), 'w', encoding='utf-8') as f:
            f.write(whole)
    grace.stdin.close()
    grace.wait(PATIENCE_S)
    phones.remove(grace)
    wait_for("the end of Grace's binding", lambda: bindings("impu='sip:grace@%s'" % zone) == 0)


def a_publish_is_the_senders_whatever_it_asserts():
    """Bob is registered at the core alone. A log-off that he publishes as Alice ends nothing of hers."""
    bob = peer()
    assert bob.register('bob').status == 200
    for lie in ('P-Asserted-Identity: <sip:alice@%s>', 'P-Preferred-Identity: <sip:alice@%s>'):
        a = bob.send('PUBLISH', PSI, 'bob', ['Event: poc-settings', 'Expires: 0', 'P-Preferred-Service: ' + ICSI, lie % zone])
        assert a.status == 200 and a.header('SIP-ETag') is None, a.head  # there was nothing of his
    a = bob.send('PUBLISH', PSI, 'alice', ['Event: poc-settings', 'Expires: 0', 'P-Preferred-Service: ' + ICSI])
    assert a.status == 403 and a.warning == 0, a.head
    bob.register('bob', expires=0)
    bob.close()
    assert bindings("impu='sip:alice@%s' AND csk IS NOT NULL" % zone) == 1


def a_domain_that_is_up_does_not_lose_its_core():
    done = subprocess.run([MCX, 'up', folder, '--core', 'none'], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, env=env, timeout=60, check=False)
    assert done.returncode != 0 and 'mcx down' in done.stdout, done.stdout


def a_registration_gets_service_route_gruu_and_path():
    p = peer()
    a = p.register('bob', headers=['Path: <sip:edge.%s;lr>' % zone])
    assert a.status == 200, a.head
    assert a.header('Service-Route') == '<sip:core.%s:%d;transport=tls;lr>' % (zone, core_port), a.head
    assert a.header('P-Associated-URI') == '<sip:bob@%s>' % zone
    assert 'pub-gruu="sip:bob@%s;gr=urn:uuid:%s"' % (zone, INSTANCE) in a.header('Contact'), a.head
    assert a.header('Path') == '<sip:edge.%s;lr>' % zone, a.head
    assert p.register('bob', expires=0).status == 200
    p.close()


def a_wrong_digest_registers_nobody():
    p = peer()
    assert p.register('bob', password='not it').status == 401
    assert message(p, 'bob').status == 403
    p.close()
    assert bindings("impu='sip:bob@%s'" % zone) == 0


def the_password_of_one_user_does_not_register_another():
    p = peer()
    assert p.register('alice', credentials='bob').status == 403
    assert message(p, 'alice').status == 403
    p.close()


def a_device_named_like_the_server_is_not_the_server():
    """The server is known by the DNS name in its certificate; a device's common name is its user's choice."""
    mcx('user', 'add', 'sip.' + zone, '--dir', folder, '--mcptt', 'sip:odd@' + zone)
    p = Peer(core_port, 'core.' + zone, path('ue', 'sip.' + zone, 'tls/agent.pem'))
    a = p.send('MESSAGE', 'sip:alice@' + zone, 'mcptt', ['P-Asserted-Identity: <%s>' % PSI])
    assert a.status == 403, a.head
    p.close()


def without_a_registration_nothing_is_asserted():
    p = peer()
    a = message(p, 'alice', 'P-Asserted-Identity: <sip:alice@%s>' % zone)
    assert a.status == 403 and a.warning == 0, a.head
    p.close()


def a_registration_proves_its_own_connection_alone():
    one, two = peer(), peer()
    assert one.register('alice').status == 200
    assert message(two, 'alice').status == 403
    one.register('alice', expires=0)
    one.close()
    two.close()


def a_forged_asserted_identity_is_stripped():
    """Bob is registered at the core, not authorised at the server; Alice is both. As whom does the server see each?"""
    bob, alice = peer(), peer()
    assert bob.register('bob').status == 200 and alice.register('alice').status == 200
    plain = message(alice, 'alice')
    assert plain.status in (403, 415) and plain.warning != 141, plain.head
    unknown = message(bob, 'bob')
    assert (unknown.status, unknown.warning) == (404, 141), unknown.head
    for lie in ('P-Asserted-Identity: <sip:alice@%s>', 'P-Preferred-Identity: <sip:alice@%s>',
                'p-asserted-identity : "A" <sip:alice@%s>', 'P-Asserted-Identity: <tel:1>, <sip:alice@%s>'):
        a = message(bob, 'bob', lie % zone)
        assert (a.status, a.warning) == (404, 141), a.head
        # Two identities would be none: what Alice is comes from the core alone.
        a = message(alice, 'alice', lie.replace('alice', 'bob') % zone)
        assert (a.status, a.warning) == (plain.status, plain.warning), a.head
    a = message(bob, 'alice')
    assert a.status == 403, a.head
    for p, user in ((bob, 'bob'), (alice, 'alice')):
        assert p.register(user, expires=0).status == 200
        p.close()
    assert bindings("mcptt_id='sip:alice@%s'" % zone) == 1


def users_do_not_reach_each_other_past_the_server():
    p = peer()
    assert p.register('bob').status == 200
    a = p.send('MESSAGE', 'sip:alice@' + zone, 'bob')
    assert a.status == 404, a.head
    a = p.send('MESSAGE', 'sip:alice@' + zone, 'bob', ['Route: <sip:alice@%s;lr>' % zone])
    assert a.status == 404, a.head
    p.register('bob', expires=0)
    p.close()


def an_oversized_request_is_513_at_the_core():
    p = peer()
    a = p.send('REGISTER', 'sip:' + zone, 'bob', ['Content-Type: text/plain'], b'x' * 61000)
    assert a.status == 513, a.head
    p.close()


def a_device_that_goes_past_the_core_is_403_at_the_server():
    p = Peer(server_port, 'sip.' + zone, path('ue/bob/tls/agent.pem'))
    for headers, body in (([], b''), (['Content-Type: message/sip'], b'REGISTER sip:x SIP/2.0\r\n\r\n')):
        a = p.send('REGISTER', 'sip:sip.' + zone, 'bob', ['Contact: <sip:bob@127.0.0.1:9>', 'Expires: 600', *headers], body)
        assert a.status == 403, a.head
    a = message(p, 'bob', 'P-Asserted-Identity: <sip:alice@%s>' % zone)
    assert a.status == 403 and a.warning == 0, a.head
    p.close()


def a_user_that_is_suspended_has_no_credentials_any_more():
    mcx('user', 'suspend', '--dir', folder, 'bob')
    p = peer()
    assert p.register('bob').status == 401
    mcx('user', 'resume', '--dir', folder, 'bob')
    assert p.register('bob').status == 200
    p.register('bob', expires=0)
    p.close()


def a_core_that_is_killed_comes_back_and_clients_register_again():
    with open(path('run.json'), encoding='utf-8') as f:
        old = [p['pid'] for p in json.load(f)['processes'] if p['name'] == 'kamailio'][0]
    os.kill(old, signal.SIGKILL)

    def back():
        try:
            p = peer()
            good = p.register('bob').status == 200
            p.register('bob', expires=0)
            p.close()
            return good
        except OSError:
            return False
    wait_for('the core', back)


def a_supervisor_that_is_killed_takes_the_core_with_it():
    for phone in phones:
        phone.send_signal(signal.SIGTERM)
        phone.wait(PATIENCE_S)
    with open(path('run.json'), encoding='utf-8') as f:
        os.kill(json.load(f)['supervisor'], signal.SIGKILL)
    wait_for('the end of %s' % processes_of_the_domain(), lambda: not processes_of_the_domain())


TESTS = [
    the_whole_main_job_runs_through_the_core, logging_off_at_the_core_ends_the_binding_at_the_server,
    nothing_stays_behind_when_it_ends, no_log_holds_a_password_and_no_file_is_open_to_others,
    the_same_domain_comes_up_with_its_core_again,
    a_client_publishes_its_authorisation_through_the_core,
    one_register_for_three_services_authorises_each_through_the_core,
    an_authorisation_that_the_server_lost_is_repaired_by_publish_through_the_core,
    a_publish_is_the_senders_whatever_it_asserts, a_domain_that_is_up_does_not_lose_its_core,
    a_registration_gets_service_route_gruu_and_path, a_device_named_like_the_server_is_not_the_server, a_wrong_digest_registers_nobody,
    the_password_of_one_user_does_not_register_another, without_a_registration_nothing_is_asserted,
    a_registration_proves_its_own_connection_alone, a_forged_asserted_identity_is_stripped,
    users_do_not_reach_each_other_past_the_server, an_oversized_request_is_513_at_the_core,
    a_device_that_goes_past_the_core_is_403_at_the_server, a_user_that_is_suspended_has_no_credentials_any_more,
    a_core_that_is_killed_comes_back_and_clients_register_again, a_supervisor_that_is_killed_takes_the_core_with_it]


def skipped(test):
    def skip():
        raise tap.Skip('kamailio is not installed: scripts/deps.sh core')
    skip.__name__ = test.__name__
    return skip


try:
    result = tap.run(TESTS if installed() else [skipped(t) for t in TESTS])
finally:
    for phone in phones:
        if phone.poll() is None:
            phone.kill()
    if os.path.isdir(folder):
        subprocess.run([MCX, 'down', folder], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    for pid in processes_of_the_domain():
        os.kill(pid, signal.SIGKILL)
    if not os.environ.get('MCX_KEEP'):
        shutil.rmtree(top, ignore_errors=True)
sys.exit(result)
