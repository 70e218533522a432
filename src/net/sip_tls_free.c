/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sip_tls_free.c - gives back what sofia-sip 1.12.11 forgets of each TLS connection.
 *
 * Its tls_free() ends a connection with SSL_shutdown, SSL_CTX_free and BIO_free but never SSL_free: some 60 KB stay
 * behind for each connection, so that whoever may connect may also exhaust our memory. The library has no hook there.
 * What it has is one call of SSL_shutdown, in that place alone: a symbol of the program goes before that of a shared
 * object, so the call comes here. The connection is freed, and the context and the BIO get the reference back that the
 * library gives away right afterwards.
 *
 * Every other caller gets what it asked for. A library that frees by itself (its upstream does now) would free twice:
 * sip_tls_free_wanted() looks at the version, and test_sip_port counts that nothing is left and nothing is freed twice.
 */
#include <dlfcn.h>
#include <string.h>

#include <openssl/ssl.h>
#include <sofia-sip/su.h>
#include <sofia-sip/sofia_features.h>

#include "net/sip_tls_free.h"

int sip_tls_free_wanted(void)
{
	return strncmp(SOFIA_SIP_VERSION, "1.12.", 5) == 0;
}

static int called_by_sofia(const void *return_address)
{
	Dl_info info;
	return dladdr(return_address, &info) && info.dli_fname && strstr(info.dli_fname, "libsofia-sip-ua") != NULL;
}

__attribute__((visibility("default"))) int SSL_shutdown(SSL *ssl)
{
	static int (*real)(SSL *);
	if (!real) {
		void *found = dlsym(RTLD_NEXT, "SSL_shutdown");
		memcpy(&real, &found, sizeof real);
	}
	int rc = real ? real(ssl) : -1;
	if (!sip_tls_free_wanted() || !called_by_sofia(__builtin_return_address(0)))
		return rc;
	SSL_CTX_up_ref(SSL_get_SSL_CTX(ssl));
	BIO_up_ref(SSL_get_rbio(ssl));
	SSL_free(ssl);
	return rc;
}
