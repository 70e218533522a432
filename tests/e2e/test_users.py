#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The life of a user across the real daemons: mcx user against mcx-idms, mcx-kms and mcx-server.

    test_users.py MCX
"""
import json
import os
import re
import shutil
import sys

import connect_proxy
import tap
from town import Town

town = Town(sys.argv[1], 'users')
mcx, folder, env = town.mcx, town.folder, town.env


def user(act, *args, code=0):
    return mcx('user', act, '--dir', folder, *args, code=code)


def users():
    return {u['name']: u for u in map(json.loads, user('list', '--json').stdout.splitlines())}


def forget(name):
    """The client's store: without it a sign-in has to be a new one."""
    shutil.rmtree(os.path.join(folder, 'ue', name, 'client'), ignore_errors=True)


def login(name, code=0):
    return mcx('login', name, '--dir', folder, code=code)


def adding_a_user_twice_changes_nothing():
    first = json.loads(user('add', 'carol', '--json').stdout)
    assert first == {'name': 'carol', 'mc_id': 'sip:carol@town.mcx.test', 'impu': 'sip:carol@town.mcx.test',
                     'mcptt': 'sip:carol@town.mcx.test', 'mcvideo': '', 'mcdata': '', 'state': 'active'}, first
    path = os.path.join(folder, 'ue', 'carol', 'password')
    with open(path, encoding='utf-8') as f:
        password = f.read()
    assert json.loads(user('add', 'carol', '--json').stdout) == first
    with open(path, encoding='utf-8') as f:
        assert f.read() == password
    assert list(users()) == ['carol']
    login('carol')


def a_password_from_a_file_is_the_one_that_counts():
    path = os.path.join(town.top, 'password')
    with open(path, 'w', encoding='utf-8') as f:
        f.write('correct horse battery staple\nnot this line\n')
    user('add', 'dave', '--password-file', path)
    login('dave')
    with open(os.path.join(folder, 'ue', 'dave', 'password'), 'w', encoding='utf-8') as f:
        f.write('wrong horse battery staple')
    forget('dave')
    login('dave', code=1)


def a_suspended_user_gets_no_keys_and_cannot_sign_in():
    assert json.loads(user('suspend', 'carol', '--json').stdout)['state'] == 'suspended'
    assert users()['carol']['state'] == 'suspended'
    forget('carol')
    assert 'sign-in' in login('carol', code=1).stderr


def a_resumed_user_signs_in_again():
    user('resume', 'carol')
    assert users()['carol']['state'] == 'active'
    login('carol')


def an_add_interrupted_half_way_is_finished_by_running_it_again():
    # Half-way: the identity is made, the account is not, because the identity server does not answer.
    with open(os.path.join(folder, 'idms', 'conf'), encoding='utf-8') as f:
        conf = f.read()
    mcx('down', folder)
    with open(os.path.join(folder, 'idms', 'conf'), 'w', encoding='utf-8') as f:
        f.write(conf.replace('admin_port = ', 'admin_port = 0 # '))
    mcx('up', folder)
    assert user('add', 'erin', code=4).stderr
    assert 'erin' not in users()
    mcx('down', folder)
    with open(os.path.join(folder, 'idms', 'conf'), 'w', encoding='utf-8') as f:
        f.write(conf)
    mcx('up', folder)
    user('add', 'erin')
    forget('erin')
    login('erin')


def a_removed_user_is_gone_everywhere():
    user('remove', 'carol')
    assert 'carol' not in users()
    assert not os.path.exists(os.path.join(folder, 'ue', 'carol'))
    assert 'no such user' in user('suspend', 'carol', code=2).stderr


def names_and_identities_that_are_none_are_refused():
    for args in (('../x',), ('',), ('a' * 33,), ('x', '--mcptt', 'mailto:x'), ('x', '--services', 'ptt,tv'),
                 ('x', '--mc-id', 'sip:x y@z')):
        user('add', *args, code=2)
    assert 'x' not in users()


def ports():
    with open(os.path.join(folder, 'run.json'), encoding='utf-8') as f:
        text = f.read()
    return {who: int(re.search(r'https://%s\.town\.mcx\.test:(\d+)' % who, text).group(1)) for who in ('idms', 'kms')}


def a_client_signs_in_and_gets_keys_through_a_proxy_that_sees_no_identity():
    user('add', 'erin')
    forget('erin')
    with open(os.path.join(folder, 'ue', 'erin', 'password'), 'rb') as f:
        password = f.read().strip()
    with connect_proxy.Proxy() as p:
        mcx('login', 'erin', '--dir', folder, '--https-proxy', p.url)
    assert {'%s.town.mcx.test:%d' % who for who in ports().items()} <= set(p.asked), p.asked
    assert len(p.seen) > 8192
    for secret in (b'erin', b'sip:', password, b'Bearer', b'Authorization', b'KmsResponse'):
        assert secret not in p.seen, secret


def a_proxy_that_refuses_is_named_and_not_gone_round():
    forget('erin')
    with connect_proxy.Proxy(answer=b'HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n') as p:
        done = mcx('login', 'erin', '--dir', folder, '--https-proxy', p.url, code=None)
    assert done.returncode != 0 and p.url in done.stderr and '407' in done.stderr, done.stderr


def a_server_with_the_certificate_of_another_fails_through_a_proxy_too():
    at = ports()
    with connect_proxy.Proxy(detour={at['idms']: at['kms']}) as p:
        done = mcx('login', 'erin', '--dir', folder, '--https-proxy', p.url, code=None)
    assert done.returncode != 0 and 'idms.town.mcx.test' in done.stderr, done.stderr
    assert p.asked and b'erin' not in p.seen


def the_environments_proxy_is_not_used():
    with connect_proxy.Proxy() as p:
        town.env.update(https_proxy=p.url, HTTPS_PROXY=p.url, ALL_PROXY=p.url)
        try:
            login('erin')
        finally:
            for name in ('https_proxy', 'HTTPS_PROXY', 'ALL_PROXY'):
                del town.env[name]
    assert p.asked == []


def a_setting_that_is_no_proxy_is_refused():
    for wrong in ('socks5://127.0.0.1:1080', 'http://me:secret@127.0.0.1:3128', '127.0.0.1:3128'):
        done = mcx('login', 'erin', '--dir', folder, '--https-proxy', wrong, code=5)
        assert 'https_proxy' in done.stderr and 'secret' not in done.stderr, done.stderr


def what_the_server_protects_is_said_when_the_domain_comes_up():
    assert 'XML in SIP          encrypted, signed' in mcx('up', folder).stdout
    mcx('down', folder)
    with open(os.path.join(folder, 'server', 'conf'), 'a', encoding='utf-8') as f:
        f.write('xml_integrity = false\n')
    assert 'XML in SIP          encrypted, NOT signed' in mcx('up', folder).stdout
    server = [p for p in json.loads(mcx('up', folder, '--json').stdout)['processes'] if p['name'] == 'mcx-server'][0]
    assert server['ready']['xml_confidentiality'] is True and server['ready']['xml_integrity'] is False, server
    with open(os.path.join(folder, 'server', 'log'), encoding='utf-8') as f:
        said = [json.loads(line) for line in f if '"xml.protection"' in line]
    assert [x['level'] for x in said][-1] == 'warn' and said[0]['level'] == 'info', said


try:
    mcx('up', folder)
    result = tap.run([adding_a_user_twice_changes_nothing, a_password_from_a_file_is_the_one_that_counts,
                      a_suspended_user_gets_no_keys_and_cannot_sign_in, a_resumed_user_signs_in_again,
                      an_add_interrupted_half_way_is_finished_by_running_it_again, a_removed_user_is_gone_everywhere,
                      names_and_identities_that_are_none_are_refused,
                      a_client_signs_in_and_gets_keys_through_a_proxy_that_sees_no_identity,
                      a_proxy_that_refuses_is_named_and_not_gone_round,
                      a_server_with_the_certificate_of_another_fails_through_a_proxy_too,
                      the_environments_proxy_is_not_used, a_setting_that_is_no_proxy_is_refused,
                      what_the_server_protects_is_said_when_the_domain_comes_up])
finally:
    town.close()
sys.exit(result)
