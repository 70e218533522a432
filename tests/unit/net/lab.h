/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lab.h - a certificate authority in a temporary folder, for tests that speak TLS.
 *
 * lab_open makes the folder with ca.pem; lab_cert issues NAME.pem and NAME.key. Everything is P-256 and fresh for each
 * run. lab_close removes the folder.
 */
#ifndef MCX_TEST_LAB_H
#define MCX_TEST_LAB_H

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include "unit/test.h"

struct lab {
	char dir[24];
	EVP_PKEY *ca_key;
	X509 *ca;
	long serial;
};

struct lab_cert {
	const char *name;    /* of the files */
	const char *cn, *ou; /* NULL without */
	const char *san;     /* "DNS:a,IP:127.0.0.1", NULL without */
	const char *purpose; /* "serverAuth", "clientAuth", NULL for both */
	long from_s, to_s;   /* seconds from now; 0, 0: now to one hour ahead */
	int self_signed;     /* not by the lab's CA */
};

/* DIR/name; a few results live at the same time. */
static inline const char *lab_path(const struct lab *l, const char *name)
{
	static char paths[16][160];
	static unsigned next;
	char *p = paths[next++ % 16];
	assert_true((size_t)snprintf(p, sizeof paths[0], "%s/%s", l->dir, name) < sizeof paths[0]);
	return p;
}

static inline void lab_extension(X509 *subject, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509V3_set_ctx(&ctx, issuer, subject, NULL, NULL, 0);
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert_non_null(e);
	assert_true(X509_add_ext(subject, e, -1));
	X509_EXTENSION_free(e);
}

static inline X509 *lab_x509(struct lab *l, EVP_PKEY *key, const char *cn, const char *ou, long from, long to)
{
	X509 *x = X509_new();
	X509_NAME *n = X509_get_subject_name(x);
	assert_true(X509_set_version(x, 2));
	ASN1_INTEGER_set(X509_get_serialNumber(x), ++l->serial);
	X509_gmtime_adj(X509_getm_notBefore(x), from);
	X509_gmtime_adj(X509_getm_notAfter(x), to);
	if (cn)
		X509_NAME_add_entry_by_txt(n, "CN", MBSTRING_UTF8, (const unsigned char *)cn, -1, -1, 0);
	if (ou)
		X509_NAME_add_entry_by_txt(n, "OU", MBSTRING_UTF8, (const unsigned char *)ou, -1, -1, 0);
	assert_true(X509_set_pubkey(x, key));
	return x;
}

static inline void lab_write(const struct lab *l, const char *name, X509 *x, EVP_PKEY *key)
{
	FILE *f = fopen(lab_path(l, name), "w");
	assert_non_null(f);
	if (x)
		assert_true(PEM_write_X509(f, x));
	if (key)
		assert_true(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL));
	fclose(f);
}

static inline void lab_cert(struct lab *l, const struct lab_cert *c)
{
	char file[80];
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = lab_x509(l, key, c->cn, c->ou, c->from_s ? c->from_s : -60, c->to_s ? c->to_s : 3600);
	X509 *issuer = c->self_signed ? x : l->ca;
	X509_set_issuer_name(x, X509_get_subject_name(issuer));
	if (c->san)
		lab_extension(x, issuer, NID_subject_alt_name, c->san);
	lab_extension(x, issuer, NID_key_usage, "critical,digitalSignature");
	lab_extension(x, issuer, NID_ext_key_usage, c->purpose ? c->purpose : "serverAuth,clientAuth");
	assert_true(X509_sign(x, c->self_signed ? key : l->ca_key, EVP_sha256()));
	snprintf(file, sizeof file, "%s.pem", c->name);
	lab_write(l, file, x, NULL);
	snprintf(file, sizeof file, "%s.key", c->name);
	lab_write(l, file, NULL, key);
	X509_free(x);
	EVP_PKEY_free(key);
}

static inline void lab_open(struct lab *l)
{
	*l = (struct lab){.dir = "/tmp/mcx-lab-XXXXXX"};
	assert_non_null(mkdtemp(l->dir));
	l->ca_key = EVP_EC_gen("P-256");
	l->ca = lab_x509(l, l->ca_key, "Lab CA", NULL, -60, 7200);
	X509_set_issuer_name(l->ca, X509_get_subject_name(l->ca));
	lab_extension(l->ca, l->ca, NID_basic_constraints, "critical,CA:TRUE");
	lab_extension(l->ca, l->ca, NID_key_usage, "critical,keyCertSign,cRLSign");
	assert_true(X509_sign(l->ca, l->ca_key, EVP_sha256()));
	lab_write(l, "ca.pem", l->ca, NULL);
}

static inline void lab_close(struct lab *l)
{
	char command[128];
	X509_free(l->ca);
	EVP_PKEY_free(l->ca_key);
	assert_true((size_t)snprintf(command, sizeof command, "rm -rf '%s'", l->dir) < sizeof command);
	assert_int_equal(system(command), 0);
}

#endif
