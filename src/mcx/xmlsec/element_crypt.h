/* SPDX-License-Identifier: Apache-2.0 */
/*
 * element_crypt.h - xenc:EncryptedData with AES-GCM of the key's length (XML Encryption 1.1; xml-protection 4).
 *
 * CipherValue is base64( IV || ciphertext || tag ); KeyName is base64 of the XPK-ID. Only what is written here is read:
 * another algorithm, a key that is not named by KeyName alone, a second CipherValue all fail, and all alike.
 */
#ifndef MCX_XMLSEC_ELEMENT_CRYPT_H
#define MCX_XMLSEC_ELEMENT_CRYPT_H

#include "uri_crypt.h"
#include "xml_walk.h"

int element_is_encrypted_data(const xmlNode *node);
/* plain at most XML_VALUE_MAX. */
enum mcsec_err element_encrypt(struct writer *w, const struct xml_key *key, const uint8_t iv[XML_IV_LEN],
			       struct octets plain);
/* plain has XML_VALUE_MAX octets; *len receives how many it holds. MCSEC_E_DECRYPT for every fault. */
enum mcsec_err element_decrypt(const xmlNode *data, const struct xml_keys *keys, uint8_t *plain, size_t *len,
			       uint8_t iv[XML_IV_LEN], uint32_t *key_id);

#endif
