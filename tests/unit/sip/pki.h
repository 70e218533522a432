/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pki.h - a certificate authority for tests: P-256 keys made at run time, certificates with DNS and URI names, written
 * as the folders the SIP port reads (agent.pem, cafile.pem). Nothing of it outlives the test's temporary folder.
 */
#ifndef TEST_PKI_H
#define TEST_PKI_H

#include <sys/stat.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "unit/test.h"

struct pki {
	char dir[64];
	EVP_PKEY *key;
	X509 *cert;
};

static inline void pki_extension(X509 *c, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509V3_set_ctx(&ctx, issuer, c, NULL, NULL, 0);
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert_non_null(e);
	X509_add_ext(c, e, -1);
	X509_EXTENSION_free(e);
}

static inline X509 *pki_cert(const struct pki *ca, EVP_PKEY *key, const char *cn, const char *san)
{
	static long serial = 1;
	X509 *c = X509_new();
	X509_set_version(c, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(c), serial++);
	X509_gmtime_adj(X509_getm_notBefore(c), -3600);
	X509_gmtime_adj(X509_getm_notAfter(c), 86400);
	X509_set_pubkey(c, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(c), "CN", MBSTRING_UTF8, (const unsigned char *)cn, -1, -1, 0);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(c), "OU", MBSTRING_UTF8, (const unsigned char *)cn, -1, -1, 0);
	X509 *issuer = ca->cert ? ca->cert : c;
	X509_set_issuer_name(c, X509_get_subject_name(issuer));
	pki_extension(c, issuer, NID_basic_constraints, ca->cert ? "CA:FALSE" : "critical,CA:TRUE");
	if (san)
		pki_extension(c, issuer, NID_subject_alt_name, san);
	assert_true(X509_sign(c, ca->key, EVP_sha256()) > 0);
	return c;
}

static inline void pki_init(struct pki *ca, const char *name)
{
	memset(ca, 0, sizeof *ca);
	strcpy(ca->dir, "/tmp/mcx-pki-XXXXXX");
	assert_non_null(mkdtemp(ca->dir));
	ca->key = EVP_EC_gen("P-256");
	ca->cert = pki_cert(ca, ca->key, name, NULL);
}

/* A folder with agent.pem for these names, trusting `trust`. out: its path. */
static inline void pki_agent(const struct pki *ca, const struct pki *trust, const char *name, const char *san,
			     char *out, size_t size)
{
	char path[400];
	snprintf(out, size, "%s/%s", ca->dir, name);
	mkdir(out, 0700);
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *c = pki_cert(ca, key, name, san);
	snprintf(path, sizeof path, "%s/agent.pem", out);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	PEM_write_X509(f, c);
	PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
	fclose(f);
	snprintf(path, sizeof path, "%s/cafile.pem", out);
	f = fopen(path, "w");
	assert_non_null(f);
	PEM_write_X509(f, trust->cert);
	fclose(f);
	X509_free(c);
	EVP_PKEY_free(key);
}

static inline void pki_end(struct pki *ca)
{
	char cmd[128];
	snprintf(cmd, sizeof cmd, "rm -rf '%s'", ca->dir);
	assert_int_equal(system(cmd), 0);
	X509_free(ca->cert);
	EVP_PKEY_free(ca->key);
}

#endif
