/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xml_key.h - the two keys that protect XML between two functions (TS 33.180 9.3, F.1.4; xml-protection 3).
 *
 * Both are derived from the XPK: the CSK between a client and its participating function, the SPK between servers. The
 * same pair serves both directions. The struct holds secrets: keep it in secret memory, or on the stack and wipe it.
 *
 * Its length is that of the suite agreed on for the CSK (TS 33.180 4.3.4.1): 16 octets with AES-128-GCM, or 32 with
 * AES-256-GCM. What names the other algorithm does not open.
 */
#ifndef MCX_XMLSEC_XML_KEY_H
#define MCX_XMLSEC_XML_KEY_H

#include "sec/base/bytes.h"

enum { XML_KEY_LEN = 16, XML_KEY_MAX = 32, XML_KEY_ID_LEN = 4, XML_IV_LEN = 12, XML_TAG_LEN = 16, XML_MAC_LEN = 32 };

struct xml_key {
	uint32_t id;                          /* XPK-ID: the CSK-ID or SPK-ID      */
	size_t len;                           /* of both: XML_KEY_LEN or XML_KEY_MAX */
	uint8_t confidentiality[XML_KEY_MAX]; /* FC 0x51                           */
	uint8_t integrity[XML_KEY_MAX];       /* FC 0x52                           */
};

/*
 * xpk has 16 octets (a CSK or SPK). identity is P0: the MC service ID whose CSK it is, or the kdf_identity of the SPK.
 * MCSEC_E_ARGUMENT, MCSEC_E_CRYPTO.
 */
enum mcsec_err xml_key_derive(struct xml_key *out, const uint8_t *xpk, uint32_t xpk_id, const char *identity);
/* Of an XPK of 16 or 32 octets; len as below. */
enum mcsec_err xml_key_derive_from(struct xml_key *out, struct octets xpk, uint32_t xpk_id, const char *identity,
				   size_t len);
/* The same with keys of len octets: XML_KEY_LEN or XML_KEY_MAX. */
enum mcsec_err xml_key_derive_long(struct xml_key *out, const uint8_t *xpk, uint32_t xpk_id, const char *identity,
				   size_t len);
void xml_key_wipe(struct xml_key *key);

/* base64 of the four octets of the XPK-ID, as KeyName and key-id carry it. */
enum { XML_KEY_NAME_SIZE = 9 };
void xml_key_name(uint32_t id, char out[XML_KEY_NAME_SIZE]);
/* 0 when the text is not base64 of exactly four octets. */
int xml_key_name_read(const char *text, size_t len, uint32_t *id);

/* AES-GCM without associated data (xml-protection 4, 5). out has plain.len + XML_TAG_LEN octets. */
enum mcsec_err xml_seal(const struct xml_key *key, const uint8_t iv[XML_IV_LEN], struct octets plain, uint8_t *out);
/* sealed ends with the tag; out has sealed.len - XML_TAG_LEN octets. MCSEC_E_DECRYPT: short, or the tag is wrong. */
enum mcsec_err xml_unseal(const struct xml_key *key, const uint8_t iv[XML_IV_LEN], struct octets sealed, uint8_t *out);

#endif
