#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The fuzz targets' corpora from real messages: run the main job, record it, cut the records up.

    cut_corpus.py --mcx BUILD/src/tool/mcx --out tests/fuzz/corpus

Runs `mcx demo --once` in a folder of its own with capture.c preloaded, and writes into each target's folder what of the
recorded messages that target reads (its opening comment says in which form). Files are named after what they hold, one
of each kind, so that a second run replaces them. Growing and choosing from there is scripts/fuzz.py --grow.
"""
import argparse
import base64
import glob
import os
import re
import shutil
import subprocess
import tempfile
import wave

HERE = os.path.dirname(os.path.abspath(__file__))


BEGIN = re.compile(rb'(HTTP/1\.1 \d|SIP/2\.0 \d|[A-Z]+ (/[^\r\n]* HTTP/1\.1|sips?:[^\r\n]* SIP/2\.0)\r\n)')


class Corpus:
    def __init__(self, out):
        self.out, self.seen = out, set()

    def put(self, target, name, octets):
        """The first of each name counts; a later, different one of the same name gets a number, up to 3."""
        if (target, octets) in self.seen or len(octets) > 8192:
            return
        self.seen.add((target, octets))
        folder = os.path.join(self.out, target)
        os.makedirs(folder, exist_ok=True)
        for n in range(1, 4):
            path = os.path.join(folder, '%s%s' % (re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-'),
                                                  '-%d' % n if n > 1 else ''))
            if (target, path) not in self.seen:
                self.seen.add((target, path))
                with open(path, 'wb') as f:
                    f.write(octets)
                return


def records(mcx, folder):
    lib, out, run = (os.path.join(folder, n) for n in ('capture.so', 'records', 'run'))
    os.mkdir(out)
    subprocess.run(['cc', '-D_GNU_SOURCE', '-shared', '-fPIC', '-o', lib, os.path.join(HERE, 'capture.c'), '-ldl'],
                   check=True)
    subprocess.run([mcx, 'demo', '--dir', run, '--once'], check=True, stdout=subprocess.DEVNULL,
                   env=dict(os.environ, LD_PRELOAD=lib, CAPTURE=out))
    found, open_ = [], {}  # a message may be written, or come, in pieces
    for path in sorted(glob.glob(os.path.join(out, '*'))):
        channel = path.rpartition('/')[2].partition('-')[2]
        with open(path, 'rb') as f:
            octets = f.read()
        if channel.endswith('u'):
            found.append(octets)
        elif channel not in open_ or BEGIN.match(octets):
            open_[channel] = len(found)
            found.append(octets)
        else:
            found[open_[channel]] += octets
    return found, run


def header(message, name):
    m = re.search(rb'(?im)^%s:[ \t]*([^\r\n]*)' % name.encode(), message.split(b'\r\n\r\n')[0])
    return m.group(1) if m else b''


def cut_sip(c, octets):
    name = octets.split(b'\r\n')[0].decode(errors='replace').split(' ')
    name = '-'.join(name[1:2] + [header(octets, 'CSeq').decode().split(' ')[-1]]) if name[0] == 'SIP/2.0' else name[0]
    c.put('sip', name, octets)
    head, _, body = octets.partition(b'\r\n\r\n')
    kind = header(head, 'Content-Type')
    if not body or not kind:
        return
    for target in ('multipart', 'sip_body', 'ue_sip'):
        c.put(target, name, kind + b'\n' + body)
    c.put('xmlsec', name, kind + b'\n' + body + b'\0\0\0')
    boundary = re.search(rb'boundary="?([^";]+)', kind)
    parts = body.split(b'--' + boundary.group(1))[1:-1] if boundary else [b'\r\n\r\n' + body + b'\r\n']
    for part in parts:
        octets = part.split(b'\r\n\r\n', 1)[1][:-2]
        if octets.startswith(b'v=0'):
            cut_sdp(c, name, octets)
        elif b'<resource-lists' in octets:
            c.put('resource_lists', name, octets)
            c.put('xml', 'lists', octets)
        elif b'<mcpttinfo' in octets:
            c.put('mcptt_info', name, octets)
            c.put('xml', 'info', octets)
        elif octets[:2] == b'\x01\x1a':
            c.put('mikey', name, octets)
            c.put('explain', 'mikey', octets)


def cut_sdp(c, name, octets):
    c.put('sdp', name, octets)
    key = re.search(rb'a=key-mgmt:mikey ([A-Za-z0-9+/=]+)', octets)
    if key:
        c.put('mikey', 'call', base64.b64decode(key.group(1)))
        c.put('explain', 'line', key.group(0))
        c.put('text', 'base64', key.group(1))


def cut_http_request(c, octets):
    line = octets.split(b'\r\n')[0].decode()
    method, path = line.split(' ')[:2]
    name = re.sub('sip%3A|%40.*', '', method + path.split('?')[0].replace('/admin/v1', ''))
    short = re.sub(rb'(?im)^(Authorization: Bearer )[^\r\n]+', rb'\1T', octets)
    if path.startswith('/keymanagement'):
        name = path.split('/')[4]
        c.put('kms_http', name, b'\0' + short)
        c.put('kms_doc', 'request-' + name, octets.partition(b'\r\n\r\n')[2])
        c.put('kms_signed', 'request-' + name, octets.partition(b'\r\n\r\n')[2])
        c.put('xml', 'kms-request', octets.partition(b'\r\n\r\n')[2])
    elif path.startswith('/admin') or path in ('/metrics', '/healthz', '/readyz'):
        c.put('kms_http', name, b'\1' + short)
        c.put('idms_http', name, b'\1' + short)
        c.put('server_admin', name, b'\0' + short)
    else:
        c.put('idms_http', name, b'\0' + octets)
        for text in (path.partition('?')[2].encode(), octets.partition(b'\r\n\r\n')[2]):
            if text:
                c.put('http_text', name, text)
    token = re.search(rb'Bearer ([A-Za-z0-9_.-]+)', octets)
    if token:
        c.put('token', 'access', token.group(1))
        c.put('explain', 'token', token.group(1))


OPERATIONS = {b'KmsInit': 0, b'KmsCertCache': 2, b'KmsLookup': 3, b'KmsKeyProv': 4}


def cut_kms_answer(c, body):
    for kind, op in OPERATIONS.items():
        if b'<' + kind in body:
            name = kind.decode()
            c.put('kms_doc', 'response-' + name, body)
            c.put('kms_answer', name, bytes([op, 0]) + body)
            c.put('kms_part', 'response-' + name, body)
            c.put('explain', name, body)
            c.put('xml', name, body)
    root = rb'<\?xml version="1.0" encoding="UTF-8"\?>'
    for kind in (b'KmsCertificate', b'KmsKeySet', b'KmsInit', b'KmsKeyProv', b'KmsCertCache'):
        m = re.search(rb'<%s[ >].*</%s>' % (kind, kind), body, re.S)
        if m:
            part = m.group(0)
            head = part.split(b'>')[0]
            if b'xmlns' not in head:
                part = head + b' xmlns="urn:3gpp:ns:mcsecKMSInterface:1.0"' + part[len(head):]
            c.put('kms_part', kind.decode(), root.replace(b'\\', b'') + part)


def cut_http_answer(c, octets):
    head, _, body = octets.partition(b'\r\n\r\n')
    where = header(head, 'Location')
    if where:
        c.put('signin', 'location', where.replace(b'mcx.ue:/callback', b'http://127.0.0.1/cb'))
    if b'<form' in body:
        c.put('signin', 'page', body)
    if body.lstrip().startswith(b'{"keys"'):
        c.put('jwks', 'jwks', body)
        c.put('token', 'jwks', body)
    if b'urn:3gpp:ns:mcsecKMSInterface' in body:
        cut_kms_answer(c, body)


def cut_files(c, run, speech):
    for i, name in enumerate(('kms', 'idms', 'server')):
        with open(os.path.join(run, name, 'conf'), 'rb') as f:
            c.put('config', name, bytes([i]) + f.read())
    with wave.open(speech) as whole, tempfile.NamedTemporaryFile() as short:
        with wave.open(short.name, 'wb') as w:
            w.setparams(whole.getparams())
            w.writeframes(whole.readframes(400))
        with open(short.name, 'rb') as f:
            c.put('wav', 'speech', f.read())


def main():
    ap = argparse.ArgumentParser(description='cut the corpora from a run of the main job')
    ap.add_argument('--mcx', required=True)
    ap.add_argument('--out', required=True)
    a = ap.parse_args()
    folder = tempfile.mkdtemp(prefix='mcx-capture-')
    c = Corpus(a.out)
    try:
        found, run = records(os.path.abspath(a.mcx), folder)
        for octets in found:
            if octets[0] & 0xc0 == 0x80:
                for target in ('rtp', 'srtp'):
                    c.put(target, 'packet', octets)
                c.put('relay', 'packet', b'\0\x23\x28127.0.0.1\n' + octets)
            elif octets.startswith(b'HTTP/1.1 '):
                cut_http_answer(c, octets)
            elif b' HTTP/1.1\r\n' in octets[:4096]:
                cut_http_request(c, octets)
            else:
                cut_sip(c, octets)
        cut_files(c, run, os.path.join(HERE, '../../share/speech/about-to-try.wav'))
    finally:
        shutil.rmtree(folder)


if __name__ == '__main__':
    main()
