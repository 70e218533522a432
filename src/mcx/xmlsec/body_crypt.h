/* SPDX-License-Identifier: Apache-2.0 */
/*
 * body_crypt.h - one XML body: clear to confidential and back (TS 24.379 6.6.2.3, 6.6.3.2; xml-protection 4, 5, 7).
 *
 * Protecting replaces what the table of sensitive.h names; opening replaces whatever is encrypted. Both write a whole
 * new document by hand; nothing is spliced into a tree, and a plaintext is parsed on its own before it is used.
 */
#ifndef MCX_XMLSEC_BODY_CRYPT_H
#define MCX_XMLSEC_BODY_CRYPT_H

#include "mcsec/rng.h"
#include "uri_crypt.h"

enum { XML_ITEMS_MAX = 256 }; /* encrypted elements and URIs of one message */

/* What was met while opening the bodies of one message. */
struct xml_seen {
	size_t n; /* encrypted items */
	uint8_t iv[XML_ITEMS_MAX][XML_IV_LEN];
	uint32_t key_id;          /* of the first; all must name the same */
	unsigned clear_sensitive; /* sensitive items that came in clear */
};

/*
 * MCSEC_E_MALFORMED, MCSEC_E_LENGTH the clear document; MCSEC_E_VALUE a sensitive value that is no URI; MCSEC_E_RANDOM;
 * MCSEC_E_NO_SPACE.
 */
enum mcsec_err xml_body_protect(struct writer *w, const struct xml_key *key, const struct mcsec_rng *rng,
				struct octets clear);
/*
 * The clear document. *seen grows; start with zeros. MCSEC_E_DECRYPT for every fault of something encrypted, and for a
 * document that the limits refuse; MCSEC_E_NO_SPACE, MCSEC_E_MEMORY.
 */
enum mcsec_err xml_body_open(struct writer *w, const struct xml_keys *keys, struct octets body, struct xml_seen *seen);

#endif
