#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""TAP: our tokens and key sets against Debian's jose tool, both ways: it verifies what we sign, we verify what it signs,
it computes the same thumbprints, and both refuse a changed octet. Argument: the probe built from jose_probe.c."""
import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile

PROBE = sys.argv[1]


def run(args, data=b''):
    return subprocess.run(args, input=data, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False, timeout=60)


def probe(*args, data=b''):
    return run([PROBE, *args], data)


def jose(*args, data=b''):
    return run(['jose', *args], data)


def write(d, name, text):
    path = os.path.join(d, name)
    with open(path, 'w', encoding='ascii') as f:
        f.write(text)
    return path


PAYLOAD = json.dumps({'iss': 'https://i', 'aud': 'a', 'exp': 4102444800, 'scope': 's', 'client_id': 'c'},
                     separators=(',', ':'))


def jose_verifies_what_we_sign(d, alg):
    made = probe('sign', alg, PAYLOAD)
    token, jwks = made.stdout.decode().split('\n')[:2]
    keys = write(d, 'jwks.json', jwks)
    done = jose('jws', 'ver', '-i', write(d, 't.jws', token), '-k', keys, '-O', '-')
    assert done.returncode == 0 and done.stdout.decode() == PAYLOAD
    h, p, s = token.split('.')
    bent = h + '.' + p[:-2] + ('A' if p[-2] != 'A' else 'B') + p[-1] + '.' + s
    assert jose('jws', 'ver', '-i', write(d, 'b.jws', bent), '-k', keys).returncode != 0


def we_verify_what_jose_signs(d, alg):
    key = os.path.join(d, 'jose.jwk')
    assert jose('jwk', 'gen', '-i', json.dumps({'alg': alg, 'bits': 3072} if alg == 'RS256' else {'alg': alg}),
                '-o', key).returncode == 0
    thumb = jose('jwk', 'thp', '-i', key, '-a', 'S256').stdout.decode().strip()
    with open(key, encoding='ascii') as f:
        jwk = json.load(f)
    jwk['kid'] = thumb
    key = write(d, 'jose.jwk', json.dumps(jwk))
    public = json.loads(jose('jwk', 'pub', '-i', key, '-o', '-').stdout)
    public.pop('key_ops', None)
    sig = json.dumps({'protected': {'alg': alg, 'typ': 'at+jwt', 'kid': thumb}})
    token = jose('jws', 'sig', '-I', write(d, 'p', PAYLOAD), '-k', key, '-s', sig, '-c', '-o', '-').stdout.decode().strip()
    keys = write(d, 'pub.json', json.dumps({'keys': [public]}))
    assert probe('check', keys, token).stdout.decode().strip() == 'ok'
    h, p, s = token.split('.')
    raw = bytearray(base64.urlsafe_b64decode(s + '=' * (-len(s) % 4)))
    raw[5] ^= 1
    bent = h + '.' + p + '.' + base64.urlsafe_b64encode(bytes(raw)).decode().rstrip('=')
    assert probe('check', keys, bent).stdout.decode().strip() == 'bad signature'


def thumbprints_agree(d, alg):
    jwks = json.loads(probe('sign', alg, PAYLOAD).stdout.decode().split('\n')[1])
    key = write(d, 'one.jwk', json.dumps(jwks['keys'][0]))
    assert jose('jwk', 'thp', '-i', key, '-a', 'S256').stdout.decode().strip() == jwks['keys'][0]['kid']


def main():
    tests = [(t, alg) for t in (jose_verifies_what_we_sign, we_verify_what_jose_signs, thumbprints_agree)
             for alg in ('ES256', 'RS256')]
    print(f'1..{len(tests)}')
    failed = 0
    for n, (test, alg) in enumerate(tests, 1):
        name = f'{test.__name__}_{alg.lower()}'
        if not shutil.which('jose'):
            print(f'ok {n} - {name} # SKIP jose is not installed')
            continue
        with tempfile.TemporaryDirectory() as d:
            try:
                test(d, alg)
                print(f'ok {n} - {name}')
            except Exception as e:  # a test that stumbles is a test that failed
                failed += 1
                print(f'not ok {n} - {name}\n# {type(e).__name__}: {e}')
    return 1 if failed else 0


sys.exit(main())
