#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The operator's work on a running mcx-kms (docs/operations.md), with `mcx kms`: external domains and their reports, renewed
certificates, changed configuration, an orderly end, and every alarm with its cause and its end.

    test_kms_operate.py MCX FAULTS_LIBRARY
"""
import hashlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.parse

import lab
import officers

FAULTS = sys.argv[2]
ROOT = '/keymanagement/identity/v1/'
PARTNER = 'kms.partner.example'
CLOSE = 'limit_source = 0\njwks_file = "jwks.json"\n'
DAY = 86400
domain, kms, token = None, None, None


def desk(*words, code=0, who='officer'):
    """What `mcx kms WORDS --json` prints, or with another code what it says."""
    done = subprocess.run([domain.mcx, 'kms', *words, '--dir', domain.dir, '--json', '--cert',
                           os.path.join(domain.dir, 'ca', who + '.pem')], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, env=domain.env, timeout=120, check=False)
    assert done.returncode == code, '%s: exit %d\n%s%s' % (words, done.returncode, done.stdout, done.stderr)
    return json.loads(done.stdout) if code == 0 else done.stderr


def alarms():
    return set(desk('alarms', who='auditor')['alarms'])


def ask(call, source=None):
    return kms.ask('POST', ROOT + call, headers={'Authorization': 'Bearer ' + token}, source=source or lab.new_source())


def keys():
    return ask('keyprov').status


def configure(lines='', **changes):
    """The file that the running KMS was started with: lines added, keys changed."""
    with open(os.path.join(kms.folder, 'conf'), encoding='utf-8') as f:
        text = f.read() + CLOSE
    for key, value in changes.items():
        text, n = re.subn('^%s = .*$' % key, '%s = %s' % (key, value), text, flags=re.M)
        assert n == 1, key
    with open(os.path.join(kms.folder, 'conf.chaos'), 'w', encoding='utf-8') as f:
        f.write(text + lines)


def wait_for_alarm(name, since):
    lab.wait_for(lambda: kms.said('alarm.raised', since, name=name), 240, 'alarm ' + name)
    assert name in alarms()


def running(test):
    """The test on a KMS that was just started."""
    def wrapped():
        kms.start(extra=CLOSE)
        try:
            return test()
        finally:
            if kms.alive():
                kms.stop()
    wrapped.__name__ = test.__name__
    return wrapped


# ---- external domains

def partner_certificate():
    """Another domain's: ours under another name will do. Its fingerprint by hand (kms.md 15.1)."""
    text = re.search(r'<KmsCertificate\b.*?</KmsCertificate>', ask('init').body.decode(), re.S).group(0)
    text = re.sub(r'<KmsUri>.*?</KmsUri>', '<KmsUri>%s</KmsUri>' % PARTNER, text)
    text = re.sub(r'<CertUri>.*?</CertUri>', '<CertUri>cert1.%s</CertUri>' % PARTNER, text)
    points = b''.join(bytes.fromhex(re.search('<%s>(.*?)</' % n, text).group(1)) for n in ('PubEncKey', 'PubAuthKey'))
    path = os.path.join(domain.top, 'partner.xml')
    with open(path, 'w', encoding='utf-8') as f:
        f.write(text.replace('<KmsCertificate', '<KmsCertificate xmlns="urn:3gpp:ns:mcsecKMSInterface:1.0"', 1))
    return path, hashlib.sha256(points + PARTNER.encode()).hexdigest()


@running
def an_external_domain_is_imported_by_one_officer_permitted_by_another_and_withdrawn():
    path, fingerprint = partner_certificate()
    served = lambda: PARTNER in ask('certcache').body.decode()
    assert '403' in desk('extcert', 'import', path, who='auditor', code=3)
    assert desk('extcert', 'import', path)['fingerprint'] == fingerprint
    said = subprocess.run([domain.mcx, 'kms', 'extcert', 'import', path, '--dir', domain.dir], stdout=subprocess.PIPE,
                          text=True, env=domain.env, check=True).stdout
    grouped = ' '.join(fingerprint[i:i + 4] for i in range(0, 64, 4))
    assert grouped in said and 'by another way' in said, said
    assert not served()
    assert 'two-persons' in desk('extcert', 'permit', fingerprint, code=3)
    assert desk('extcert', 'permit', fingerprint, who='officer2')['state'] == 'permitted'
    assert served()
    assert desk('extcert', 'suspend', fingerprint)['state'] == 'suspended'
    assert not served()
    assert desk('extcert', 'permit', fingerprint, who='officer2')['state'] == 'permitted'
    assert desk('extcert', 'revoke', fingerprint)['state'] == 'revoked'
    assert '<Revoked>true</Revoked>' in ask('certcache').body.decode()
    assert '409' in desk('extcert', 'permit', fingerprint, who='officer2', code=3)
    row = desk('extcert', 'list', who='auditor')['certificates'][0]
    assert row['kms_uri'] == PARTNER and row['state'] == 'revoked' and 'second' in row['approved_by'], row
    types = [r['type'] for r in kms.audit() if r['detail'].get('fingerprint') == fingerprint]
    assert types.count('kms.domain.propose') == 2 and types.count('kms.domain.add') == 2 and 'kms.domain.remove' in types, types


@running
def reports_of_external_use_are_seen_by_auditor_and_officer_and_an_odd_one_raises_an_alarm():
    since = kms.mark()
    assert desk('reports', who='auditor')['krrs'] == []
    assert alarms() == set()
    me, target = 'sip:u0@' + domain.zone, 'sip:bob@partner.example'
    status, source = officers.redirect_report(domain, token, me, target, 'kms.unknown.example')
    assert status == 200
    row, = desk('reports', who='auditor')['krrs']
    assert (row['reporter'], row['target'], row['kms']) == (me, target, 'kms.unknown.example'), row
    assert 'not-permitted' in row['alerts'] and target in row['krr'] and row['signature'] == 'unsigned', row
    assert any(r['detail'].get('source') == source and r['target'] == target for r in kms.audit())
    kms.alarm('krr-anomaly', since)
    assert alarms() == {'krr-anomaly'}
    assert '403' in desk('reports', who='user-admin', code=3)


# ---- reloads

def presented():
    with kms.connect(lab.new_source()) as s:
        return s.getpeercert(binary_form=True)


@running
def a_renewed_tls_certificate_is_used_without_a_restart_and_a_bad_one_leaves_the_old_and_an_alarm():
    pid, since, old = kms.process.pid, kms.mark(), presented()
    kept = kms.connect(lab.new_source())
    officers.renew_tls(domain)
    lab.wait_for(lambda: presented() != old, 30, 'the renewed certificate')
    new = presented()
    headers = {'Authorization': 'Bearer ' + token}
    assert kms.ask('POST', ROOT + 'keyprov', headers=headers, connection=kept).status == 200  # the old connection goes on
    kept.close()
    path = os.path.join(kms.folder, 'tls.pem')
    with open(path, encoding='ascii') as f:
        good = f.read()
    with open(path, 'w', encoding='ascii') as f:
        f.write('no certificate\n')
    kms.alarm('tls-certificate', since)
    assert presented() == new and keys() == 200
    with open(path, 'w', encoding='ascii') as f:
        f.write(good)
    kms.cleared('tls-certificate', since)
    assert kms.process.pid == pid and alarms() == set()


@running
def changed_configuration_is_taken_up_by_reload_or_sighup_and_a_bad_one_leaves_the_old_and_an_alarm():
    pid, since = kms.process.pid, kms.mark()
    assert keys() == 200
    configure(limit_hour=1)
    assert '403' in desk('reload', who='auditor', code=3)
    assert keys() == 200  # nobody reloaded
    assert desk('reload')['reloaded'] is True
    assert keys() == 429
    configure()
    kms.process.send_signal(signal.SIGHUP)
    lab.wait_for(lambda: keys() == 200, 60, 'the reload')
    for lines, changes, why in (('colour = "red"\n', {}, "'colour'"), ('', {'limit_hour': '-1'}, 'limit_hour'),
                                ('', {'port': '9'}, 'port changes only with a restart')):
        configure(lines, **changes)
        assert why in desk('reload', code=3), why
        assert 'configuration' in alarms() and keys() == 200
    kms.alarm('configuration', since)
    configure()
    desk('reload')
    kms.cleared('configuration', since)
    assert kms.process.pid == pid and any(r['type'] == 'config.change' for r in kms.audit())


# ---- the end

@running
def at_sigterm_every_request_under_way_is_answered_whole_and_recorded():
    acked, cut, over = [], [], threading.Event()

    def client():
        while not over.is_set():
            source = lab.new_source()
            try:
                s = kms.connect(source)
            except OSError:
                return  # it listens no more
            try:
                r = kms.ask('POST', ROOT + 'keyprov', headers={'Authorization': 'Bearer ' + token}, connection=s)
                if r.status == 200:
                    acked.append(source)
                if r.status == 200 and not r.body.rstrip().endswith(b'</KmsResponse>'):
                    cut.append(source)
            except OSError as e:
                cut.append('%s: %r' % (source, e))
            s.close()

    threads = [threading.Thread(target=client) for _ in range(4)]
    for t in threads:
        t.start()
    lab.wait_for(lambda: len(acked) > 8, 60, 'load')
    assert kms.stop() == 0
    over.set()
    for t in threads:
        t.join()
    halves = [c for c in cut if 'no whole answer' in c and 'IncompleteRead' in c]
    assert not halves and len(cut) <= 4, cut  # at most the connections that had not asked yet
    recorded = {r['detail'].get('source') for r in kms.audit() if r['type'] == 'kms.provision'}
    assert set(acked) <= recorded
    kms.audit_is_whole()
    done = subprocess.run([domain.mcx, 'audit', 'verify', 'kms', '--dir', domain.dir, '--json'], stdout=subprocess.PIPE, text=True,
                          env=domain.env, check=True).stdout
    row = json.loads(done)
    assert row['verdict'] == 'intact' and row['checkpointed'] == row['records'], row  # the end made its checkpoint
    return ['mcx-kms: %d answers up to its end, none cut in half' % len(acked)]


# ---- alarms

def new_domain():
    """The next start makes one, with its custody's passphrase."""
    for name in os.listdir(kms.folder):
        if name.startswith('db') or name.startswith('audit.'):
            os.unlink(os.path.join(kms.folder, name))


def a_clock_set_over_a_periods_edge_holds_the_issue_until_it_is_back_or_an_officer_accepts_it():
    """A new domain whose period ends in five minutes and whose certificate ends in ten days."""
    clock = os.path.join(domain.top, 'clock')

    def step(seconds):
        with open(clock, 'w', encoding='ascii') as f:
            f.write('%-12d' % seconds)

    step(0)
    new_domain()
    edge = int(time.time()) + 300 + 2208988800
    conf = CLOSE + 'period = %d\noffset = %d\npreprovision = 200\nvalidity_days = 10\n' % (DAY, edge % DAY)
    kms.start(extra=conf, env={'LD_PRELOAD': FAULTS, 'MCX_CLOCK_FILE': clock})
    try:
        assert desk('user', 'enrol', 'sip:u0@' + domain.zone)['state'] == 'active'
        assert keys() == 200  # before the window: of this period alone
        assert alarms() == {'certificate-expiry'}
        since = kms.mark()
        step(210)
        kms.alarm('clock', since)
        wait_for_alarm('users-not-renewed', since)  # counted each half minute
        assert keys() == 200 and b'KmsKeySet' in ask('keyprov').body
        kms.cleared('users-not-renewed', since)
        since = kms.mark()
        step(600)
        kms.alarm('clock-edge', since)
        assert keys() == 503
        step(210)
        kms.cleared('clock-edge', since)
        assert keys() == 200
        assert '409' in desk('clock', 'accept', code=3)
        since = kms.mark()
        step(600)
        kms.alarm('clock-edge', since)
        assert '403' in desk('clock', 'accept', who='auditor', code=3)
        assert keys() == 503
        assert desk('clock', 'accept')['step_ns'] > 300e9
        kms.cleared('clock-edge', since)
        assert keys() == 200
    finally:
        kms.stop()
    types = [r['type'] for r in kms.audit()]
    assert types.count('audit.clock-step') >= 3 and types.count('kms.clock.accept') == 1, types


@running
def keys_that_cannot_be_issued_and_a_seal_are_alarms():
    since = kms.mark()
    other = sqlite3.connect(os.path.join(kms.folder, 'db'), isolation_level=None, timeout=30)
    other.execute('BEGIN IMMEDIATE')
    assert keys() == 503
    other.execute('ROLLBACK')
    other.close()
    kms.alarm('issue-failures', since)
    assert keys() == 200 and 'issue-failures' in alarms()  # for five minutes
    assert desk('seal')['state'] == 'sealed'
    kms.alarm('sealed', since)
    assert keys() == 503 and 'sealed' in alarms()
    assert desk('unseal')['state'] == 'unsealed'
    kms.cleared('sealed', since)
    assert keys() == 200


def an_identity_server_whose_list_cannot_be_read_is_an_alarm():
    kms.start(extra=CLOSE)
    try:
        since = kms.mark()
        domain.idms.start()
        lab.wait_for(lambda: kms.said('kms.revocation-list-read'), 60, 'the list')
        assert 'revocation-list' not in alarms()
        domain.idms.stop()
        wait_for_alarm('revocation-list', since)  # after a minute
        assert keys() == 200  # with the list it has
        domain.idms.start()
        kms.cleared('revocation-list', since)
    finally:
        domain.idms.stop()
        kms.stop()


def mcx_sec_128_a_user_disabled_at_the_identity_server_gets_no_keys_within_seconds():
    domain.idms.start()
    kms.start(extra=CLOSE)
    try:
        uri, theirs = 'sip:u1@' + domain.zone, domain.token('u1')
        status_of = lambda: domain.keyprov(theirs, lab.new_source()).status
        assert status_of() == 200
        admin = officers.Officer(domain, 'user-admin', domain.idms)
        account = json.dumps({'display': 'u1', 'enabled': False, 'services': {'ptt': uri}})
        assert admin.ask('PUT', 'users/' + urllib.parse.quote(uri, safe=''), account)[0] == 200
        lab.wait_for(lambda: status_of() == 401, 60, 'the refusal')
        assert keys() == 200  # another user's token is as good as it was
    finally:
        domain.idms.stop()
        kms.stop()


def rewrite(*statements):
    db = sqlite3.connect(os.path.join(kms.folder, 'db'), isolation_level=None, timeout=30)
    size = db.execute('SELECT max(seq) FROM audit').fetchone()[0]
    for sql in statements:
        db.execute(sql.replace('SIZE', str(size)))
    db.close()
    return size


def nothing_is_signed(since):
    assert 'gap' in desk('checkpoint', who='auditor', code=3)
    kms.alarm('audit', since)
    assert 'audit' in alarms()


def verdict_of_the_record():
    done = subprocess.run([domain.mcx, 'audit', 'verify', 'kms', '--dir', domain.dir], stdout=subprocess.PIPE, text=True,
                          env=domain.env, check=False)
    return done.returncode, done.stdout


@running
def a_tail_written_anew_under_the_running_kms_is_an_alarm_and_nothing_is_signed_after_it():
    since = kms.mark()
    for _ in range(4):
        keys()
    assert desk('checkpoint', who='auditor')['checkpoint']
    rewrite('DELETE FROM audit WHERE seq > SIZE - 3', 'UPDATE audit_head SET seq = SIZE - 3, chain = (SELECT chain FROM audit '
            'WHERE seq = SIZE - 3)')
    for _ in range(4):
        keys()
    nothing_is_signed(since)
    code, said = verdict_of_the_record()
    assert code == 3 and 'FAULT' in said, said


def a_record_removed_from_the_database_is_an_alarm_from_the_next_start_and_named_by_verify():
    new_domain()
    kms.start(extra=CLOSE)
    assert [keys() for _ in range(4)] == [200] * 4
    kms.stop()
    assert verdict_of_the_record()[0] == 0
    size = rewrite('DELETE FROM audit WHERE seq = SIZE - 2')
    since = kms.mark()
    kms.start(extra=CLOSE)
    try:
        nothing_is_signed(since)
        assert keys() == 200
        code, said = verdict_of_the_record()
        assert code == 3 and 'record %d' % (size - 2) in said, said
    finally:
        kms.stop()


def main():
    global domain, kms, token
    domain = lab.Domain(sys.argv[1], ['u0', 'u1'])
    kms = domain.kms
    try:
        officers.make_second(domain)
        domain.idms.start()
        with open(os.path.join(kms.folder, 'jwks.json'), 'wb') as f:
            f.write(domain.idms.ask('GET', '/jwks').body)
        token = domain.token('u0')
        domain.idms.stop()
        return lab.run([an_external_domain_is_imported_by_one_officer_permitted_by_another_and_withdrawn,
                        reports_of_external_use_are_seen_by_auditor_and_officer_and_an_odd_one_raises_an_alarm,
                        a_renewed_tls_certificate_is_used_without_a_restart_and_a_bad_one_leaves_the_old_and_an_alarm,
                        changed_configuration_is_taken_up_by_reload_or_sighup_and_a_bad_one_leaves_the_old_and_an_alarm,
                        at_sigterm_every_request_under_way_is_answered_whole_and_recorded,
                        keys_that_cannot_be_issued_and_a_seal_are_alarms,
                        an_identity_server_whose_list_cannot_be_read_is_an_alarm,
                        mcx_sec_128_a_user_disabled_at_the_identity_server_gets_no_keys_within_seconds,
                        a_tail_written_anew_under_the_running_kms_is_an_alarm_and_nothing_is_signed_after_it,
                        a_record_removed_from_the_database_is_an_alarm_from_the_next_start_and_named_by_verify,
                        a_clock_set_over_a_periods_edge_holds_the_issue_until_it_is_back_or_an_officer_accepts_it])
    finally:
        domain.close()


sys.exit(main())
