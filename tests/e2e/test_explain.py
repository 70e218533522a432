#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""TAP: `mcx explain` of SIP messages and protected bodies, on the worked example of docs/xml-protection.md.
Arguments: mcx, the folder docs/example."""
import json
import os
import subprocess
import sys
import tempfile

import tap

MCX, EXAMPLE = os.path.abspath(sys.argv[1]), sys.argv[2]
CSK = os.path.join(EXAMPLE, 'csk.json')
with open(os.path.join(EXAMPLE, 'protected-body.txt'), 'rb') as f:
    BODY = f.read()
HEAD = (b'INVITE sip:psi@mc.example.org SIP/2.0\r\nFrom: <sip:alice@ims.example>;tag=1\r\nSubject: two\r\n lines\r\n'
        b'c: multipart/mixed;boundary="mcx-example"\r\n\r\n')


def explain(octets, *args):
    p = subprocess.run([MCX, 'explain', '-', *args], input=octets, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       check=False, timeout=60)
    return p.returncode, p.stdout.decode(), p.stderr.decode()


def fields(octets, *args):
    code, out, _ = explain(octets, '--json', *args)
    o = json.loads(out)
    return code, o, [(f['part'], f['field'].strip(), f['value'], f['offset'], f['length']) for f in o['fields']]


def key_file(**changes):
    with open(CSK, encoding='utf-8') as src:
        o = json.load(src)
    o.update(changes)
    with tempfile.NamedTemporaryFile('w', suffix='.json', delete=False) as out:
        json.dump(o, out)
    return out.name


def the_example_is_opened_with_its_key():
    code, o, f = fields(BODY, '--key', CSK)
    clear = {(name, value) for part, name, value, _, _ in f if 'opened' in part}
    return (code == 0 and o['ok'] and ('mcpttString', 'client-0001') in clear and
            ('@uri', 'sip:bob@mc.example.org') in clear and 'XPK-ID 2c3d4e5f' in o['note'] and
            '2 encrypted items, 0 sensitive values in clear' in o['note'])


def without_a_key_nothing_is_opened_and_the_next_step_is_told():
    code, o, f = fields(BODY)
    return (code == 0 and not any('opened' in part for part, *_ in f) and '--key' in o['note'] and
            not any(v == 'client-0001' for _, _, v, _, _ in f))


def every_field_stands_where_its_offset_says():
    _, _, f = fields(HEAD + BODY)
    data = HEAD + BODY
    told = [x for x in f if x[2] and x[1].startswith('@')]
    return len(told) > 10 and all(x[2].encode() in data[x[3]:x[3] + x[4]] for x in told)


def headers_are_told_with_their_continuation_and_short_names():
    code, o, f = fields(HEAD + BODY, '--key', CSK)
    told = {name: value for part, name, value, _, _ in f if part == 'message'}
    return (code == 0 and o['type'] == 'sip' and told['start line'].startswith('INVITE') and
            told['Subject'] == 'two lines' and told['c'].startswith('multipart/mixed') and 'opened' in o['note'])


def a_changed_part_is_refused_with_the_warning_a_receiver_gives():
    code, out, _ = explain(BODY.replace(b'call-back', b'call-bacK'), '--key', CSK)
    return code == 3 and 'integrity' in out and 'Warning 139' in out and 'client-0001' not in out


def another_key_of_the_same_name_does_not_verify():
    name = key_file(key='00' * 16)
    code, out, _ = explain(BODY, '--key', name)
    os.unlink(name)
    return code == 3 and 'Warning 139' in out


def the_key_of_another_user_does_not_verify():
    code, out, _ = explain(BODY, '--key', CSK, '--identity', 'sip:mallory@mc.example.org')
    return code == 3 and 'Warning 139' in out


def a_body_without_its_signatures_part_is_unsigned_whatever_the_key():
    bare = BODY[:BODY.index(b'--mcx-example\r\nContent-Type: application/vnd.3gpp.mcptt-signed')] + b'--mcx-example--\r\n'
    name = key_file(key='00' * 16)
    wrong, right = explain(bare, '--key', name), explain(bare, '--key', CSK)
    os.unlink(name)
    return all(r[0] == 3 and 'a part is not signed' in r[1] and 'Warning 139' in r[1] for r in (wrong, right))


def a_body_that_is_cut_is_refused_at_its_octet():
    code, o, _ = fields(BODY[:900])
    return code == 3 and o['fault']['error'] == 'truncated' and o['fault']['clause'] == 'RFC 2046 5.1'


def a_key_file_that_is_none_says_how_to_make_one():
    results = []
    for changes in ({'key': 'zz'}, {'k_id': '1'}, {'initiator': None}, {'key': '00' * 17}):
        name = key_file(**changes)
        results.append(explain(BODY, '--key', name))
        os.unlink(name)
    absent = explain(BODY, '--key', '/nonexistent/csk.json')
    return all(c == 2 and 'mcx mikey open --show-secrets' in e for c, _, e in results) and absent[0] == 1


def an_answer_without_a_body_is_well_formed():
    code, o, _ = fields(b'SIP/2.0 200 OK\r\nCSeq: 1 REGISTER\r\n\r\n')
    return code == 0 and o['note'] == 'no body'


def hostile_texts_end_in_an_answer():
    odd = [b'--\r\n', b'--' + b'x' * 100 + b'\r\n', b'SIP/2.0', b'SIP/2.0 200 OK\r\n' + b'a: b\r\n' * 300 + b'\r\n',
           HEAD, HEAD + b'--mcx-example', HEAD.replace(b'c: ', b'c') + BODY, b'X SIP/2.0\r\n\0\0\r\n\r\n',
           BODY.replace(b'<list>', b'<list' * 5000), HEAD + BODY.replace(b'"', b'')]
    return all(explain(o, '--key', CSK)[0] in (0, 3) for o in odd)


TESTS = [the_example_is_opened_with_its_key, without_a_key_nothing_is_opened_and_the_next_step_is_told,
         every_field_stands_where_its_offset_says, headers_are_told_with_their_continuation_and_short_names,
         a_changed_part_is_refused_with_the_warning_a_receiver_gives, another_key_of_the_same_name_does_not_verify,
         the_key_of_another_user_does_not_verify,
         a_body_without_its_signatures_part_is_unsigned_whatever_the_key,
         a_body_that_is_cut_is_refused_at_its_octet, a_key_file_that_is_none_says_how_to_make_one,
         an_answer_without_a_body_is_well_formed, hostile_texts_end_in_an_answer]
sys.exit(tap.run([tap.true(t) for t in TESTS]))
