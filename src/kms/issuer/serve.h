/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve.h - the issuer's answers: one request in, one answer out, whatever the request is (kms.md 15B).
 *
 * The first message of a process names the domain and opens or creates it, while files may still be opened; after it
 * that operation is refused. No socket, file or clock here.
 */
#ifndef MCX_KMS_ISSUER_SERVE_H
#define MCX_KMS_ISSUER_SERVE_H

#include <pthread.h>

#include "custody/parcel.h"
#include "kms/issuer/vault.h"

struct issuer_desk {
	struct vault *vault;
	const struct mcsec_rng *rng;
	struct custody *custody; /* until the first message is answered, officers' longer; NULL: none is there */
	enum custody_err custody_absent; /* why not */
	int begun;
	int memory_locked;
	/* while an officers' custody collects shares; one exchange at a time, under `sharing` */
	pthread_mutex_t sharing;
	struct parcel_key *parcels;
	uint8_t transport_key[PARCEL_KEY];
	char kms_uri[ISSUER_IDENTITY_MAX];
	struct issuer_domain domain;
	uint8_t sealed[ISSUER_SEALED_MAX];
};

/* 0, or -1 without memory or randomness. custody and memory_locked are set by the caller. */
int issuer_desk_open(struct issuer_desk *d, const struct mcsec_rng *rng);
void issuer_desk_close(struct issuer_desk *d); /* wipes */

/* The custody that a first message needs: of its blob, or `fallback` when a domain is to be made. */
enum custody_kind issuer_custody_of(struct octets request, enum custody_kind fallback);
/* The answer's length; answer is secret memory of ISSUER_ANSWER_MAX octets. Never fails: a bad request has an answer.
 */
size_t issuer_serve(struct issuer_desk *d, struct octets request, uint8_t *answer);

#endif
