# SPDX-License-Identifier: Apache-2.0
"""Just enough SIP to ask mcx-server something as a user's terminal, or as a stranger: one request, its final status."""
import os
import re
import socket
import ssl
import uuid


def request(method, to, transport, source, port, expires=None, contact=None):
    lines = ['%s %s SIP/2.0' % (method, to if method != 'REGISTER' else 'sip:' + to.split('@', 1)[1]),
             'Via: SIP/2.0/%s %s:%d;rport;branch=z9hG4bK%s' % (transport.upper(), source, port, uuid.uuid4().hex),
             'From: <%s>;tag=%s' % (to, uuid.uuid4().hex[:8]), 'To: <%s>' % to, 'Call-ID: ' + uuid.uuid4().hex,
             'CSeq: 1 ' + method, 'Max-Forwards: 70']
    if contact:
        lines.append('Contact: <%s>;+g.3gpp.mcptt' % contact)
    if expires is not None:
        lines.append('Expires: %d' % expires)
    return ('\r\n'.join(lines) + '\r\nContent-Length: 0\r\n\r\n').encode()


def context_of(folder):
    """Made once for each folder: reading certificates costs more than a handshake."""
    if folder not in _contexts:
        context = ssl.create_default_context(cafile=os.path.join(folder, 'cafile.pem'))
        context.load_cert_chain(os.path.join(folder, 'agent.pem'))
        _contexts[folder] = context
    return _contexts[folder]


_contexts = {}


class Terminal:
    """A user's connection over TLS, with the certificate `mcx user add` made."""

    def __init__(self, domain, user, source='127.0.0.1', timeout=20):
        self.uri = 'sip:%s@%s' % (user, domain.zone)
        context = context_of(os.path.join(domain.dir, 'ue', user, 'tls'))
        raw = socket.create_connection(('127.0.0.1', domain.server.ready['sips_port']), timeout=timeout,
                                       source_address=(source, 0))
        self.source, self.port = raw.getsockname()
        self.tls = context.wrap_socket(raw, server_hostname='sip.' + domain.zone)
        self.head = {}
        self.contact = 'sip:t@%s:%d;transport=tls' % (self.source, self.port)

    def ask(self, method, **more):
        contact = self.contact if method == 'REGISTER' else None
        self.tls.sendall(request(method, self.uri, 'tls', self.source, self.port, contact=contact, **more))
        data = b''
        while True:
            while b'\r\n\r\n' not in data:
                got = self.tls.recv(65536)
                if not got:
                    raise OSError('the connection ended')
                data += got
            head, data = data.split(b'\r\n\r\n', 1)
            status = int(head[8:11])
            if status >= 200:
                self.head = dict(re.findall(r'^([\w-]+): *(.*?)\r?$', head.decode(), re.M))
                return status

    def close(self):
        self.tls.close()
