#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""mcx up and down with small stand-ins for the daemons: what the supervisor promises, whatever it supervises."""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import tap

MCX = sys.argv[1]
DAEMON = '''#!/bin/sh
if [ -f "%(top)s/fail-$(basename "$0")" ]; then exit 5; fi
trap 'exit 0' TERM
echo '{"name":"x"}' >&3
exec 3>&-
while :; do sleep 0.05; done
'''
top = tempfile.mkdtemp(prefix='mcx-supervisor-')
program = os.path.join(top, 'mcx')
env = dict(os.environ, MCX_PORT_BASE=tap.port_base())


def mcx(*args, code=0):
    done = subprocess.run([program, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env,
                          timeout=60, check=False)
    assert done.returncode == code, '%s: exit %d, wanted %d\n%s%s' % (args, done.returncode, code, done.stdout,
                                                                       done.stderr)
    return done


def domain(name):
    return os.path.join(top, name)


def run_json(name):
    with open(os.path.join(domain(name), 'run.json'), encoding='utf-8') as f:
        return json.load(f)


def pids(name):
    return {p['name']: p['pid'] for p in run_json(name)['processes']}


def alive(pid):
    try:
        with open('/proc/%d/stat' % pid, encoding='utf-8') as f:
            return f.read().rsplit(')', 1)[1].split()[0] != 'Z'
    except OSError:
        return False


def wait_until(condition, seconds=10):
    end = time.time() + seconds
    while time.time() < end:
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError('did not happen within %s s' % seconds)


def up_starts_every_process_and_says_where():
    out = mcx('up', domain('one')).stdout
    assert 'one.mcx.test is up after' in out and 'https://kms.one.mcx.test' in out
    state = run_json('one')
    assert state['state'] == 'up'
    assert [p['name'] for p in state['processes']] == ['dnsmasq', 'mcx-idms', 'mcx-kms', 'mcx-server']
    assert all(p['state'] == 'ready' and alive(p['pid']) for p in state['processes'])
    assert alive(state['supervisor'])


def up_again_changes_nothing():
    before = pids('one')
    assert 'is up already' in mcx('up', domain('one')).stdout
    assert json.loads(mcx('up', '--json', domain('one')).stdout)['state'] == 'up'
    assert pids('one') == before


def a_killed_process_is_started_again():
    before = pids('one')
    for name in ('mcx-kms', 'dnsmasq'):
        os.kill(before[name], signal.SIGKILL)
    wait_until(lambda: all(pids('one')[n] not in (0, before[n]) for n in ('mcx-kms', 'dnsmasq')))
    wait_until(lambda: all(p['state'] == 'ready' for p in run_json('one')['processes']))
    assert pids('one')['mcx-idms'] == before['mcx-idms']


def processes_end_with_a_killed_supervisor_and_up_begins_anew():
    before = pids('one')
    os.kill(run_json('one')['supervisor'], signal.SIGKILL)
    wait_until(lambda: not any(alive(p) for p in before.values()))
    assert 'is up after' in mcx('up', domain('one')).stdout
    assert all(alive(p) for p in pids('one').values())


def down_ends_everything_and_is_harmless_twice():
    before = pids('one')
    assert 'is down' in mcx('down', domain('one')).stdout
    assert not any(alive(p) for p in before.values())
    assert run_json('one')['state'] == 'down'
    assert json.loads(mcx('down', domain('one'), '--json').stdout) == {'zone': 'one.mcx.test', 'state': 'down',
                                                                         'was_up': False}


def a_daemon_that_refuses_its_configuration_is_named_with_its_log():
    flag = os.path.join(top, 'fail-mcx-kms')
    open(flag, 'w', encoding='utf-8').close()
    err = mcx('up', domain('one'), code=1).stderr
    os.unlink(flag)
    assert 'mcx-kms: exit code 5: configuration refused' in err and 'kms/log' in err and 'next:' in err, err
    assert not any(alive(p) for p in pids('one').values() if p)


def two_ups_at_once_give_one_domain():
    runs = [subprocess.Popen([program, 'up', domain('two')], env=env, stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL) for _ in range(3)]
    codes = [r.wait(timeout=60) for r in runs]
    assert 0 in codes
    supervisors = subprocess.run(['pgrep', '-f', program + ' up ' + domain('two')], stdout=subprocess.PIPE, text=True,
                                 check=False).stdout.split()
    assert len(supervisors) == 1, supervisors
    mcx('down', domain('two'))


def a_folder_open_to_others_is_refused():
    os.mkdir(domain('wide'), 0o755)
    os.chmod(domain('wide'), 0o755)
    assert 'chmod 700' in mcx('up', domain('wide'), code=5).stderr


def mistakes_are_told_with_what_to_do_and_their_own_codes():
    assert 'there is no option --jsn' in mcx('up', '--jsn', domain('one'), code=2).stderr
    assert 'usage: mcx up DIR' in mcx('up', code=2).stderr
    assert 'there is no command' in mcx('upp', code=2).stderr
    assert 'mcx up makes a domain' in mcx('down', domain('none'), code=5).stderr
    assert mcx('user', 'add', '--dir', domain('one'), 'eve', '--mcptt', 'mailto:eve', code=2).stderr
    assert 'start the domain' in mcx('user', 'add', '--dir', domain('one'), 'eve', code=4).stderr
    assert 'Exit codes' in mcx('up', '--help').stdout


def no_colour_reaches_a_pipe():
    assert '\033' not in mcx('up', code=2).stderr + mcx('--help').stdout


def clean_up():
    for name in ('one', 'two'):
        if os.path.isdir(domain(name)):
            subprocess.run([program, 'down', domain(name)], env=env, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, timeout=60, check=False)
    shutil.rmtree(top)


shutil.copy(MCX, program)
for daemon in ('mcx-idms', 'mcx-kms', 'mcx-server'):
    with open(os.path.join(top, daemon), 'w', encoding='utf-8') as script:
        script.write(DAEMON % {'top': top})
    os.chmod(os.path.join(top, daemon), 0o755)
try:
    result = tap.run([
        up_starts_every_process_and_says_where, up_again_changes_nothing, a_killed_process_is_started_again,
        processes_end_with_a_killed_supervisor_and_up_begins_anew, down_ends_everything_and_is_harmless_twice,
        a_daemon_that_refuses_its_configuration_is_named_with_its_log, two_ups_at_once_give_one_domain,
        a_folder_open_to_others_is_refused, mistakes_are_told_with_what_to_do_and_their_own_codes,
        no_colour_reaches_a_pipe])
finally:
    clean_up()
sys.exit(result)
