/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sip_tls_free.c - gives back what sofia-sip 1.12.11 forgets of each TLS connection, and corrects what it takes for
 * granted there.
 *
 * Its tls_free() ends a connection with SSL_shutdown, SSL_CTX_free and BIO_free but never SSL_free: some 60 KB stay
 * behind for each connection, so that whoever may connect may also exhaust our memory. The library has no hook there.
 * What it has is one call of SSL_shutdown, in that place alone: a symbol of the program goes before that of a shared
 * object, so the call comes here. The connection is freed, and the context and the BIO get the reference back that the
 * library gives away right afterwards.
 *
 * The second leak is the list of names it reads from each peer's certificate (X509V3_EXT_d2i, then the method's i2v):
 * both results are used within one function, so each thread gives back the last ones when the next come.
 *
 * And the list of ciphers: the library sets its own, with CBC and without forward secrecy, and has no option for
 * another. For its contexts the list becomes that of our HTTPS ports: TLS 1.2 and 1.3, ephemeral keys, AEAD
 * (TS 33.210 6.2).
 *
 * And the common name, which the library counts among a certificate's names: whoever had his own choice of it could be
 * anybody. Names are those of subjectAltName alone (RFC 5922 7.1, RFC 9525 6.3), of who comes and of whom we went to.
 *
 * Every other caller gets what it asked for. A library that frees by itself (its upstream does now) would free twice:
 * sip_tls_free_wanted() looks at the version, and test_sip_tls counts that nothing is left and nothing is freed twice.
 */
#include <dlfcn.h>
#include <string.h>

#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sofia-sip/su.h>
#include <sofia-sip/sofia_features.h>

#include "net/sip_tls_free.h"
#include "sec/base/check.h"

int sip_tls_free_wanted(void)
{
	return strncmp(SOFIA_SIP_VERSION, "1.12.", 5) == 0;
}

static int called_by_sofia(const void *return_address)
{
	Dl_info info;
	return dladdr(return_address, &info) && info.dli_fname && strstr(info.dli_fname, "libsofia-sip-ua") != NULL;
}

/* The symbol behind ours, as a function pointer of any type. */
static void next_symbol(const char *name, void *pointer, size_t size)
{
	void *found = dlsym(RTLD_NEXT, name);
	memcpy(pointer, &found, size);
}

__attribute__((visibility("default"))) int SSL_shutdown(SSL *ssl)
{
	static int (*real)(SSL *);
	if (!real)
		next_symbol("SSL_shutdown", &real, sizeof real);
	int rc = real ? real(ssl) : -1;
	if (!sip_tls_free_wanted() || !called_by_sofia(__builtin_return_address(0)))
		return rc;
	SSL_CTX_up_ref(SSL_get_SSL_CTX(ssl));
	BIO_up_ref(SSL_get_rbio(ssl));
	SSL_free(ssl);
	return rc;
}

/* ---- ciphers ---- */

__attribute__((visibility("default"))) int SSL_CTX_set_cipher_list(SSL_CTX *ctx, const char *list)
{
	static int (*real)(SSL_CTX *, const char *);
	if (!real)
		next_symbol("SSL_CTX_set_cipher_list", &real, sizeof real);
	if (!real)
		return 0;
	if (!called_by_sofia(__builtin_return_address(0)))
		return real(ctx, list);
	return SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 && real(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20");
}

/* ---- names of the peer's certificate ---- */

static _Thread_local GENERAL_NAMES *last_names;
static _Thread_local STACK_OF(CONF_VALUE) * last_values;

static STACK_OF(CONF_VALUE) *
    names_to_values(const struct v3_ext_method *method, void *names, STACK_OF(CONF_VALUE) * list)
{
	sk_CONF_VALUE_pop_free(last_values, X509V3_conf_free);
	last_values = i2v_GENERAL_NAMES((X509V3_EXT_METHOD *)(uintptr_t)method, names, list);
	return last_values;
}

static int is_names(X509_EXTENSION *ext)
{
	return OBJ_obj2nid(X509_EXTENSION_get_object(ext)) == NID_subject_alt_name;
}

__attribute__((visibility("default"))) const X509V3_EXT_METHOD *X509V3_EXT_get(X509_EXTENSION *ext)
{
	static const X509V3_EXT_METHOD *(*real)(X509_EXTENSION *);
	static _Thread_local X509V3_EXT_METHOD copy;
	if (!real)
		next_symbol("X509V3_EXT_get", &real, sizeof real);
	const X509V3_EXT_METHOD *method = real ? real(ext) : NULL;
	if (!method || !is_names(ext) || !sip_tls_free_wanted() || !called_by_sofia(__builtin_return_address(0)))
		return method;
	copy = *method;
	copy.i2v = names_to_values;
	return &copy;
}

__attribute__((visibility("default"))) void *X509V3_EXT_d2i(X509_EXTENSION *ext)
{
	static void *(*real)(X509_EXTENSION *);
	if (!real)
		next_symbol("X509V3_EXT_d2i", &real, sizeof real);
	void *value = real ? real(ext) : NULL;
	if (!value || !is_names(ext) || !sip_tls_free_wanted() || !called_by_sofia(__builtin_return_address(0)))
		return value;
	GENERAL_NAMES_free(last_names);
	last_names = value;
	return value;
}

__attribute__((visibility("default"))) int X509_NAME_get_text_by_NID(const X509_NAME *name, int nid, char *buf, int len)
{
	static int (*real)(const X509_NAME *, int, char *, int);
	if (!real)
		next_symbol("X509_NAME_get_text_by_NID", &real, sizeof real);
	if (!real || MCX_FAULT(bind.common_name, nid == NID_commonName && called_by_sofia(__builtin_return_address(0))))
		return -1;
	return real(name, nid, buf, len);
}

void sip_tls_free_rest(void)
{
	GENERAL_NAMES_free(last_names);
	sk_CONF_VALUE_pop_free(last_values, X509V3_conf_free);
	last_names = NULL;
	last_values = NULL;
}
