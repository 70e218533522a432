#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""TAP: mcx-idms as a process: the worked exchanges of identity.md 17, codes and refresh tokens across kill -9, what its
log and database must never hold, one sign-in of a UE in the order of TS 36.579-1 5.5.4, and the page in a browser."""
import base64
import hashlib
import http.client
import http.server
import json
import os
import re
import select
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

DAEMON = sys.argv[1]
PASSWORD = 'correct horse battery'
VERIFIER = 'kZ3uXc0m1nA7vQe5bT9sLh2RyW8dPgJf4oUi6xMtNqE'
CHALLENGE = 'ws4aZz5u8DDZ9xI_UoNTe_PznxBwZTB9SRt0KFVPEtA'
SCOPE = 'openid 3gpp:mc:ptt_service 3gpp:mc:ptt_key_management_service'
REDIRECT = 'com.example.mcx:/cb'
results = []


def openssl(*args):
    subprocess.run(['openssl', *args], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def make_ca(d, name):
    openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj',
            '/CN=' + name, '-keyout', f'{d}/{name}.key', '-out', f'{d}/{name}.pem')


def issue(d, ca, name, subject, san, usage):
    openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', subject, '-keyout',
            f'{d}/{name}.key', '-out', f'{d}/{name}.csr')
    with open(f'{d}/{name}.ext', 'w', encoding='ascii') as f:
        f.write(f'subjectAltName={san}\nextendedKeyUsage={usage}\n' if san else f'extendedKeyUsage={usage}\n')
    openssl('x509', '-req', '-in', f'{d}/{name}.csr', '-CA', f'{d}/{ca}.pem', '-CAkey', f'{d}/{ca}.key', '-days', '2',
            '-extfile', f'{d}/{name}.ext', '-out', f'{d}/{name}.crt')
    with open(f'{d}/{name}.pem', 'w', encoding='ascii') as f:
        f.write(open(f'{d}/{name}.crt', encoding='ascii').read() + open(f'{d}/{name}.key', encoding='ascii').read())
    os.chmod(f'{d}/{name}.pem', 0o600)


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


class Idms:
    """The daemon in its folder; start, kill, and requests to it."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix='mcx-idms-')
        os.chmod(self.dir, 0o700)
        make_ca(self.dir, 'domain')
        make_ca(self.dir, 'admins')
        issue(self.dir, 'domain', 'tls', '/CN=idms', 'IP:127.0.0.1', 'serverAuth')
        issue(self.dir, 'admins', 'officer', '/CN=Olga/OU=officer', None, 'clientAuth')
        self.port, self.admin_port = free_port(), free_port()
        self.issuer = f'https://127.0.0.1:{self.port}'
        with open(f'{self.dir}/conf', 'w', encoding='ascii') as f:
            f.write(f'issuer = "{self.issuer}"\naudience = "https://mc.a.example"\nname = "County Control"\n'
                    f'port = {self.port}\nadmin_port = {self.admin_port}\ntls = "tls.pem"\nadmin_ca = "admins.pem"\n'
                    'database = "db"\nargon2_memory_kib = 19456\nargon2_passes = 2\nargon2_lanes = 1\n'
                    'argon2_threads = 2\n')
        self.log = open(f'{self.dir}/log', 'ab')
        self.process = None

    def start(self):
        read, write = os.pipe()
        self.process = subprocess.Popen([DAEMON, '--config', f'{self.dir}/conf', '--ready-fd', str(write)],
                                        stderr=self.log, pass_fds=[write])
        os.close(write)
        with os.fdopen(read) as f:
            line = f.readline()
        if not line:
            raise RuntimeError('mcx-idms did not start: ' + open(f'{self.dir}/log', encoding='utf-8').read())
        return json.loads(line)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=20)

    def ask(self, method, target, form=None, headers=None, admin=False, body=None):
        ctx = ssl.create_default_context(cafile=f'{self.dir}/domain.pem')
        if admin:
            ctx.load_cert_chain(f'{self.dir}/officer.pem')
        c = http.client.HTTPSConnection('127.0.0.1', self.admin_port if admin else self.port, context=ctx, timeout=20)
        h = dict(headers or {})
        if form is not None:
            body = urllib.parse.urlencode(form)
            h['Content-Type'] = 'application/x-www-form-urlencoded'
        elif body is not None:
            h['Content-Type'] = 'application/json'
        c.request(method, target, body=body, headers=h)
        r = c.getresponse()
        text = r.read().decode()
        c.close()
        return r, text

    def admin(self, method, target, body=None):
        return self.ask(method, '/admin/v1/' + target, admin=True, body=json.dumps(body) if body is not None else None)

    def authorize_url(self, **more):
        q = {'response_type': 'code', 'client_id': 'mcx-ue', 'scope': SCOPE, 'redirect_uri': REDIRECT,
             'state': '9tKx0b7m', 'nonce': 'Zp41s', 'acr_values': '3gpp:acr:password', 'code_challenge': CHALLENGE,
             'code_challenge_method': 'S256', **more}
        return '/authorize?' + urllib.parse.urlencode(q)

    def code(self):
        _, page = self.ask('GET', self.authorize_url())
        tx = re.search(r'name="tx" value="([^"]+)"', page).group(1)
        r, _ = self.ask('POST', '/login', {'tx': tx, 'username': 'alice@a.example', 'password': PASSWORD})
        return urllib.parse.parse_qs(urllib.parse.urlsplit(r.headers['Location']).query)['code'][0]

    def redeem(self, code):
        r, text = self.ask('POST', '/token', {'grant_type': 'authorization_code', 'code': code, 'client_id': 'mcx-ue',
                                              'redirect_uri': REDIRECT, 'code_verifier': VERIFIER})
        return r, json.loads(text)

    def refresh(self, token):
        r, text = self.ask('POST', '/token', {'grant_type': 'refresh_token', 'client_id': 'mcx-ue',
                                              'refresh_token': token})
        return r, json.loads(text)


def payload(token):
    part = token.split('.')[1]
    return json.loads(base64.urlsafe_b64decode(part + '=' * (-len(part) % 4)))


def the_process_says_when_it_is_ready_and_where(i):
    ready = i.start()
    assert ready['port'] == i.port and ready['admin_port'] == i.admin_port, ready
    r, _ = i.admin('PUT', 'clients/mcx-ue', {'name': 'MCX terminal', 'redirect_uris': [REDIRECT],
                                             'headless_login': True})
    assert r.status == 201
    r, _ = i.admin('PUT', 'users/alice%40a.example', {'services': {'ptt': 'sip:alice@mcptt.a.example'}})
    assert r.status == 201
    r, _ = i.admin('POST', 'users/alice%40a.example/password', {'password': PASSWORD})
    assert r.status == 204


def exchanges_17_1_to_17_6_run_as_written(i):
    r, page = i.ask('GET', i.authorize_url())
    assert r.status == 200 and r.headers['Cache-Control'] == 'no-store'
    tx = re.search(r'name="tx" value="([^"]+)"', page).group(1)
    r, _ = i.ask('POST', '/login', {'tx': tx, 'username': 'alice@a.example', 'password': PASSWORD})
    assert r.status == 302
    location = r.headers['Location']
    q = urllib.parse.parse_qs(urllib.parse.urlsplit(location).query)
    assert location.startswith(REDIRECT + '?code=') and q['state'] == ['9tKx0b7m'] and q['iss'] == [i.issuer]
    cookies = r.headers.get_all('Set-Cookie')
    assert any(re.fullmatch(r'__Host-mcxsid=[\w-]{43}; Path=/; Secure; HttpOnly; SameSite=Lax', c) for c in cookies)
    r, t = i.redeem(q['code'][0])
    assert r.status == 200 and r.headers['Cache-Control'] == 'no-store' and r.headers['Pragma'] == 'no-cache'
    assert t['token_type'] == 'Bearer' and t['expires_in'] == 3600 and t['scope'] == SCOPE
    a, d = payload(t['access_token']), payload(t['id_token'])
    assert a['aud'] == ['https://mc.a.example'] and a['client_id'] == 'mcx-ue' and a['scope'] == SCOPE
    assert d['aud'] == 'mcx-ue' and d['nonce'] == 'Zp41s' and d['sub'] == a['sub'] and d['sid'] == a['sid']
    digest = hashlib.sha256(t['access_token'].encode()).digest()[:16]
    assert d['at_hash'] == base64.urlsafe_b64encode(digest).decode().rstrip('=')
    r, again = i.refresh(t['refresh_token'])
    assert r.status == 200 and again['refresh_token'] != t['refresh_token']
    time.sleep(10.1)
    r, late = i.refresh(t['refresh_token'])
    assert r.status == 400 and late['error'] == 'invalid_grant'
    r, late = i.refresh(again['refresh_token'])
    assert r.status == 400 and late['error'] == 'invalid_grant', 'the family has to be dead'


def exchange_17_12_an_error_goes_to_the_application(i):
    r, _ = i.ask('GET', i.authorize_url(code_challenge=''))
    q = urllib.parse.parse_qs(urllib.parse.urlsplit(r.headers['Location']).query)
    assert r.status == 302 and q['error'] == ['invalid_request'] and q['iss'] == [i.issuer]
    assert q['error_description'] == ['code_challenge required'] and q['state'] == ['9tKx0b7m']


def a_code_that_was_answered_stays_used_after_kill_9(i):
    code = i.code()
    r, t = i.redeem(code)
    i.kill()
    assert r.status == 200
    i.start()
    r, e = i.redeem(code)
    assert r.status == 400 and e['error'] == 'invalid_grant'
    r, _ = i.ask('GET', '/userinfo', headers={'Authorization': 'Bearer ' + t['access_token']})
    assert r.status == 401, 'a replay takes the tokens back'


def a_code_and_a_refresh_token_not_used_yet_survive_kill_9(i):
    code = i.code()
    i.kill()
    i.start()
    r, t = i.redeem(code)
    assert r.status == 200
    i.kill()
    i.start()
    r, t2 = i.refresh(t['refresh_token'])
    assert r.status == 200
    i.kill()
    i.start()
    r, _ = i.refresh(t['refresh_token'])
    assert r.status == 400, 'a rotated token stays rotated'
    r, _ = i.refresh(t2['refresh_token'])
    assert r.status == 400


def a_ue_gets_through_in_the_order_of_36_579_1(i):
    """AUTH, USERAUTH, TOKEN; what follows goes to other servers with this token."""
    t = i.redeem(i.code())[1]
    r, keys = i.ask('GET', '/jwks')
    assert r.status == 200 and {k['alg'] for k in json.loads(keys)['keys']} == {'ES256', 'RS256'}
    r, info = i.ask('GET', '/userinfo', headers={'Authorization': 'Bearer ' + t['access_token']})
    assert r.status == 200 and json.loads(info)['mcptt_id'] == 'sip:alice@mcptt.a.example'


def k6_log_and_database_hold_no_secret(i):
    code = i.code()
    r, t = i.redeem(code)
    assert r.status == 200
    i.refresh(t['refresh_token'])
    i.ask('POST', '/token', {'grant_type': 'refresh_token', 'client_id': 'mcx-ue', 'refresh_token': 'x' * 43})
    wanted = [PASSWORD, PASSWORD.replace(' ', '+'), code, VERIFIER, t['access_token'], t['refresh_token'],
              t['id_token'], t['access_token'].split('.')[2], 'PRIVATE KEY']
    for name in ('log', 'db', 'db-wal'):
        with open(f'{i.dir}/{name}', 'rb') as f:
            data = f.read()
        for w in wanted:
            assert w.encode() not in data, f'{name} holds {w[:20]}...'
    assert os.stat(f'{i.dir}/db').st_mode & 0o077 == 0
    for name in os.listdir(f'{i.dir}/keys'):
        assert os.stat(f'{i.dir}/keys/{name}').st_mode & 0o077 == 0


def a_key_file_that_others_may_read_stops_the_start(i):
    assert i.stop() == 0
    name = sorted(os.listdir(f'{i.dir}/keys'))[0]
    os.chmod(f'{i.dir}/keys/{name}', 0o644)
    try:
        i.start()
    except RuntimeError:
        pass
    else:
        raise AssertionError('it started')
    finally:
        os.chmod(f'{i.dir}/keys/{name}', 0o600)
    assert i.process.wait() == 1
    i.start()


def l4_without_a_certificate_it_does_not_start(i):
    with open(f'{i.dir}/conf', encoding='ascii') as f:
        text = f.read()
    with open(f'{i.dir}/plain', 'w', encoding='ascii') as f:
        f.write(text.replace('tls = "tls.pem"', 'tls = "nothing.pem"'))
    done = subprocess.run([DAEMON, '--config', f'{i.dir}/plain'], stderr=subprocess.PIPE, check=False, timeout=20)
    assert done.returncode == 1, done.stderr


def a_browser_draws_the_page_and_its_form_signs_in(i):
    """Chromium draws the page (whose policy allows no script); the form's own fields are then sent as it would send them, with its cookie."""
    browser = shutil.which('chromium')
    if not browser:
        return 'SKIP chromium is not installed'
    picture = f'{i.dir}/login.png'
    home = tempfile.mkdtemp(prefix='mcx-browser-')
    args = [browser, '--headless=new', '--no-sandbox', '--disable-gpu', '--ignore-certificate-errors',
            '--disable-dev-shm-usage', '--user-data-dir=' + home, '--window-size=900,800']
    url = i.issuer + i.authorize_url(login_hint='alice@a.example')
    try:
        done = subprocess.run(args + ['--screenshot=' + picture, url], stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, timeout=90, check=False)
        assert done.returncode == 0 and os.path.getsize(picture) > 5000, done.stderr[-400:]
        keep = os.environ.get('MCX_SCREENSHOTS')
        if keep:
            shutil.copy(picture, os.path.join(keep, 'idms-login.png'))
        dom = subprocess.run(args + ['--dump-dom', url], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=90,
                             check=True).stdout.decode()
    finally:
        shutil.rmtree(home, ignore_errors=True)
    assert 'Sign in to County Control' in dom and 'value="alice@a.example"' in dom
    r, page = i.ask('GET', i.authorize_url())
    cookie = r.headers['Set-Cookie'].split(';')[0]
    tx = re.search(r'name="tx" value="([^"]+)"', page).group(1)
    r, _ = i.ask('POST', '/login', {'tx': tx, 'username': 'alice@a.example', 'password': PASSWORD},
                 headers={'Cookie': cookie})
    assert r.status == 302
    return None


class Browser:
    """Chromium by its DevTools pipe: descriptors 3 and 4, JSON messages ended by NUL. No library is needed."""

    def __init__(self, program, home):
        to_read, self.to_write = os.pipe()
        self.from_read, from_write = os.pipe()

        def place():
            os.dup2(to_read, 103)
            os.dup2(from_write, 104)
            os.dup2(103, 3)
            os.dup2(104, 4)

        self.process = subprocess.Popen(
            [program, '--headless=new', '--no-sandbox', '--disable-gpu', '--ignore-certificate-errors',
             '--disable-dev-shm-usage', '--user-data-dir=' + home, '--remote-debugging-pipe'],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, close_fds=False, preexec_fn=place)
        os.close(to_read)
        os.close(from_write)
        self.buffer, self.last = b'', 0
        target = self.call('Target.createTarget', url='about:blank')['targetId']
        self.session = None
        self.session = self.call('Target.attachToTarget', targetId=target, flatten=True)['sessionId']

    def call(self, method, **params):
        self.last += 1
        message = {'id': self.last, 'method': method, 'params': params}
        if getattr(self, 'session', None):
            message['sessionId'] = self.session
        os.write(self.to_write, json.dumps(message).encode() + b'\0')
        end = time.time() + 40
        while time.time() < end:
            while b'\0' not in self.buffer:
                if not select.select([self.from_read], [], [], end - time.time())[0]:
                    raise TimeoutError(method)
                self.buffer += os.read(self.from_read, 65536)
            one, self.buffer = self.buffer.split(b'\0', 1)
            answer = json.loads(one)
            if answer.get('id') == self.last:
                if 'error' in answer:
                    raise RuntimeError(method + ': ' + answer['error']['message'])
                return answer['result']
        raise TimeoutError(method)

    def value(self, script):
        return self.call('Runtime.evaluate', expression=script, returnByValue=True)['result'].get('value')

    def wait(self, script):
        end = time.time() + 30
        while not self.value(script):
            if time.time() > end:
                raise TimeoutError(script + ' at ' + str(self.value('location.href')))
            time.sleep(0.1)

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.to_write)
        os.close(self.from_read)


def a_person_signs_in_with_a_browser(i):
    """A client without headless_login: cookie, form, wrong password, right password, and the redirect the policy allows,
    to an application that listens on a loopback port (RFC 8252 7.3)."""
    program = shutil.which('chromium')
    if not program:
        return 'SKIP chromium is not installed'
    r, _ = i.admin('PUT', 'clients/mcx-web', {'name': 'Dispatch console', 'redirect_uris': ['http://127.0.0.1/cb']})
    assert r.status == 201
    seen = []

    class Application(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            seen.append(self.path)
            self.send_response(200)
            self.send_header('Content-Type', 'text/html')
            self.end_headers()
            self.wfile.write(b'<title>done</title>signed in')

        def log_message(self, *args):
            pass

    app = http.server.HTTPServer(('127.0.0.1', 0), Application)
    threading.Thread(target=app.serve_forever, daemon=True).start()
    redirect = f'http://127.0.0.1:{app.server_port}/cb'
    url = i.issuer + i.authorize_url(client_id='mcx-web', redirect_uri=redirect)
    home = tempfile.mkdtemp(prefix='mcx-browser-')
    b = Browser(program, home)
    fill = ("document.querySelector('#username').value = 'alice@a.example';"
            "document.querySelector('#password').value = '%s'; document.querySelector('button').click(); 1")
    try:
        b.call('Page.navigate', url=url)
        b.wait("document.title == 'Sign in' && document.readyState == 'complete'")  # with its style sheet
        assert b.value("getComputedStyle(document.querySelector('button')).borderTopLeftRadius") == '7px', 'style sheet'
        b.value(fill % 'wrong wrong')
        b.wait("document.querySelector('.problem') != null")
        assert 'MC ID or password is wrong' in b.value("document.querySelector('.problem').textContent")
        b.value(fill % PASSWORD)
        b.wait("document.title == 'done'")
        q = urllib.parse.parse_qs(urllib.parse.urlsplit([p for p in seen if p.startswith('/cb')][0]).query)
        assert q['state'] == ['9tKx0b7m'] and q['iss'] == [i.issuer]
        r, text = i.ask('POST', '/token', {'grant_type': 'authorization_code', 'code': q['code'][0],
                                           'client_id': 'mcx-web', 'redirect_uri': redirect, 'code_verifier': VERIFIER})
        assert r.status == 200, text
        b.call('Page.navigate', url=url)  # the session signs in by itself: single sign-on
        b.wait("document.title == 'done'")
        assert len([p for p in seen if p.startswith('/cb?code=')]) == 2
    finally:
        b.close()
        app.shutdown()
        shutil.rmtree(home, ignore_errors=True)
    return None


TESTS = [the_process_says_when_it_is_ready_and_where, exchanges_17_1_to_17_6_run_as_written,
         exchange_17_12_an_error_goes_to_the_application, a_code_that_was_answered_stays_used_after_kill_9,
         a_code_and_a_refresh_token_not_used_yet_survive_kill_9, a_ue_gets_through_in_the_order_of_36_579_1,
         k6_log_and_database_hold_no_secret, a_key_file_that_others_may_read_stops_the_start,
         l4_without_a_certificate_it_does_not_start, a_person_signs_in_with_a_browser,
         a_browser_draws_the_page_and_its_form_signs_in]


def main():
    i = Idms()
    failed = 0
    print(f'1..{len(TESTS)}')
    try:
        for n, test in enumerate(TESTS, 1):
            try:
                note = test(i)
                print(f'ok {n} - {test.__name__}' + (f' # {note}' if note else ''), flush=True)
            except Exception as e:  # a test that stumbles is a test that failed
                failed += 1
                print(f'not ok {n} - {test.__name__}\n# {type(e).__name__}: {e}', flush=True)
    finally:
        if i.process and i.process.poll() is None:
            i.kill()
        i.log.close()
        shutil.rmtree(i.dir, ignore_errors=True)
    return 1 if failed else 0


sys.exit(main())
