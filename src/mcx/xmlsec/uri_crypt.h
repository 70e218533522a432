/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uri_crypt.h - a URI encrypted into a SIP URI (TS 33.180 9.3.4, TS 23.003 26.2; xml-protection 5):
 *
 *     sip:<base64(ciphertext||tag)>;iv=<base64(12)>;key-id=<base64(XPK-ID)>;alg=128-aes-gcm@mc1-encrypted.3gppnetwork.org
 *
 * alg is 256-aes-gcm with a key of 32 octets. The plaintext is the whole clear URI. On receiving, any host is accepted
 * when iv, key-id and alg are all there.
 */
#ifndef MCX_XMLSEC_URI_CRYPT_H
#define MCX_XMLSEC_URI_CRYPT_H

#include "xml_key.h"

enum { URI_CLEAR_MAX = 1024, URI_ENCRYPTED_MAX = 1600 };

/* A text that has the form above: it must decrypt, or the message fails. */
int uri_is_encrypted(const char *text);
/* MCSEC_E_VALUE clear is no URI of at most URI_CLEAR_MAX octets. out receives text ending with NUL. */
enum mcsec_err uri_encrypt(const struct xml_key *key, const uint8_t iv[XML_IV_LEN], const char *clear,
			   char out[URI_ENCRYPTED_MAX]);
/*
 * key_of finds the key of an XPK-ID, NULL when there is none. MCSEC_E_DECRYPT for every fault alike. iv receives the
 * IV, for the replay check.
 */
struct xml_keys {
	const struct xml_key *const *keys;
	size_t n;
};
enum mcsec_err uri_decrypt(const struct xml_keys *keys, const char *text, char out[URI_CLEAR_MAX + 1],
			   uint8_t iv[XML_IV_LEN], uint32_t *key_id);
const struct xml_key *xml_keys_find(const struct xml_keys *keys, uint32_t id);

/* scheme ":" and at least one character more; no blank, no control character, well-formed UTF-8 (xml-protection 5). */
int uri_is_clear(struct octets text);

#endif
