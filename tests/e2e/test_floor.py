#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Floor control between the real daemons and two real clients: one speaks at a time, under each client's CSK.

    test_floor.py MCX
"""
import json
import math
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time
import wave

import tap

MCX = sys.argv[1]
top = tempfile.mkdtemp(prefix='mcx-floor-')
folder = os.path.join(top, 'town')
env = dict(os.environ, MCX_PORT_BASE=tap.port_base())


def mcx(*args, code=0):
    done = subprocess.run([MCX, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, timeout=120,
                          check=False)
    assert code is None or done.returncode == code, '%s: exit %d, wanted %d\n%s%s' % (
        args, done.returncode, code, done.stdout[-1500:], done.stderr[-1500:])
    return done


def tone(name, seconds, hertz):
    path = os.path.join(top, name)
    with wave.open(path, 'wb') as w:
        w.setparams((1, 2, 16000, 0, 'NONE', ''))
        w.writeframes(b''.join(struct.pack('<h', int(9000 * math.sin(2 * math.pi * hertz * i / 16000)))
                               for i in range(int(16000 * seconds))))
    return path


def seconds_of(path):
    with wave.open(path) as w:
        return w.getnframes() / w.getframerate()


class Client:
    """A client and what it tells."""

    def __init__(self, *args):
        self.events = []
        self.process = subprocess.Popen([MCX, *args, '--dir', folder, '--json'], stdout=subprocess.PIPE, text=True, env=env)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.events.append(json.loads(line))

    def said(self, event):
        return [e['text'] for e in self.events if e['event'] == event]

    def wait(self, event, text='', n=1):
        end = time.monotonic() + 90
        while sum(text in t for t in self.said(event)) < n:
            assert time.monotonic() < end, '%s %s: %s' % (event, text, self.events)
            assert self.process.poll() is None or self.reader.is_alive(), self.events
            time.sleep(0.02)

    def end(self):
        assert self.process.wait(timeout=90) == 0, self.events
        self.reader.join()

    def kill(self):
        self.process.kill()
        self.process.wait()


def in_order(texts, *wanted):
    at = 0
    for w in wanted:
        found = [i for i in range(at, len(texts)) if w in texts[i]]
        assert found, '%s is not there after %s: %s' % (w, texts[:at], texts)
        at = found[0] + 1


bob = None
heard_by_bob, heard_by_alice = os.path.join(top, 'bob.wav'), os.path.join(top, 'alice.wav')


def callee(send=None):
    global bob
    if bob:
        bob.kill()
    bob = Client('register', 'bob', '--record', heard_by_bob, *(['--send', send] if send else []))
    bob.wait('registered')


def one_speaks_at_a_time_and_both_hear_what_was_said():
    callee(tone('b.wav', 1.5, 660))
    alice = Client('call', 'alice', '--to', 'bob', '--send', tone('a.wav', 2, 440), '--record', heard_by_alice)
    alice.end()
    bob.wait('call-ended')
    in_order(alice.said('floor'), 'we have the floor', 'sip:bob@town.mcx.test has the floor', 'idle')
    in_order(bob.said('floor'), 'sip:alice@town.mcx.test has the floor', 'waiting for the floor, at place 1',
             'we have the floor for 30 s')
    assert 1.6 < seconds_of(heard_by_bob) < 2.6, seconds_of(heard_by_bob)
    assert 1.2 < seconds_of(heard_by_alice) < 2.1, seconds_of(heard_by_alice)


def a_call_without_the_control_line_goes_on_as_before():
    callee(tone('b.wav', 1.5, 660))
    alice = Client('call', 'alice', '--to', 'bob', '--send', tone('a.wav', 2, 440), '--record', heard_by_alice, '--duplex')
    alice.end()
    bob.wait('call-ended')
    assert not alice.said('floor') and not bob.said('floor')
    assert seconds_of(heard_by_alice) > 1.2


def mcx_sec_184_a_csk_renewed_in_a_call_loses_no_floor_message():
    callee(tone('b.wav', 1.5, 660))
    alice = Client('call', 'alice', '--to', 'bob', '--send', tone('long.wav', 6, 440), '--record', heard_by_alice)
    bob.wait('floor', 'has the floor')
    for name in ('alice', 'bob'):
        mcx('server', 'csk-renew', name, '--dir', folder)
    alice.wait('csk-replaced')
    bob.wait('csk-replaced')
    alice.end()
    bob.wait('call-ended')
    in_order(alice.said('floor'), 'we have the floor', 'sip:bob@town.mcx.test has the floor', 'idle')
    in_order(bob.said('floor'), 'at place 1', 'we have the floor')
    assert seconds_of(heard_by_alice) > 1.2


def end():
    if bob:
        bob.kill()
    mcx('down', folder, code=None)
    if os.environ.get('KEEP') != '1':
        shutil.rmtree(top, ignore_errors=True)


mcx('up', folder)
for who in ('alice', 'bob'):
    mcx('user', 'add', who, '--dir', folder, code=None)
try:
    bad = tap.run([
        one_speaks_at_a_time_and_both_hear_what_was_said,
        a_call_without_the_control_line_goes_on_as_before,
        mcx_sec_184_a_csk_renewed_in_a_call_loses_no_floor_message,
    ])
finally:
    end()
sys.exit(bad)
