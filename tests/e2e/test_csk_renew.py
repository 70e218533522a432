#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Key download between the real daemons and the real client: mcx server csk-renew and musik-renew.

    test_csk_renew.py MCX
"""
import json
import os
import signal
import subprocess
import sys
import threading
import time

import tap
from town import Town

DAVE = 'sip:dave@town.mcx.test'
town = Town(sys.argv[1], 'renew')
mcx, folder = town.mcx, town.folder


class Client:
    """`mcx register NAME` and the events it tells."""

    def __init__(self, name, *options):
        self.events = []
        self.process = subprocess.Popen([town.tool, 'register', name, '--dir', folder, '--json', *options],
                                        stdout=subprocess.PIPE, text=True, env=town.env)
        threading.Thread(target=self._read, daemon=True).start()
        self.wait('registered')

    def _read(self):
        for line in self.process.stdout:
            self.events.append(json.loads(line))

    def count(self, event):
        return sum(e['event'] == event for e in self.events)

    def wait(self, event, n=1):
        end = time.monotonic() + 60
        while self.count(event) < n:
            assert time.monotonic() < end and self.process.poll() is None, '%s: %s' % (event, self.events)
            time.sleep(0.02)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def server(*args, code=0):
    return mcx('server', *args, '--dir', folder, '--json', code=code)


def bindings_of(name):
    found = [json.loads(line) for line in server('clients').stdout.splitlines()]
    return {b['service']: b for b in found if b['mcptt_id'] == 'sip:%s@town.mcx.test' % name}


def client_of(name):
    found = [json.loads(line) for line in server('clients').stdout.splitlines()]
    return [b for b in found if b['mcptt_id'] == 'sip:%s@town.mcx.test' % name][0]


def settled(name, old):
    """The CSK-ID that the server has come to use instead of the old one."""
    end = time.monotonic() + 60
    while True:
        b = client_of(name)
        if b['csk_id'] != old and not b['pending_csk_id']:
            return b['csk_id']
        assert time.monotonic() < end, b
        time.sleep(0.05)


def call(to):
    mcx('call', 'carol', '--to', 'sip:%s@town.mcx.test' % to, '--seconds', '1', '--dir', folder)


dave = None


def mcx_sec_176_a_renewed_csk_is_in_use_for_the_very_next_call():
    global dave
    dave = Client('dave')
    call('dave')
    old = client_of('dave')['csk_id']
    assert json.loads(server('csk-renew', 'dave').stdout) == {'clients': 1}
    dave.wait('csk-replaced')
    settled('dave', old)
    call('dave')
    assert dave.count('call-up') == 2, dave.events


def seed_002_5_8_1_a_forced_suite_is_in_use_for_the_very_next_call():
    b = client_of('dave')
    assert (b['suite'], b['suites']) == ('0101', '0101 0102'), b
    assert json.loads(server('suite', 'dave', '0102').stdout) == {'clients': 1}
    dave.wait('csk-replaced', 2)
    settled('dave', b['csk_id'])
    assert client_of('dave')['suite'] == '0102'
    assert any('suite 0102' in e['text'] for e in dave.events if e['event'] == 'csk-replaced'), dave.events
    call('dave')
    assert dave.count('call-up') == 3, dave.events


def a_suite_that_the_client_has_not_listed_cannot_be_forced():
    before = client_of('dave')['csk_id']
    assert 'not listed' in server('suite', 'dave', '0103', code=3).stderr
    assert 'four hexadecimal digits' in server('suite', 'dave', 'aes', code=2).stderr
    assert client_of('dave')['csk_id'] == before


def a_client_killed_and_back_holds_the_csk_that_the_server_holds():
    global dave
    dave.kill()
    old = client_of('dave')['csk_id']
    server('csk-renew', 'sip:dave@town.mcx.test', '--reason', 'compromise')
    dave = Client('dave')
    settled('dave', old)
    call('dave')
    assert dave.count('call-up') == 1, dave.events


def a_renewal_begun_before_the_server_is_killed_goes_on_after_it():
    os.kill(dave.process.pid, signal.SIGSTOP)  # it does not answer
    old = client_of('dave')['csk_id']
    server('csk-renew', 'dave')
    pending = client_of('dave')['pending_csk_id']
    end = time.monotonic() + 30
    while not pending and time.monotonic() < end:
        pending = client_of('dave')['pending_csk_id']
    pids = {p['name']: p['pid'] for p in json.loads(mcx('up', folder, '--json').stdout)['processes']}
    os.kill(pids['mcx-server'], signal.SIGKILL)
    mcx('up', folder)
    os.kill(dave.process.pid, signal.SIGCONT)
    dave.kill()
    dave.__init__('dave')  # it comes back, and uploads
    assert pending and settled('dave', old)
    call('dave')


def a_client_that_only_listens_is_reached_again_after_the_server_was_killed():
    """Its registration lasts an hour and it has nothing to say: it has to see by itself that its connection is gone."""
    before = client_of('dave')
    pids = {p['name']: p['pid'] for p in json.loads(mcx('up', folder, '--json').stdout)['processes']}
    os.kill(pids['mcx-server'], signal.SIGKILL)
    mcx('up', folder)
    end = time.monotonic() + 90
    while True:
        calls = dave.count('call-up')
        done = subprocess.run([town.tool, 'call', 'carol', '--to', DAVE, '--seconds', '1', '--dir', folder],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=town.env, check=False)
        if done.returncode == 0:
            break
        assert time.monotonic() < end, done.stdout
    assert dave.count('call-up') == calls + 1
    assert client_of('dave')['csk_id'] == before['csk_id']  # without a new REGISTER


def mcx_sec_201_a_musik_reaches_the_client():
    assert json.loads(server('musik-renew').stdout)['clients'] >= 1
    dave.wait('musik')
    end = time.monotonic() + 30
    while not client_of('dave')['musik_id'] and time.monotonic() < end:
        time.sleep(0.05)
    assert client_of('dave')['musik_id'].startswith('6')


def a_client_that_authorises_by_publish_has_a_csk_that_can_be_renewed():
    erin = Client('erin', '--publish')
    try:
        call('erin')
        old = client_of('erin')['csk_id']
        server('csk-renew', 'erin')
        erin.wait('csk-replaced')
        settled('erin', old)
        call('erin')
        assert erin.count('call-up') == 2, erin.events
    finally:
        erin.process.send_signal(signal.SIGINT)  # it logs off
        erin.process.wait(60)


def one_registration_for_three_services_is_renewed_for_each_and_ends_as_one():
    mcx('user', 'add', 'frank', '--services', 'ptt,video,data', '--dir', folder)
    frank = Client('frank', '--services', 'mcptt,mcvideo,mcdata')
    try:
        old = bindings_of('frank')
        assert sorted(old) == ['mcdata', 'mcptt', 'mcvideo'], old
        assert len({b['csk_id'] for b in old.values()}) == 1, old
        assert 'mcvideo' in mcx('server', 'clients', '--dir', folder).stdout
        assert json.loads(server('csk-renew', 'frank').stdout) == {'clients': 3}
        frank.wait('csk-replaced', 3)
        end = time.monotonic() + 60
        new = old
        while any(b['pending_csk_id'] for b in new.values()) or new == old:
            assert time.monotonic() < end, new
            time.sleep(0.05)
            new = bindings_of('frank')
        assert len({b['csk_id'] for b in new.values()}) == 3, new
        call('frank')
        assert frank.count('call-up') == 1, frank.events
    finally:
        frank.process.send_signal(signal.SIGINT)
        frank.process.wait(60)
    assert bindings_of('frank') == {}


def a_service_that_the_user_does_not_have_is_not_registered():
    said = mcx('register', 'erin', '--services', 'mcptt,mcvideo', '--dir', folder, code=1).stderr
    assert 'mcvideo' in said, said
    assert bindings_of('erin') == {}
    mcx('register', 'erin', '--services', 'mcptt,dance', '--dir', folder, code=2)


def who_is_not_bound_has_no_csk_to_renew():
    assert 'no client' in server('csk-renew', 'erin', code=3).stderr
    server('csk-renew', 'nobody', code=2)
    server('csk-renew', 'dave', '--reason', 'boredom', code=2)
    mcx('server', 'dance', '--dir', folder, code=2)


def every_change_is_in_an_intact_record():
    text = mcx('audit', 'export', 'server', '--dir', folder).stdout
    assert '"csk.download"' in text and '"musik.download"' in text
    mcx('audit', 'verify', '--dir', folder)


try:
    mcx('up', folder)
    for name in ('carol', 'dave', 'erin'):
        mcx('user', 'add', name, '--dir', folder)
    result = tap.run([mcx_sec_176_a_renewed_csk_is_in_use_for_the_very_next_call,
                      seed_002_5_8_1_a_forced_suite_is_in_use_for_the_very_next_call,
                      a_suite_that_the_client_has_not_listed_cannot_be_forced,
                      a_client_killed_and_back_holds_the_csk_that_the_server_holds,
                      a_renewal_begun_before_the_server_is_killed_goes_on_after_it,
                      a_client_that_only_listens_is_reached_again_after_the_server_was_killed,
                      mcx_sec_201_a_musik_reaches_the_client,
                      a_client_that_authorises_by_publish_has_a_csk_that_can_be_renewed,
                      one_registration_for_three_services_is_renewed_for_each_and_ends_as_one,
                      a_service_that_the_user_does_not_have_is_not_registered, who_is_not_bound_has_no_csk_to_renew,
                      every_change_is_in_an_intact_record])
finally:
    if dave:
        dave.kill()
    town.close()
sys.exit(result)
