/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve.h - the issuer's answers: one request in, one answer out, whatever the request is (kms.md 15B).
 *
 * The first message of a process names the domain and opens or creates it, while files may still be opened; after it
 * that operation is refused. No socket, file or clock here.
 */
#ifndef MCX_KMS_ISSUER_SERVE_H
#define MCX_KMS_ISSUER_SERVE_H

#include "kms/issuer/vault.h"

struct issuer_desk {
	struct vault *vault;
	const struct mcsec_rng *rng;
	struct custody *custody;         /* until the first message is answered; NULL: none is there */
	enum custody_err custody_absent; /* why not */
	int begun;
	int memory_locked;
};

/* The answer's length; answer is secret memory of ISSUER_ANSWER_MAX octets. Never fails: a bad request has an answer.
 */
size_t issuer_serve(struct issuer_desk *d, struct octets request, uint8_t *answer);

#endif
