/* SPDX-License-Identifier: Apache-2.0 */
/* domain.c - see domain.h. */
#include <stdio.h>

#include "kms/domain.h"

void kms_describe(const struct kms_config *c, int64_t now, struct kms_certificate *cert)
{
	*cert = (struct kms_certificate){
	    .role = KMS_ROLE_ROOT,
	    .valid_from = now,
	    .valid_to = now + c->validity_days * 86400,
	    .user_id_format = "2",
	    .periods = {(uint64_t)c->period, (uint64_t)c->offset},
	    .parameter_set = 1,
	};
	memcpy(cert->kms_uri, c->uri, sizeof cert->kms_uri);
	snprintf(cert->cert_uri, sizeof cert->cert_uri, "cert1.%.240s", c->uri);
	memcpy(cert->issuer, c->operator_, sizeof cert->issuer);
	for (size_t i = 0; i < c->domains.n && i < KMS_MAX_DOMAINS; i++)
		memcpy(cert->domains[cert->n_domains++], c->domains.item[i], KMS_URI_MAX);
}

int kms_domain_fits(const struct kms_config *c, const struct kms_certificate *have, char *err, size_t err_size)
{
	if (strcmp(have->kms_uri, c->uri) == 0 && have->periods.period == (uint64_t)c->period &&
	    have->periods.offset == (uint64_t)c->offset)
		return 0;
	snprintf(err, err_size, "uri, period and offset belong to the domain for ever: it has %s, %llu, %llu",
		 have->kms_uri, (unsigned long long)have->periods.period, (unsigned long long)have->periods.offset);
	return -1;
}
