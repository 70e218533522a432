# SPDX-License-Identifier: Apache-2.0
"""RFC 6507 5.2 on its own: does an SSK belong to its PVT and identity? Whole numbers only, nothing of libmcsec.

    KPAK is the point PubAuthKey; HS = SHA-256(G || KPAK || ID || PVT); valid: [SSK]G = KPAK + [HS]PVT.
"""
import hashlib

P = 2**256 - 2**224 + 2**192 + 2**96 - 1
N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551
B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b
G = (0x6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296,
     0x4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5)


def decode(octets):
    assert len(octets) == 65 and octets[0] == 4, 'no uncompressed point'
    x, y = int.from_bytes(octets[1:33], 'big'), int.from_bytes(octets[33:], 'big')
    assert (y * y - x * x * x + 3 * x - B) % P == 0, 'not on the curve'
    return x, y


def encode(point):
    return b'\x04' + point[0].to_bytes(32, 'big') + point[1].to_bytes(32, 'big')


def _double(p):
    x, y, z = p
    if not z:
        return p
    yy = y * y % P
    s, m = 4 * x * yy % P, 3 * (x - z * z) * (x + z * z) % P
    nx = (m * m - 2 * s) % P
    return nx, (m * (s - nx) - 8 * yy * yy) % P, 2 * y * z % P


def _add(p, q):
    if not p[2] or not q[2]:
        return q if not p[2] else p
    zz1, zz2 = p[2] * p[2] % P, q[2] * q[2] % P
    u1, u2 = p[0] * zz2 % P, q[0] * zz1 % P
    s1, s2 = p[1] * zz2 * q[2] % P, q[1] * zz1 * p[2] % P
    if u1 == u2:
        return _double(p) if s1 == s2 else (1, 1, 0)
    h, r = u2 - u1, s2 - s1
    hh = h * h % P
    v = u1 * hh % P
    x = (r * r - hh * h - 2 * v) % P
    return x, (r * (v - x) - s1 * hh * h) % P, p[2] * q[2] * h % P


def _times(k, p):
    out = (1, 1, 0)
    for bit in bin(k)[2:]:
        out = _double(out)
        if bit == '1':
            out = _add(out, p)
    return out


def _affine(p):
    i = pow(p[2], -1, P)
    return p[0] * i * i % P, p[1] * i * i * i % P


def hs(kpak, identity, pvt):
    return hashlib.sha256(encode(G) + kpak + identity + pvt).digest()


def is_valid(kpak, identity, ssk, pvt):
    k, v = decode(kpak), decode(pvt)
    s = int.from_bytes(ssk, 'big')
    if not 0 < s < N:
        return False
    left = _times(s, (*G, 1))
    right = _add((*k, 1), _times(int.from_bytes(hs(kpak, identity, pvt), 'big'), (*v, 1)))
    return _affine(left) == _affine(right)


def check_with_the_published_example():
    """RFC 6507 appendix A: the identity, KPAK, SSK and PVT of the example."""
    identity = b'2011-02\x00tel:+447700900123\x00'
    kpak = bytes.fromhex('0450d4670bde75244f28d2838a0d25558a7a72686d4522d4c8273fb6442aebfa93'
                         'dbdd37551afd263b5dfd617f3960c65a8c298850ff99f20366dce7d4367217f4')
    pvt = bytes.fromhex('04758a142779be89e829e71984cb40ef758cc4ad775fc5b9a3e1c8ed52f6fa36d9'
                        'a79d247692f4eda3a6bdab77d6aa6474a464ae4934663c5265ba7018ba091f79')
    assert hs(kpak, identity, pvt).hex() == '490f3febbc1c902f6289723d7f8cbf79db88930849d19f38f0295b5c276c14d1'
    ssk = bytes.fromhex('23f374ae1f4033f3e9dbddaaef20f4cf0b86bbd5a138a5ae9e7e006b34489a0d')
    assert is_valid(kpak, identity, ssk, pvt)
    assert not is_valid(kpak, identity, ssk[:-1] + b'\x0e', pvt)
    assert not is_valid(kpak, identity + b'x', ssk, pvt)
