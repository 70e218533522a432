/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parcel.h - an officer's share on its way to the issuer through a front end that must not read it: X25519 with a key
 * the issuer makes at its start, SHA-256 over the shared point and both keys, AES-256-GCM.
 *
 * parcel = sender's key 32 | ciphertext | tag 16. Each parcel has a key of its own, so its nonce is zero.
 */
#ifndef MCX_CUSTODY_PARCEL_H
#define MCX_CUSTODY_PARCEL_H

#include "sec/base/bytes.h"

enum { PARCEL_KEY = 32, PARCEL_OVERHEAD = PARCEL_KEY + 16 };

struct parcel_key;

/* A fresh key pair; NULL without memory or randomness. */
struct parcel_key *parcel_key_new(uint8_t public[PARCEL_KEY]);
void parcel_key_free(struct parcel_key *k);
/* out has content.len + PARCEL_OVERHEAD octets. 1 if it succeeded. */
int parcel_seal(const uint8_t to[PARCEL_KEY], struct octets content, uint8_t *out);
/* out: secret memory, parcel.len - PARCEL_OVERHEAD octets. 1 if it is for this key and whole. */
int parcel_open(const struct parcel_key *k, struct octets parcel, uint8_t *out);

#endif
