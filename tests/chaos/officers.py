# SPDX-License-Identifier: Apache-2.0
"""The people who run the KMS of a lab.Domain: their certificates, their calls, the renewal of its TLS certificate."""
import http.client
import os
import socket
import ssl
import subprocess
import time

import lab


def openssl(folder, *args):
    done = subprocess.run(['openssl', *args], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout


def issue(domain, authority, name, subject, extensions, out):
    """A certificate with its key in one file, as docs/operations.md says; the file appears whole."""
    ca = os.path.join(domain.dir, 'ca')
    openssl(ca, 'req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', name + '.key',
            '-subj', subject, '-out', name + '.csr')
    with open(os.path.join(ca, name + '.ext'), 'w', encoding='ascii') as f:
        f.write(extensions)
    openssl(ca, 'x509', '-req', '-in', name + '.csr', '-CA', authority + '.pem', '-CAkey', authority + '.key', '-CAcreateserial',
            '-days', '397', '-extfile', name + '.ext', '-out', name + '.crt')
    fd = os.open(out + '.new', os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, 'w', encoding='ascii') as f:
        for part in ('.crt', '.key'):
            with open(os.path.join(ca, name + part), encoding='ascii') as one:
                f.write(one.read())
    os.rename(out + '.new', out)


def make_second(domain):
    """Another officer than the one `mcx up` makes: what two must do, one cannot."""
    issue(domain, 'admin', 'officer2', '/OU=officer/CN=second', 'extendedKeyUsage=clientAuth\n',
          os.path.join(domain.dir, 'ca', 'officer2.pem'))


def renew_tls(domain):
    issue(domain, 'domain', 'kms-tls', '/CN=kms', 'subjectAltName=DNS:kms.%s\nextendedKeyUsage=serverAuth\n' % domain.zone,
          os.path.join(domain.kms.folder, 'tls.pem'))


class Officer:
    """Calls with the certificate ca/WHO.pem, each from an address of its own."""

    def __init__(self, domain, who, daemon=None):
        ca = os.path.join(domain.dir, 'ca')
        self.daemon, self.tls = daemon or domain.kms, ssl.create_default_context(cafile=os.path.join(ca, 'domain.pem'))
        self.tls.load_cert_chain(os.path.join(ca, who + '.pem'))

    def ask(self, method, call, body=None, kind='application/json'):
        """Status, body, source address. OSError when no whole answer came."""
        source, data = lab.new_source(), (body or '').encode()
        raw = socket.create_connection(('127.0.0.1', self.daemon.ready['admin_port']), timeout=30, source_address=(source, 0))
        with self.tls.wrap_socket(raw, server_hostname=self.daemon.host) as s:
            s.sendall(('%s /admin/v1/%s HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n'
                       % (method, call, self.daemon.host, kind, len(data))).encode() + data)
            try:
                r = http.client.HTTPResponse(s)
                r.begin()
                return r.status, r.read().decode(), source
            except http.client.HTTPException as e:
                raise OSError('no whole answer: %r' % e) from e


def redirect_report(domain, token, reporter, target, proposed, key_id='1a2b3c4d'):
    """Uploads a KRR (kms.md 13.8) from an address of its own; status, source. OSError without a whole answer."""
    kms, now = domain.kms, time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())
    path = '/keymanagement/identity/v1/redirect'
    krr = (('InitiatorUri', reporter), ('ReceiverUri', target), ('RejectedReceiverKmsUri', 'kms.old.example'),
           ('ProcessorUri', 'sip:controlling@partner.example'), ('Time', now), ('KeyId', key_id))
    body = ('<KmsRequest xmlns="urn:3gpp:ns:mcsecKMSInterface:1.0" xmlns:krr="urn:3gpp:ns:mcsecKMSKRR:1.0" Version="1.1.0">'
            '<UserUri>%s</UserUri><KmsUri>kms.%s</KmsUri><Time>%s</Time><ClientReqUrl>https://%s:%d%s</ClientReqUrl>'
            '<KrrList Version="1.0.0">%s<krr:ReceiverKmsUris><krr:KmsUri>%s</krr:KmsUri></krr:ReceiverKmsUris></KrrList>'
            '</KmsRequest>' % (reporter, domain.zone, now, kms.host, kms.port, path,
                               ''.join('<krr:%s>%s</krr:%s>' % (n, v, n) for n, v in krr), proposed)).encode()
    source = lab.new_source()
    with kms.connect(source) as s:
        s.sendall(('POST %s HTTP/1.1\r\nHost: %s:%d\r\nAuthorization: Bearer %s\r\nContent-Type: application/xml\r\n'
                   'Content-Length: %d\r\n\r\n' % (path, kms.host, kms.port, token, len(body))).encode() + body)
        try:
            r = http.client.HTTPResponse(s)
            r.begin()
            r.read()
        except http.client.HTTPException as e:
            raise OSError('no whole answer: %r' % e) from e
    return r.status, source
