#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The main job as a person runs it, once: its verdict condition by condition, and that nothing stays behind.

    test_main_job.py MCX
"""
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import wave

import tap

MCX = sys.argv[1]
top = tempfile.mkdtemp(prefix='mcx-main-job-')
folder = os.path.join(top, 'run')
env = dict(os.environ, MCX_PORT_BASE=tap.port_base())
job = subprocess.run([MCX, 'demo', '--dir', folder, '--once', '--json'], stdout=subprocess.PIPE,
                     stderr=subprocess.PIPE, text=True, env=env, timeout=240, check=False)
lines = [json.loads(line) for line in job.stdout.splitlines() if line.startswith('{')]
conditions = {line['condition']: line for line in lines if 'condition' in line}


def met(text):
    assert text in conditions, 'not judged; exit %d\n%s\n%s' % (job.returncode, job.stdout[-2000:], job.stderr[-2000:])
    assert conditions[text]['met'], conditions[text]['evidence']


def each_daemon_ran_as_its_own_process():
    met('each daemon ran as its own process')


def both_users_signed_in_by_code_flow_with_pkce():
    met('both users signed in by code flow with PKCE')


def both_key_sets_came_from_the_kms_in_this_run():
    met('both key sets came from mcx-kms in this run')


def the_i_message_is_octet_identical_in_offer_and_invite():
    met("the I_MESSAGE is octet-identical in Alice's offer and Bob's INVITE")


def no_rtp_packet_on_the_wire_decodes_as_the_codec():
    met('no RTP packet on the wire decodes as the codec')


def bobs_wav_equals_alices_decoded_reference():
    met("Bob's WAV equals Alice's decoded reference")
    with wave.open(os.path.join(folder, 'ue/bob/heard.wav')) as heard:
        assert heard.getnframes() / heard.getframerate() >= 10


def bobs_video_is_alices_octet_for_octet():
    met("Bob's video is Alice's, octet for octet")
    with open(os.path.join(folder, 'ue/bob/seen.h264'), 'rb') as seen:
        assert seen.read(4) == b'\0\0\0\1'


def one_flipped_octet_in_the_i_message_ends_in_488_with_warning_136():
    met('one flipped octet in the I_MESSAGE ends in 488 with Warning 136')


def the_calls_keys_are_nowhere_in_the_memory_of_the_mc_server():
    met("the call's keys are nowhere in the memory of the MC server")


def no_plaintext_and_no_pck_for_a_party_that_holds_every_server_database_and_key():
    met('who holds every file and key of the MC server has no key of the call')


def the_verdict_is_the_exit_code():
    assert len(conditions) == 10
    assert lines[-1] == {'verdict': 'secure', 'met': 10, 'of': 10}, lines[-1]
    assert job.returncode == 0


def every_step_has_its_line_and_the_steps_their_milliseconds():
    steps = [line for line in lines if 'step' in line]
    for part in ('signs in', 'identity keys', 'registers', 'offer leaves', 'first packet decrypted'):
        timed = [s for s in steps if part in s['text']]
        assert timed and all(s['ms'] >= 0 for s in timed), part


def a_key_download_and_a_forced_algorithm_are_told():
    told = [line['text'] for line in lines if 'step' in line]
    assert any(t.startswith('key download: ') and 'Bob' in t for t in told), told
    assert any(t.startswith('forced algorithm: ') and '0102' in t for t in told), told


def no_process_stays_behind():
    with open(os.path.join(folder, 'run.json'), encoding='utf-8') as f:
        assert json.load(f)['state'] == 'down'
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open('/proc/%s/cmdline' % pid, 'rb') as f:
                assert folder.encode() not in f.read() or int(pid) == os.getpid(), pid
        except (FileNotFoundError, ProcessLookupError):
            continue


def nothing_in_the_domains_folder_is_open_to_others():
    for place, folders, files in os.walk(folder):
        for name in folders + files:
            mode = os.lstat(os.path.join(place, name)).st_mode
            assert stat.S_ISLNK(mode) or not mode & 0o077, os.path.join(place, name)


def no_log_holds_a_password_or_a_token():
    secrets = []
    for user in ('alice', 'bob'):
        with open(os.path.join(folder, 'ue', user, 'password'), encoding='utf-8') as f:
            secrets.append(f.read().strip())
    for name in ('log', 'idms/log', 'kms/log', 'server/log'):
        with open(os.path.join(folder, name), encoding='utf-8') as f:
            text = f.read()
        assert not any(s in text for s in secrets), name
        assert 'eyJ' not in text, name + ' holds something like a token'


try:
    result = tap.run([
        each_daemon_ran_as_its_own_process, both_users_signed_in_by_code_flow_with_pkce,
        both_key_sets_came_from_the_kms_in_this_run, the_i_message_is_octet_identical_in_offer_and_invite,
        no_rtp_packet_on_the_wire_decodes_as_the_codec, bobs_wav_equals_alices_decoded_reference,
        bobs_video_is_alices_octet_for_octet, one_flipped_octet_in_the_i_message_ends_in_488_with_warning_136,
        the_calls_keys_are_nowhere_in_the_memory_of_the_mc_server,
        no_plaintext_and_no_pck_for_a_party_that_holds_every_server_database_and_key, the_verdict_is_the_exit_code,
        every_step_has_its_line_and_the_steps_their_milliseconds, a_key_download_and_a_forced_algorithm_are_told,
        no_process_stays_behind,
        nothing_in_the_domains_folder_is_open_to_others, no_log_holds_a_password_or_a_token])
finally:
    subprocess.run([MCX, 'down', folder], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    shutil.rmtree(top, ignore_errors=True)
sys.exit(result)
