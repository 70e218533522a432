# SPDX-License-Identifier: Apache-2.0
"""Between the clients and mcx-server: a TLS listener with the server's certificate, and for each client that connects a
connection to the real server with that client's certificate. It is how the harness comes by valid messages of every
kind, and by a party's media, and where it can say something to a client as its server.

Messages pass octet for octet, but for the users in `media`: in their session descriptions the port of the audio line is
replaced by one of the same length here, so that their packets pass here too.
"""
import collections
import re
import select
import socket
import ssl
import threading
import time

AUDIO = re.compile(rb'(m=audio )(\d{5})( )')
LOG_OFF = re.compile(rb'(?i)\nexpires:[ \t]*0\r')


def udp():
    """A socket whose port has five digits."""
    while True:
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind(('127.0.0.1', 0))
        if s.getsockname()[1] >= 10000:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            s.settimeout(0.2)
            return s
        s.close()


class Media:
    """One party's media: `near` faces the client, `far` the server's relay."""

    def __init__(self):
        self.near, self.far = udp(), udp()
        self.client = self.relay = None
        self.packets, self.over = [], threading.Event()
        self.expected, self.came = set(), 0  # packets sent elsewhere that should come from the relay; those that did
        for s, to in ((self.near, 'relay'), (self.far, 'client')):
            threading.Thread(target=self.pump, args=(s, to), daemon=True).start()

    def pump(self, source, to):
        while not self.over.is_set():
            try:
                octets = source.recv(2048)
            except socket.timeout:
                continue
            except OSError:
                return
            if to == 'relay' and len(self.packets) < 500:
                self.packets.append(octets)
            self.came += to == 'client' and octets in self.expected
            self.send(to, octets)

    def send(self, to, octets):
        address = self.relay if to == 'relay' else self.client
        if address:
            (self.far if to == 'relay' else self.near).sendto(octets, ('127.0.0.1', address))

    def close(self):
        self.over.set()
        self.near.close()
        self.far.close()


class Side:
    """A TLS connection that never makes its thread wait for octets that are not there."""

    def __init__(self, tls):
        self.tls = tls
        tls.setblocking(False)

    def read(self):
        """What came; None if nothing did, b'' at the end."""
        try:
            return self.tls.recv(65536)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None

    def write(self, octets):
        rest = memoryview(octets)
        while rest:
            try:
                rest = rest[self.tls.send(rest):]
            except ssl.SSLWantWriteError:
                select.select([], [self.tls], [], 60)
            except ssl.SSLWantReadError:
                select.select([self.tls], [], [], 60)


class Link:
    """One client's connection and the one to the server for it. One thread has both: a TLS object is not for two."""

    def __init__(self, middle, down):
        self.middle, self.user = middle, ''
        self.down, self.up = Side(down), None
        self.sent = []  # what the client said, message for message as it was read
        self.words, self.wake, self.over = collections.deque(), socket.socketpair(), False
        for s in self.wake:
            s.setblocking(False)

    def run(self):
        try:
            first = None
            while first is None:
                select.select([self.down.tls], [], [], 60)
                first = self.down.read()
            self.user = re.search(rb'(?im)^(?:f|from)\s*:[^\r\n]*?sip:([^@%;>]+)@', first).group(1).decode()
            self.up = Side(self.middle.reach(self.user))
            self.middle.links[self.user] = self
            going = self.forward(first)
            while going:
                if not self.down.tls.pending() and not self.up.tls.pending():
                    select.select([self.down.tls, self.up.tls, self.wake[0]], [], [])
                going = self.step()
        except (OSError, AttributeError) as e:
            self.middle.note('%s: %r' % (self.user, e))
        self.close()

    def step(self):
        """Passes on what is there; False at the end of either side."""
        try:
            self.wake[0].recv(4096)
        except BlockingIOError:
            pass
        while self.words:
            self.down.write(self.words.popleft())
        octets = self.up.read()
        if octets:
            self.down.write(self.middle.rewrite(self.user, octets, 'relay'))
        said = self.down.read()
        return not self.over and octets != b'' and said != b'' and (not said or self.forward(said))

    def forward(self, said):
        """What the client said, to the server; False for the log-off of one who stays."""
        if self.user in self.middle.stay and LOG_OFF.search(said):
            return False
        self.sent.append(said)
        self.up.write(self.middle.rewrite(self.user, said, 'client'))
        return True

    def say(self, octets):
        """To the client, as its server; from any thread."""
        self.words.append(octets)
        self.rouse()

    def end(self):
        """From any thread."""
        self.over = True
        self.rouse()

    def rouse(self):
        try:
            self.wake[1].send(b'.')
        except BlockingIOError:
            pass  # it is awake already
        except OSError:
            self.middle.note('%s: gone' % self.user)

    def close(self):
        for s in (self.down.tls, self.up and self.up.tls, *self.wake):
            if s:
                try:
                    s.close()
                except OSError:
                    pass


class Middle:
    def __init__(self, folder, zone, listen, server):
        """folder: of the domain; listen: the port the clients know; server: the port it has in truth."""
        self.folder, self.zone, self.server = folder, zone, server
        self.links, self.media = {}, {}
        self.stay = set()  # users whose logging off never arrives: what they did with the server holds on
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder + '/server/tls/agent.pem')
        self.context = context
        self.socket = socket.create_server(('127.0.0.1', listen), backlog=64)
        threading.Thread(target=self.accept, daemon=True).start()

    def note(self, text):
        with open(self.folder + '/middle.log', 'a', encoding='utf-8') as f:
            f.write('%s %s\n' % (time.strftime('%H:%M:%S'), text))

    def reach(self, user, source='127.0.0.1'):
        """A connection to mcx-server with this user's certificate."""
        context = ssl.create_default_context(cafile=self.folder + '/ue/%s/tls/cafile.pem' % user)
        context.load_cert_chain(self.folder + '/ue/%s/tls/agent.pem' % user)
        raw = socket.create_connection(('127.0.0.1', self.server), timeout=60, source_address=(source, 0))
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        tls = context.wrap_socket(raw, server_hostname='sip.' + self.zone)
        tls.settimeout(None)
        return tls

    def accept(self):
        while True:
            try:
                raw, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(raw,), daemon=True).start()

    def serve(self, raw):
        try:
            raw.settimeout(60)
            down = self.context.wrap_socket(raw, server_side=True)
        except OSError as e:
            self.note('a client that never spoke: %r' % e)
            raw.close()
            return
        Link(self, down).run()

    def rewrite(self, user, octets, whose):
        """`whose` port the description names: the client's, or the relay's."""
        media = self.media.get(user)
        found = AUDIO.search(octets) if media else None
        if not found:
            return octets
        setattr(media, whose, int(found.group(2)))
        here = (media.far if whose == 'client' else media.near).getsockname()[1]
        return AUDIO.sub(rb'\g<1>%d\g<3>' % here, octets)

    def close(self):
        self.socket.close()
        for link in list(self.links.values()):
            link.end()
        for media in self.media.values():
            media.close()


def messages(pieces):
    """Whole SIP messages out of the pieces they were read in."""
    octets, found = b''.join(pieces), []
    while octets:
        head, mark, rest = octets.lstrip(b'\r\n').partition(b'\r\n\r\n')
        length = re.search(rb'(?im)^(?:content-length|l)\s*:\s*(\d+)', head)
        if not mark or not length:
            break
        n = int(length.group(1))
        found.append(head + mark + rest[:n])
        octets = rest[n:]
    return found
