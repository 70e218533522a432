#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The ports of a running domain as openssl s_client and curl see them: TLS versions, ciphers, chain, client certificates, HTTP.

    test_ports.py MCX
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'e2e'))
import tap  # noqa: E402

MCX = os.path.abspath(sys.argv[1])
top = tempfile.mkdtemp(prefix='mcx-ports-')
folder = os.path.join(top, 'town')
base = int(tap.port_base())
env = dict(os.environ, MCX_PORT_BASE=str(base))
ZONE = 'town.mcx.test'
# name of the certificate, port, does it demand a certificate of the client
PORTS = {'idms': ('idms.' + ZONE, base + 7443, False), 'kms': ('kms.' + ZONE, base + 8443, False), 'sip': ('sip.' + ZONE, base + 5061, True)}
GOOD = re.compile(r'^(TLS_AES_(128|256)_GCM_SHA\d+|TLS_CHACHA20_POLY1305_SHA256|ECDHE-(ECDSA|RSA)-(AES(128|256)-GCM-SHA\d+|'
                  r'CHACHA20-POLY1305))$')


def path(*parts):
    return os.path.join(folder, *parts)


def s_client(name, *args, sni=True):
    """(handshake done, what it said)."""
    host, port, _ = PORTS[name]
    cmd = ['openssl', 's_client', '-connect', '127.0.0.1:%d' % port, '-CAfile', path('ca/domain.pem'), '-verify_hostname', host,
           '-verify_return_error', *(['-servername', host] if sni else []), *args]
    done = subprocess.run(cmd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30,
                          check=False)
    text = done.stdout.decode(errors='replace')
    return done.returncode == 0 and 'Cipher is (NONE)' not in text and 'Verify return code: 0' in text, text


def own(name):
    """A client certificate where the port demands one."""
    return ['-cert', path('ue/alice/tls/agent.pem'), '-key', path('ue/alice/tls/agent.pem')] if PORTS[name][2] else []


def every_port_speaks_tls_1_2_and_1_3_with_a_chain_and_name_that_verify():
    for name in PORTS:
        for version in ('-tls1_2', '-tls1_3'):
            good, text = s_client(name, version, *own(name))
            assert good, (name, version, text[-1500:])


def no_port_speaks_an_older_version():
    for name in PORTS:
        for version in ('-tls1', '-tls1_1'):
            good, text = s_client(name, version, '-cipher', 'ALL:@SECLEVEL=0', *own(name))
            assert not good, (name, version)
            assert re.search(r'written [1-9]\d* bytes', text) and 'Cipher is (NONE)' in text, (name, version, text[-600:])


def every_cipher_a_port_accepts_has_forward_secrecy_and_aead():
    for name in PORTS:
        seen = set()
        for version, option in (('-tls1_2', '-cipher'), ('-tls1_3', '-ciphersuites')):
            good, text = s_client(name, version, *own(name))
            chosen = re.search(r'Cipher is (\S+)', text).group(1)
            assert good and GOOD.match(chosen), (name, chosen, option)
            seen.add(chosen)
        for weak in ('AES128-SHA', 'AES256-SHA256', 'AES128-GCM-SHA256', 'ECDHE-ECDSA-AES128-SHA', 'ECDHE-ECDSA-AES256-SHA384',
                     'ECDHE-RSA-AES128-SHA', 'DHE-RSA-AES128-SHA', 'aNULL', 'eNULL', 'PSK'):
            good, text = s_client(name, '-tls1_2', '-cipher', weak + ':@SECLEVEL=0', *own(name))
            assert not good, '%s accepts %s' % (name, weak)
        print('# %s: %s' % (name, ' '.join(sorted(seen))))


def the_sip_port_demands_a_certificate_of_its_own_authority():
    good, text = s_client('sip', '-tls1_2')
    assert not good or 'alert' in text, 'no certificate was shown, and the handshake went through'
    key, cert = os.path.join(top, 'k.pem'), os.path.join(top, 'c.pem')
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', key,
                    '-out', cert, '-subj', '/CN=alice.' + ZONE, '-days', '1'], check=True, stderr=subprocess.DEVNULL)
    good, text = s_client('sip', '-tls1_2', '-cert', cert, '-key', key)
    assert not good, 'a certificate that somebody made for himself was accepted'
    assert s_client('sip', '-tls1_2', *own('sip'))[0]


def curl(name, where, *args, code=0):
    host, port, _ = PORTS[name]
    done = subprocess.run(['curl', '-sS', '--resolve', '%s:%d:127.0.0.1' % (host, port), '--cacert', path('ca/domain.pem'),
                           '--max-time', '20', '-o', os.path.join(top, 'body'), '-w', '%{http_code} %{http_version}', *args,
                           'https://%s:%d%s' % (host, port, where)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          check=False)
    assert done.returncode == code, (name, where, done.returncode, done.stderr)
    with open(os.path.join(top, 'body'), 'rb') as f:
        return done.stdout, f.read()


def curl_reads_discovery_and_key_set_over_http_1_1_and_1_0():
    for version, said in (('--http1.1', '1.1'), ('--http1.0', '1')):
        status, body = curl('idms', '/.well-known/openid-configuration', version)
        assert status.startswith('200 ' + said), status
        found = json.loads(body)
        assert found['issuer'].startswith('https://idms.' + ZONE), found
        keys = json.loads(curl('idms', found['jwks_uri'][len(found['issuer']):], version)[1])['keys']
        assert {k['alg'] for k in keys} >= {'ES256'} and not any('d' in k for k in keys), keys


def curl_offering_http_2_is_answered_in_http_1_1():
    for name, where in (('idms', '/.well-known/openid-configuration'), ('kms', '/keymanagement/identity/v1/init')):
        assert curl(name, where, '--http2')[0].split()[1] == '1.1', name


def curl_without_the_authority_or_under_another_name_refuses_us():
    host, port, _ = PORTS['idms']
    for args in (['--resolve', '%s:%d:127.0.0.1' % (host, port)], ['--resolve', 'idms.other.test:%d:127.0.0.1' % port,
                                                                  '--cacert', path('ca/domain.pem')]):
        name = host if len(args) == 2 else 'idms.other.test'
        done = subprocess.run(['curl', '-sS', '--max-time', '20', *args, 'https://%s:%d/' % (name, port)], check=False,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        assert done.returncode == 60, done.returncode


def curl_without_a_token_gets_no_keys():
    status, body = curl('kms', '/keymanagement/identity/v1/keyprov', '-X', 'POST', '-H', 'Content-Type: application/xml',
                        '--data-binary', '<KmsRequest/>')
    assert status.split()[0] in ('401', '403'), (status, body[:300])
    assert b'UserDecryptKey' not in body


def plain_http_is_not_answered():
    for name in ('idms', 'kms'):
        done = subprocess.run(['curl', '-sS', '--max-time', '10', 'http://127.0.0.1:%d/' % PORTS[name][1]], check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert done.returncode != 0 and not done.stdout, (name, done.stdout[:200])


try:
    for args in (['up', folder], ['user', 'add', 'alice', '--dir', folder]):
        up = subprocess.run([MCX, *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env, timeout=120,
                            check=False)
        assert up.returncode == 0, up.stdout
    result = tap.run([every_port_speaks_tls_1_2_and_1_3_with_a_chain_and_name_that_verify, no_port_speaks_an_older_version,
                      every_cipher_a_port_accepts_has_forward_secrecy_and_aead,
                      the_sip_port_demands_a_certificate_of_its_own_authority,
                      curl_reads_discovery_and_key_set_over_http_1_1_and_1_0, curl_offering_http_2_is_answered_in_http_1_1,
                      curl_without_the_authority_or_under_another_name_refuses_us, curl_without_a_token_gets_no_keys,
                      plain_http_is_not_answered])
finally:
    subprocess.run([MCX, 'down', folder], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    shutil.rmtree(top, ignore_errors=True)
sys.exit(result)
