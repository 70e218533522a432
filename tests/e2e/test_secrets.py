#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""MCX-SEC-393: every secret of a run, looked for in every place where it must not be, in raw, hex, base64 and reversed form.

    test_secrets.py MCX SECRETS_CALL SEEK

A domain is raised, two clients sign in and talk; then each secret is looked for in the memory of every process, in core images
of the daemons, in every file of the domain (logs, databases) and new file of the temporary folder, in command lines sampled all
the while, and in environments. PLACES says who may hold what. That the search can find: most secrets must be found in their
place, and one planted in each kind of place must be named.
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
folder = os.path.join(top, 'hamlet')  # no other test's domain has this name
env = dict(os.environ, MCX_PORT_BASE=tap.port_base())
# What would make the SIP and TLS libraries, or sip_copy.c, write their traffic or its keys in clear.
tracing = {'TPORT_DUMP': os.path.join(top, 'sip-dump'), 'TPORT_LOG': '1', 'SSLKEYLOGFILE': os.path.join(top, 'tls-keys'),
           'MCX_SIP_COPY': os.path.join(top, 'sip-copy')}

# Who may have each secret in memory, in which files (below the domain's folder) it may rest, and where the search must find it.
# A daemon that checks or makes a bearer token has seen it; nobody else has. The KMS's front end passes key sets on, under TLS,
# and has none left when that is done; what the issuer made it has forgotten too.
PLACES = [
    ('password', ['idms'], ['ue/*/password'], 'file'),
    ('access token', ['client', 'idms', 'kms', 'server'], [], 'memory'),
    ('refresh token', ['client', 'idms'], [], 'memory'),
    ('CSK', ['client', 'server'], [], 'memory'),
    ('XML key', ['client', 'server'], [], ''),  # made of the CSK for each message
    ('SSK', ['client'], [], 'memory'),
    ('RSK', ['client'], [], 'memory'),
    ('PCK', ['client'], [], 'memory'),
    ('SRTP', ['client'], [], 'memory'),
    ('device key', ['client'], ['ue/*/client/device.key'], 'file'),
    ('sealing key', ['server'], ['server/seal.key'], 'memory'),
    ('KMS passphrase', ['issuer'], ['kms/passphrase'], 'file'),
    ('KSAK', ['issuer'], [], 'memory'),
    ('z_T', ['issuer'], [], 'memory'),
    ('TLS key of idms', ['idms'], ['idms/tls.pem'], 'memory'),
    ('TLS key of kms', ['kms'], ['kms/tls.pem'], 'memory'),
    ('TLS key of server', ['server'], ['server/tls.pem', 'server/tls/*'], 'memory'),
    ('TLS key of a device', ['client'], ['ue/*/tls/*'], ''),
    ('signing key', ['idms'], ['idms/keys/*'], 'memory'),
    ('authority', [], ['ca/*'], ''),
    ('key of an administrator', [], ['ca/*'], ''),
]
# What OpenSSL, GnuTLS or the HTTP and SIP libraries hold in memory of their own, and what the issuer made last, which lingers in
# a vector register that a core image has and memory has not: a core could show it, so there are no cores.
IN_CORE = {'TLS key of idms': ['idms'], 'TLS key of kms': ['kms'], 'TLS key of server': ['server'], 'signing key': ['idms'],
           'password': ['idms'], 'refresh token': ['idms'], 'access token': ['idms', 'kms', 'server'],
           'SSK': ['issuer'], 'RSK': ['issuer']}
DAEMONS = ('idms', 'kms', 'issuer', 'server', 'supervisor')

secrets = {}      # name -> octets
processes = {}    # role -> pid
command_lines = {}
before = set(os.listdir(tempfile.gettempdir()))
sampling = threading.Event()


def rule(name):
    for row in PLACES:
        if row[0] in name:
            return row
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
        time.sleep(0.04)


def mcx(*args):
    done = subprocess.run([MCX, *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env=dict(env, **tracing), timeout=120, check=False)
    assert done.returncode == 0, '%s: exit %d\n%s' % (args, done.returncode, done.stdout[-2000:])


def base64_inside(octets):
    """What every base64 of a longer text with these octets in it shows, wherever they begin in it."""
    whole = [octets[k:k + (len(octets) - k) // 3 * 3] for k in range(3)]
    return [f for w in whole for f in (base64.b64encode(w), base64.urlsafe_b64encode(w))]


def forms(octets):
    """Each secret as itself, reversed, in hex and in base64."""
    return [octets, octets[::-1], octets.hex().encode(), octets.hex().upper().encode(), octets[::-1].hex().encode(),
            *base64_inside(octets)]


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
            # A process has regions that nobody may read; a file of another test may be gone by now.
            assert int(b) == 0 or not place.startswith(folder), place + ' could not be read'
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
        if not any(folder.encode() in a or b'hamlet.mcx.test' in a for a in args):
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
    for what, pattern in (('signing key', 'idms/keys/*.pem'), ('TLS key of a device', 'ue/*/tls/agent.pem'),
                          ('authority', 'ca/*.key'), ('key of an administrator', 'ca/*r.pem'),
                          ('key of an administrator', 'ca/backup.pem')):
        for path in sorted(glob.glob(os.path.join(folder, pattern))):
            secrets['%s, %s' % (what, os.path.relpath(path, folder))] = private_octets(path)
    find_processes()
    return call


def every_secret_of_the_run_is_known():
    for words, *_ in PLACES:
        assert any(words in n for n in secrets), words
    assert len(set(secrets.values())) == len(secrets), 'one of them stands twice'
    for role in ('client', 'idms', 'kms', 'issuer', 'server', 'supervisor', 'names'):
        assert role in processes, '%s is missing of %s' % (role, processes)
    print('# %d secrets, %d processes: %s' % (len(secrets), len(processes), ' '.join(sorted(processes))))


def own_role(role):
    return role.split("'")[0]


def need_root():
    if os.geteuid() != 0:
        raise tap.Skip('memory of other processes can be read by root alone')


def wrong_in_memory(where):
    """where: role -> process id. What is in the memory of one that must not have it; and {name: roles that hold it}."""
    wrong, held, said = [], {}, []
    paths = {'/proc/%d' % pid: role for role, pid in where.items()}
    found, looked = seek(list(paths), list(secrets))
    for path, role in paths.items():
        said.append('# %-24s %7.1f MiB, holds: %s' % (role, looked.get(path, 0) / 1048576, ', '.join(
            '%s (%s)' % (n, '+'.join(sorted(k))) for n, k in sorted(found[path].items())) or 'none'))
        assert looked.get(path, 0) > 100000, role + ' could not be read'
        for name in found[path]:
            held.setdefault(name, set()).add(role)
            if own_role(role) not in rule(name)[1]:
                wrong.append('%s is in the memory of %s' % (name, role))
    return wrong, held, said


def mcx_sec_393_no_process_holds_a_secret_that_is_not_its_own():
    need_root()
    for _ in range(3):  # the buffers of a connection go with it
        wrong, held, said = wrong_in_memory(processes)
        if not wrong:
            break
        time.sleep(2)
    print('\n'.join(said))
    for name in secrets:
        if rule(name)[3] == 'memory' and rule(name)[1][0] not in held.get(name, ()):
            wrong.append('%s was not found where it must be, at %s' % (name, rule(name)[1][0]))
    assert not wrong, '\n'.join(wrong)


def wrong_in_cores(where):
    wrong = []
    for role, pid in where.items():
        subprocess.run(['gcore', '-o', os.path.join(top, 'core'), str(pid)], stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, check=False, timeout=400)
        path = os.path.join(top, 'core.%d' % pid)
        assert os.path.exists(path), 'no core image of ' + role
        found, looked = seek([path], list(secrets))
        os.unlink(path)
        assert looked[path] > 100000, role
        wrong += ['%s is in the core image of %s' % (n, role) for n in found[path] if role not in IN_CORE.get(rule(n)[0], [])]
        print('# %-12s %6.1f MiB: %s' % (role, looked[path] / 1048576, ', '.join(sorted(found[path])) or 'none'))
    return wrong


def a_core_image_of_a_daemon_holds_nothing_of_its_secret_memory():
    need_root()
    if not shutil.which('gcore'):
        raise tap.Skip('gcore is not installed')
    wrong = wrong_in_cores({role: processes[role] for role in DAEMONS})
    assert not wrong, '\n'.join(wrong)


def files_below(place):
    return [os.path.join(d, n) for d, _, names in os.walk(place) for n in names
            if stat.S_ISREG(os.lstat(os.path.join(d, n)).st_mode)]


def wrong_in_files():
    """In the domain's folder, and in what is new in the temporary one."""
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
    print('# %d files, %.1f MiB' % (len(paths), sum(looked.values()) / 1048576))
    return wrong, rests


def mcx_sec_393_no_file_holds_a_secret_but_the_one_where_it_rests():
    wrong, rests = wrong_in_files()
    for name in secrets:
        if rule(name)[3] == 'file' and name not in rests:
            wrong.append('%s was not found where it must be, in %s' % (name, rule(name)[2]))
    assert not wrong, '\n'.join(wrong)


def wrong_in_command_lines():
    everything = b'\n'.join(list(command_lines))
    assert folder.encode() in everything, 'the sampling saw none of our processes'
    return ['%s is in a command line' % n for n in secrets if any(f in everything for f in forms(secrets[n]))]


def no_process_list_ever_showed_a_secret():
    wrong = wrong_in_command_lines()
    print('# %d command lines seen' % len(command_lines))
    assert not wrong, '\n'.join(wrong)


def wrong_in_environments(where):
    wrong = []
    for role, pid in where.items():
        with open('/proc/%d/environ' % pid, 'rb') as f:
            text = f.read()
        assert role != 'client' or b'MCX_PORT_BASE=' in text, 'environments cannot be read'
        wrong += ['%s is in the environment of %s' % (n, role) for n in secrets if any(f in text for f in forms(secrets[n]))]
    return wrong


def no_environment_holds_a_secret():
    wrong = wrong_in_environments(processes)
    assert not wrong, '\n'.join(wrong)


def no_environment_makes_a_daemon_write_its_traffic_in_clear():
    """Nor do our daemons have the copies of sip_copy.c, which test_sip_tshark.py reads, in them: no option and no name of it."""
    for path in (tracing['TPORT_DUMP'], tracing['SSLKEYLOGFILE'], tracing['MCX_SIP_COPY']):
        assert not os.path.exists(path), path
    with open(SECRETS_CALL, 'rb') as f:
        assert b'MCX_SIP_COPY' in f.read(), 'the name cannot be found where it is'
    for pid in processes.values():
        if pid != call.pid:
            with open('/proc/%d/exe' % pid, 'rb') as f:
                assert b'MCX_SIP_COPY' not in f.read(), os.readlink('/proc/%d/exe' % pid)
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
    need_root()
    call.stdin.write('over\n')
    call.stdin.flush()
    assert call.stdout.readline() == 'over\n'
    place = '/proc/%d' % call.pid
    left = seek([place], list(secrets))[0][place]
    # What lingers of the rest, in memory given back and not yet used again, is told and not judged.
    print('# left in the clients: %s' % (', '.join(sorted(left)) or 'nothing'))
    assert not [n for n in left if rule(n)[0] in ('PCK', 'CSK')], left


def secret_memory_is_locked_in_every_process_that_has_some():
    """So that it never reaches the swap: what is left out of cores is locked, octet for octet."""
    need_root()
    for role in ('issuer', 'server', 'client'):
        left_out = locked = 0
        with open('/proc/%d/smaps' % processes[role], encoding='ascii') as f:
            for line in f:
                if line.startswith('Size:'):
                    size = int(line.split()[1])
                elif line.startswith('VmFlags:') and ' dd' in line and ' wr' in line and ' io' not in line:
                    left_out += size
                    locked += size if ' lo' in line else 0
        print('# %-8s %d KiB' % (role, locked))
        assert left_out and locked == left_out, '%s: %d of %d KiB are locked' % (role, locked, left_out)


PLANT = """
import sys, time
kept = bytes.fromhex(sys.stdin.readline())
print('planted', flush=True)
time.sleep(600)
"""


def a_secret_that_is_planted_is_found_wherever_it_is():
    """One in each kind of place, in another form each; every search above must name it, and nothing else."""
    need_root()
    names = {n: secrets[n] for n in ('call PCK', 'alice CSK', 'bob SSK', 'kms KSAK')}
    paths = [os.path.join(folder, 'idms', 'log'), os.path.join(folder, 'server', 'db-journal')]
    planted = subprocess.Popen([sys.executable, '-c', PLANT, names['bob SSK'].hex().upper()], text=True, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, env=dict(env, PLANTED=base64.b64encode(b'?' + names['alice CSK']).decode()))
    try:
        planted.stdin.write(names['kms KSAK'].hex() + '\n')
        planted.stdin.flush()
        assert planted.stdout.readline() == 'planted\n'
        where = {'kms': planted.pid}  # as if it were the front end of the KMS
        wrong = wrong_in_memory(where)[0]
        assert {'kms KSAK is in the memory of kms'} <= set(wrong), wrong
        assert 'alice CSK is in the environment of kms' in wrong_in_environments(where)
        deadline = time.time() + 60
        while 'bob SSK is in a command line' not in wrong_in_command_lines():
            assert time.time() < deadline, 'the command line was never seen'
            time.sleep(0.1)
        if shutil.which('gcore'):
            assert 'kms KSAK is in the core image of kms' in wrong_in_cores(where)
        with open(paths[0], 'ab') as f:
            f.write(b'{"event":"planted","key":"%s"}\n' % base64.b64encode(b'ab' + names['call PCK'] + b'c'))
        with open(paths[1], 'wb') as f:
            f.write(b'SQLite' * 999 + names['call PCK'][::-1] + b'\0' * 5000)
        wrong = wrong_in_files()[0]
        assert sorted(wrong) == ['call PCK is in idms/log', 'call PCK is in server/db-journal'], wrong
    finally:
        planted.kill()
        planted.wait()


sampler = threading.Thread(target=sample, daemon=True)
sampler.start()
call = None
try:
    call = raise_domain()
    result = tap.run([every_secret_of_the_run_is_known, mcx_sec_393_no_process_holds_a_secret_that_is_not_its_own,
                      a_core_image_of_a_daemon_holds_nothing_of_its_secret_memory, no_environment_holds_a_secret,
                      no_environment_makes_a_daemon_write_its_traffic_in_clear, every_file_is_its_owners_alone,
                      core_dumps_are_off_in_every_process_of_ours, secret_memory_is_locked_in_every_process_that_has_some,
                      after_the_call_pck_and_csk_are_gone_from_the_clients_too,
                      mcx_sec_393_no_file_holds_a_secret_but_the_one_where_it_rests, no_process_list_ever_showed_a_secret,
                      a_secret_that_is_planted_is_found_wherever_it_is])
finally:
    sampling.set()
    if call:
        call.kill()
    subprocess.run([MCX, 'down', folder], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    shutil.rmtree(top, ignore_errors=True)
sys.exit(result)
