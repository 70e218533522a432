#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""mcx-kms and its issuer killed with SIGKILL at random moments, while clients and officers work: what was answered holds.

    test_kms_kill.py MCX      10 kills; MCX_LONG=1: 200. MCX_SEED=n: the moments and victims of an earlier run.

Every request comes from an address of its own, which stands in the audit record. What an officer was answered must be
there after the kill; what was cut off may be there or not, and then that is what it stays. Key sets are judged here,
without libmcsec (eccsi.py).
"""
import base64
import collections
import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.parse
import xml.etree.ElementTree as etree

import eccsi
import lab
import officers

KILLS = 200 if lab.LONG else 10
VICTIMS = ('front end', 'issuer', 'both', 'keeper')
EXTRA = ('jwks_file = "jwks.json"\nprotect = "trk+ink"\nkrr_day = 1000000\nmax_per_peer = 60000\nnew_per_peer = 60000\n'
         'limit_source = 0\n')
ROOT = '/keymanagement/identity/v1/'
rng = random.Random(lab.SEED)
domain, kms, tokens = None, None, {}


# ---- officers

def segment(text):
    return urllib.parse.quote(text, safe='')


# ---- what must hold

class Facts:
    """Of each thing the states it may be in: one when the last change was answered, two when it was cut off."""

    def __init__(self):
        self.may, self.acked, self.changes = {}, [], collections.Counter()
        self.keys = collections.defaultdict(set)
        self.cache_num = 0
        self.lock = threading.Lock()

    def change(self, thing, to, do):
        """do() -> status, source. The answer decides; without one both states are possible."""
        with self.lock:
            before = self.may.get(thing, {None})
            self.may[thing] = before | {to}
        status, source = do()
        if status in (200, 201):
            with self.lock:
                self.may[thing] = {to}
                self.acked.append(source)
                self.changes[thing[0]] += 1
        return status

    def found(self, thing, state):
        assert state in self.may.get(thing, {None}), '%s is %s, not of %s' % (thing, state, self.may[thing])
        self.may[thing] = {state}


facts = Facts()
PARTNERS = ['kms.p%d.example' % i for i in range(6)]
LISTED = ['sip:listed%d@lab.mcx.test' % i for i in range(4)]
DEVICES = ['sip:device%d@lab.mcx.test' % i for i in range(3)]
fingerprint, partner_xml = {}, {}


def officers_day(officer, second, odd, over):
    """Users, external certificates and transport keys change, one after the other, until the KMS is gone."""
    moves = random.Random(rng.randrange(1 << 30))

    def user():
        uri, to = moves.choice(LISTED + [domain_uri('s0')]), moves.choice(['active', 'suspended'])

        def do():
            status, _, source = officer.ask('PUT', 'users/' + segment(uri), json.dumps({'state': to}))
            return status, source
        return facts.change(('user', uri), to, do)

    def certificate():
        uri = moves.choice(PARTNERS)
        now = facts.may.get(('extcert', uri), {None})
        if now == {None} or None in now:
            def do():
                status, text, source = officer.ask('POST', 'extcerts', partner_xml[uri], 'application/xml')
                fingerprint[uri] = json.loads(text).get('fingerprint') if status < 300 else None
                return status, source
            return facts.change(('extcert', uri), 'proposed', do)
        to = 'suspended' if now == {'permitted'} else 'permitted'

        def act():
            who = second if to == 'permitted' else officer
            status, _, source = who.ask('POST', 'extcerts/%s/%s' % (fingerprint[uri], {'permitted': 'permit',
                                                                                       'suspended': 'suspend'}[to]))
            return status, source
        return facts.change(('extcert', uri), to, act)

    def transport():
        uri = moves.choice(DEVICES)
        status, text, source = officer.ask('POST', 'transportkeys/' + segment(uri))
        if status == 201:
            with facts.lock:
                facts.keys[uri].update(k['id'] for k in json.loads(text).values())
                facts.acked.append(source)
                facts.changes['keys'] += 1
        return status

    while not over.is_set():
        try:
            status = moves.choice([user, user, certificate, certificate, transport])()
        except OSError:
            time.sleep(0.01)
            continue
        if status not in (200, 201, 503):
            odd.append('an officer was answered %d' % status)


# ---- clients

Work = collections.namedtuple('Work', 'acked sets reports broken odd')


def domain_uri(user):
    return 'sip:%s@%s' % (user, domain.zone)


def children_of(body):
    """{local name: text} of each KmsKeySet of an answer."""
    for s in etree.fromstring(body).iter():
        if s.tag.endswith('}KmsKeySet'):
            yield {e.tag.rpartition('}')[2]: (e.text or '').strip() for e in s}


def provisioned(user, work, over):
    while not over.is_set():
        source = lab.new_source()
        try:
            r = domain.keyprov(tokens[user], source)
        except OSError:
            work.broken.append(source)
            time.sleep(0.005)
            continue
        if r.status == 200:
            work.acked.append(source)
            work.sets.extend(children_of(r.body))
        elif r.status == 503:
            time.sleep(0.02)
        elif not (r.status == 403 and user == 's0'):  # suspended by an officer now and then
            work.odd.append('keyprov %d' % r.status)


def reports(work, over):
    n = 0
    while not over.is_set():
        n, target = n + 1, 'sip:t%x@partner.example' % rng.getrandbits(60)
        try:
            status, source = officers.redirect_report(domain, tokens['u1'], domain_uri('u1'), target, PARTNERS[0], '%08x' % n)
        except OSError as e:
            work.broken.append(e)
            time.sleep(0.01)
            continue
        if status == 200:
            work.acked.append(source)
            work.reports.append(target)
        elif status != 503:
            work.odd.append('redirect %d' % status)
        time.sleep(0.02)


# ---- a kill

def issuer_of(pid):
    """The keeper and the issuer below this front end; 0 for one that is not there."""
    def child(parent):
        try:
            with open('/proc/%d/task/%d/children' % (parent, parent), encoding='ascii') as f:
                return int((f.read().split() or [0])[0])
        except OSError:
            return 0
    keeper = child(pid)
    return keeper, child(keeper) if keeper else 0


def strike(victim):
    keeper, issuer = issuer_of(kms.process.pid)
    if victim in ('issuer', 'both') and issuer > 1:
        os.kill(issuer, signal.SIGKILL)
    if victim == 'keeper' and keeper > 1:
        os.kill(keeper, signal.SIGKILL)
        kms.process.wait(timeout=60)  # without its keeper the front end ends in order
        kms.process = None
        if issuer > 1:
            lab.wait_for(lambda: lab.zombie(issuer), 30, 'the end of the issuer')
    if victim in ('front end', 'both'):
        kms.kill()


def round_of(victim):
    over, work = threading.Event(), Work([], [], [], [], [])
    threads = [threading.Thread(target=provisioned, args=(u, work, over)) for u in domain.users]
    threads.append(threading.Thread(target=reports, args=(work, over)))
    threads.append(threading.Thread(target=officers_day, args=(officers.Officer(domain, 'officer'), officers.Officer(domain, 'officer2'), work.odd, over)))
    for t in threads:
        t.start()
    try:
        lab.wait_for(lambda: work.sets and work.reports and facts.acked, 120, 'work')
        time.sleep(rng.uniform(0, 0.4))
        strike(victim)
    finally:
        over.set()
        for t in threads:
            t.join()
    return work


def serves():
    try:
        return domain.keyprov(tokens['u0'], lab.new_source()).status == 200
    except OSError:
        return False


def come_back():
    if not kms.alive():
        kms.start(extra=EXTRA)
    lab.wait_for(serves, 120, 'service')


# ---- judgement

def look_at_state(officer):
    for thing in [t for t in facts.may if t[0] == 'user']:
        status, text, _ = officer.ask('GET', 'users/' + segment(thing[1]))
        facts.found(thing, json.loads(text)['state'] if status == 200 else None)
    listed = json.loads(officer.ask('GET', 'extcerts')[1])
    assert listed['cache_num'] >= facts.cache_num, 'CacheNum went back: %d after %d' % (listed['cache_num'], facts.cache_num)
    facts.cache_num = listed['cache_num']
    state = {c['kms_uri']: c for c in listed['certificates']}
    for uri in PARTNERS:
        facts.found(('extcert', uri), state[uri]['state'] if uri in state else None)
        fingerprint[uri] = state[uri]['fingerprint'] if uri in state else None
    for uri in DEVICES:
        keys = json.loads(officer.ask('GET', 'transportkeys/' + segment(uri))[1])['keys']
        have = {k['id'] for k in keys}
        assert facts.keys[uri] <= have, 'keys of %s are gone: %s' % (uri, facts.keys[uri] - have)
        assert sum(k['state'] == 'active' for k in keys) in (0, 2), keys


class Keys:
    """Of all rounds: one RSK for an identity and period, no PVT twice, every pair valid."""

    def __init__(self, kpak):
        self.kpak, self.rsk, self.pvts, self.sets = kpak, {}, set(), 0

    def judge(self, one):
        self.sets += 1
        who = one['UserUri'], one['KeyPeriodNo']
        assert self.rsk.setdefault(who, one['UserDecryptKey']) == one['UserDecryptKey'], 'another RSK for %s %s' % who
        pvt = one['UserPubTokenPVT'].lower()
        assert pvt not in self.pvts, 'the value v of %s was used before' % pvt
        self.pvts.add(pvt)
        assert eccsi.is_valid(self.kpak, base64.b64decode(one['UserID']), bytes.fromhex(one['UserSigningKeySSK']),
                              bytes.fromhex(pvt)), 'not a pair: %s' % one['UserUri']


def kms_certificate():
    r = kms.ask('POST', ROOT + 'init', headers={'Authorization': 'Bearer ' + tokens['u0']})
    text = re.search(r'<KmsCertificate\b.*?</KmsCertificate>', r.body.decode(), re.S).group(0)
    return text, bytes.fromhex(re.search(r'<PubAuthKey>(\w+)<', text).group(1))


def make_partners(own):
    """Other domains' certificates: ours under other names will do."""
    for uri in PARTNERS:
        text = re.sub(r'<KmsUri>.*?</KmsUri>', '<KmsUri>%s</KmsUri>' % uri, own)
        text = re.sub(r'<CertUri>.*?</CertUri>', '<CertUri>cert1.%s</CertUri>' % uri, text)
        partner_xml[uri] = text.replace('<KmsCertificate', '<KmsCertificate xmlns="urn:3gpp:ns:mcsecKMSInterface:1.0"', 1)


def the_pairs_are_judged_by_the_published_example():
    eccsi.check_with_the_published_example()


def after_kill_9_of_front_end_issuer_or_keeper_nothing_acknowledged_is_lost():
    officer, since, total = officers.Officer(domain, 'officer'), 0, collections.Counter()
    kms.start(extra=EXTRA)
    own, kpak = kms_certificate()
    make_partners(own)
    keys = Keys(kpak)
    facts.may[('user', domain_uri('s0'))] = {'active'}  # as `mcx user add` left it
    for n in range(KILLS):
        victim = VICTIMS[n] if n < len(VICTIMS) else rng.choice(VICTIMS)
        facts.acked.clear()
        work = round_of(victim)
        come_back()
        new = kms.audit(since)
        since = new[-1]['seq']
        recorded = {r['detail'].get('source') for r in new if r['outcome'] == 'ok'}
        lost = [s for s in work.acked + facts.acked if s not in recorded]
        assert not lost and not work.odd, 'kill %d of the %s: no record of %s; %s' % (n, victim, lost[:5], work.odd[:3])
        look_at_state(officer)
        with sqlite3.connect('file:%s?mode=ro' % os.path.join(kms.folder, 'db'), uri=True) as db:
            kept = {row[0] for row in db.execute('SELECT receiver FROM krr')}
        assert set(work.reports) <= kept, 'reports are gone'
        for one in work.sets:
            keys.judge(one)
        total.update({'answers': len(work.acked), 'reports': len(work.reports), 'broken': len(work.broken), victim: 1})
    kms.stop()
    kms.audit_is_whole()
    done = subprocess.run([domain.mcx, 'audit', 'verify', '--db', os.path.join(kms.folder, 'db'), '--checkpoints',
                           os.path.join(kms.folder, 'audit.checkpoints'), '--key', os.path.join(kms.folder, 'audit.key.pub')],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert total['broken'] and keys.sets and all(facts.changes[k] for k in ('user', 'extcert', 'keys')), (total, facts.changes)
    return ['mcx-kms: %d kills (%s); %d answers, every one recorded; %d key sets valid, %d values v, %d RSKs; %d reports, '
            '%d changes of users, %d of external certificates, %d of transport keys kept; %d requests cut off'
            % (KILLS, ', '.join('%s %d' % (v, total[v]) for v in VICTIMS), total['answers'], keys.sets, len(keys.pvts),
               len(keys.rsk), total['reports'], facts.changes['user'], facts.changes['extcert'], facts.changes['keys'],
               total['broken'])]


def main():
    global domain, kms
    domain = lab.Domain(sys.argv[1], ['u0', 'u1', 's0'])
    kms = domain.kms
    try:
        officers.make_second(domain)
        domain.idms.start()
        with open(os.path.join(domain.dir, 'kms', 'jwks.json'), 'wb') as f:
            f.write(domain.idms.ask('GET', '/jwks').body)
        for user in domain.users:
            tokens[user] = domain.token(user)
        domain.idms.stop()
        return lab.run([the_pairs_are_judged_by_the_published_example,
                        after_kill_9_of_front_end_issuer_or_keeper_nothing_acknowledged_is_lost])
    finally:
        domain.close()


sys.exit(main())
