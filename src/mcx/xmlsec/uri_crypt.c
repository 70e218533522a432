/* SPDX-License-Identifier: Apache-2.0 */
/* uri_crypt.c - encrypted URIs (see uri_crypt.h). Every reason why one does not open looks the same from outside. */
#include "uri_crypt.h"

#include <ctype.h>

#include "mcsec/secret.h"
#include "sec/base/check.h"
#include "sec/base/text.h"

#define SCHEME "sip:"
#define HOST   "@mc1-encrypted.3gppnetwork.org"

static const char *algorithm_of(const struct xml_key *key)
{
	return key->len == XML_KEY_MAX ? "256-aes-gcm" : "128-aes-gcm";
}

static const char *const names[] = {";iv=", ";key-id=", ";alg="}; /* in this order */
enum { IV, KEY_ID, ALGORITHM, NAMES };

/* The user part's four fields: [0] base64, then those of names. 0 when the text has another form. */
static int split(const char *text, struct octets field[NAMES + 1])
{
	if (strncmp(text, SCHEME, sizeof SCHEME - 1) != 0)
		return 0;
	const char *from = text + sizeof SCHEME - 1;
	for (int i = 0; i < NAMES; i++) {
		const char *to = strchr(from, ';');
		if (!to || strncmp(to, names[i], strlen(names[i])) != 0)
			return 0;
		field[i] = (struct octets){(const uint8_t *)from, (size_t)(to - from)};
		from = to + strlen(names[i]);
	}
	const char *host = strchr(from, '@');
	if (!host || !host[1])
		return 0;
	field[NAMES] = (struct octets){(const uint8_t *)from, (size_t)(host - from)};
	return 1;
}

int uri_is_encrypted(const char *text)
{
	struct octets field[NAMES + 1];
	return split(text, field) || strstr(text, HOST) != NULL;
}

int uri_is_clear(struct octets text)
{
	size_t i = 0;
	if (text.len == 0 || text.len > URI_CLEAR_MAX || !isalpha(text.p[0]) || !utf8_valid(text))
		return 0;
	while (i < text.len && (isalnum(text.p[i]) || text.p[i] == '+' || text.p[i] == '-' || text.p[i] == '.'))
		i++;
	if (i + 1 >= text.len || text.p[i] != ':')
		return 0;
	for (; i < text.len; i++)
		if (text.p[i] <= 0x20 || text.p[i] == 0x7f)
			return 0;
	return 1;
}

enum mcsec_err uri_encrypt(const struct xml_key *key, const uint8_t iv[XML_IV_LEN], const char *clear,
			   char out[URI_ENCRYPTED_MAX])
{
	struct octets plain = octets_of(clear);
	if (!uri_is_clear(plain))
		return MCSEC_E_VALUE;
	uint8_t sealed[URI_CLEAR_MAX + XML_TAG_LEN];
	char user[BASE64_SIZE(sizeof sealed)], iv64[BASE64_SIZE(XML_IV_LEN)], name[XML_KEY_NAME_SIZE];
	enum mcsec_err e = xml_seal(key, iv, plain, sealed);
	if (e)
		return e;
	base64_encode((struct octets){sealed, plain.len + XML_TAG_LEN}, user);
	base64_encode((struct octets){iv, XML_IV_LEN}, iv64);
	xml_key_name(key->id, name);
	struct writer w = wr_init((uint8_t *)out, URI_ENCRYPTED_MAX);
	const char *const pieces[] = {
	    SCHEME, user, names[IV], iv64, names[KEY_ID], name, names[ALGORITHM], algorithm_of(key), HOST};
	for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
		wr_text(&w, pieces[i]);
	wr_u8(&w, 0);
	return w.err;
}

const struct xml_key *xml_keys_find(const struct xml_keys *keys, uint32_t id)
{
	for (size_t i = 0; i < keys->n; i++)
		if (keys->keys[i]->id == id)
			return keys->keys[i];
	return NULL;
}

enum mcsec_err uri_decrypt(const struct xml_keys *keys, const char *text, char out[URI_CLEAR_MAX + 1],
			   uint8_t iv[XML_IV_LEN], uint32_t *key_id)
{
	struct octets field[NAMES + 1];
	uint8_t sealed[URI_CLEAR_MAX + XML_TAG_LEN];
	size_t n = 0, iv_len = 0;
	out[0] = 0;
	if (!split(text, field) ||
	    base64_decode((const char *)field[0].p, field[0].len, sealed, sizeof sealed, &n) != MCSEC_OK ||
	    base64_decode((const char *)field[1 + IV].p, field[1 + IV].len, iv, XML_IV_LEN, &iv_len) != MCSEC_OK ||
	    iv_len != XML_IV_LEN ||
	    !xml_key_name_read((const char *)field[1 + KEY_ID].p, field[1 + KEY_ID].len, key_id))
		return MCSEC_E_DECRYPT;
	const struct xml_key *key = xml_keys_find(keys, *key_id);
	if (!key || MCX_FAULT(xml.uri_algorithm, !octets_equal(field[NAMES], octets_of(algorithm_of(key)))) ||
	    xml_unseal(key, iv, (struct octets){sealed, n}, (uint8_t *)out) != MCSEC_OK)
		return MCSEC_E_DECRYPT;
	size_t len = n - XML_TAG_LEN;
	out[len] = 0;
	if (uri_is_clear((struct octets){(const uint8_t *)out, len}))
		return MCSEC_OK;
	mcsec_wipe(out, len);
	return MCSEC_E_DECRYPT;
}
