/* SPDX-License-Identifier: Apache-2.0 */
/*
 * protect.h - the security extension on the way of one request (kms.md 6.4 items 4 and 9, 10.2, 10.3): its signature,
 * the keys it names, and the protection of its answer. All of it does nothing while `protect` is "off".
 */
#ifndef MCX_KMS_PROTECT_PROTECT_H
#define MCX_KMS_PROTECT_PROTECT_H

#include "kms/exchange.h"
#include "kms/protect/table.h"

struct protection; /* of one exchange: secret memory */

/* 1, or 0 and answered. */
int protect_signature(struct exchange *x, struct _xmlDoc *doc); /* the body is a Signed element: does it hold? */
int protect_unsigned(struct exchange *x);                       /* a body or none without signature: may it be? */
int protect_keys(struct exchange *x);                           /* IDs in the request; the keys of the answer */
int protect_can_wrap(struct exchange *x);                       /* policy wrap_keys = always */

/* Wraps what is secret and adds new keys; 0 or -1. Before write; the sets' wrapped keys are the caller's to free. */
int protect_wrap(struct exchange *x, struct kms_response *r);
/* The document, signed when it is to be. */
void protect_write(struct exchange *x, struct writer *w, struct kms_response *r);
void protect_free(struct exchange *x);

#endif
