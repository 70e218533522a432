/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kms_certificate.c - KmsCertificate, read and written (TS 33.180 D.3.2; kms.md 7.6).
 */
#include "mcx/doc/kms_xml.h"

static void read_domain(struct kms_xml *x, const xmlNode *node, void *at, size_t size)
{
	struct kms_certificate *c = at;
	(void)size;
	if (c->n_domains == KMS_MAX_DOMAINS)
		kms_xml_fail(x, node, MCSEC_E_MALFORMED, "too many domains");
	else
		kms_read_uri(x, node, c->domains[c->n_domains++], KMS_URI_MAX);
}

static void read_domain_list(struct kms_xml *x, const xmlNode *node, void *at, size_t size)
{
	static const struct kms_field fields[] = {{"KmsDomain", KMS_MANY, read_domain, 0, 0}};
	(void)size;
	kms_xml_children(x, node, fields, 1, at);
}

#define AT(member) KMS_AT(struct kms_certificate, member)
static const struct kms_field fields[] = {
    {"CertUri", KMS_OPTIONAL, kms_read_uri, AT(cert_uri)},
    {"KmsUri", KMS_ONE, kms_read_uri, AT(kms_uri)},
    {"Issuer", KMS_OPTIONAL, kms_read_text, AT(issuer)},
    {"ValidFrom", KMS_OPTIONAL, kms_read_time, AT(valid_from)},
    {"ValidTo", KMS_OPTIONAL, kms_read_time, AT(valid_to)},
    {"Revoked", KMS_OPTIONAL, kms_read_bool, AT(revoked)},
    {"UserIdFormat", KMS_ONE, kms_read_text, AT(user_id_format)},
    {"UserKeyPeriod", KMS_ONE, kms_read_natural, AT(periods.period)},
    {"UserKeyOffset", KMS_ONE, kms_read_natural, AT(periods.offset)},
    {"PubEncKey", KMS_ONE, kms_read_hex, AT(pub_enc_key)},
    {"PubAuthKey", KMS_ONE, kms_read_hex, AT(pub_auth_key)},
    {"ParameterSet", KMS_OPTIONAL, kms_read_integer, AT(parameter_set)},
    {"KmsDomainList", KMS_OPTIONAL, read_domain_list, 0, 0},
};

static void read_attributes(struct kms_xml *x, const xmlNode *node, struct kms_certificate *c)
{
	char role[16], gateway[8];
	kms_check_version(x, node);
	if (kms_attribute(x, node, "Role", role, sizeof role)) {
		c->role = !strcmp(role, "Root") ? KMS_ROLE_ROOT : KMS_ROLE_EXTERNAL;
		if (c->role == KMS_ROLE_EXTERNAL && strcmp(role, "External") != 0)
			kms_xml_fail(x, node, MCSEC_E_MALFORMED, "Role is neither Root nor External");
	}
	if (kms_attribute(x, node, "IsSecurityGateway", gateway, sizeof gateway))
		c->security_gateway = !strcmp(gateway, "true") || !strcmp(gateway, "1");
}

void kms_certificate_read(struct kms_xml *x, const xmlNode *node, struct kms_certificate *c)
{
	*c = (struct kms_certificate){.valid_from = KMS_NO_TIME, .valid_to = KMS_NO_TIME, .parameter_set = 1};
	read_attributes(x, node, c);
	kms_xml_children(x, node, fields, sizeof fields / sizeof *fields, c);
}

static void put_domains(struct writer *w, const struct kms_certificate *c)
{
	if (!c->n_domains)
		return;
	wr_text(w, "<KmsDomainList>");
	for (size_t i = 0; i < c->n_domains; i++)
		xml_put_element(w, "KmsDomain", c->domains[i]);
	wr_text(w, "</KmsDomainList>");
}

void kms_certificate_put(struct writer *w, const struct kms_certificate *c, const char *attributes, int rel13)
{
	static const char *const roles[] = {NULL, "Root", "External"};
	wr_text(w, "<KmsCertificate");
	wr_text(w, attributes);
	kms_put_attribute(w, "Version", "1.1.0");
	if (c->role)
		kms_put_attribute(w, "Role", roles[c->role]);
	if (c->security_gateway)
		kms_put_attribute(w, "IsSecurityGateway", "true");
	wr_text(w, ">");
	if (!rel13)
		kms_put_optional(w, "CertUri", c->cert_uri);
	xml_put_element(w, "KmsUri", c->kms_uri);
	if (rel13)
		kms_put_optional(w, "CertUri", c->cert_uri);
	kms_put_optional(w, "Issuer", c->issuer);
	kms_put_time(w, "ValidFrom", c->valid_from);
	kms_put_time(w, "ValidTo", c->valid_to);
	xml_put_element(w, "Revoked", c->revoked ? "true" : "false");
	xml_put_element(w, "UserIdFormat", c->user_id_format);
	kms_put_integer(w, "UserKeyPeriod", (int64_t)c->periods.period);
	kms_put_integer(w, "UserKeyOffset", (int64_t)c->periods.offset);
	kms_put_hex(w, "PubEncKey", OCTETS(c->pub_enc_key));
	kms_put_hex(w, "PubAuthKey", OCTETS(c->pub_auth_key));
	kms_put_integer(w, "ParameterSet", c->parameter_set);
	put_domains(w, c);
	wr_text(w, "</KmsCertificate>");
}

void kms_certificate_write(struct writer *w, const struct kms_certificate *c)
{
	wr_text(w, KMS_XML_DECLARATION);
	kms_certificate_put(w, c, " xmlns=\"" KMS_NS "\"", 0);
	wr_text(w, "\n");
}
