/* SPDX-License-Identifier: Apache-2.0 */
/*
 * domain.h - what a configuration says of a domain: the certificate of a new one, and whether it fits an old one.
 */
#ifndef MCX_KMS_DOMAIN_H
#define MCX_KMS_DOMAIN_H

#include "kms/config.h"
#include "mcx/doc/kms_doc.h"

/* The certificate of a domain that is made at `now`, without its keys. */
void kms_describe(const struct kms_config *c, int64_t now, struct kms_certificate *cert);
/* uri, period and offset belong to a domain for ever: 0, or -1 and a sentence when the configuration has others. */
int kms_domain_fits(const struct kms_config *c, const struct kms_certificate *have, char *err, size_t err_size);

#endif
