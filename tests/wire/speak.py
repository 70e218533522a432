# SPDX-License-Identifier: Apache-2.0
"""Sending many mutated requests over real connections, and counting what came back.

One connection carries many requests, as long as each says its own length truly; one that does not is the last of its
connection, for nobody could tell where the next begins. Answers are counted by status; "-" is a request without one.
"""
import collections
import re
import select
import time

LENGTH = re.compile(rb'(?im)^(?:content-length|l)[ \t]*:[ \t]*(\d{1,9})[ \t]*\r$')
PATIENCE = 1.0  # how long an answer may take before the request counts as one without


def whole(message):
    """Its head ends, and it has as many octets as it says: the next message is found behind it."""
    head, mark, body = message.partition(b'\r\n\r\n')
    lengths = re.findall(rb'(?im)^(?:content-length|l)[ \t]*:', head)
    true = LENGTH.findall(head + b'\r\n')
    return (bool(mark) and len(lengths) == len(true) <= 1 and int(true[0] if true else 0) == len(body)
            and not re.search(rb'(?<!\r)\n|\r(?!\n)|\0|(?i:transfer-encoding|expect)', head))


class Stream:
    """A TLS connection, read in whole messages."""

    def __init__(self, tls):
        self.tls, self.octets, self.over = tls, b'', False
        tls.setblocking(False)

    def fill(self, wait):
        if not self.tls.pending() and not select.select([self.tls], [], [], wait)[0]:
            return
        try:
            got = self.tls.recv(65536)
            self.over |= not got
            self.octets += got
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as e:
            self.over |= 'WANT' not in type(e).__name__.upper()

    def take(self):
        """The next whole message, or None."""
        head, mark, rest = self.octets.partition(b'\r\n\r\n')
        if not mark:
            return None
        length = LENGTH.search(head + b'\r\n')
        n = int(length.group(1)) if length else 0
        if len(rest) < n:
            return None
        self.octets = rest[n:]
        return head + mark + rest[:n]

    def send(self, message):
        self.tls.setblocking(True)
        self.tls.settimeout(PATIENCE)  # a peer that waits for the rest of a broken message reads no further
        try:
            self.tls.sendall(message)
        except OSError:
            self.over = True
        self.tls.setblocking(False)

    def close(self):
        try:
            self.tls.close()
        except OSError:
            pass


class Sip:
    """Requests to mcx-server; at most `window` are without a final answer at a time. A call that is answered is ended."""

    def __init__(self, connect, window=32):
        self.connect, self.window = connect, window
        self.stream, self.open, self.heard_at = None, {}, 0.0
        self.statuses, self.connections = collections.Counter(), 0

    def begin(self):
        if not self.stream or self.stream.over:
            self.end()
            self.stream = Stream(self.connect())
            self.connections += 1
            self.heard_at = time.monotonic()

    def end(self):
        self.statuses['-'] += len(self.open)
        self.open.clear()
        if self.stream:
            self.stream.close()
            self.stream = None

    def hear(self, wait):
        self.stream.fill(wait)
        while True:
            m = self.stream.take()
            if m is None:
                break
            self.heard(m)
        late = time.monotonic() - PATIENCE
        for call in [c for c, at in self.open.items() if at < late]:
            del self.open[call]
            self.statuses['-'] += 1
            self.stream.over |= self.heard_at < late  # it waits for the rest of something

    def heard(self, m):
        self.heard_at = time.monotonic()
        call = re.search(rb'(?im)^(?:call-id|i)\s*:\s*(\S+)', m)
        if not m.startswith(b'SIP/2.0 ') or not call or m[8:9] == b'1':
            return
        if self.open.pop(call.group(1), None) is not None:
            self.statuses[m[8:11].decode()] += 1
        if m[8:9] == b'2' and re.search(rb'(?im)^cseq\s*:\s*\d+\s+INVITE', m):
            self.hang_up(m)

    def hang_up(self, ok):
        """The call was taken: acknowledged and over."""
        contact = re.search(rb'(?im)^(?:contact|m)\s*:[^\r\n]*?<?(sips?:[^>\s]+)', ok)
        same = b''.join(line + b'\r\n' for line in ok.split(b'\r\n') if re.match(rb'(?i)(from|f|to|t|call-id|i)\s*:', line))
        number = re.search(rb'(?im)^cseq\s*:\s*(\d+)', ok)
        if not contact or not number:
            return
        for method, n in ((b'ACK', int(number.group(1))), (b'BYE', int(number.group(1)) + 1)):
            self.stream.send(b'%s %s SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1:9;rport;branch=z9hG4bK%x\r\n%sCSeq: %d %s\r\n'
                             b'Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n'
                             % (method, contact.group(1), time.monotonic_ns(), same, n, method))

    def say(self, message, call):
        """`call`: the Call-ID the answer will have, if there is one."""
        if not whole(message):
            self.alone(message)
            return
        self.begin()
        self.open[call] = time.monotonic()
        self.stream.send(message)
        self.hear(0)
        while len(self.open) >= self.window and not self.stream.over:
            self.hear(0.05)

    def alone(self, message):
        """On a connection of its own; an answer that comes at once is heard."""
        stream = Stream(self.connect())
        self.connections += 1
        stream.send(message)
        stream.fill(0.01)
        answer = stream.take()
        self.statuses[answer[8:11].decode() if answer and answer.startswith(b'SIP/2.0 ') else '-'] += 1
        stream.close()

    def settle(self):
        while self.open and self.stream and not self.stream.over:
            self.hear(0.05)


class Http:
    """Requests to a daemon's HTTPS, one after the other."""

    def __init__(self, connect):
        self.connect, self.stream = connect, None
        self.statuses, self.connections = collections.Counter(), 0

    def end(self):
        if self.stream:
            self.stream.close()
            self.stream = None

    def say(self, message):
        """The answer, or None."""
        if not self.stream or self.stream.over:
            self.end()
            self.stream = Stream(self.connect())
            self.connections += 1
        self.stream.send(message)
        good, answer = whole(message), None
        end = time.monotonic() + (PATIENCE if good else 0.05)
        while answer is None and not self.stream.over and time.monotonic() < end:
            self.stream.fill(0.05)
            answer = self.stream.take()
        self.statuses[answer[9:12].decode() if answer else '-'] += 1
        if not good or answer is None or re.search(rb'(?im)^connection:\s*close', answer) or message[:5] == b'HEAD ':
            self.end()
        return answer
