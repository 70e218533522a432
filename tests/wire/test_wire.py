#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Mutations of valid messages of each kind, over the wire, against a whole domain built with the sanitizers.

    test_wire.py MCX     2,000 of each kind; MCX_LONG=1: 100,000 of each. MCX_SEED=n repeats the mutations of an earlier
                         run. MCX_WIRE=n: another number.

Kinds: SIP REGISTER, INVITE and MESSAGE; HTTP requests to mcx-kms, mcx-idms and mcx-server; SRTP and RTP packets. The
valid ones are recorded from real clients in this run (middle.py): Mallory, a user of the domain with keys of her own,
registers and calls Erin. mutate.py keeps enough of each whole; whatever goes through mcx-server goes on to Erin's
client, which is built with the sanitizers too.

Meanwhile Alice talks to Bob. The verdict at the end: their call stood from the first mutation to the last and every
second of it was heard; at least a third of the kinds that carry MIKEY, XML or SDP reached the code that reads it, told by
the daemons' own metrics; no process ended, none was restarted, and no sanitizer said a word.
"""
import array
import glob
import json
import math
import os
import random
import re
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import wave

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'chaos'))
import lab  # noqa: E402
import middle  # noqa: E402
import mutate  # noqa: E402
import speak  # noqa: E402

MCX = sys.argv[1]
EACH = int(os.environ.get('MCX_WIRE', 100000 if lab.LONG else 2000))
USERS = ('alice', 'bob', 'mallory', 'erin')
SPEECH_S = 60  # said again and again
TALK_S = 600 + EACH // 12  # the call may stand that long
RATE = 8000
sanitizer = {'ASAN_OPTIONS': 'abort_on_error=0:allocator_may_return_null=1', 'UBSAN_OPTIONS': 'print_stacktrace=1'}
os.environ.update(sanitizer)
if os.path.isdir('/dev/shm') and os.access('/dev/shm', os.W_OK):
    tempfile.tempdir = '/dev/shm'  # every answer is durable: a disk would be measured, not the daemons


class Client:
    """`mcx register` or `mcx call`, its events read as they come."""

    def __init__(self, command, user, *more):
        self.log = open(os.path.join(domain.top, '%s-%s.log' % (user, command)), 'ab')
        self.events, self.begun = [], time.monotonic()
        self.process = subprocess.Popen([MCX, command, user, '--dir', domain.dir, '--json', *more], stdout=subprocess.PIPE,
                                        stderr=self.log, text=True, env=domain.env)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            if line.startswith('{'):
                self.events.append(json.loads(line))

    def said(self, event):
        return [e for e in self.events if e['event'] == event]

    def wait(self, event, seconds=300):
        lab.wait_for(lambda: self.said(event) or self.process.poll() is not None, seconds, event)
        assert self.said(event), '%s never came: %s' % (event, self.events)

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=120)


def speech(path, seconds):
    """A voice of sorts: every second of it is loud."""
    wave_at = [2 * math.pi * t / RATE for t in range(RATE)]
    second = array.array('h', (int(9000 * math.sin(300 * x) * (0.6 + 0.4 * math.sin(4 * x))) for x in wave_at))
    with wave.open(path, 'wb') as w:
        w.setnchannels(1)
        w.setsampwidth(2)
        w.setframerate(RATE)
        for _ in range(seconds):
            w.writeframesraw(second.tobytes())


def up():
    """The domain, with mcx-server on another port than its clients know, and with room for one source's many requests."""
    domain.env.update(sanitizer)
    conf = os.path.join(domain.dir, 'server', 'conf')
    with open(conf, encoding='utf-8') as f:
        text = f.read()
    known = int(re.search(r'(?m)^sips_port = (\d+)$', text).group(1))
    with open(conf, 'w', encoding='utf-8') as f:
        f.write(text.replace('sips_port = %d' % known, 'sips_port = 0') + 'new_per_source = 60000\ninvites_per_user = 1000\n')
    for name, lines in (('kms', 'limit_source = 0\n'),
                        ('idms', 'source_failures = 100000\ntoken_rate = 100000\nlogin_pages_per_s = 100000\n'
                                 'new_per_peer = 60000\n')):
        with open(os.path.join(domain.dir, name, 'conf'), 'a', encoding='utf-8') as f:
            f.write(lines)
    domain.call('up', domain.dir)
    port = listening_port(pid_of('mcx-server'), known)
    return middle.Middle(domain.dir, domain.zone, known, port)


def run_json():
    with open(os.path.join(domain.dir, 'run.json'), encoding='utf-8') as f:
        return json.load(f)


def pid_of(name):
    return next(p['pid'] for p in run_json()['processes'] if p['name'] == name)


def listening_port(pid, known):
    """The port of this process that is neither its admin interface nor plain SIP: SIP over TLS."""
    with open(os.path.join(domain.dir, 'server', 'log'), encoding='utf-8', errors='replace') as f:
        found = re.findall(r'"sips_port":(\d+)', f.read())
    if found:
        return int(found[-1])
    inodes = set()
    for fd in os.listdir('/proc/%d/fd' % pid):
        m = re.match(r'socket:\[(\d+)\]', os.readlink('/proc/%d/fd/%s' % (pid, fd)))
        if m:
            inodes.add(m.group(1))
    plain = {known - 1, known - 5061 + 6444}
    with open('/proc/net/tcp', encoding='ascii') as f:
        rows = [line.split() for line in f.readlines()[1:]]
    ports = {int(r[1].split(':')[1], 16) for r in rows if r[3] == '0A' and r[9] in inodes} - plain
    assert len(ports) == 1, ports
    return ports.pop()


def admin_stream(name):
    """A connection to an admin interface as an officer."""
    where = {'idms': 'identity_admin', 'kms': 'keys_admin', 'server': 'server_admin'}[name]
    url = urllib.parse.urlsplit(run_json()['addresses'][where])
    return connect_to(url.hostname, url.port, os.path.join(domain.dir, 'ca', 'officer.pem'))


def public_stream(name):
    url = urllib.parse.urlsplit(run_json()['addresses'][{'idms': 'identity', 'kms': 'keys'}[name]])
    return connect_to(url.hostname, url.port)


def connect_to(host, port, certificate=None):
    context = ssl.create_default_context(cafile=os.path.join(domain.dir, 'ca', 'domain.pem'))
    if certificate:
        context.load_cert_chain(certificate)
    raw = lab.socket.create_connection(('127.0.0.1', port), timeout=60, source_address=(lab.new_source(), 0))
    raw.setsockopt(lab.socket.IPPROTO_TCP, lab.socket.TCP_NODELAY, 1)
    return context.wrap_socket(raw, server_hostname=host)


def metrics(name):
    """{"name{labels}": value} of a daemon."""
    ask = speak.Http(lambda: admin_stream(name))
    answer = ask.say(b'GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n')
    ask.end()
    assert answer and answer.startswith(b'HTTP/1.1 200'), answer
    rows = re.findall(rb'(?m)^([a-z_]+(?:\{[^}]*\})?) ([0-9.e+]+)\r?$', answer.partition(b'\r\n\r\n')[2])
    return {k.decode(): float(v) for k, v in rows}


# ---- valid messages ---------------------------------------------------------------------------------------------------

def head(method, path, host, body=b'', kind='', token='', cookie=''):
    lines = ['%s %s HTTP/1.1' % (method, path), 'Host: ' + host, 'Accept: */*']
    lines += ['Content-Type: ' + kind] if kind else []
    lines += ['Authorization: Bearer ' + token] if token else []
    lines += ['Cookie: ' + cookie] if cookie else []
    return '\r\n'.join(lines).encode() + b'\r\nContent-Length: %d\r\n\r\n' % len(body) + body


def kms_requests(token):
    host, user = 'kms.' + domain.zone, 'sip:mallory@' + domain.zone
    root = '/keymanagement/identity/v1/'
    quoted = urllib.parse.quote(user, safe='')

    def document(op, inside=''):
        return ('<?xml version="1.0" encoding="UTF-8"?>\n<KmsRequest xmlns="urn:3gpp:ns:mcsecKMSInterface:1.0" '
                'Version="1.1.0"><UserUri>%s</UserUri><KmsUri>%s</KmsUri><Time>%s</Time>'
                '<ClientId>urn:uuid:7c57bd86-b82c-4103-8fa4-674ae007e022</ClientId>'
                '<ClientReqUrl>https://%s%s%s</ClientReqUrl>%s</KmsRequest>'
                % (user, host, time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime()), host, root, op, inside)).encode()

    ops = ['init', 'keyprov/' + quoted, 'keyprov/%s/%016x' % (quoted, (int(time.time()) + 2208988800) << 32), 'certcache',
           'cert/' + quoted, 'lookup/' + urllib.parse.quote('sip:erin@' + domain.zone, safe='')]
    return [head('POST', root + op, host, document(op), 'application/xml', token) for op in ops]


def idms_requests(tokens):
    host, form = 'idms.' + domain.zone, 'application/x-www-form-urlencoded'

    def encoded(**fields):
        return urllib.parse.urlencode(fields).encode()

    return [head('GET', domain.authorize_url(), host),
            head('POST', '/login', host, encoded(tx='bCQFixOBQ9EiY6W7rKm0N0P_LfaPPKkpS1bcKT41Xmc', password='gpt5P0ii9qJCEdRZ',
                                                 username='sip:mallory@' + domain.zone), form,
                 cookie='__Host-mcxpre=rkZSjqp7L1kBqqe0tpSdVuVRZaFtjImJdtLIqZAW7GU'),
            head('POST', '/token', host, encoded(grant_type='authorization_code', client_id='mcx-ue', redirect_uri=lab.REDIRECT,
                                                 code='lGiIwIKHMB-S3BLPfoa1cZFgsriYthIQa1ZVpCPTcBQ', code_verifier=lab.VERIFIER),
                 form),
            head('POST', '/token', host, encoded(grant_type='refresh_token', client_id='mcx-ue',
                                                 refresh_token=tokens.get('refresh_token', 'none')), form),
            head('GET', '/userinfo', host, token=tokens['access_token']),
            head('POST', '/revoke', host, encoded(token=tokens['id_token'], client_id='mcx-ue'), form),
            head('GET', '/jwks', host), head('GET', '/.well-known/openid-configuration', host)]


def server_requests():
    host, kind = 'sip.' + domain.zone, 'application/json'
    user = urllib.parse.quote('sip:zoe@' + domain.zone, safe='')
    return [head('GET', '/metrics', host), head('GET', '/admin/v1/calls', host), head('GET', '/admin/v1/bindings', host),
            head('PUT', '/admin/v1/users/' + user, host, b'{"state":"active"}', kind),
            head('GET', '/admin/v1/users/' + user, host), head('GET', '/healthz', host), head('GET', '/readyz', host)]


def sip_messages(register):
    """MESSAGE requests made of what the REGISTER carries: the user's documents and an I_MESSAGE."""
    first, headers, body = mutate.split(register)
    kind = mutate.header_value(headers, b'Content-Type')
    keep = [h for h in headers if not re.match(rb'(?i)(contact|expires|cseq|content-|to|via|call-id|from)\b', h)]
    common = [b'Via: SIP/2.0/TLS 127.0.0.1:9;rport;branch=z9hG4bK0', b'Call-ID: 0', b'CSeq: 1 MESSAGE',
              b'From: <sip:mallory@%s>;tag=0' % domain.zone.encode(), b'To: <sip:mcptt@%s>' % domain.zone.encode(),
              b'P-Preferred-Service: urn:urn-7:3gpp-service.ims.icsi.mcptt']
    first = b'MESSAGE sip:mcptt@%s SIP/2.0' % domain.zone.encode()
    out = [mutate.join(first, keep + common + [b'Content-Type: ' + kind], body)]
    mark = b'--' + re.search(rb'boundary="?([^";]+)', kind).group(1)
    for part in body.split(mark)[1:-1]:
        part_head, _, octets = part.partition(b'\r\n\r\n')
        name = re.search(rb'(?im)^content-type\s*:\s*([^\r\n]+)', part_head).group(1)
        if b'mikey' not in name and b'info+xml' not in name:
            continue  # alone it is no kind of MESSAGE
        out.append(mutate.join(first, keep + common + [b'Content-Type: ' + name], octets[:-2]))
    return out


# ---- the kinds --------------------------------------------------------------------------------------------------------

class Kind:
    def __init__(self, name):
        self.name, self.sent, self.reached, self.seconds, self.note = name, 0, None, 0.0, ''
        kinds.append(self)


def reached(before, after, prefix):
    """How many messages reached a parser, at the least: one message may count once under each label."""
    return int(max(after[k] - before.get(k, 0) for k in after if k.startswith(prefix)))


def send_sip(name, valid, rng, window):
    kind, begun, before = Kind(name), time.monotonic(), metrics('server')
    sip = speak.Sip(lambda: between.reach('mallory', lab.new_source()), window)
    for n in range(EACH):
        message = mutate.sip(valid[n % len(valid)], rng)
        call = re.search(rb'(?im)^Call-ID: (\S+)', message)
        sip.say(message, call.group(1) if call else b'%d' % n)
        kind.sent += 1
    sip.settle()
    sip.end()
    still_serves()
    kind.reached = reached(before, metrics('server'), 'mcx_server_read_total')
    kind.seconds, kind.note = time.monotonic() - begun, told(sip)


def told(speaker):
    return '%d connections, answers %s' % (speaker.connections, ' '.join(
        '%s:%d' % s for s in sorted(speaker.statuses.items())))


def still_serves():
    """The next good request over a new connection has its answer."""
    sip = speak.Sip(lambda: between.reach('mallory', lab.new_source()))
    ask = (b'OPTIONS sip:mcptt@%s SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1:9;rport;branch=z9hG4bK%x\r\nMax-Forwards: 70\r\n'
           b'From: <sip:mallory@%s>;tag=1\r\nTo: <sip:mcptt@%s>\r\nCall-ID: fence\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n'
           % (domain.zone.encode(), time.monotonic_ns(), domain.zone.encode(), domain.zone.encode()))
    end = time.monotonic() + 60
    while not sip.statuses['200']:
        assert time.monotonic() < end, 'mcx-server does not answer: %s' % dict(sip.statuses)
        sip.say(ask, b'fence')
        sip.settle()
    sip.end()


def send_http(name, daemon, valid, rng, connect):
    kind, begun = Kind(name), time.monotonic()
    before = metrics(daemon)
    speaker = speak.Http(connect)
    for n in range(EACH):
        speaker.say(mutate.http(valid[n % len(valid)], rng))
        kind.sent += 1
    speaker.end()
    speaker.say(head('GET', '/metrics' if daemon == 'server' else '/readyz', 'x'))  # whatever it says, it says it
    speaker.end()
    after = metrics(daemon)
    if daemon == 'kms':
        kind.reached = reached(before, after, 'mcx_kms_read_total')
    kind.seconds, kind.note = time.monotonic() - begun, told(speaker)


def send_packets(name, valid, rng):
    """To the relay as Mallory, for Erin; and as often to Mallory's client. In step with the clock, so that few are lost
    on the way. What the relay forwarded is seen before it reaches Erin."""
    kind, begun = Kind(name), time.monotonic()
    near, far = between.media['mallory'], between.media['erin']
    far.expected, far.came = set(), 0
    for n in range(EACH):
        packet = mutate.packet(valid[n % len(valid)], rng)
        if n % 2 == 0:
            far.expected.add(packet)
        near.send('relay' if n % 2 == 0 else 'client', packet)
        kind.sent += 1
        if n % 20 == 19:
            time.sleep(0.01)
    lab.wait_for(lambda: 3 * far.came >= EACH // 2, 60, 'a third of the packets at the other side of the relay')
    kind.seconds = time.monotonic() - begun
    kind.note = '%d of %d sent to the relay were forwarded to Erin, the rest went to Mallory' % (far.came, (EACH + 1) // 2)


# ---- the run ----------------------------------------------------------------------------------------------------------

domain = between = alice = bob = erin = None
kinds = []
heard = ''
first_s = last_s = 0.0


def a_call_is_up_before_the_first_mutation():
    global alice, bob, heard
    voice, heard = os.path.join(domain.top, 'voice.wav'), os.path.join(domain.top, 'heard.wav')
    speech(voice, SPEECH_S)
    bob = Client('register', 'bob', '--record', heard, '--seconds', str(TALK_S))
    bob.wait('registered')
    alice = Client('call', 'alice', '--to', 'bob', '--send', voice, '--repeat', '--seconds', str(TALK_S))
    bob.wait('first-packet')


def mutated_srtp_and_rtp_in_a_call_of_her_own():
    global erin, first_s
    voice = os.path.join(domain.top, 'word.wav')
    seconds = 20 + EACH // 400
    speech(voice, SPEECH_S)
    first_s = time.monotonic()
    begin_http()
    media = between.media['mallory'] = middle.Media()
    between.media['erin'] = middle.Media()
    erin = Client('register', 'erin')
    erin.wait('registered')
    between.stay.add('mallory')
    caller = Client('call', 'mallory', '--to', 'erin', '--send', voice, '--repeat', '--seconds', str(seconds))
    erin.wait('first-packet')
    lab.wait_for(lambda: len(media.packets) > 50, 60, "Mallory's packets")
    rng = random.Random(lab.SEED)
    valid = list(media.packets)
    clear = [p[:12] + bytes([0xf8]) + bytes(rng.randrange(256) for _ in range(60)) for p in valid[:50]]
    send_packets('SRTP', valid, rng)
    send_packets('RTP', clear, rng)
    assert caller.process.wait(timeout=seconds + 120) == 0, caller.events
    assert erin.said('call-ended') and erin.process.poll() is None
    sent = middle.messages(between.links['mallory'].sent)
    for method in (b'REGISTER', b'INVITE'):
        record[method] = [m for m in sent if m.startswith(method)][:1]
    between.media.clear()


record = {}


def mutated_invites_reach_mikey_xml_or_sdp():
    send_sip('INVITE', record[b'INVITE'], random.Random(lab.SEED + 1), 16)


def mutated_messages_reach_mikey_xml_or_sdp():
    rng = random.Random(lab.SEED + 2)
    valid = sip_messages(record[b'REGISTER'][0])
    send_sip('MESSAGE', valid, rng, 16)
    for n in range(EACH // 10):  # and Erin hears some from what she takes for her server
        m = mutate.sip(valid[n % len(valid)], rng)
        if speak.whole(m):
            between.links['erin'].say(m.replace(b'sip:mallory@', b'sip:mcptt@'))
    lab.wait_for(lambda: erin.process.poll() is None, 1, 'Erin')


def mutated_registers_reach_mikey_xml_or_sdp():
    send_sip('REGISTER', record[b'REGISTER'], random.Random(lab.SEED + 3), 4)


http, faults = [], []


def begin_http():
    """Beside everything else."""
    token, tokens = tokens_of('mallory')['access_token'], tokens_of('erin')  # a refresh token used twice takes its family along

    def guarded(*args):
        try:
            send_http(*args)
        except Exception as e:  # a thread's failure is the test's
            faults.append(e)

    for args in (
            ('HTTP to mcx-kms', 'kms', kms_requests(token), random.Random(lab.SEED + 4), lambda: public_stream('kms')),
            ('HTTP to mcx-idms', 'idms', idms_requests(tokens), random.Random(lab.SEED + 5), lambda: public_stream('idms')),
            ('HTTP to mcx-server', 'server', server_requests(), random.Random(lab.SEED + 6), lambda: admin_stream('server'))):
        http.append(threading.Thread(target=guarded, args=args))
        http[-1].start()


def mutated_http_requests_to_each_daemon():
    for t in http:
        t.join()
    if faults:
        raise faults[0]


def tokens_of(user):
    domain.idms.ready = {'port': urllib.parse.urlsplit(run_json()['addresses']['identity']).port}
    r = domain.redeem(domain.code(user))
    assert r.status == 200, r.body
    return json.loads(r.body)


def as_many_of_each_kind_were_sent_as_were_promised():
    assert len(kinds) == 8 and all(k.sent == EACH for k in kinds), [(k.name, k.sent) for k in kinds]
    return ['%s: %d mutations in %d s, %s%s' % (
        k.name, k.sent, k.seconds, '' if k.reached is None else '%d reached MIKEY, XML or SDP; ' % k.reached, k.note)
        for k in kinds]


def at_least_a_third_of_those_that_carry_documents_reached_their_parser():
    carrying = [k for k in kinds if k.reached is not None]
    assert {k.name for k in carrying} == {'INVITE', 'MESSAGE', 'REGISTER', 'HTTP to mcx-kms'}
    for k in carrying:
        assert 3 * k.reached >= k.sent, '%s: %d of %d' % (k.name, k.reached, k.sent)


def the_call_stood_and_every_second_of_it_was_heard():
    global last_s
    last_s = time.monotonic()
    assert alice.process.poll() is None and not bob.said('call-ended'), (alice.events, bob.events)
    asked = last_s - bob.begun
    assert bob.end() == 0, bob.events
    assert alice.process.wait(timeout=120) == 0, alice.events
    with wave.open(heard) as w:
        rate, seconds = w.getframerate(), w.getnframes() / w.getframerate()
        loud = [math.sqrt(sum(s * s for s in second[::16]) / max(1, len(second[::16])))
                for second in iter(lambda: array.array('h', w.readframes(rate)), array.array('h'))]
    silent = [n for n, level in enumerate(loud[:-1]) if level < 500]
    assert not silent, 'seconds %s of %d were silent' % (silent[:20], seconds)
    assert seconds >= last_s - first_s, 'heard %.1f s of %.1f' % (seconds, asked)
    return ['%.0f seconds of speech heard while %d mutations were sent' % (seconds, sum(k.sent for k in kinds))]


def nobody_ended_nobody_was_restarted_and_no_sanitizer_spoke():
    assert erin.end() == 0, erin.events[-3:]
    for p in run_json()['processes']:
        assert p['state'] == 'ready' and p['restarts'] == 0, p
    domain.call('down', domain.dir)
    for path in glob.glob(domain.top + '/*.log') + glob.glob(domain.dir + '/*/log') + [domain.dir + '/log']:
        with open(path, encoding='utf-8', errors='replace') as f:
            found = re.search(r'(?m)^.*(AddressSanitizer|LeakSanitizer|runtime error:).*$(?:\n.*){0,30}', f.read())
        assert not found, '%s: %s' % (path, found.group(0))


tests = [a_call_is_up_before_the_first_mutation, mutated_srtp_and_rtp_in_a_call_of_her_own,
         mutated_invites_reach_mikey_xml_or_sdp, mutated_messages_reach_mikey_xml_or_sdp,
         mutated_registers_reach_mikey_xml_or_sdp, mutated_http_requests_to_each_daemon,
         as_many_of_each_kind_were_sent_as_were_promised, at_least_a_third_of_those_that_carry_documents_reached_their_parser,
         the_call_stood_and_every_second_of_it_was_heard, nobody_ended_nobody_was_restarted_and_no_sanitizer_spoke]
try:
    domain = lab.Domain(MCX, USERS)
    between = up()
    result = lab.run(tests)
finally:
    for client in (alice, bob, erin):
        if client and client.process.poll() is None:
            client.process.kill()
            client.process.wait()
    if between:
        between.close()
    if domain:
        keep = os.environ.get('MCX_KEEP')
        if keep:
            subprocess.run(['cp', '-a', domain.top, keep], check=False)
        domain.close()
sys.exit(result)
