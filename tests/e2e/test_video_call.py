#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An MCVideo private call between the real daemons and two real clients: what a real encoder made of a moving picture
crosses with sound beside it, and is the same octets and the same pictures at the far end.

    test_video_call.py MCX VIDEO_CLIP RECORDED_CLIP
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import wave

import tap

MCX, CLIP, RECORDED = sys.argv[1:4]
PICTURES = 25
top = tempfile.mkdtemp(prefix='mcx-video-')
folder = os.path.join(top, 'town')
env = dict(os.environ, MCX_PORT_BASE=tap.port_base())
clip, seen, seen_back = (os.path.join(top, n) for n in ('clip.h264', 'seen.h264', 'seen-back.h264'))
heard, sound = os.path.join(top, 'heard.wav'), os.path.join(top, 'sound.wav')


def run(*args, code=0):
    done = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, timeout=120, check=False)
    assert code is None or done.returncode == code, '%s: exit %d, wanted %d\n%s%s' % (
        args, done.returncode, code, done.stdout[-1500:], done.stderr[-1500:])
    return done


class Client:
    """A client and what it tells."""

    def __init__(self, *args):
        self.events = []
        self.process = subprocess.Popen([MCX, *args, '--dir', folder, '--json'], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, env=env)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.events.append(json.loads(line))

    def said(self, event):
        return [e for e in self.events if e['event'] == event]

    def transmissions(self):
        return [e['text'] for e in self.said('transmission')]

    def wait(self, event):
        end = time.monotonic() + 90
        while not self.said(event):
            assert time.monotonic() < end and self.process.poll() is None, '%s: %s' % (event, self.events)
            time.sleep(0.02)

    def end(self, code=0):
        assert self.process.wait(timeout=90) == code, (self.events, self.process.stderr.read())
        self.reader.join()


def in_order(texts, *wanted):
    at = 0
    for w in wanted:
        found = [i for i in range(at, len(texts)) if w in texts[i]]
        assert found, '%s is not there after %s: %s' % (w, texts[:at], texts)
        at = found[0] + 1


def same_octets(a, b):
    with open(a, 'rb') as f, open(b, 'rb') as g:
        assert f.read() == g.read(), '%s differs from %s' % (b, a)


def recorded(path):
    same_octets(clip, path)
    run(CLIP, 'look', path, str(PICTURES))


bob = None
ALICE, BOB = 'sip:alice@town.mcx.test', 'sip:bob@town.mcx.test'


def audio_and_video_cross_both_ways_octet_for_octet():
    global bob
    bob = Client('register', 'bob', '--send-video', clip, '--fps', '25', '--record-video', seen, '--record', heard)
    bob.wait('registered')
    alice = Client('call', 'alice', '--to', 'bob', '--send-video', clip, '--fps', '10', '--send', sound,
                   '--record-video', seen_back)
    alice.end()
    bob.wait('call-ended')
    recorded(seen)
    recorded(seen_back)
    with wave.open(heard) as w:
        assert abs(w.getnframes() / w.getframerate() - 1) < 0.3
    assert not alice.said('alarm') and not bob.said('alarm')
    # one after the other, each to a receiver that has asked for it
    in_order(alice.transmissions(), 'we may transmit', BOB + ' receives us', 'our transmission has ended', BOB + ' transmits',
             'receiving ' + BOB, 'the transmission of %s is over' % BOB, 'nobody transmits')
    in_order(bob.transmissions(), ALICE + ' transmits', 'the transmission of %s is over' % ALICE, 'we may transmit',
             ALICE + ' receives us', 'our transmission has ended')
    assert any('waiting to transmit, at place 1' in t for t in bob.transmissions()), bob.events
    assert os.stat(seen).st_mode & 0o077 == 0


def the_call_was_one_of_mcvideo_on_the_servers_books():
    with open(os.path.join(folder, 'server/log'), encoding='utf-8') as f:
        lines = [json.loads(line) for line in f if '"call.start"' in line]
    assert len(lines) == 1 and lines[0]['service'] == 'mcvideo', lines


def the_same_clients_talk_without_video():
    alice = Client('call', 'alice', '--to', 'bob', '--send', sound)
    alice.end()
    assert alice.said('call-up') and not alice.said('alarm')


def a_second_sender_who_does_not_queue_is_refused_until_the_first_has_ended():
    global bob
    bob.process.terminate()
    bob.end()
    bob = Client('register', 'bob', '--no-queue', '--send-video', clip, '--fps', '50', '--record-video', seen)
    bob.wait('registered')
    alice = Client('call', 'alice', '--to', 'bob', '--send-video', clip, '--record-video', seen_back)
    alice.end()
    bob.wait('call-ended')
    recorded(seen)
    recorded(seen_back)
    in_order(bob.transmissions(), 'transmission is rejected: another transmits', 'the transmission of %s is over' % ALICE,
             'we may transmit', 'our transmission has ended')


def a_user_without_mcvideo_cannot_call_so():
    carol = Client('call', 'carol', '--to', 'bob', '--send-video', clip)
    carol.end(code=1)
    assert not carol.said('registered')


def a_callee_without_mcvideo_is_404():
    dave = Client('register', 'dave')
    dave.wait('registered')
    alice = Client('call', 'alice', '--to', 'dave', '--send-video', clip)
    alice.end(code=3)
    assert alice.said('call-ended')[0]['sip_status'] == 404, alice.events
    dave.process.terminate()
    dave.end()


def a_file_that_is_no_video_is_said_before_anybody_is_called():
    alice = Client('call', 'alice', '--to', 'bob', '--send-video', sound)
    alice.end(code=1)
    assert not alice.said('offered')


def the_recorded_clip_shows_the_moving_picture():
    run(CLIP, 'look', RECORDED, '40')


try:
    run(CLIP, 'make', clip, str(PICTURES))
    with wave.open(sound, 'wb') as w:
        w.setparams((1, 2, 16000, 0, 'NONE', ''))
        w.writeframes(bytes(32000))
    run(MCX, 'up', folder)
    for name, services in (('alice', 'ptt,video'), ('bob', 'ptt,video'), ('carol', 'ptt'), ('dave', 'ptt')):
        run(MCX, 'user', 'add', name, '--services', services, '--dir', folder)
    result = tap.run([
        audio_and_video_cross_both_ways_octet_for_octet, the_call_was_one_of_mcvideo_on_the_servers_books,
        the_same_clients_talk_without_video, a_second_sender_who_does_not_queue_is_refused_until_the_first_has_ended, a_user_without_mcvideo_cannot_call_so, a_callee_without_mcvideo_is_404,
        a_file_that_is_no_video_is_said_before_anybody_is_called, the_recorded_clip_shows_the_moving_picture])
finally:
    if bob:
        bob.process.kill()
    subprocess.run([MCX, 'down', folder], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    shutil.rmtree(top, ignore_errors=True)
sys.exit(result)
