#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""MCX-SEC-393: every secret of a run, looked for in every place where it must not be, in raw, hex, base64 and reversed form.

    test_secrets.py MCX SECRETS_CALL SEEK

A domain is raised, two clients sign in and talk; then each secret is looked for in the memory of every process, in core images
of the daemons, in every file of the domain and new file of the temporary folder, in command lines sampled all the while, and
in environments. PLACES says who may hold what; for each secret one of these places must hold it: the search can find.
"""
import base64
import glob
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time

import tap

MCX, SECRETS_CALL, SEEK = (os.path.abspath(p) for p in sys.argv[1:4])
top = tempfile.mkdtemp(prefix='mcx-secrets-')
folder = os.path.join(top, 'town')
env = dict(os.environ, MCX_PORT_BASE=tap.port_base())
# What would make the SIP and TLS libraries write their traffic or its keys in clear.
tracing = {'TPORT_DUMP': os.path.join(top, 'sip-dump'), 'TPORT_LOG': '1', 'SSLKEYLOGFILE': os.path.join(top, 'tls-keys')}

# Who may have each secret in memory, and in which file (below the domain's folder) it may rest; the first of both must.
# A daemon that checks or makes a bearer token has seen it; nobody else has.
PLACES = [
    ('password', ['idms'], ['ue/*/password']),
    ('access token', ['client', 'idms', 'kms', 'server'], []),
    ('refresh token', ['client', 'idms'], []),
    ('CSK', ['client', 'server'], []),
    ('SSK', ['client', 'issuer', 'kms'], []),
    ('RSK', ['client', 'issuer', 'kms'], []),
    ('PCK', ['client'], []),
    ('SRTP', ['client'], []),
    ('device key', ['client'], ['ue/*/client/device.key']),
    ('sealing key', ['server'], ['server/seal.key']),
    ('KMS passphrase', ['issuer', 'kms'], ['kms/passphrase']),
    ('TLS key of idms', ['idms'], ['idms/tls.pem']),
    ('TLS key of kms', ['kms'], ['kms/tls.pem']),
    ('TLS key of server', ['server'], ['server/tls.pem']),
    ('signing key', ['idms'], ['idms/keys/*']),
]
# What OpenSSL or the HTTP and SIP libraries hold in memory of their own, and what the issuer made last, which lingers in a
# vector register that a core image has and memory has not: a core could show it, so there are no cores.
IN_CORE = {'TLS key of idms': 'idms', 'TLS key of kms': 'kms', 'TLS key of server': 'server', 'signing key': 'idms',
           'password': 'idms', 'refresh token': 'idms', 'access token': ('idms', 'kms', 'server'),
           'SSK': 'issuer', 'RSK': 'issuer'}

secrets = {}      # name -> octets
processes = {}    # role -> pid
command_lines = {}
before = set(os.listdir(tempfile.gettempdir()))
sampling = threading.Event()


def rule(name):
    for words, roles, files in PLACES:
        if words in name:
            return words, roles, files
    raise AssertionError('no rule for ' + name)


def sample():
    while not sampling.is_set():
        for pid in filter(str.isdigit, os.listdir('/proc')):
            try:
                with open('/proc/%s/cmdline' % pid, 'rb') as f:
                    line = f.read()
            except OSError:
                continue
            command_lines.setdefault(line, pid)
        time.sleep(0.02)


def mcx(*args):
    done = subprocess.run([MCX, *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env=dict(env, **tracing), timeout=120, check=False)
    assert done.returncode == 0, '%s: exit %d\n%s' % (args, done.returncode, done.stdout[-2000:])


def forms(octets):
    """Each secret as itself, reversed, in hex and in base64 (without what its neighbours would change)."""
    whole = octets[:len(octets) // 3 * 3]
    return [octets, octets[::-1], octets.hex().encode(), octets.hex().upper().encode(), octets[::-1].hex().encode(),
            base64.b64encode(whole), base64.urlsafe_b64encode(whole).rstrip(b'=')]


def seek(places, names):
    """{place: {name: {'plain', 'secret'}}}, {place: octets looked at}"""
    needles = [(n, f) for n in names for f in dict.fromkeys(forms(secrets[n])) if len(f) >= 12]
    done = subprocess.run([SEEK, *places], input='\n'.join(f.hex() for _, f in needles) + '\n', stdout=subprocess.PIPE,
                          text=True, check=True)
    found, looked = {p: {} for p in places}, {}
    for line in done.stdout.splitlines():
        place, a, b = line.split('\t')
        if b in ('plain', 'secret'):
            found[place].setdefault(needles[int(a)][0], set()).add(b)
        else:
            looked[place] = int(a)
            assert int(b) == 0 or place.startswith('/proc/'), place + ' could not be read'
    return found, looked


def private_octets(path):
    """The private number of a PEM file's key: what is secret whatever its wrapping."""
    text = subprocess.run(['openssl', 'pkey', '-in', path, '-noout', '-text'], stdout=subprocess.PIPE, text=True,
                          check=True).stdout
    block = re.search(r'(?:priv|prime1):\n((?:\s+[0-9a-f:]+\n)+)', text).group(1)
    return bytes.fromhex(re.sub(r'[\s:]', '', block)).lstrip(b'\0')


def read(path):
    with open(os.path.join(folder, path), 'rb') as f:
        return f.read()


def find_processes():
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open('/proc/%s/cmdline' % pid, 'rb') as f:
                args = f.read().split(b'\0')
        except OSError:
            continue
        if not any(folder.encode() in a or b'town.mcx.test' in a for a in args):
            continue
        name = os.path.basename(args[0].decode())
        role = {'mcx-idms': 'idms', 'mcx-server': 'server', 'mcx-kms-issuer': 'issuer', 'dnsmasq': 'names',
                'mcx-kms': 'kms', 'secrets_call': 'client', 'mcx': 'supervisor'}[name]
        while role in processes:
            role += "'s companion"
        processes[role] = int(pid)


def raise_domain():
    mcx('up', folder)
    for user in ('alice', 'bob'):
        mcx('user', 'add', user, '--dir', folder)
    call = subprocess.Popen([SECRETS_CALL, folder, 'alice', 'bob'], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                            env=env)
    for line in call.stdout:
        if line == 'up\n':
            break
        name, value = line.rstrip('\n').split('\t')
        while name in secrets:
            name += ' again'
        secrets[name] = bytes.fromhex(value)
    for user in ('alice', 'bob'):
        secrets[user + ' password'] = read('ue/%s/password' % user).strip()
        secrets[user + ' device key'] = read('ue/%s/client/device.key' % user)
    secrets['sealing key'] = read('server/seal.key')
    secrets['KMS passphrase'] = read('kms/passphrase').strip()
    for who in ('idms', 'kms', 'server'):
        secrets['TLS key of ' + who] = private_octets(os.path.join(folder, who, 'tls.pem'))
    for n, path in enumerate(sorted(glob.glob(os.path.join(folder, 'idms/keys/*.pem')))):
        secrets['signing key %d' % n] = private_octets(path)
    find_processes()
    return call


def every_secret_of_the_run_is_known():
    for words, _, _ in PLACES:
        assert any(words in n for n in secrets), words
    for role in ('client', 'idms', 'kms', 'issuer', 'server', 'supervisor', 'names'):
        assert role in processes, '%s is missing of %s' % (role, processes)
    print('# %d secrets, %d processes: %s' % (len(secrets), len(processes), ' '.join(sorted(processes))))


def mcx_sec_393_no_process_holds_a_secret_that_is_not_its_own():
    if os.geteuid() != 0:
        raise tap.Skip('memory of other processes can be read by root alone')
    wrong, held = [], {}
    paths = {'/proc/%d' % pid: role for role, pid in processes.items()}
    found, looked = seek(list(paths), list(secrets))
    for path, role in paths.items():
        print('# %-24s %7.1f MiB, holds: %s' % (role, looked.get(path, 0) / 1048576, ', '.join(
            '%s (%s)' % (n, '+'.join(sorted(k))) for n, k in sorted(found[path].items())) or 'none'))
        assert looked.get(path, 0) > 100000, role + ' could not be read'
        for name, kinds in found[path].items():
            held.setdefault(name, set()).add(role)
            if role.split("'")[0] not in rule(name)[1]:
                wrong.append('%s is in the memory of %s (%s)' % (name, role, '+'.join(kinds)))
    for name in secrets:
        # The password is looked for in vain after the sign-in, and so is a passphrase: their files are what is found.
        if rule(name)[1][0] not in held.get(name, ()) and not rule(name)[2]:
            wrong.append('%s was not found where it must be, at %s' % (name, rule(name)[1][0]))
    assert not wrong, '\n'.join(wrong)


def a_core_image_of_a_daemon_holds_no_key_not_even_its_own():
    if os.geteuid() != 0 or not shutil.which('gcore'):
        raise tap.Skip('needs root and gcore')
    wrong = []
    for role in ('issuer', 'server', 'supervisor'):
        subprocess.run(['gcore', '-o', os.path.join(top, role), str(processes[role])], stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, check=False, timeout=120)
        path = os.path.join(top, '%s.%d' % (role, processes[role]))
        assert os.path.exists(path), 'no core image of ' + role
        found, looked = seek([path], list(secrets))
        os.unlink(path)
        assert looked[path] > 100000, role
        for name in found[path]:
            if role not in (IN_CORE.get(rule(name)[0]) or ()):
                wrong.append('%s is in the core image of %s' % (name, role))
        print('# %-12s %6.1f MiB: %s' % (role, looked[path] / 1048576, ', '.join(sorted(found[path])) or 'none'))
    assert not wrong, '\n'.join(wrong)


def files_below(place):
    return [os.path.join(d, n) for d, _, names in os.walk(place) for n in names
            if stat.S_ISREG(os.lstat(os.path.join(d, n)).st_mode)]


def mcx_sec_393_no_file_holds_a_secret_but_the_one_where_it_rests():
    new = [os.path.join(tempfile.gettempdir(), n) for n in set(os.listdir(tempfile.gettempdir())) - before
           if os.path.join(tempfile.gettempdir(), n) != top and 'mcx' in n]
    paths = files_below(folder) + [f for p in new for f in ([p] if os.path.isfile(p) else files_below(p))]
    found, looked = seek([p for p in paths if os.path.exists(p)], list(secrets))
    wrong, rests = [], set()
    for path, names in found.items():
        where = os.path.relpath(path, folder)
        for name in names:
            if any(glob.fnmatch.fnmatch(where, p) for p in rule(name)[2]):
                rests.add(name)
            else:
                wrong.append('%s is in %s' % (name, where))
    for name in secrets:
        # The private number of a PEM file stands inside its base64, at no fixed place: it is found when it is decoded.
        if rule(name)[2] and 'key of' not in name and 'signing' not in name and name not in rests:
            wrong.append('%s was not found where it must be, in %s' % (name, rule(name)[2]))
    print('# %d files, %.1f MiB' % (len(paths), sum(looked.values()) / 1048576))
    assert not wrong, '\n'.join(wrong)


def no_process_list_ever_showed_a_secret():
    sampling.set()
    everything = b'\n'.join(command_lines)
    assert folder.encode() in everything, 'the sampling saw none of our processes'
    shown = [n for n in secrets if any(f in everything for f in forms(secrets[n]))]
    print('# %d command lines seen' % len(command_lines))
    assert not shown, shown


def no_environment_holds_a_secret():
    for role, pid in processes.items():
        with open('/proc/%d/environ' % pid, 'rb') as f:
            text = f.read()
        if role == 'client':
            assert b'MCX_PORT_BASE=' in text, 'environments cannot be read'
        shown = [n for n in secrets if any(f in text for f in forms(secrets[n]))]
        assert not shown, (role, shown)


def no_environment_makes_a_daemon_write_its_traffic_in_clear():
    """The same variables do work on a program that does not forget them: test_sip_tshark.py reads what comes of them."""
    for path in (tracing['TPORT_DUMP'], tracing['SSLKEYLOGFILE']):
        assert not os.path.exists(path), path
    for log in glob.glob(os.path.join(folder, '*', 'log')):
        with open(log, 'rb') as f:
            assert b'SIP/2.0' not in f.read(), log


def every_file_is_its_owners_alone():
    """Owner: who runs the domain. Sockets too; a link may say what it likes."""
    wrong = []
    for place, folders, names in os.walk(folder):
        for name in ['.'] + folders + names:
            s = os.lstat(os.path.join(place, name))
            if s.st_uid != os.getuid() or (not stat.S_ISLNK(s.st_mode) and s.st_mode & 0o077):
                wrong.append('%o %d %s' % (s.st_mode, s.st_uid, os.path.join(place, name)))
    assert not wrong, '\n'.join(wrong)


def core_dumps_are_off_in_every_process_of_ours():
    """RLIMIT_CORE is 0 and cannot be raised; the issuer, of a user of its own, is not dumpable: /proc/PID is root's."""
    for role, pid in processes.items():
        if role in ('names', 'client'):
            continue
        with open('/proc/%d/limits' % pid, encoding='ascii') as f:
            line = next(l for l in f if l.startswith('Max core file size'))
        assert line.split()[4:6] == ['0', '0'], '%s: %s' % (role, line)
        if role == 'issuer' and os.geteuid() == 0:
            with open('/proc/%d/status' % pid, encoding='ascii') as f:
                uid = next(l for l in f if l.startswith('Uid:')).split()[1]
            assert uid != '0' and os.stat('/proc/%d/mem' % pid).st_uid == 0, uid


def after_the_call_pck_and_csk_are_gone_from_the_clients_too():
    if os.geteuid() != 0:
        raise tap.Skip('memory of other processes can be read by root alone')
    call.stdin.write('over\n')
    call.stdin.flush()
    assert call.stdout.readline() == 'over\n'
    place = '/proc/%d' % call.pid
    left = seek([place], list(secrets))[0][place]
    # What lingers of the rest, in memory given back and not yet used again, is told and not judged.
    print('# left in the clients: %s' % (', '.join(sorted(left)) or 'nothing'))
    assert not [n for n in left if rule(n)[0] in ('PCK', 'CSK')], left


sampler = threading.Thread(target=sample, daemon=True)
sampler.start()
call = None
try:
    call = raise_domain()
    result = tap.run([every_secret_of_the_run_is_known, mcx_sec_393_no_process_holds_a_secret_that_is_not_its_own,
                      a_core_image_of_a_daemon_holds_no_key_not_even_its_own,
                      mcx_sec_393_no_file_holds_a_secret_but_the_one_where_it_rests, no_environment_holds_a_secret,
                      no_environment_makes_a_daemon_write_its_traffic_in_clear,
                      every_file_is_its_owners_alone, core_dumps_are_off_in_every_process_of_ours,
                      after_the_call_pck_and_csk_are_gone_from_the_clients_too, no_process_list_ever_showed_a_secret])
finally:
    sampling.set()
    if call:
        call.kill()
    subprocess.run([MCX, 'down', folder], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    shutil.rmtree(top, ignore_errors=True)
sys.exit(result)
