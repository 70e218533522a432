#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each daemon on one core under floods of several kinds at once, while well-behaved clients do their requests.

    test_floods.py MCX FLOOD        FLOOD is the program of flood.c

Long form (MCX_LONG=1): 200 clients; of their requests, each tried once, at least 99 % have to be served within 2 s, and
a minute after the floods the daemon's memory has to be within 10 % of what it was before. Before them there is half a
minute of the same, which fills the tables and caches of fixed size: what they hold is printed as growth from the cold
start. Short form: 40 clients, who try again until a generous deadline; only what was never served counts, because a
loaded machine is slow; the tables and caches are allowed for. The daemon runs on the first core this process may use,
everything else on the others.
"""
import json
import os
import random
import subprocess
import sys
import threading
import time

import lab
import sip

CLIENTS = 200 if lab.LONG else 40
SECONDS = 60 if lab.LONG else 6
PAUSE_S = 3 if lab.LONG else 1
DEADLINE_S = 2 if lab.LONG else 90
WARM_S = 30
GROWTH = 1.10
TABLES_KIB = 0 if lab.LONG else 4096
SOURCES = 16
# Who behaves well has few terminals: of one user's requests the server works on eight at a time.
USERS = ['u%d' % i for i in range(50 if lab.LONG else 4)]
CORES = sorted(os.sched_getaffinity(0))
domain = None


# ---- the hostile

def http_text(host, method, target, body='', more=''):
    form = 'Content-Type: application/x-www-form-urlencoded\r\n' if body else ''
    return '%s %s HTTP/1.1\r\nHost: %s\r\n%s%sContent-Length: %d\r\n\r\n%s' % (method, target, host, more, form, len(body), body)


def sip_text(method, transport, user='stranger'):
    uri = 'sip:%s@%s' % (user, domain.zone)
    contact = 'Contact: <sip:%s@127.0.0.1:9;transport=%s>;+g.3gpp.mcptt\r\n' % (user, transport) if method == 'REGISTER' else ''
    return ('%s sip:%s SIP/2.0\r\nVia: SIP/2.0/%s 127.0.0.1:9;rport;branch=z9hG4bK@@@@@@@@\r\nFrom: <%s>;tag=@@@@@@@@\r\n'
            'To: <%s>\r\nCall-ID: @@@@@@@@flood\r\nCSeq: 1 %s\r\nMax-Forwards: 70\r\n%sContent-Length: 0\r\n\r\n'
            % (method, domain.zone, transport.upper(), uri, uri, method, contact))


class Flood:
    def __init__(self, how, what, port, mode, connections, text=None, **more):
        program, seconds = how
        args = [program, '--port', str(port), '--mode', mode, '--connections', str(connections), '--sources', str(SOURCES),
                '--seconds', str(seconds)]
        if text:
            path = os.path.join(domain.top, 'text-%s' % what.replace(' ', '-').replace('/', '-'))
            with open(path, 'w', encoding='ascii') as f:
                f.write(text)
            args += ['--text', path]
        for key, value in more.items():
            args += ['--' + key, str(value)]
        self.what = what
        self.process = subprocess.Popen(args, stdout=subprocess.PIPE, text=True, preexec_fn=lambda: os.nice(5))

    def end(self):
        out, _ = self.process.communicate(timeout=120)
        assert self.process.returncode == 0, '%s: %s' % (self.what, out)
        return json.loads(out)


def kms_floods(how):
    d = domain.kms
    host = '%s:%d' % (d.host, d.port)
    bare = http_text(host, 'POST', lab.KEYPROV)
    forged = http_text(host, 'POST', lab.KEYPROV, more='Authorization: Bearer eyJhbGciOiJFUzI1NiJ9.e30.@@@@@@@@\r\n')
    return [Flood(how, 'half-open TLS', d.port, 'half', 300),
            Flood(how, 'slow requests', d.port, 'slow', 300, bare, tls=d.host),
            Flood(how, 'requests without token', d.port, 'ask', 50, bare, tls=d.host),
            Flood(how, 'forged tokens, a connection each', d.port, 'ask', 20, forged, tls=d.host, each=1)]


def idms_floods(how):
    d = domain.idms
    host = '%s:%d' % (d.host, d.port)
    code = http_text(host, 'POST', '/token', 'grant_type=authorization_code&code=@@@@@@@@0123456789012345678901234567890123'
                     '&client_id=mcx-ue&redirect_uri=mcx.ue%%3A%%2Fcallback&code_verifier=%s' % lab.VERIFIER)
    return [Flood(how, 'half-open TLS', d.port, 'half', 300),
            Flood(how, 'slow requests', d.port, 'slow', 300, code, tls=d.host),
            Flood(how, 'codes that do not exist', d.port, 'ask', 20, code, tls=d.host),
            Flood(how, 'introspection by strangers', d.port, 'ask', 20,
                  http_text(host, 'POST', '/introspect', 'token=@@@@@@@@'), tls=d.host),
            Flood(how, 'sign-in pages, a connection each', d.port, 'ask', 20,
                  http_text(host, 'GET', domain.authorize_url()), tls=d.host, each=1)]


def server_floods(how):
    plain, secure = domain.server.ready['sip_port'], domain.server.ready['sips_port']
    cert = os.path.join(domain.dir, 'ue', USERS[0], 'tls', 'agent.pem')
    insider = {'tls': domain.server.host, 'cert': cert}
    return [Flood(how, 'half-open TLS', secure, 'half', 300),
            Flood(how, 'slow requests', plain, 'slow', 300, sip_text('REGISTER', 'tcp')),
            Flood(how, 'REGISTER of strangers', plain, 'ask', 20, sip_text('REGISTER', 'tcp')),
            Flood(how, 'INVITE of strangers', plain, 'ask', 20, sip_text('INVITE', 'tcp')),
            Flood(how, 'garbage', plain, 'push', 20, '\x01garbage @@@@@@@@ ' * 80 + '\r\n\r\n', each=20),
            Flood(how, 'INVITE of a user, never acknowledged', secure, 'ask', 5, sip_text('INVITE', 'tls', USERS[0]),
                  **insider),
            Flood(how, 'REGISTER of a user for another', secure, 'ask', 5, sip_text('REGISTER', 'tls', 'else'), **insider)]


# ---- the well-behaved

class Client:
    """Asks, waits a while, asks again. Each request is served or not, after so many seconds."""

    def __init__(self, ask, i):
        self.ask, self.dice = ask, random.Random(lab.SEED + i)
        self.source = lab.new_source()
        self.took, self.never, self.why = [], 0, []

    def once(self):
        begin = time.monotonic()
        while True:
            try:
                status = self.ask(self)
                if status == 200:
                    return self.took.append(time.monotonic() - begin)
            except OSError as e:
                status = repr(e)
            if lab.LONG or time.monotonic() - begin > DEADLINE_S:
                self.never += 1
                self.why.append(status)
                return None
            time.sleep(0.5)

    def run(self, over):
        over.wait(self.dice.uniform(0, PAUSE_S))
        while not over.is_set():
            self.once()
            over.wait(self.dice.uniform(0.5, 1.5) * PAUSE_S)


def ask_kms(client):
    return domain.keyprov(client.token, client.source, timeout=DEADLINE_S + 10).status


def ask_idms(client):
    r = domain.idms.ask('POST', '/token', source=client.source, timeout=DEADLINE_S + 10, form={
        'grant_type': 'refresh_token', 'client_id': 'mcx-ue', 'refresh_token': client.refresh})
    if r.status == 200:
        client.refresh = json.loads(r.body)['refresh_token']
    return r.status


def ask_server(client):
    t = sip.Terminal(domain, client.user, client.source, timeout=DEADLINE_S + 10)
    try:
        t.contact = 'sip:t@%s:5061;transport=tls' % client.source
        return t.ask('REGISTER', expires=600)
    finally:
        t.close()


def quantile(values, q):
    return sorted(values)[min(len(values) - 1, int(q * len(values)))] if values else float('nan')


class Round:
    """Some time of floods with the clients at work; what came of it."""

    def __init__(self, daemon, clients, floods, program, seconds):
        over = threading.Event()
        threads = [threading.Thread(target=c.run, args=(over,), daemon=True) for c in clients]
        cpu, begin, self.peak = daemon.cpu_s(), time.monotonic(), 0
        hostile = floods((program, seconds))
        for t in threads:
            t.start()
        while any(f.process.poll() is None for f in hostile):
            self.peak = max(self.peak, daemon.rss_kib())
            time.sleep(0.5)
        self.elapsed = time.monotonic() - begin
        self.cpu = (daemon.cpu_s() - cpu) / self.elapsed
        over.set()
        for t in threads:
            t.join()
        self.reports = [(f.what, f.end()) for f in hostile]
        self.took = [t for c in clients for t in c.took]
        self.total = len(self.took) + sum(c.never for c in clients)
        self.in_time = sum(t <= DEADLINE_S for t in self.took)
        self.why = [str(w) for c in clients for w in c.why]
        for c in clients:
            c.took, c.never, c.why = [], 0, []

    def show(self):
        for what, r in self.reports:
            print('#   %s: %s' % (what, ', '.join('%s %d' % (k, v) for k, v in r.items() if v)), flush=True)
        for w in sorted(set(self.why)):
            print('#   not served: %s x %d' % (w, self.why.count(w)), flush=True)


def settled(daemon, files, limit_kib):
    """Its memory when the connections are gone, and it is within the limit or a minute has passed."""
    lab.wait_for(lambda: daemon.descriptors() <= files + 8, 90, 'the end of the connections')
    end = time.monotonic() + 60
    while daemon.rss_kib() > limit_kib and time.monotonic() < end:
        time.sleep(1)
    return daemon.rss_kib()


def under_floods(daemon, ask, floods, program):
    clients = [Client(ask, i) for i in range(CLIENTS)]
    for i, c in enumerate(clients):
        c.user = USERS[i % len(USERS)]
        c.token, c.refresh = tokens[i]
        c.once()
        assert not c.never, c.why
        c.took.clear()
    time.sleep(2)
    cold, files = daemon.rss_kib(), daemon.descriptors()
    before = cold
    if lab.LONG:
        Round(daemon, clients, floods, program, WARM_S)
        before = settled(daemon, files, 0)  # the whole minute
    r = Round(daemon, clients, floods, program, SECONDS)
    assert daemon.alive()
    r.show()
    limit = GROWTH * before + TABLES_KIB
    after = settled(daemon, files, limit)
    note = ('%s: %d clients, %d requests, %.2f %% served within %d s (median %.0f ms, 99 %%: %.0f ms, worst %.0f ms); '
            'daemon %.0f %% of one core for %.0f s; memory %d KiB cold, %d before, %d at most, %d after (%+.1f %%)'
            % (daemon.name, CLIENTS, r.total, 100 * r.in_time / max(1, r.total), DEADLINE_S, 1000 * quantile(r.took, 0.5),
               1000 * quantile(r.took, 0.99), 1000 * max(r.took, default=float('nan')), 100 * r.cpu, r.elapsed, cold, before,
               r.peak, after, 100 * (after / before - 1)))
    print('# ' + note, flush=True)
    assert sum(x['tried'] for _, x in r.reports) > 100 and sum(x['requests'] for _, x in r.reports) > 100, 'there was no flood'
    assert r.total >= CLIENTS / 2, 'only %d requests' % r.total
    assert r.in_time >= 0.99 * r.total, note
    assert after <= limit, note
    return [note]


tokens = []


def start(daemon, **more):
    daemon.start(cpu=CORES[0], **more)


def kms_serves_its_clients_under_floods():
    start(domain.kms, extra='jwks_file = "jwks.json"\n')
    try:
        return under_floods(domain.kms, ask_kms, kms_floods, sys.argv[2])
    finally:
        domain.kms.stop()


def idms_serves_its_clients_under_floods():
    start(domain.idms)
    try:
        return under_floods(domain.idms, ask_idms, idms_floods, sys.argv[2])
    finally:
        domain.idms.stop()


def server_serves_its_clients_under_floods():
    start(domain.server)
    try:
        return under_floods(domain.server, ask_server, server_floods, sys.argv[2])
    finally:
        domain.server.stop()


def sign_in_all():
    domain.idms.start()
    with open(os.path.join(domain.dir, 'kms', 'jwks.json'), 'wb') as f:
        f.write(domain.idms.ask('GET', '/jwks').body)
    for i in range(CLIENTS):
        source = lab.new_source()
        r = domain.redeem(domain.code(USERS[i % len(USERS)], source), source)
        assert r.status == 200, r.body
        got = json.loads(r.body)
        tokens.append((got['access_token'], got['refresh_token']))
    domain.idms.stop()


def main():
    global domain
    if len(CORES) > 1:
        os.sched_setaffinity(0, CORES[1:])
    domain = lab.Domain(sys.argv[1], USERS)
    try:
        sign_in_all()
        return lab.run([kms_serves_its_clients_under_floods, idms_serves_its_clients_under_floods,
                        server_serves_its_clients_under_floods])
    finally:
        domain.close()


sys.exit(main())
