#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""mcx-server and both clients killed with SIGKILL during calls with floor control: no (CSK-ID, SSRC, index) is sent twice.

    test_control_kill.py MCX TRACE     4 kills; MCX_LONG=1: 200. MCX_SEED=n: the moments of an earlier run.

TRACE is preloaded into server and clients and notes each triple before its packet leaves (control_trace.c). The server's
CSKs outlive it in its store, so after its death it sends under the same keys again; the clients' CSKs are renewed in
between, so that changes of key are among what is killed.
"""
import collections
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import wave

import lab

KILLS = 200 if lab.LONG else 4
TRACE = sys.argv[2]
rng = random.Random(lab.SEED)
domain = None
trace_path = None


def speech(seconds):
    path = os.path.join(domain.top, 'speech.wav')
    with wave.open(path, 'wb') as w:
        w.setparams((1, 2, 16000, 0, 'NONE', ''))
        w.writeframes(b''.join(struct.pack('<h', (i * 37) % 9000) for i in range(16000 * seconds)))
    return path


class Client:
    def __init__(self, *args):
        self.output = tempfile.TemporaryFile('w+')
        self.process = subprocess.Popen([domain.mcx, *args, '--dir', domain.dir, '--json'], stdout=self.output,
                                        stderr=self.output, env=dict(domain.env, **traced()))

    def text(self):
        return os.pread(self.output.fileno(), 1 << 20, 0).decode(errors='replace')

    def alive(self):
        return self.process.poll() is None

    def wait(self, *words):
        """Until it says one of them; False: it ended before."""
        end = time.monotonic() + 90
        while not any(w in self.text() for w in words):
            assert time.monotonic() < end, '%s: %s' % (words, self.text()[-1500:])
            if not self.alive():
                return any(w in self.text() for w in words)
            time.sleep(0.02)
        return True

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.output.close()


def traced():
    return {'LD_PRELOAD': os.path.abspath(TRACE), 'MCX_CONTROL_TRACE': trace_path}


def triples():
    with open(trace_path, 'rb') as f:
        data = f.read()
    assert len(data) % 12 == 0
    return [data[i:i + 12] for i in range(0, len(data), 12)]


def up():
    """The whole domain, with the names that clients look up; whoever died is started again. Pid of the server."""
    def pid():
        done = subprocess.run([domain.mcx, 'up', domain.dir, '--json'], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, env=domain.env, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return {p['name']: p['pid'] for p in json.loads(done.stdout)['processes']}['mcx-server']

    return lab.wait_for(lambda: max(pid(), 0), 60, 'the server')


def no_key_ssrc_and_index_are_ever_sent_together_twice_over_kills_of_server_and_clients():
    server = up()
    with open('/proc/%d/maps' % server, encoding='utf-8') as f:
        assert os.path.basename(TRACE) in f.read(), 'the trace is not in the server'
    voice = speech(4)
    killed = collections.Counter()
    calls = 0
    bob = None
    while sum(killed.values()) < KILLS:
        if bob is None or not bob.alive():
            bob = Client('register', 'bob', '--send', voice)
            assert bob.wait('"registered"'), bob.text()
        before = len(triples())
        alice = Client('call', 'alice', '--to', 'bob', '--send', voice, '--seconds', '20')
        talks = alice.wait('"floor"', '"call-ended"')
        if talks and alice.alive() and len(triples()) > before:
            calls += 1
            round_ = sum(killed.values())
            if round_ % 3 == 2:
                # A client that has just gone has none to renew: then it is only a call like the others.
                subprocess.run([domain.mcx, 'server', 'csk-renew', rng.choice(['alice', 'bob']), '--dir', domain.dir],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=domain.env, timeout=60, check=False)
            time.sleep(rng.uniform(0, 1.5))
            victim = ['server', 'alice', 'server', 'bob'][round_ % 4]  # the callee's key outlives the first three
            if victim == 'server':
                os.kill(server, signal.SIGKILL)
                dead, server = server, None
                while server in (None, dead):
                    server = up()
            else:
                (alice if victim == 'alice' else bob).kill()
            killed[victim] += 1
            print('# %d: %s, %d packets' % (sum(killed.values()), victim, len(triples())), flush=True)
            if victim == 'bob':
                bob = None
        if alice.process.returncode is None:
            alice.kill()
    if bob:
        bob.kill()
    domain.call('down', domain.dir)
    sent = triples()
    twice = [t.hex() for t, n in collections.Counter(sent).items() if n > 1]
    assert not twice, twice
    keys, by_server = {t[:4] for t in sent}, [t for t in sent if t[4] & 0x80]
    # Under one CSK the server has to be seen before and after a death of its own, else nothing was shown.
    assert killed['server'] and by_server and len(by_server) < len(sent)
    resumed = sum(len({t[4:8] for t in by_server if t[:4] == k}) > 1 for k in keys)
    assert resumed, 'no key was ever used in two calls'
    domain.server.audit_is_whole()
    return ['%d kills in %d calls (server %d, caller %d, callee %d): %d packets under %d keys, %d of these in several calls, none '
            'twice' % (sum(killed.values()), calls, killed['server'], killed['alice'], killed['bob'], len(sent), len(keys), resumed)]


def with_a_traced_server(mcx):
    """The programs once more, in a folder of their own where mcx-server starts with TRACE: `mcx up` passes no LD_PRELOAD on."""
    real, top = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(mcx)), '..')), tempfile.mkdtemp(prefix='mcx-trace-')
    for name in os.listdir(real):
        if os.path.isdir(os.path.join(real, name)) and name not in ('tool', 'server'):
            os.symlink(os.path.join(real, name), os.path.join(top, name))
    os.mkdir(os.path.join(top, 'tool'))
    os.mkdir(os.path.join(top, 'server'))
    shutil.copy(mcx, os.path.join(top, 'tool', 'mcx'))
    script = os.path.join(top, 'server', 'mcx-server')
    with open(script, 'w', encoding='utf-8') as f:
        f.write('#!/bin/sh\nLD_PRELOAD=%s MCX_CONTROL_TRACE=%s exec %s "$@"\n' % (
            os.path.abspath(TRACE), os.path.join(top, 'trace'), os.path.join(real, 'server', 'mcx-server')))
    os.chmod(script, 0o700)
    return top


if __name__ == '__main__':
    programs = with_a_traced_server(sys.argv[1])
    trace_path = os.path.join(programs, 'trace')
    open(trace_path, 'wb').close()
    domain = lab.Domain(os.path.join(programs, 'tool', 'mcx'), ['alice', 'bob'])
    try:
        bad = lab.run([no_key_ssrc_and_index_are_ever_sent_together_twice_over_kills_of_server_and_clients])
    finally:
        domain.close()
        shutil.rmtree(programs, ignore_errors=True)
    sys.exit(bad)
