#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A failing machine: disk full, database locked, file system read-only, clock stepped, no descriptor left.

    test_failing.py MCX FAULTS_LIBRARY

For each daemon: the specified error (503 with Retry-After), an alarm in the log, and service again without a restart.
Disk and file system fail on a small file system of the test's own; without the right to mount one these are skipped.
"""
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time

import lab
import sip
import tap

domain, tokens, mounted = None, {}, []


# ---- one request that has to be written down, and what it is answered

def ask_kms():
    r = domain.keyprov(tokens['u0'], lab.new_source())
    return r.status, r.headers.get('Retry-After')


def ask_idms():
    """A code grant; a code that does not exist would be refused without a token, so a real one is shown."""
    page = domain.idms.ask('GET', domain.authorize_url(), source=lab.new_source())
    if page.status != 200:
        return page.status, page.headers.get('Retry-After')
    r = domain.redeem('A' * 43, lab.new_source())
    return (200 if r.status == 400 and b'invalid_grant' in r.body else r.status), r.headers.get('Retry-After')


def ask_server():
    t = sip.Terminal(domain, 'u0', lab.new_source())
    try:
        status = t.ask('REGISTER', expires=600)
        return status, t.head.get('Retry-After')
    finally:
        t.close()


def daemons():
    return [(domain.kms, ask_kms), (domain.idms, ask_idms), (domain.server, ask_server)]


def refused_then_served(daemon, ask, breaking, mending):
    assert ask()[0] == 200, 'not served before'
    since = daemon.mark()
    breaking()
    try:
        status, retry = ask()
        assert status == 503 and retry and int(retry) > 0, '%s answered %s, Retry-After %s' % (daemon.name, status, retry)
        daemon.alarm('database', since)
    finally:
        mending()
    lab.wait_for(lambda: ask()[0] == 200, 60, 'service of ' + daemon.name)
    daemon.cleared('database', since)
    assert daemon.alive()


def start(daemon, **more):
    if daemon is domain.kms:
        more['extra'] = 'jwks_file = "jwks.json"\n'
    return daemon.start(**more)


def each(breaking_of):
    for daemon, ask in daemons():
        start(daemon)
        try:
            refused_then_served(daemon, ask, *breaking_of(daemon))
        finally:
            daemon.stop()
        daemon.audit_is_whole()


# ---- the database's own troubles

def a_database_locked_by_another_process_is_503_and_an_alarm_and_service_comes_back():
    def breaking(daemon):
        other = sqlite3.connect(os.path.join(daemon.folder, 'db'), isolation_level=None, timeout=20)
        return (lambda: other.execute('BEGIN IMMEDIATE')), (lambda: (other.execute('ROLLBACK'), other.close()))
    each(breaking)


def on_small_disk(daemon):
    """The daemon's folder on a file system of 24 MiB, mounted over itself."""
    copy = tempfile.mkdtemp(prefix='mcx-small-')
    shutil.copytree(daemon.folder, copy, dirs_exist_ok=True)
    if subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=24m,mode=700', 'none', daemon.folder], stderr=subprocess.DEVNULL,
                      check=False).returncode:
        shutil.rmtree(copy)
        raise tap.Skip('no right to mount a file system')
    mounted.append(daemon.folder)
    shutil.copytree(copy, daemon.folder, dirs_exist_ok=True)
    shutil.rmtree(copy)
    daemon.log_path = os.path.join(domain.top, daemon.name + '.log')


def unmount():
    while mounted:
        folder = mounted.pop()
        subprocess.run(['umount', folder], check=False)


def fill(folder):
    with open(os.path.join(folder, 'ballast'), 'wb', buffering=0) as f:
        for size in (1 << 20, 4096, 1):
            try:
                while True:
                    f.write(b'x' * size)
            except OSError:
                continue


def a_full_disk_is_503_and_an_alarm_and_service_comes_back():
    for daemon, ask in daemons():
        on_small_disk(daemon)
        start(daemon)
        try:
            refused_then_served(daemon, ask, lambda d=daemon: fill(d.folder),
                                lambda d=daemon: os.unlink(os.path.join(d.folder, 'ballast')))
        finally:
            daemon.stop()
        daemon.audit_is_whole()


def a_file_system_that_became_read_only_is_503_and_an_alarm_and_service_comes_back():
    """A mounted file system with open files cannot be switched over, so the preloaded library answers the database's
    writes as the kernel does after `errors=remount-ro`: EROFS."""
    flag = os.path.join(domain.top, 'readonly')

    def set_to(value):
        with open(flag, 'w', encoding='ascii') as f:
            f.write(value)

    for daemon, ask in daemons():
        set_to('0')
        start(daemon, env={'LD_PRELOAD': sys.argv[2], 'MCX_READONLY_FILE': flag})
        try:
            refused_then_served(daemon, ask, lambda: set_to('1'), lambda: set_to('0'))
        finally:
            daemon.stop()
        daemon.audit_is_whole()


# ---- the clock

def a_clock_stepped_back_or_forward_is_an_alarm_and_service_goes_on_when_it_is_right_again():
    path = os.path.join(domain.top, 'clock')

    def set_to(seconds):
        with open(path, 'w', encoding='ascii') as f:
            f.write('%-12d' % seconds)

    for daemon, ask in daemons():
        set_to(0)
        start(daemon, env={'LD_PRELOAD': sys.argv[2], 'MCX_CLOCK_FILE': path})
        try:
            assert ask()[0] == 200
            for seconds, way in ((3600, 'forward'), (-7200, 'back')):
                since = daemon.mark()
                set_to(seconds)
                daemon.alarm('clock', since)
                assert daemon.alive()
                try:
                    ask()  # whatever the answer: an hour away neither tokens nor certificates need be valid
                except OSError:
                    pass
                set_to(0)
                lab.wait_for(lambda: ask()[0] == 200, 60, 'service of %s after a step %s' % (daemon.name, way))
        finally:
            daemon.stop()
        daemon.audit_is_whole()


# ---- descriptors

def without_descriptors_the_daemon_says_so_does_not_spin_and_serves_again_by_itself():
    for daemon, ask in daemons():
        start(daemon, files=64)
        try:
            assert ask()[0] == 200
            since = daemon.mark()
            port = daemon.ready['sips_port'] if daemon is domain.server else daemon.port
            held = []
            for _ in range(80):
                try:
                    held.append(socket.create_connection(('127.0.0.1', port), timeout=5, source_address=(lab.new_source(), 0)))
                except OSError:
                    break
            daemon.alarm('descriptors', since)
            before = daemon.cpu_s()
            time.sleep(2)
            spent = daemon.cpu_s() - before
            print('# %s: %.2f s of processor time in two seconds without descriptors' % (daemon.name, spent))
            assert spent < 1, 'it spins: %.2f s of processor time in two seconds' % spent
            for s in held:
                s.close()

            def again():
                try:
                    return ask()[0] == 200
                except OSError:
                    return False
            lab.wait_for(again, 60, 'service of ' + daemon.name)
            daemon.cleared('descriptors', since)
        finally:
            daemon.stop()
        daemon.audit_is_whole()


def main():
    global domain
    domain = lab.Domain(sys.argv[1], ['u0'])
    try:
        domain.idms.start()
        with open(os.path.join(domain.dir, 'kms', 'jwks.json'), 'wb') as f:
            f.write(domain.idms.ask('GET', '/jwks').body)
        tokens['u0'] = domain.token('u0')
        domain.idms.stop()
        return lab.run([a_database_locked_by_another_process_is_503_and_an_alarm_and_service_comes_back,
                        a_file_system_that_became_read_only_is_503_and_an_alarm_and_service_comes_back,
                        a_clock_stepped_back_or_forward_is_an_alarm_and_service_goes_on_when_it_is_right_again,
                        without_descriptors_the_daemon_says_so_does_not_spin_and_serves_again_by_itself,
                        a_full_disk_is_503_and_an_alarm_and_service_comes_back])
    finally:
        domain.close()
        unmount()
        shutil.rmtree(domain.top, ignore_errors=True)


sys.exit(main())
