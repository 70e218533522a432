# SPDX-License-Identifier: Apache-2.0
"""Mutations of valid messages that keep enough whole to get deep: what a hostile peer with time on his hands sends.

Pure: octets and a random.Random in, octets out. A message is taken apart, one to three places in it are changed, and it
is put together again with lengths, boundaries and base64 that fit, so that the parsers behind them get something to
read; one in ten is damaged anywhere and nothing is repaired.
"""
import base64
import re

NASTY = [b'', b'\0', b'\r\n', b'\xff\xfe', b'%00', b'%s%n', b'<', b'>', b'"', b'&#0;', b'-1', b'0', b'4294967296',
         b'99999999999999999999', b'\x7f', b'A' * 300, b'../', b'<!DOCTYPE a>', b'<![CDATA[', b'\xc0\x80', b'\xef\xbf\xbe']


def damage(octets, rng, n=None):
    """A few octets changed, dropped, doubled or nasty ones put in."""
    out = bytearray(octets)
    for _ in range(n or rng.choice((1, 1, 1, 2, 3))):
        at = rng.randrange(len(out) + 1)
        how = rng.randrange(6)
        if how == 0 and out:
            out[at % len(out)] ^= 1 << rng.randrange(8)
        elif how == 1 and out:
            out[at % len(out)] = rng.randrange(256)
        elif how == 2:
            del out[at:at + rng.choice((1, 1, 2, 16))]
        elif how == 3:
            out[at:at] = out[at:at + rng.choice((1, 4, 32))]
        else:
            out[at:at] = rng.choice(NASTY)
    return bytes(out)


def mikey(octets, rng):
    """Mostly its fields' values, so that it still cuts into payloads; at times its lengths."""
    out = bytearray(octets)
    for _ in range(rng.choice((1, 1, 2))):
        out[rng.randrange(len(out))] = rng.choice((0, 1, 0x7f, 0x80, 0xff, rng.randrange(256)))
    return bytes(out) if rng.random() < 0.8 else damage(bytes(out), rng)


def text(octets, rng):
    """XML, JSON or a form: a value between delimiters, or an octet anywhere."""
    values = list(re.finditer(rb'(?<=[>=":&])[^<>=":&{}]{1,200}(?=[<&",}])', octets))
    if values and rng.random() < 0.7:
        v = rng.choice(values)
        return octets[:v.start()] + damage(v.group(0), rng, 1) + octets[v.end():]
    return damage(octets, rng)


def sdp(octets, rng):
    lines = octets.split(b'\r\n')
    at = rng.randrange(len(lines))
    if lines[at].startswith(b'a=key-mgmt:mikey ') and rng.random() < 0.9:
        lines[at] = b'a=key-mgmt:mikey ' + base64.b64encode(mikey(base64.b64decode(lines[at][17:]), rng))
    elif rng.random() < 0.2:
        lines.insert(at, rng.choice(lines))
    else:
        lines[at] = lines[at][:2] + damage(lines[at][2:], rng, 1)
    return b'\r\n'.join(lines)


def part(head, octets, rng):
    if b'application/mikey' in head:
        return mikey(octets, rng)
    return sdp(octets, rng) if b'application/sdp' in head else text(octets, rng)


def body(kind, octets, rng):
    """The body of a SIP message; boundaries stay."""
    m = re.search(rb'boundary="?([^";]+)', kind)
    if not m:
        return part(kind, octets, rng)
    mark = b'--' + m.group(1)
    pieces = octets.split(mark)
    at = rng.randrange(1, max(2, len(pieces) - 1))
    if at < len(pieces) and b'\r\n\r\n' in pieces[at]:
        head, _, inner = pieces[at].partition(b'\r\n\r\n')
        if rng.random() < 0.1:
            head = damage(head, rng, 1)
        pieces[at] = head + b'\r\n\r\n' + part(head, inner[:-2], rng) + b'\r\n'
    if rng.random() < 0.05:
        pieces.insert(at, rng.choice(pieces))
    return mark.join(pieces)


def split(message):
    head, _, octets = message.partition(b'\r\n\r\n')
    lines = head.split(b'\r\n')
    return lines[0], lines[1:], octets


def join(first, headers, octets):
    """With the length that is true, in its place."""
    out = [h for h in headers if not re.match(rb'(?i)(content-length|l)[ \t]*:', h)]
    return b'\r\n'.join([first] + out + [b'Content-Length: %d' % len(octets), b'', octets])


def header_value(headers, name):
    for h in headers:
        if h.lower().startswith(name.lower() + b':'):
            return h.partition(b':')[2].strip()
    return b''


def request(message, rng, keep, body_of):
    """A SIP or HTTP request; headers named in `keep` stay, for without them nothing would be answered."""
    first, headers, octets = split(message)
    if rng.random() < 0.1:
        return damage(message, rng)
    if octets and rng.random() < 0.75:
        octets = body_of(header_value(headers, b'Content-Type'), octets, rng)
        return join(first, headers, octets)
    if rng.random() < 0.15:
        words = first.split(b' ')
        at = rng.randrange(len(words) - 1)
        words[at] = damage(words[at], rng, 1)
        return join(b' '.join(words), headers, octets)
    may = [i for i, h in enumerate(headers) if h.partition(b':')[0].lower() not in keep]
    if may:
        at = rng.choice(may)
        name, _, value = headers[at].partition(b':')
        how = rng.randrange(8)
        if how == 0:
            del headers[at]
        elif how == 1:
            headers.insert(at, headers[at])
        else:
            headers[at] = name + b':' + damage(value, rng, 1)
    return join(first, headers, octets)


def sip(message, rng):
    """With a transaction of its own: branch, Call-ID and tag are fresh."""
    mark = b'%016x' % rng.getrandbits(64)
    out = re.sub(rb'branch=z9hG4bK[^;\r\n]*', b'branch=z9hG4bK' + mark, message, count=1)
    out = re.sub(rb'(?im)^Call-ID:[^\r\n]*', b'Call-ID: ' + mark, out, count=1)
    out = re.sub(rb'(?im)^(From:[^\r\n]*;tag=)[^;\r\n]*', rb'\g<1>' + mark[:8], out, count=1)
    return request(out, rng, (b'via', b'call-id', b'cseq', b'from', b'to', b'content-type', b'max-forwards'), body)


def http(message, rng):
    def of(_, octets, r):
        return text(octets, r)
    return request(message, rng, (b'host', b'authorization', b'content-type', b'transfer-encoding'), of)


def packet(octets, rng):
    """RTP or SRTP: the header's fields more often than the rest."""
    out = bytearray(octets)
    for _ in range(rng.choice((1, 1, 2, 4))):
        at = rng.randrange(12) if rng.random() < 0.6 else rng.randrange(len(out))
        out[at] = rng.choice((out[at] ^ 1 << rng.randrange(8), rng.randrange(256)))
    how = rng.randrange(10)
    if how == 0:
        del out[rng.randrange(len(out)):]
    elif how == 1:
        out += rng.randbytes(rng.randrange(1, 1200))
    return bytes(out)
