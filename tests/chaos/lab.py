# SPDX-License-Identifier: Apache-2.0
"""A domain whose daemons can be killed, starved and flooded: made by `mcx up`, then each daemon is started by this module.

Only outer interfaces are used: the start command with --config and --ready-fd, HTTPS, the log, the database file, and
`mcx audit`. Clients may come from any address of 127.0.0.0/8, so that each request can be told from every other one.
"""
import base64
import http.client
import json
import os
import random
import re
import resource
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'e2e'))
import tap  # noqa: E402

LONG = os.environ.get('MCX_LONG') == '1'
SEED = int(os.environ.get('MCX_SEED', random.SystemRandom().randrange(1 << 31)))
VERIFIER = 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk'
CHALLENGE = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'
SCOPE = 'openid 3gpp:mc:ptt_service 3gpp:mc:ptt_key_management_service'
REDIRECT = 'mcx.ue:/callback'
KEYPROV = '/keymanagement/identity/v1/keyprov'
EASY = {  # what a laboratory under load changes; the floors of the password's cost
    'idms': 'argon2_memory_kib = 19456\nargon2_passes = 2\nargon2_lanes = 1\nargon2_threads = 2\n',
    'kms': '',
    'server': 'expires_min = 1\n',
}


def run(tests):
    """As tap.run, but a test may return notes: each becomes a line of its own, with its figures in the name."""
    bad = n = 0
    print('# seed %d%s' % (SEED, ' (long form)' if LONG else ''), flush=True)
    for test in tests:
        begin = time.monotonic()
        notes = []
        try:
            notes = test() or []
            line = 'ok %d - ' + test.__name__
        except tap.Skip as e:
            line = 'ok %%d - %s # SKIP %s' % (test.__name__, e)
        except Exception:  # a test that cannot go on has failed, whatever the reason
            bad += 1
            line = 'not ok %d - ' + test.__name__
            for text in traceback.format_exc().splitlines():
                print('#   ' + text)
        for text in [line] + ['ok %d - ' + note.replace('%', '%%') for note in notes]:
            n += 1
            print(text % n, flush=True)
        print('# %s: %.1f s' % (test.__name__, time.monotonic() - begin), flush=True)
    print('1..%d' % n)
    return 1 if bad else 0


def wait_for(condition, seconds=60, what='the condition'):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        got = condition()
        if got:
            return got
        time.sleep(0.05)
    raise AssertionError('%s did not come within %d s' % (what, seconds))


_next_source = [0]
_source_lock = threading.Lock()


def new_source():
    """An address of this machine nobody used before in this run."""
    with _source_lock:
        _next_source[0] += 1
        n = _next_source[0]
    return '127.%d.%d.%d' % (64 + n // 62500 % 60, n // 250 % 250, n % 250 + 1)


class Answer:
    def __init__(self, response, body):
        self.status, self.headers, self.body = response.status, response.headers, body


class Daemon:
    def __init__(self, domain, name, folder):
        self.domain, self.name, self.folder = domain, name, os.path.join(domain.dir, folder)
        self.exe = os.path.join(domain.bin, folder, name)
        self.process, self.ready = None, None
        self.log_path = os.path.join(self.folder, 'log')
        self.kills = 0

    def start(self, env=None, cpu=None, files=None, extra=''):
        """extra: lines for the configuration, in a copy of the file."""
        conf = os.path.join(self.folder, 'conf')
        if extra:
            with open(conf, encoding='utf-8') as f:
                text = f.read()
            conf = os.path.join(self.folder, 'conf.chaos')
            with open(conf, 'w', encoding='utf-8') as f:
                f.write(text + extra)

        def limits():
            if cpu is not None:
                os.sched_setaffinity(0, {cpu})
            if files:
                resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))

        read, write = os.pipe()
        with open(self.log_path, 'ab') as log:
            self.process = subprocess.Popen([self.exe, '--config', conf, '--ready-fd', str(write)], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, pass_fds=[write], preexec_fn=limits,
                                            env=dict(os.environ, **(env or {})))
        os.close(write)
        with os.fdopen(read) as f:
            line = f.readline()
        if not line:
            self.process.wait()
            raise RuntimeError('%s did not start: %s' % (self.name, self.log()[-1500:]))
        self.ready = json.loads(line)
        return self.ready

    def children(self):
        with open('/proc/%d/task/%d/children' % (self.process.pid, self.process.pid), encoding='ascii') as f:
            return [int(p) for p in f.read().split()]

    def kill(self):
        children = self.children()
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process = None
        self.kills += 1
        for pid in children:  # a helper that outlived its parent would hold what the next one needs
            wait_for(lambda p=pid: not os.path.exists('/proc/%d' % p) or zombie(p), 20, 'the end of helper %d' % pid)

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            code = self.process.wait(timeout=30)
            self.process = None
            return code
        return 0

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def log(self):
        with open(self.log_path, encoding='utf-8', errors='replace') as f:
            return f.read()

    def mark(self):
        return os.path.getsize(self.log_path)

    def events(self, since=0):
        with open(self.log_path, 'rb') as f:
            f.seek(since)
            for line in f.read().decode(errors='replace').splitlines():
                try:
                    yield json.loads(line)
                except ValueError:
                    continue

    def said(self, event, since=0, **fields):
        return any(e.get('event') == event and all(e.get(k) == v for k, v in fields.items()) for e in self.events(since))

    def alarm(self, name, since):
        wait_for(lambda: self.said('alarm.raised', since, name=name), 30, 'alarm %s of %s' % (name, self.name))

    def cleared(self, name, since):
        wait_for(lambda: self.said('alarm.cleared', since, name=name), 90, 'the end of alarm %s of %s' % (name, self.name))

    def rss_kib(self):
        total = 0
        for pid in [self.process.pid] + self.children():
            with open('/proc/%d/status' % pid, encoding='ascii') as f:
                total += int(re.search(r'VmRSS:\s+(\d+)', f.read()).group(1))
        return total

    def descriptors(self):
        return len(os.listdir('/proc/%d/fd' % self.process.pid))

    def cpu_s(self):
        with open('/proc/%d/stat' % self.process.pid, encoding='ascii') as f:
            fields = f.read().rsplit(')', 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')

    # ---- HTTPS

    @property
    def host(self):
        return {'mcx-idms': 'idms', 'mcx-kms': 'kms', 'mcx-server': 'sip'}[self.name] + '.' + self.domain.zone

    @property
    def port(self):
        return self.ready['port']

    def connect(self, source=None, timeout=20, port=None):
        s = socket.create_connection(('127.0.0.1', port or self.port), timeout=timeout, source_address=(source or '127.0.0.1', 0))
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self.domain.tls.wrap_socket(s, server_hostname=self.host)

    def ask(self, method, target, headers=None, form=None, source=None, timeout=20, connection=None):
        """One request, over a connection of its own unless one is given. Raises OSError when no whole answer came."""
        s = connection or self.connect(source, timeout)
        body = urllib.parse.urlencode(form).encode() if form is not None else b''
        head = {'Host': '%s:%d' % (self.host, self.port), 'Content-Length': str(len(body)), **(headers or {})}
        if form is not None:
            head['Content-Type'] = 'application/x-www-form-urlencoded'
        try:
            s.sendall(('%s %s HTTP/1.1\r\n%s\r\n' % (method, target, ''.join('%s: %s\r\n' % h for h in head.items()))).encode()
                      + body)
            r = http.client.HTTPResponse(s)
            r.begin()
            return Answer(r, r.read())
        except http.client.HTTPException as e:
            raise OSError('no whole answer: %r' % e) from e
        finally:
            if not connection:
                s.close()

    def audit(self, since=0):
        """Its records behind sequence number `since`, as `mcx audit export` prints them."""
        done = subprocess.run([self.domain.mcx, 'audit', 'export', '--db', os.path.join(self.folder, 'db'), '--from',
                               str(since + 1)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def audit_is_whole(self):
        done = subprocess.run([self.domain.mcx, 'audit', 'verify', '--db', os.path.join(self.folder, 'db')],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        assert done.returncode == 0, done.stdout


def zombie(pid):
    try:
        with open('/proc/%d/stat' % pid, encoding='ascii') as f:
            return f.read().rsplit(')', 1)[1].split()[0] == 'Z'
    except OSError:
        return True


class Domain:
    def __init__(self, mcx, users):
        self.mcx = mcx
        self.bin = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(mcx)), '..'))
        self.top = tempfile.mkdtemp(prefix='mcx-chaos-')
        self.dir = os.path.join(self.top, 'lab')
        self.zone = 'lab.mcx.test'
        self.env = dict(os.environ, MCX_PORT_BASE=tap.port_base())
        self.users = users
        try:
            self.call('up', self.dir)
            self.call('down', self.dir)
            for name, lines in EASY.items():
                with open(os.path.join(self.dir, name, 'conf'), 'r+', encoding='utf-8') as f:
                    text = re.sub(r'^(limit_hour|limit_period) = \d+$', r'\1 = 0', f.read(), flags=re.M)
                    f.seek(0)
                    f.truncate()
                    f.write(text + lines)
            self.call('up', self.dir)
            for user in users:
                self.call('user', 'add', user, '--dir', self.dir)
            self.call('down', self.dir)
        except BaseException:
            self.close()
            raise
        self.tls = ssl.create_default_context(cafile=os.path.join(self.dir, 'ca', 'domain.pem'))
        self.idms = Daemon(self, 'mcx-idms', 'idms')
        self.kms = Daemon(self, 'mcx-kms', 'kms')
        self.server = Daemon(self, 'mcx-server', 'server')

    def call(self, *args):
        done = subprocess.run([self.mcx, *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=self.env,
                              timeout=180, check=False)
        assert done.returncode == 0, '%s: %s' % (args, done.stdout)

    def close(self):
        for d in ('idms', 'kms', 'server'):
            daemon = getattr(self, d, None)
            if daemon and daemon.alive():
                daemon.kill()
        subprocess.run([self.mcx, 'down', self.dir], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=self.env, check=False)
        shutil.rmtree(self.top, ignore_errors=True)

    # ---- signing in

    def password(self, user):
        with open(os.path.join(self.dir, 'ue', user, 'password'), encoding='utf-8') as f:
            return f.read().strip()

    def authorize_url(self):
        return '/authorize?' + urllib.parse.urlencode({
            'response_type': 'code', 'client_id': 'mcx-ue', 'scope': SCOPE, 'redirect_uri': REDIRECT, 'state': 's9tKx0b7m',
            'nonce': 'Zp41s', 'acr_values': '3gpp:acr:password', 'code_challenge': CHALLENGE, 'code_challenge_method': 'S256'})

    def code(self, user, source=None):
        page = self.idms.ask('GET', self.authorize_url(), source=source)
        tx = re.search(r'name="tx" value="([^"]+)"', page.body.decode())
        if not tx:
            raise OSError('authorize: %d' % page.status)
        r = self.idms.ask('POST', '/login', form={'tx': tx.group(1), 'username': 'sip:%s@%s' % (user, self.zone),
                                                  'password': self.password(user)}, source=source)
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(r.headers.get('Location', '')).query)
        if 'code' not in query:
            raise OSError('login: %d %s' % (r.status, r.headers.get('Location', '')))
        return query['code'][0]

    def redeem(self, code, source=None):
        return self.idms.ask('POST', '/token', source=source, form={
            'grant_type': 'authorization_code', 'code': code, 'client_id': 'mcx-ue', 'redirect_uri': REDIRECT,
            'code_verifier': VERIFIER})

    def refresh(self, token, source=None):
        return self.idms.ask('POST', '/token', source=source, form={
            'grant_type': 'refresh_token', 'client_id': 'mcx-ue', 'refresh_token': token})

    def token(self, user):
        r = self.redeem(self.code(user))
        assert r.status == 200, r.body
        return json.loads(r.body)['access_token']

    def keyprov(self, token, source=None, **more):
        return self.kms.ask('POST', KEYPROV, headers={'Authorization': 'Bearer ' + token} if token else {}, source=source, **more)


def claims(token):
    part = token.split('.')[1]
    return json.loads(base64.urlsafe_b64decode(part + '=' * (-len(part) % 4)))
