/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ca.c - X.509 by libcrypto: authorities and the certificates they sign (RFC 5280). Serial numbers are 127 random
 * bits; files appear whole or not at all (written beside, then renamed).
 */
#include "tool/domain/ca.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

enum { CA_DAYS = 3650, RENEW_DAYS = 30 };

struct authority {
	X509 *cert;
	EVP_PKEY *key;
};

static void authority_free(struct authority *a)
{
	X509_free(a->cert);
	EVP_PKEY_free(a->key);
}

static int path_to(char *out, size_t size, const char *dir, const char *name, const char *suffix)
{
	int n = snprintf(out, size, "%s/%s%s", dir, name, suffix);
	return n > 0 && (size_t)n < size ? 0 : -1;
}

/* cert and key may be NULL each. */
static int write_pem(const char *path, X509 *cert, EVP_PKEY *key)
{
	char beside[PATH_MAX + 8];
	snprintf(beside, sizeof beside, "%s.new", path);
	unlink(beside);
	int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;
	if (!f)
		return -1;
	int good = (!cert || PEM_write_X509(f, cert)) &&
		   (!key || PEM_write_PKCS8PrivateKey(f, key, NULL, NULL, 0, NULL, NULL));
	good = fflush(f) == 0 && fsync(fd) == 0 && good;
	if (fclose(f) != 0 || !good || rename(beside, path) != 0) {
		unlink(beside);
		return -1;
	}
	return 0;
}

static X509 *read_cert(const char *path)
{
	FILE *f = fopen(path, "re");
	X509 *c = f ? PEM_read_X509(f, NULL, NULL, NULL) : NULL;
	if (f)
		fclose(f);
	ERR_clear_error();
	return c;
}

static int authority_load(struct authority *a, const char *dir, const char *name)
{
	char path[PATH_MAX];
	path_to(path, sizeof path, dir, name, ".pem");
	a->cert = read_cert(path);
	path_to(path, sizeof path, dir, name, ".key");
	FILE *f = fopen(path, "re");
	a->key = f ? PEM_read_PrivateKey(f, NULL, NULL, NULL) : NULL;
	if (f)
		fclose(f);
	return a->cert && a->key && X509_check_private_key(a->cert, a->key) == 1 ? 0 : -1;
}

static int add_extension(X509 *c, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509V3_set_ctx(&ctx, issuer, c, NULL, NULL, 0);
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	int good = e && X509_add_ext(c, e, -1);
	X509_EXTENSION_free(e);
	return good ? 0 : -1;
}

static int add_name(GENERAL_NAMES *names, int type, const char *value)
{
	GENERAL_NAME *n = GENERAL_NAME_new();
	if (!n)
		return -1;
	if (type == GEN_IPADD) {
		ASN1_OCTET_STRING *ip = a2i_IPADDRESS(value);
		if (ip)
			GENERAL_NAME_set0_value(n, type, ip);
	} else {
		ASN1_IA5STRING *text = ASN1_IA5STRING_new();
		if (text && ASN1_STRING_set(text, value, -1))
			GENERAL_NAME_set0_value(n, type, text);
		else
			ASN1_IA5STRING_free(text);
	}
	if (GENERAL_NAME_get0_value(n, NULL) && sk_GENERAL_NAME_push(names, n))
		return 0;
	GENERAL_NAME_free(n);
	return -1;
}

/* Names are added as values, never through OpenSSL's configuration syntax: a comma in a name cannot add another. */
static int add_names(X509 *c, const struct ca_subject *s)
{
	GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
	int bad = !names;
	for (size_t i = 0; !bad && i < CA_MAX_NAMES && s->dns[i]; i++)
		bad = add_name(names, GEN_DNS, s->dns[i]);
	for (size_t i = 0; !bad && i < CA_MAX_NAMES && s->uri[i]; i++)
		bad = add_name(names, GEN_URI, s->uri[i]);
	if (!bad && s->address)
		bad = add_name(names, GEN_IPADD, s->address);
	if (!bad && sk_GENERAL_NAME_num(names) > 0)
		bad = !X509_add1_ext_i2d(c, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT);
	sk_GENERAL_NAME_pop_free(names, GENERAL_NAME_free);
	return bad ? -1 : 0;
}

static int set_subject(X509 *c, const char *cn, const char *ou)
{
	X509_NAME *n = X509_get_subject_name(c);
	if (ou && !X509_NAME_add_entry_by_txt(n, "OU", MBSTRING_UTF8, (const unsigned char *)ou, -1, -1, 0))
		return -1;
	return X509_NAME_add_entry_by_txt(n, "CN", MBSTRING_UTF8, (const unsigned char *)cn, -1, -1, 0) ? 0 : -1;
}

static int set_basics(X509 *c, EVP_PKEY *key, int days)
{
	unsigned char serial[16];
	if (RAND_bytes(serial, sizeof serial) != 1)
		return -1;
	serial[0] = (unsigned char)((serial[0] & 0x7f) | 0x40); /* positive, never short */
	BIGNUM *bn = BN_bin2bn(serial, sizeof serial, NULL);
	int good = bn && BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(c)) && X509_set_version(c, X509_VERSION_3) &&
		   X509_gmtime_adj(X509_getm_notBefore(c), -3600L) &&
		   X509_time_adj_ex(X509_getm_notAfter(c), days, 0, NULL) && X509_set_pubkey(c, key);
	BN_free(bn);
	return good ? 0 : -1;
}

/* issuer NULL: self-signed. */
static X509 *sign_new(const struct ca_subject *s, EVP_PKEY *key, const struct authority *issuer)
{
	X509 *c = X509_new();
	X509 *by = issuer ? issuer->cert : c;
	const char *usage = s->server && s->client ? "serverAuth,clientAuth" : s->server ? "serverAuth" : "clientAuth";
	int bad = !c || set_basics(c, key, s->days) || set_subject(c, s->common_name, s->org_unit) ||
		  !X509_set_issuer_name(c, X509_get_subject_name(by)) ||
		  add_extension(c, by, NID_subject_key_identifier, "hash");
	if (!bad && !issuer)
		bad = add_extension(c, by, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
		      add_extension(c, by, NID_key_usage, "critical,keyCertSign,cRLSign");
	else if (!bad)
		bad = add_extension(c, by, NID_authority_key_identifier, "keyid:always") ||
		      add_extension(c, by, NID_basic_constraints, "critical,CA:FALSE") ||
		      add_extension(c, by, NID_key_usage, "critical,digitalSignature") ||
		      add_extension(c, by, NID_ext_key_usage, usage) || add_names(c, s);
	if (bad || !X509_sign(c, issuer ? issuer->key : key, EVP_sha256())) {
		X509_free(c);
		return NULL;
	}
	return c;
}

static int failed(char *err, size_t err_size, const char *what, const char *path)
{
	unsigned long code = ERR_get_error();
	const char *why = code ? ERR_reason_error_string(code) : strerror(errno);
	snprintf(err, err_size, "%s: %s (%s)", path, what, why ? why : "unknown");
	ERR_clear_error();
	return -1;
}

int ca_make(const char *dir, const char *name, const char *common_name, char *err, size_t err_size)
{
	char cert_path[PATH_MAX], key_path[PATH_MAX];
	if (path_to(cert_path, sizeof cert_path, dir, name, ".pem") ||
	    path_to(key_path, sizeof key_path, dir, name, ".key"))
		return failed(err, err_size, "the path is too long", dir);
	struct authority a = {0};
	int there = access(cert_path, F_OK) == 0;
	if (there && authority_load(&a, dir, name) == 0) {
		authority_free(&a);
		return 0;
	}
	authority_free(&a);
	/* Never replaced: every certificate of the domain hangs on it. A key without its certificate is an interrupted
	 * first try; the certificate is written last. */
	if (there)
		return failed(err, err_size, "the authority's files do not fit each other", cert_path);

	struct ca_subject s = {.common_name = common_name, .days = CA_DAYS};
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = key ? sign_new(&s, key, NULL) : NULL;
	int rc = cert && write_pem(key_path, NULL, key) == 0 && write_pem(cert_path, cert, NULL) == 0
		     ? 0
		     : failed(err, err_size, "the authority cannot be made", cert_path);
	X509_free(cert);
	EVP_PKEY_free(key);
	return rc;
}

static int still_good(const char *path, const struct authority *a)
{
	X509 *c = read_cert(path);
	if (!c)
		return 0;
	time_t limit = time(NULL) + RENEW_DAYS * 86400L;
	int good = X509_cmp_time(X509_get0_notAfter(c), &limit) > 0 && X509_verify(c, a->key) == 1;
	X509_free(c);
	ERR_clear_error();
	return good;
}

int ca_issue(const char *dir, const char *name, const struct ca_subject *s, const char *out, char *err, size_t err_size)
{
	struct authority a = {0};
	if (authority_load(&a, dir, name)) {
		authority_free(&a);
		return failed(err, err_size, "the authority cannot be read", dir);
	}
	int rc = 0;
	if (!still_good(out, &a)) {
		EVP_PKEY *key = EVP_EC_gen("P-256");
		X509 *cert = key ? sign_new(s, key, &a) : NULL;
		if (!cert || write_pem(out, cert, key))
			rc = failed(err, err_size, "the certificate cannot be made", out);
		X509_free(cert);
		EVP_PKEY_free(key);
	}
	authority_free(&a);
	return rc;
}
