#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""mcx-kms and mcx-idms killed with SIGKILL under load, at random moments: what they answered 200 is there afterwards.

    test_crash.py MCX      12 kills of mcx-kms, 9 of mcx-idms; MCX_LONG=1: 200 and 250. MCX_SEED=n: the moments of
                           an earlier run.

The clients run here, outside the killed process, and note each 200 whose answer came whole. Each request comes from an
address of its own, which stands in the audit record: so every single answer is looked up, not only their number.
mcx-server, whose clients speak SIP and MIKEY-SAKKE, has the same in test_server_kill.c.
"""
import json
import os
import random
import sys
import threading
import time

import lab

KILLS = 200 if lab.LONG else 12
IDMS_KILLS = 200 if lab.LONG else 6  # a sign-in is slow: a round takes longer
CLIENTS = 4
rng = random.Random(lab.SEED)
domain = None


class Load:
    """Clients that ask again and again until the server is gone; what was acknowledged."""

    def __init__(self, work):
        self.acked, self.broken, self.refused = [], 0, []
        self.lock, self.over = threading.Lock(), threading.Event()
        self.threads = [threading.Thread(target=self.loop, args=(work, i)) for i in range(CLIENTS)]
        for t in self.threads:
            t.start()

    def loop(self, work, i):
        while not self.over.is_set():
            source = lab.new_source()
            try:
                done, what = work(i, source)
            except OSError:
                with self.lock:
                    self.broken += 1
                time.sleep(0.005)
                continue
            with self.lock:
                (self.acked if done else self.refused).append(what)

    def wait_for_some(self):
        lab.wait_for(lambda: self.acked, 60, 'the first acknowledged request')

    def end(self):
        self.over.set()
        for t in self.threads:
            t.join()


def kill_under_load(daemon, work):
    load = Load(work)
    load.wait_for_some()
    time.sleep(rng.uniform(0, 0.25))
    daemon.kill()
    load.end()
    return load


def kms_every_keyprov_answered_200_has_its_audit_record_after_a_kill():
    domain.idms.start()
    tokens = [domain.token(u) for u in domain.users]
    domain.idms.stop()
    acked = stored = records = broken = 0

    def work(i, source):
        r = domain.keyprov(tokens[i % len(tokens)], source)
        return r.status == 200 and b'KmsKeySet' in r.body, source

    since = 0
    domain.kms.start(extra='jwks_file = "jwks.json"\n')
    for _ in range(KILLS):
        load = kill_under_load(domain.kms, work)
        assert not load.refused, 'refused %d' % len(load.refused)
        domain.kms.start(extra='jwks_file = "jwks.json"\n')
        new = domain.kms.audit(since)
        since = new[-1]['seq'] if new else since
        sources = {r['detail']['source'] for r in new if r['type'] == 'kms.provision' and r['outcome'] == 'ok'}
        lost = [s for s in load.acked if s not in sources]
        assert not lost, '%d answers without a record: %s' % (len(lost), lost[:5])
        acked += len(load.acked)
        stored += len(sources & set(load.acked))
        records += len(sources)
        broken += load.broken
    domain.kms.audit_is_whole()
    domain.kms.stop()
    assert broken > 0 and acked == stored
    return ['mcx-kms: %d kills, %d keyprov answered 200, %d of them recorded, %d recorded whose answer was cut off'
            % (domain.kms.kills, acked, stored, records - stored)]


def idms_a_redeemed_code_stays_redeemed_and_its_tokens_are_recorded_after_a_kill():
    redeemed = {}  # source: (code, jti)
    acked = again = recorded = broken = 0
    lock = threading.Lock()

    def work(i, source):
        code = domain.code(domain.users[i % len(domain.users)], source)
        r = domain.redeem(code, source)
        if r.status != 200:
            return False, (r.status, r.body)
        with lock:
            redeemed[source] = (code, lab.claims(json.loads(r.body)['access_token'])['jti'])
        return True, source

    domain.idms.start()
    since = 0
    for _ in range(IDMS_KILLS):
        redeemed.clear()
        load = kill_under_load(domain.idms, work)
        assert not load.refused, load.refused[:3]
        domain.idms.start()
        new = domain.idms.audit(since)
        since = new[-1]['seq'] if new else since
        jtis = {r['detail'].get('jti') for r in new if r['type'] == 'token.issue' and r['outcome'] == 'ok'}
        for code, jti in redeemed.values():
            r = domain.redeem(code, lab.new_source())
            assert r.status == 400 and json.loads(r.body)['error'] == 'invalid_grant', (r.status, r.body)
            again += 1
            assert jti in jtis, 'no record of token ' + jti
            recorded += 1
        acked += len(load.acked)
        broken += load.broken
    domain.idms.audit_is_whole()
    domain.idms.stop()
    assert broken > 0 and acked == again == recorded
    return ['mcx-idms: %d kills, %d codes redeemed with 200, %d of them refused a second time, %d tokens recorded'
            % (domain.idms.kills, acked, again, recorded)]


def idms_a_rotated_refresh_token_stays_rotated_and_the_new_one_works_after_a_kill():
    """Each family has one client; what its last 200 gave out must be what counts after the kill."""
    last, before, used, counts = {}, {}, {}, {'rotated': 0, 'work': 0, 'refused': 0}
    domain.idms.start()
    for _ in range(max(3, IDMS_KILLS // 4)):
        for i in range(CLIENTS):
            last[i] = json.loads(domain.redeem(domain.code(domain.users[i % len(domain.users)], lab.new_source()),
                                               lab.new_source()).body)['refresh_token']
            used[i] = 0
        unsure = set()

        def work(i, source):
            unsure.add(i)  # until the answer is there nobody knows whether it was rotated
            r = domain.refresh(last[i], source)
            if r.status != 200:
                return False, (r.status, r.body)
            before[i], last[i] = last[i], json.loads(r.body)['refresh_token']
            used[i] += 1
            unsure.discard(i)
            return True, source

        load = Load(work)
        load.wait_for_some()
        time.sleep(rng.uniform(0, 0.2))
        load.over.set()  # each client ends at its first broken request: one try a token
        domain.idms.kill()
        load.end()
        domain.idms.start()
        for i in range(CLIENTS):
            counts['rotated'] += used[i]
            r = domain.refresh(last[i], lab.new_source())
            # The one whose answer was cut off may be asked again within the grace time: same answer, or a fresh one.
            assert r.status == 200 or i in unsure, (r.status, r.body)
            counts['work'] += r.status == 200
            if used[i]:
                r = domain.refresh(before[i], lab.new_source())
                assert r.status == 400 and json.loads(r.body)['error'] == 'invalid_grant', (r.status, r.body)
                counts['refused'] += 1
    domain.idms.stop()
    assert counts['refused'] > 0
    return ['mcx-idms: %d refresh tokens rotated with 200; after the kills %d of the last ones worked, %d of those before '
            'them were refused' % (counts['rotated'], counts['work'], counts['refused'])]


def main():
    global domain
    domain = lab.Domain(sys.argv[1], ['u%d' % i for i in range(CLIENTS)])
    try:
        domain.idms.start()
        with open(os.path.join(domain.dir, 'kms', 'jwks.json'), 'wb') as f:
            f.write(domain.idms.ask('GET', '/jwks').body)
        domain.idms.stop()
        return lab.run([kms_every_keyprov_answered_200_has_its_audit_record_after_a_kill,
                        idms_a_redeemed_code_stays_redeemed_and_its_tokens_are_recorded_after_a_kill,
                        idms_a_rotated_refresh_token_stays_rotated_and_the_new_one_works_after_a_kill])
    finally:
        domain.close()


sys.exit(main())
