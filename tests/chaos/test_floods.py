#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each daemon on one core under floods of several kinds at once, while well-behaved clients do their requests.

    test_floods.py MCX FLOOD        FLOOD is the program of flood.c

Long form (MCX_LONG=1): 200 clients; of their requests, each tried once, at least 99 % have to be served within 2 s, and
a minute after the floods the daemon's memory has to be within 10 % of what it was before. Short form: 40 clients, who
try again until a generous deadline; only what was never served counts, because a loaded machine is slow; the memory
may be a fifth above. The daemon runs on the first core this process may use, everything else on the others.
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
GROWTH = 1.10 if lab.LONG else 1.20
SOURCES = 16
USERS = ['u%d' % i for i in range(4)]
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
    def __init__(self, program, what, port, mode, connections, text=None, **more):
        args = [program, '--port', str(port), '--mode', mode, '--connections', str(connections), '--sources', str(SOURCES),
                '--seconds', str(SECONDS)]
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
        out, _ = self.process.communicate(timeout=SECONDS + 60)
        assert self.process.returncode == 0, '%s: %s' % (self.what, out)
        return json.loads(out)


def kms_floods(program):
    d = domain.kms
    host = '%s:%d' % (d.host, d.port)
    bare = http_text(host, 'POST', lab.KEYPROV)
    forged = http_text(host, 'POST', lab.KEYPROV, more='Authorization: Bearer eyJhbGciOiJFUzI1NiJ9.e30.@@@@@@@@\r\n')
    return [Flood(program, 'half-open TLS', d.port, 'half', 300),
            Flood(program, 'slow requests', d.port, 'slow', 300, bare, tls=d.host),
            Flood(program, 'requests without token', d.port, 'ask', 50, bare, tls=d.host),
            Flood(program, 'forged tokens, a connection each', d.port, 'ask', 20, forged, tls=d.host, each=1)]


def idms_floods(program):
    d = domain.idms
    host = '%s:%d' % (d.host, d.port)
    code = http_text(host, 'POST', '/token', 'grant_type=authorization_code&code=@@@@@@@@0123456789012345678901234567890123'
                     '&client_id=mcx-ue&redirect_uri=mcx.ue%%3A%%2Fcallback&code_verifier=%s' % lab.VERIFIER)
    return [Flood(program, 'half-open TLS', d.port, 'half', 300),
            Flood(program, 'slow requests', d.port, 'slow', 300, code, tls=d.host),
            Flood(program, 'codes that do not exist', d.port, 'ask', 20, code, tls=d.host),
            Flood(program, 'introspection by strangers', d.port, 'ask', 20,
                  http_text(host, 'POST', '/introspect', 'token=@@@@@@@@'), tls=d.host),
            Flood(program, 'sign-in pages, a connection each', d.port, 'ask', 20,
                  http_text(host, 'GET', domain.authorize_url()), tls=d.host, each=1)]


def server_floods(program):
    plain, secure = domain.server.ready['sip_port'], domain.server.ready['sips_port']
    cert = os.path.join(domain.dir, 'ue', USERS[0], 'tls', 'agent.pem')
    insider = {'tls': domain.server.host, 'cert': cert}
    return [Flood(program, 'half-open TLS', secure, 'half', 300),
            Flood(program, 'slow requests', plain, 'slow', 300, sip_text('REGISTER', 'tcp')),
            Flood(program, 'REGISTER of strangers', plain, 'ask', 20, sip_text('REGISTER', 'tcp')),
            Flood(program, 'INVITE of strangers', plain, 'ask', 20, sip_text('INVITE', 'tcp')),
            Flood(program, 'garbage', plain, 'push', 20, '\x01garbage @@@@@@@@ ' * 80 + '\r\n\r\n', each=20),
            Flood(program, 'INVITE of a user, never acknowledged', secure, 'ask', 5, sip_text('INVITE', 'tls', USERS[0]),
                  **insider),
            Flood(program, 'REGISTER of a user for another', secure, 'ask', 5, sip_text('REGISTER', 'tls', 'else'), **insider)]


# ---- the well-behaved

class Client(threading.Thread):
    """Asks, waits a while, asks again. Each request is served or not, after so many seconds."""

    def __init__(self, ask, over, i):
        super().__init__(daemon=True)
        self.ask, self.over, self.dice = ask, over, random.Random(lab.SEED + i)
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

    def run(self):
        time.sleep(self.dice.uniform(0, PAUSE_S))
        while not self.over.is_set():
            self.once()
            self.over.wait(self.dice.uniform(0.5, 1.5) * PAUSE_S)


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


def under_floods(daemon, ask, floods, program):
    over = threading.Event()
    clients = [Client(ask, over, i) for i in range(CLIENTS)]
    for i, c in enumerate(clients):
        c.user = USERS[i % len(USERS)]
        c.token, c.refresh = tokens[i]
        c.once()  # every path was taken once: what the daemon keeps from then on does not count as growth
    assert not sum(c.never for c in clients), [c.why for c in clients if c.why][:3]
    for c in clients:
        c.took.clear()
    time.sleep(2)
    before, files = daemon.rss_kib(), daemon.descriptors()
    peak = [0]
    cpu, begin = daemon.cpu_s(), time.monotonic()
    hostile = floods(program)
    for c in clients:
        c.start()
    while any(f.process.poll() is None for f in hostile):
        peak[0] = max(peak[0], daemon.rss_kib())
        time.sleep(0.5)
    cpu, elapsed = daemon.cpu_s() - cpu, time.monotonic() - begin
    over.set()
    for c in clients:
        c.join()
    reports = [(f.what, f.end()) for f in hostile]
    assert daemon.alive()
    took = [t for c in clients for t in c.took]
    never = sum(c.never for c in clients)
    total = len(took) + never
    in_time = sum(t <= DEADLINE_S for t in took)
    for what, r in reports:
        print('#   %s: %s' % (what, ', '.join('%s %d' % (k, v) for k, v in r.items() if v)), flush=True)
    why = [w for c in clients for w in c.why]
    for w in sorted(set(map(str, why))):
        print('#   not served: %s x %d' % (w, list(map(str, why)).count(w)), flush=True)
    lab.wait_for(lambda: daemon.descriptors() <= files + 8, 90, 'the end of the connections')
    end = time.monotonic() + 60
    while daemon.rss_kib() > GROWTH * before and time.monotonic() < end:
        time.sleep(1)
    after = daemon.rss_kib()
    note = ('%s: %d clients, %d requests, %.2f %% served within %d s (median %.0f ms, 99 %%: %.0f ms, worst %.0f ms); '
            'daemon %.0f %% of one core for %.0f s; memory %d KiB before, %d at most, %d after (%+.1f %%)'
            % (daemon.name, CLIENTS, total, 100 * in_time / max(1, total), DEADLINE_S, 1000 * quantile(took, 0.5),
               1000 * quantile(took, 0.99), 1000 * max(took, default=float('nan')), 100 * cpu / elapsed, elapsed, before,
               peak[0], after, 100 * (after / before - 1)))
    print('# ' + note, flush=True)
    assert sum(r['tried'] for _, r in reports) > 100 and sum(r['requests'] for _, r in reports) > 100, 'there was no flood'
    assert total >= CLIENTS / 2, 'only %d requests' % total
    assert in_time >= 0.99 * total, note
    assert after <= GROWTH * before, note
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
