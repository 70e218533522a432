/* SPDX-License-Identifier: Apache-2.0 */
/* parcel.c - see parcel.h. */
#include <openssl/evp.h>
#include <stdlib.h>

#include "custody/gcm.h"
#include "custody/parcel.h"
#include "mcsec/secret.h"

struct parcel_key {
	EVP_PKEY *pair;
	uint8_t public[PARCEL_KEY];
};

struct parcel_key *parcel_key_new(uint8_t public[PARCEL_KEY])
{
	struct parcel_key *k = calloc(1, sizeof *k);
	size_t n = PARCEL_KEY;
	if (k)
		k->pair = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
	if (!k || !k->pair || EVP_PKEY_get_raw_public_key(k->pair, k->public, &n) != 1) {
		parcel_key_free(k);
		return NULL;
	}
	memcpy(public, k->public, PARCEL_KEY);
	return k;
}

void parcel_key_free(struct parcel_key *k)
{
	if (k)
		EVP_PKEY_free(k->pair);
	free(k);
}

/* SHA-256("mcx-parcel" | shared | sender's key | receiver's key); refuses a point of small order. */
static uint8_t *agree(EVP_PKEY *own, const uint8_t peer[PARCEL_KEY], const uint8_t *sender, const uint8_t *receiver)
{
	enum { LABEL = 10 };
	size_t n = PARCEL_KEY;
	uint8_t *m = mcsec_secret_alloc(LABEL + 3 * PARCEL_KEY), *key = mcsec_secret_alloc(CUSTODY_KEK);
	EVP_PKEY *other = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, peer, PARCEL_KEY);
	EVP_PKEY_CTX *c = other ? EVP_PKEY_CTX_new(own, NULL) : NULL;
	int ok = m && key && c && EVP_PKEY_derive_init(c) == 1 && EVP_PKEY_derive_set_peer(c, other) == 1 &&
		 EVP_PKEY_derive(c, m + LABEL, &n) == 1;
	if (ok) {
		memcpy(m, "mcx-parcel", LABEL);
		memcpy(m + LABEL + PARCEL_KEY, sender, PARCEL_KEY);
		memcpy(m + LABEL + 2 * PARCEL_KEY, receiver, PARCEL_KEY);
		ok = EVP_Digest(m, LABEL + 3 * PARCEL_KEY, key, NULL, EVP_sha256(), NULL) == 1;
	}
	EVP_PKEY_CTX_free(c);
	EVP_PKEY_free(other);
	mcsec_secret_free(m);
	if (ok)
		return key;
	mcsec_secret_free(key);
	return NULL;
}

static const uint8_t no_nonce[CUSTODY_NONCE];

int parcel_seal(const uint8_t to[PARCEL_KEY], struct octets content, uint8_t *out)
{
	struct parcel_key *own = parcel_key_new(out);
	uint8_t *key = own ? agree(own->pair, to, out, to) : NULL, *body = out + PARCEL_KEY;
	int ok = key && custody_gcm(1, key, no_nonce, (struct octets){0}, content, body, body + content.len);
	mcsec_secret_free(key);
	parcel_key_free(own);
	return ok;
}

int parcel_open(const struct parcel_key *k, struct octets parcel, uint8_t *out)
{
	if (parcel.len < PARCEL_OVERHEAD)
		return 0;
	size_t n = parcel.len - PARCEL_OVERHEAD;
	uint8_t tag[CUSTODY_TAG], *key = agree(k->pair, parcel.p, parcel.p, k->public);
	memcpy(tag, parcel.p + PARCEL_KEY + n, sizeof tag);
	int ok = key &&
		 custody_gcm(0, key, no_nonce, (struct octets){0}, (struct octets){parcel.p + PARCEL_KEY, n}, out, tag);
	mcsec_secret_free(key);
	if (!ok)
		mcsec_wipe(out, n);
	return ok;
}
