/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_tls.c - see http_tls.h.
 *
 * GnuTLS keeps pointers to the certificate and key it is handed for a handshake, so what was loaded once lives until
 * the server ends; a reload puts a new generation in front of the old ones. The generations are few: one a renewal.
 */
#include "net/http_tls.h"

#include <gnutls/x509.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "net/http_file.h"

enum { MAX_CHAIN = 8 };

const char http_tls_priorities[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:"
				   "-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:-MAC-ALL:+AEAD:"
				   "%NO_TICKETS:%SERVER_PRECEDENCE";

struct generation {
	struct generation *older;
	gnutls_pcert_st chain[MAX_CHAIN];
	unsigned n_chain;
	gnutls_privkey_t key;
	int64_t ends;
};

struct http_tls {
	pthread_mutex_t lock; /* guards current, trust and the stamps */
	struct generation *current;
	gnutls_x509_trust_list_t trust; /* NULL: client certificates are not asked for */
	char *cert_file, *key_file, *ca_file, *crl_file;
	struct timespec stamps[4]; /* of the files above when last read */
	struct timespec bad[4];    /* of those that did not load */
	_Atomic unsigned generation;
};

static struct timespec stamp_of(const char *file)
{
	struct stat st;
	return file && stat(file, &st) == 0 ? st.st_mtim : (struct timespec){0};
}

static void generation_free(struct generation *g)
{
	for (unsigned i = 0; i < g->n_chain; i++)
		gnutls_pcert_deinit(&g->chain[i]);
	if (g->key)
		gnutls_privkey_deinit(g->key);
	free(g);
}

static int64_t end_of(gnutls_pcert_st *cert)
{
	gnutls_x509_crt_t crt = NULL;
	time_t ends = gnutls_pcert_export_x509(cert, &crt) == 0 ? gnutls_x509_crt_get_expiration_time(crt) : -1;
	if (crt)
		gnutls_x509_crt_deinit(crt);
	return ends == (time_t)-1 ? 0 : (int64_t)ends;
}

/* 0, or -1 and a sentence. To be given to http_file_free. */
static int load(const char *file, gnutls_datum_t *out, char *err, size_t err_size)
{
	size_t len = 0;
	out->data = (unsigned char *)http_file_read(file, &len, err, err_size);
	out->size = (unsigned)len;
	return out->data ? 0 : -1;
}

static void unload(gnutls_datum_t *d)
{
	http_file_free((char *)d->data, d->size);
}

static int import_pair(struct generation *g, const gnutls_datum_t *cert, const gnutls_datum_t *key)
{
	unsigned n = MAX_CHAIN;
	int rc = gnutls_pcert_list_import_x509_raw(g->chain, &n, cert, GNUTLS_X509_FMT_PEM, 0);
	if (rc)
		return rc;
	g->n_chain = n;
	g->ends = end_of(&g->chain[0]);
	rc = gnutls_privkey_init(&g->key);
	return rc ? rc : gnutls_privkey_import_x509_raw(g->key, key, GNUTLS_X509_FMT_PEM, NULL, 0);
}

static struct generation *generation_load(const char *cert_file, const char *key_file, char *err, size_t err_size)
{
	struct generation *g = calloc(1, sizeof *g);
	gnutls_datum_t cert = {0}, key = {0};
	if (!g || load(cert_file, &cert, err, err_size) || load(key_file, &key, err, err_size)) {
		if (!g)
			snprintf(err, err_size, "no memory");
		unload(&cert);
		free(g);
		return NULL;
	}
	int rc = import_pair(g, &cert, &key);
	unload(&cert);
	unload(&key);
	if (!rc)
		return g;
	snprintf(err, err_size, "%s: %s", g->n_chain ? key_file : cert_file, gnutls_strerror(rc));
	generation_free(g);
	return NULL;
}

/* Does the private key belong to the first certificate? Found out by signing, as a handshake would. */
static int generation_fits(const struct generation *g)
{
	gnutls_datum_t data = {(unsigned char *)"mcx", 3}, sig = {0};
	gnutls_sign_algorithm_t alg =
	    gnutls_pk_to_sign(gnutls_privkey_get_pk_algorithm(g->key, NULL), GNUTLS_DIG_SHA256);
	int ok = gnutls_privkey_sign_data2(g->key, alg, 0, &data, &sig) == 0 &&
		 gnutls_pubkey_verify_data2(g->chain[0].pubkey, alg, 0, &data, &sig) >= 0;
	gnutls_free(sig.data);
	return ok;
}

static gnutls_x509_trust_list_t trust_load(const char *ca_file, const char *crl_file, char *err, size_t err_size)
{
	gnutls_x509_trust_list_t list = NULL;
	gnutls_datum_t ca = {0}, crl = {0};
	if (load(ca_file, &ca, err, err_size) == 0 && (!crl_file || load(crl_file, &crl, err, err_size) == 0)) {
		if (gnutls_x509_trust_list_init(&list, 0))
			list = NULL;
		int n = list ? gnutls_x509_trust_list_add_trust_mem(list, &ca, crl_file ? &crl : NULL,
								    GNUTLS_X509_FMT_PEM, 0, 0)
			     : 0;
		if (n < 1)
			snprintf(err, err_size, "%s: no certificate that can be trusted", ca_file);
		if (list && n < 1) {
			gnutls_x509_trust_list_deinit(list, 1);
			list = NULL;
		}
	}
	unload(&ca);
	unload(&crl);
	return list;
}

/* Read every file anew and put the result in use. 0, or -1 with nothing changed. */
static int load_all(struct http_tls *t, char *err, size_t err_size)
{
	struct timespec stamps[4] = {stamp_of(t->cert_file), stamp_of(t->key_file), stamp_of(t->ca_file),
				     stamp_of(t->crl_file)};
	struct generation *g = generation_load(t->cert_file, t->key_file, err, err_size);
	gnutls_x509_trust_list_t trust = NULL;
	if (!g)
		return -1;
	if (!generation_fits(g)) {
		snprintf(err, err_size, "%s: the private key does not belong to the certificate", t->key_file);
		generation_free(g);
		return -1;
	}
	if (t->ca_file && !(trust = trust_load(t->ca_file, t->crl_file, err, err_size))) {
		generation_free(g);
		return -1;
	}
	pthread_mutex_lock(&t->lock);
	g->older = t->current;
	t->current = g;
	gnutls_x509_trust_list_t old = t->trust;
	t->trust = trust;
	memcpy(t->stamps, stamps, sizeof stamps);
	t->generation++;
	pthread_mutex_unlock(&t->lock);
	if (old)
		gnutls_x509_trust_list_deinit(old, 1);
	return 0;
}

/* 0: no memory; then what was to be checked must not be taken for what nobody asked for. */
static int copy(char **out, const char *s)
{
	*out = s ? strdup(s) : NULL;
	return !s || *out;
}

struct http_tls *http_tls_new(const struct http_server_options *o, char *err, size_t err_size)
{
	struct http_tls *t = calloc(1, sizeof *t);
	if (!t || !o->cert_file || !o->key_file) {
		snprintf(err, err_size, "a server needs a certificate and a key: there is no plain HTTP");
		free(t);
		return NULL;
	}
	pthread_mutex_init(&t->lock, NULL);
	int ok = copy(&t->cert_file, o->cert_file) && copy(&t->key_file, o->key_file) &&
		 copy(&t->ca_file, o->client_ca_file) && copy(&t->crl_file, o->client_crl_file);
	if (!ok)
		snprintf(err, err_size, "no memory");
	if (!ok || load_all(t, err, err_size)) {
		http_tls_free(t);
		return NULL;
	}
	return t;
}

void http_tls_free(struct http_tls *t)
{
	if (!t)
		return;
	while (t->current) {
		struct generation *g = t->current;
		t->current = g->older;
		generation_free(g);
	}
	if (t->trust)
		gnutls_x509_trust_list_deinit(t->trust, 1);
	free(t->cert_file);
	free(t->key_file);
	free(t->ca_file);
	free(t->crl_file);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

static int same_stamps(const struct timespec a[4], const struct timespec b[4])
{
	int same = 1;
	for (int i = 0; i < 4; i++)
		same &= a[i].tv_sec == b[i].tv_sec && a[i].tv_nsec == b[i].tv_nsec;
	return same;
}

int http_tls_reload(struct http_tls *t, char *err, size_t err_size)
{
	struct timespec now[4] = {stamp_of(t->cert_file), stamp_of(t->key_file), stamp_of(t->ca_file),
				  stamp_of(t->crl_file)};
	if (same_stamps(now, t->stamps) || same_stamps(now, t->bad))
		return 0;
	if (load_all(t, err, err_size)) { /* half-written files: the old ones serve until both fit */
		memcpy(t->bad, now, sizeof now);
		return -1;
	}
	return 1;
}

int64_t http_tls_ends(struct http_tls *t)
{
	pthread_mutex_lock(&t->lock);
	int64_t ends = t->current->ends;
	pthread_mutex_unlock(&t->lock);
	return ends;
}

unsigned http_tls_generation(const struct http_tls *t)
{
	return t->generation;
}

void http_tls_attach(struct http_tls *t, gnutls_session_t session)
{
	/* The one per-session pointer libmicrohttpd leaves alone; there is no session database to use it otherwise. */
	gnutls_db_set_ptr(session, t);
}

int http_tls_retrieve(gnutls_session_t session, const gnutls_datum_t *req_ca_dn, int nreqs,
		      const gnutls_pk_algorithm_t *pk_algos, int pk_algos_length, gnutls_pcert_st **pcert,
		      unsigned int *pcert_length, gnutls_privkey_t *privkey)
{
	struct http_tls *t = gnutls_db_get_ptr(session);
	(void)req_ca_dn, (void)nreqs, (void)pk_algos, (void)pk_algos_length;
	if (!t)
		return -1;
	pthread_mutex_lock(&t->lock);
	struct generation *g = t->current;
	pthread_mutex_unlock(&t->lock);
	*pcert = g->chain;
	*pcert_length = g->n_chain;
	*privkey = g->key;
	return 0;
}

/* First value of one kind in the subject; nothing when there is none or it does not fit. */
static void subject_part(gnutls_x509_crt_t crt, const char *oid, char *out, size_t size)
{
	size_t n = size;
	if (gnutls_x509_crt_get_dn_by_oid(crt, oid, 0, 0, out, &n) || memchr(out, 0, n))
		out[0] = 0;
}

static void read_sans(gnutls_x509_crt_t crt, struct http_client_cert *out)
{
	for (unsigned i = 0; out->n_sans < HTTP_MAX_SANS; i++) {
		char name[sizeof out->sans[0].name];
		size_t n = sizeof name - 1;
		int kind = gnutls_x509_crt_get_subject_alt_name(crt, i, name, &n, NULL);
		if (kind == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
			return;
		if (kind < 0 || (kind != GNUTLS_SAN_DNSNAME && kind != GNUTLS_SAN_URI) || n >= sizeof name ||
		    memchr(name, 0, n))
			continue; /* an embedded NUL is an attack on comparing by C string (CVE-2009-2408) */
		memcpy(out->sans[out->n_sans].name, name, n);
		out->sans[out->n_sans].name[n] = 0;
		out->sans[out->n_sans++].is_uri = kind == GNUTLS_SAN_URI;
	}
}

static void read_cert(gnutls_x509_crt_t crt, struct http_client_cert *out)
{
	size_t n = sizeof out->subject;
	if (gnutls_x509_crt_get_dn(crt, out->subject, &n))
		return; /* a subject nobody can write down cannot be audited */
	subject_part(crt, GNUTLS_OID_X520_COMMON_NAME, out->common_name, sizeof out->common_name);
	subject_part(crt, GNUTLS_OID_X520_ORGANIZATIONAL_UNIT_NAME, out->org_unit, sizeof out->org_unit);
	read_sans(crt, out);
	out->present = 1;
}

void http_tls_client(struct http_tls *t, gnutls_session_t session, struct http_client_cert *out)
{
	unsigned n = 0, status = 1, got = 0;
	const gnutls_datum_t *raw = gnutls_certificate_get_peers(session, &n);
	gnutls_x509_crt_t chain[MAX_CHAIN];
	gnutls_typed_vdata_st want = {GNUTLS_DT_KEY_PURPOSE_OID, (unsigned char *)GNUTLS_KP_TLS_WWW_CLIENT, 0};
	*out = (struct http_client_cert){0};
	if (!raw || n == 0 || n > MAX_CHAIN || gnutls_certificate_type_get(session) != GNUTLS_CRT_X509)
		return;
	for (; got < n; got++) {
		if (gnutls_x509_crt_init(&chain[got]))
			break;
		if (gnutls_x509_crt_import(chain[got], &raw[got], GNUTLS_X509_FMT_DER)) {
			gnutls_x509_crt_deinit(chain[got]);
			break;
		}
	}
	pthread_mutex_lock(&t->lock);
	int rc = t->trust && got == n
		     ? gnutls_x509_trust_list_verify_crt2(t->trust, chain, n, &want, 1, 0, &status, NULL)
		     : -1;
	pthread_mutex_unlock(&t->lock);
	if (rc == 0 && status == 0)
		read_cert(chain[0], out);
	while (got > 0)
		gnutls_x509_crt_deinit(chain[--got]);
}
