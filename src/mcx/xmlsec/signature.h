/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signature.h - the part application/vnd.3gpp.mcptt-signed+xml: one detached HMAC signature for each signed part, found
 * by its Content-ID (TS 24.379 6.6.2.3.3, 6.6.3.3, F.6; xml-protection 6).
 *
 * What is verified is what is used: a digest is taken over the octets of the very part that the caller then reads.
 */
#ifndef MCX_XMLSEC_SIGNATURE_H
#define MCX_XMLSEC_SIGNATURE_H

#include "mcx/doc/multipart.h"
#include "uri_crypt.h"

enum { XML_SIGNATURES_MAX = 16, XML_SIGNATURES_SIZE = 64 * 1024 };

struct signed_part {
	const char *id; /* Content-ID without angle brackets */
	struct octets body;
};

enum mcsec_err signatures_write(struct writer *w, const struct xml_key *key, const struct signed_part *parts, size_t n);
/*
 * Every signature of the document must verify under one of the keys and name each part at most once. *covered receives
 * a bit for each part of m that is signed, *key_id the XPK-ID. MCSEC_E_BAD_SIGNATURE for every fault.
 */
enum mcsec_err signatures_verify(struct octets document, const struct xml_keys *keys, const struct multipart *m,
				 uint32_t *covered, uint32_t *key_id);

#endif
