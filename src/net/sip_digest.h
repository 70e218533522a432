/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sip_digest.h - digest access authentication, the client's side (RFC 3261 22, RFC 7616, RFC 8760): a challenge read,
 * and the answer to it written. SHA-256 and MD5, with qop auth or none; the caller brings nonce count and cnonce.
 *
 * MD5 is what cores of the field offer; the exchange is inside TLS with a core whose name was verified, so that nobody
 * else sees an answer. Values that would need quoting are refused.
 */
#ifndef MCX_NET_SIP_DIGEST_H
#define MCX_NET_SIP_DIGEST_H

#include <stdint.h>

#include "net/sip_message.h"

struct sip_challenge {
	char realm[128], nonce[256], opaque[128]; /* opaque "": none */
	int sha256, qop_auth, stale;
};

/* Of one WWW-Authenticate value. MCSEC_E_VALUE: not Digest, an algorithm or qop we do not speak, or out of shape. */
enum mcsec_err sip_challenge_read(const char *value, struct sip_challenge *out);
/* The best of all in a 401: SHA-256 before MD5. MCSEC_E_VALUE: none that we can answer. */
enum mcsec_err sip_challenge_of(const struct sip_message *rs, struct sip_challenge *out);

struct sip_digest {
	const char *user, *password, *method, *uri;
	const char *cnonce; /* letters and digits */
	uint32_t nc;        /* 1 for a nonce's first use */
};
/* The Authorization value. MCSEC_E_VALUE: a quote in user or uri; MCSEC_E_NO_SPACE; MCSEC_E_CRYPTO. */
enum mcsec_err sip_digest_write(const struct sip_challenge *c, const struct sip_digest *d, char *out, size_t size);

#endif
