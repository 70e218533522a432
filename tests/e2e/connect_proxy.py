# SPDX-License-Identifier: Apache-2.0
"""A curious HTTP proxy on loopback: it tunnels CONNECT (whatever the name, to 127.0.0.1), or gives one answer to all,
and keeps every octet that passes.

    with Proxy() as p: ...; p.url, p.asked (["name:port", ...]), p.seen (bytes)
"""
import select
import socket
import threading


class Proxy:
    def __init__(self, answer=None, detour=None):
        """answer: what each CONNECT gets instead of a tunnel; detour: {port asked for: port that is reached}."""
        self.answer, self.detour = answer, detour or {}
        self.asked, self.seen, self.lock = [], b'', threading.Lock()
        self.socket = socket.create_server(('127.0.0.1', 0))
        self.url = 'http://127.0.0.1:%d' % self.socket.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.socket.close()

    def _keep(self, octets):
        with self.lock:
            self.seen += octets

    def _accept(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with client:
            head = b''
            while b'\r\n\r\n' not in head:
                got = client.recv(1)
                if not got:
                    return
                head += got
            self._keep(head)
            name = head.split(b' ')[1].decode()
            self.asked.append(name)
            if self.answer:
                client.sendall(self.answer)
                return
            port = int(name.rsplit(':', 1)[1])
            with socket.create_connection(('127.0.0.1', self.detour.get(port, port))) as server:
                client.sendall(b'HTTP/1.1 200 Connection established\r\n\r\n')
                self._relay(client, server)

    def _relay(self, client, server):
        other = {client: server, server: client}
        while True:
            for ready in select.select(list(other), [], [], 60)[0]:
                try:
                    octets = ready.recv(65536)
                except ConnectionError:
                    return
                if not octets:
                    return
                self._keep(octets)
                other[ready].sendall(octets)
