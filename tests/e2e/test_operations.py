#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The procedures of docs/operations.md that need a whole domain: lose a device, read alarms, verify and export.

    test_operations.py MCX
"""
import json
import os
import re
import shutil
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

import tap

MCX = sys.argv[1]
top = tempfile.mkdtemp(prefix='mcx-operations-')
folder = os.path.join(top, 'town')
base = tap.port_base()
env = dict(os.environ, MCX_PORT_BASE=base)
CAROL = 'sip:carol@town.mcx.test'


def mcx(*args, code=0, stdin=''):
    done = subprocess.run([MCX, *args], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env,
                          timeout=120, check=False)
    assert code is None or done.returncode == code, '%s: exit %d, wanted %d\n%s%s' % (
        args, done.returncode, code, done.stdout[-1500:], done.stderr[-1500:])
    return done


def path(*parts):
    return os.path.join(folder, *parts)


def admin(daemon, port, call, role='auditor', method='GET', body=None, token=None):
    """Status and body of a call, by the certificate of a role (or of a file)."""
    context = ssl.create_default_context(cafile=path('ca', 'domain.pem'))
    context.check_hostname = False  # no name service here: the address is the one of run.json
    context.load_cert_chain(role if os.path.isabs(role) else path('ca', role + '.pem'))
    rq = urllib.request.Request('https://127.0.0.1:%d%s' % (int(base) + port, call), method=method,
                                data=body.encode() if body is not None else None)
    if token:
        rq.add_header('Authorization', 'Bearer ' + token)
    try:
        with urllib.request.urlopen(rq, context=context, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode()


def wait_for(what, condition):
    for _ in range(600):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError('waited in vain for ' + what)


def log(daemon):
    with open(path(daemon, 'log'), encoding='utf-8') as f:
        return f.read()


def a_resource_servers_certificate_reads_the_revocation_list_and_nothing_else():
    own = path('kms', 'revocations.pem')
    status, text = admin('idms', 7444, '/admin/v1/revoked', role=own)
    assert status == 200 and 'revoked' in json.loads(text), (status, text)
    for call in ('/admin/v1/users', '/admin/v1/clients', '/metrics'):
        assert admin('idms', 7444, call, role=own)[0] == 403, call
    assert admin('kms', 8444, '/admin/v1/domain', role=own)[0] == 403


def the_kms_and_the_server_read_the_list():
    def age():
        text = admin('kms', 8444, '/metrics')[1]
        return int(re.search(r'^mcx_kms_revocation_list_age_seconds (-?\d+)$', text, re.M).group(1))
    wait_for('the KMS to read the list', lambda: age() >= 0)
    assert 'server.revocation-list"' not in log('server') or 'server.revocation-list-read' in log('server')


def kms_state(user):
    uri = urllib.parse.quote('sip:%s@town.mcx.test' % user, safe='')
    return json.loads(admin('kms', 8444, '/admin/v1/users/' + uri)[1])['state']


def losing_a_device_shows_what_it_touches_and_changes_nothing_without_a_yes():
    mcx('user', 'add', 'carol', '--dir', folder)
    mcx('login', 'carol', '--dir', folder)
    done = json.loads(mcx('lost', 'carol', '--dir', folder, '--json').stdout)
    assert done['user'] == 'carol' and done['id'] == CAROL
    assert set(done['touches']) == {'idms', 'kms', 'server'}, done
    assert set(done['not_asked']) == {'gms', 'console'} and done['not_asked']['gms'] == 'not installed', done
    assert done['touches']['idms'][0]['known'] and done['touches']['idms'][0]['tokens'] > 0
    assert done['touches']['kms'][0]['users'][0]['state'] == 'active' and done['touches']['kms'][0]['keys']
    assert 'revocations' not in done
    for answer in ('', 'no\n', 'y\n', 'YES\n', 'yes please\n', '\n'):
        said = mcx('lost', 'carol', '--dir', folder, stdin=answer).stdout
        assert 'Type yes:' in said and 'Nothing was changed.' in said and 'Revoked:' not in said, said
        assert 'console' in said and 'not installed' in said
    again = json.loads(mcx('lost', 'carol', '--dir', folder, '--json').stdout)
    assert again['touches']['idms'][0]['enabled'] and again['touches']['kms'][0]['users'][0]['state'] == 'active'


def losing_the_device_of_nobody_and_a_wrong_command_line_are_told_apart_by_the_exit_code():
    assert 'there is no such user' in mcx('lost', 'nobody', '--dir', folder, code=2).stderr
    assert mcx('lost', '../carol', '--dir', folder, code=2).stdout == ''
    mcx('lost', '--dir', folder, code=2)
    mcx('lost', 'carol', 'dave', '--dir', folder, code=2)
    mcx('lost', 'carol', '--dir', top + '/nowhere', code=5)


def with_yes_typed_every_identity_of_the_device_is_revoked():
    ids = ['--mcvideo', 'sip:erin-video@town.mcx.test', '--mcdata', 'sip:erin-data@town.mcx.test']
    mcx('user', 'add', 'erin', '--services', 'ptt,video,data', *ids, '--dir', folder)
    said = mcx('lost', 'erin', '--dir', folder, stdin='yes\n').stdout
    assert said.count('revoked') >= 3 and 'Revoked:' in said, said
    assert [kms_state(u) for u in ('erin', 'erin-video', 'erin-data')] == ['revoked'] * 3
    assert '"state":"lost"' in mcx('user', 'list', '--dir', folder, '--json').stdout
    mcx('user', 'resume', 'erin', '--dir', folder)
    assert [kms_state(u) for u in ('erin', 'erin-video', 'erin-data')] == ['active'] * 3


def losing_a_device_with_yes_revokes_it_everywhere():
    register = subprocess.Popen([MCX, 'register', 'carol', '--dir', folder], stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, env=env)
    try:
        wait_for('the registration', lambda: CAROL in admin('server', 6444, '/admin/v1/bindings')[1])
        done = json.loads(mcx('lost', 'carol', '--yes', '--dir', folder, '--json').stdout)
        assert done['revocations'] == {'idms': 'revoked', 'kms': 'revoked', 'server': 'revoked'}, done
        wait_for('the end of the registration', lambda: CAROL not in admin('server', 6444, '/admin/v1/bindings')[1])
    finally:
        register.kill()
        register.wait()
    assert kms_state('carol') == 'revoked'
    assert not json.loads(admin('idms', 7444, '/admin/v1/users/sip%3Acarol%40town.mcx.test')[1])['enabled']
    shutil.rmtree(path('ue', 'carol', 'client'))  # what it holds works on; nothing new is given
    assert 'sign-in' in mcx('login', 'carol', '--dir', folder, code=1).stderr
    rows = [json.loads(r) for r in mcx('audit', 'export', 'kms', '--dir', folder).stdout.splitlines()]
    assert any(r['type'] == 'kms.user.block' and r['target'] == CAROL and r['detail']['state'] == 'revoked' for r in rows)


def without_the_right_to_revoke_nothing_is_revoked_and_every_daemon_says_so():
    mcx('user', 'add', 'frank', '--dir', folder)
    own, auditor = path('ca', 'user-admin.pem'), path('ca', 'auditor.pem')
    os.rename(own, own + '.kept')
    shutil.copy(auditor, own)
    try:
        done = mcx('lost', 'frank', '--yes', '--dir', folder, '--json', code=3)
        report = json.loads(done.stdout)['revocations']
        assert set(report) == {'idms', 'kms', 'server'}, report
        assert '403' in report['idms'] and '403' in report['kms'], report
        assert 'not every revocation' in done.stderr
    finally:
        os.rename(own + '.kept', own)
    assert kms_state('frank') == 'active'
    os.rename(auditor, auditor + '.kept')
    shutil.copy(path('kms', 'revocations.pem'), auditor)
    try:
        report = json.loads(mcx('lost', 'frank', '--dir', folder, '--json', code=3).stdout)
        assert report['touches'] == {} and '403' in report['not_asked']['kms'], report
    finally:
        os.rename(auditor + '.kept', auditor)


def a_cut_token_ends_the_registration_within_seconds():
    """The identity server alone takes the token back; nobody tells the MC server: it reads the list."""
    mcx('user', 'add', 'dave', '--dir', folder)
    dave = 'sip:dave@town.mcx.test'
    register = subprocess.Popen([MCX, 'register', 'dave', '--dir', folder], stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, env=env)
    try:
        wait_for('the registration', lambda: dave in admin('server', 6444, '/admin/v1/bindings')[1])
        status, text = admin('idms', 7444, '/admin/v1/users/sip%3Adave%40town.mcx.test', 'user-admin', 'PUT', json.dumps(
            {'display': 'dave', 'enabled': False, 'services': {'ptt': dave}}))
        assert status == 200, text
        wait_for('the end of the registration', lambda: dave not in admin('server', 6444, '/admin/v1/bindings')[1])
    finally:
        register.kill()
        register.wait()


def a_user_who_is_given_back_its_rights_gets_keys_again():
    mcx('user', 'resume', 'carol', '--dir', folder)
    mcx('login', 'carol', '--dir', folder)


def a_daemon_that_does_not_answer_is_named_and_holds_up_no_other():
    with open(path('server', 'conf'), encoding='utf-8') as f:
        conf = f.read()
    mcx('down', folder)
    with open(path('server', 'conf'), 'w', encoding='utf-8') as f:
        f.write(conf.replace('admin_port = ', 'admin_port = 0 # '))
    mcx('up', folder)
    done = json.loads(mcx('lost', 'carol', '--yes', '--dir', folder, '--json', code=4).stdout)
    assert 'does not answer' in done['not_asked']['server'] and set(done['touches']) == {'idms', 'kms'}, done
    assert done['revocations']['kms'] == done['revocations']['idms'] == 'revoked'
    mcx('down', folder)
    with open(path('server', 'conf'), 'w', encoding='utf-8') as f:
        f.write(conf)
    mcx('up', folder)
    done = json.loads(mcx('lost', 'carol', '--yes', '--dir', folder, '--json').stdout)
    assert done['revocations'] == {'idms': 'revoked', 'kms': 'revoked', 'server': 'revoked'}, done


def reading_alarms_names_what_is_raised():
    status, text = admin('kms', 8444, '/admin/v1/alarms')
    assert status == 200 and json.loads(text) == {'alarms': []}, text
    assert admin('kms', 8444, '/admin/v1/seal', 'officer', 'POST', '')[0] == 200
    assert json.loads(admin('kms', 8444, '/admin/v1/alarms')[1]) == {'alarms': ['sealed']}
    assert 'mcx_kms_alarm{name="sealed"} 1' in admin('kms', 8444, '/metrics')[1]
    wait_for('the log', lambda: '"alarm.raised","name":"sealed"' in log('kms'))
    assert admin('kms', 8444, '/admin/v1/unseal', 'officer', 'POST', '')[0] == 200
    assert json.loads(admin('kms', 8444, '/admin/v1/alarms')[1]) == {'alarms': []}
    wait_for('the log', lambda: '"alarm.cleared","name":"sealed"' in log('kms'))


def verifying_the_record_finds_it_intact_and_a_cut_tail_is_found():
    line = json.loads(admin('kms', 8444, '/admin/v1/checkpoint', 'auditor', 'POST', '')[1])['checkpoint']
    mcx('down', folder)
    rows = [json.loads(r) for r in mcx('audit', 'verify', '--dir', folder, '--json').stdout.splitlines()]
    assert [r['record'] for r in rows] == ['idms', 'kms', 'server'], rows
    assert all(r['verdict'] == 'intact' and r['checkpoints'] > 0 for r in rows), rows
    with open(path('kms', 'audit.checkpoints'), encoding='utf-8') as f:
        kept = f.read()
    assert line in kept
    with open(path('kms', 'audit.key.pub'), encoding='utf-8') as f:
        key = f.read()
    copies = os.path.join(top, 'elsewhere')
    os.mkdir(copies)
    for name, text in (('points', kept), ('key', key)):
        with open(os.path.join(copies, name), 'w', encoding='utf-8') as f:
            f.write(text)
    # somebody with the whole folder: tail off, head set back, checkpoints shortened
    shutil.copytree(path('kms'), os.path.join(top, 'saved'))
    db = sqlite3.connect(path('kms', 'db'))
    size = db.execute('SELECT max(seq) FROM audit').fetchone()[0]
    db.execute('DELETE FROM audit WHERE seq > ?', (size - 5,))
    db.execute('UPDATE audit_head SET seq = ?, chain = (SELECT chain FROM audit WHERE seq = ?)', (size - 5, size - 5))
    db.commit()
    db.close()
    os.unlink(path('kms', 'audit.checkpoints'))
    assert 'intact' in mcx('audit', 'verify', 'kms', '--dir', folder).stdout
    found = mcx('audit', 'verify', 'kms', '--dir', folder, '--checkpoints', os.path.join(copies, 'points'), '--key',
                os.path.join(copies, 'key'), code=3).stdout
    assert 'truncated' in found, found
    shutil.rmtree(path('kms'))
    shutil.copytree(os.path.join(top, 'saved'), path('kms'))
    mcx('up', folder)


def exporting_the_record_gives_json_lines_and_syslog():
    rows = [json.loads(r) for r in mcx('audit', 'export', 'kms', '--dir', folder).stdout.splitlines()]
    assert [r['seq'] for r in rows] == list(range(1, len(rows) + 1))
    assert any(r['type'] == 'kms.provision' and r['target'] == CAROL for r in rows)
    assert any(r['type'] == 'kms.user.block' for r in rows)
    some = mcx('audit', 'export', 'kms', '--dir', folder, '--format', 'syslog', '--from', '2', '--to', '4').stdout
    lines = some.splitlines()
    assert len(lines) == 3
    for n, one in enumerate(lines, 2):
        assert re.match(r'^<10[78]>1 |^<110>1 ', one), one
        assert re.match(r'^<\d+>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z \S+ mcxsec - \S{1,32} \[mcx@32473 seq="%d" .*\] \S+$'
                        % n, one), one


try:
    mcx('up', folder)
    result = tap.run([a_resource_servers_certificate_reads_the_revocation_list_and_nothing_else,
                      the_kms_and_the_server_read_the_list,
                      losing_a_device_shows_what_it_touches_and_changes_nothing_without_a_yes,
                      losing_the_device_of_nobody_and_a_wrong_command_line_are_told_apart_by_the_exit_code,
                      with_yes_typed_every_identity_of_the_device_is_revoked,
                      losing_a_device_with_yes_revokes_it_everywhere,
                      without_the_right_to_revoke_nothing_is_revoked_and_every_daemon_says_so,
                      a_cut_token_ends_the_registration_within_seconds,
                      a_user_who_is_given_back_its_rights_gets_keys_again,
                      a_daemon_that_does_not_answer_is_named_and_holds_up_no_other,
                      reading_alarms_names_what_is_raised,
                      verifying_the_record_finds_it_intact_and_a_cut_tail_is_found,
                      exporting_the_record_gives_json_lines_and_syslog])
finally:
    mcx('down', folder, code=None)
    if os.environ.get('MCX_KEEP'):
        print('# kept', top)
    else:
        shutil.rmtree(top, ignore_errors=True)
sys.exit(result)
