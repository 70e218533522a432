/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ue_ring.c - identity keys of a client as they are used and as they rest: the home KMS, our key sets, the certificates
 * of other domains (kms.md 9; crypto.md 4).
 *
 * A ring never changes: what was fetched is made durable, sealed, and a new ring is read back from the folder, checked
 * anew as if it came from the KMS. The certificate cache is one item, so that a set takes the place of another whole.
 */
#include <stdio.h>
#include <stdlib.h>

#include "mcsec/secret.h"
#include "sec/base/check.h"
#include "ue/engine.h"

enum { CACHE_MAX = 256 };

/* ---- in use ---------------------------------------------------------------------------------------------------- */

void ue_ring_free(struct ue_ring *ring)
{
	if (!ring)
		return;
	kms_keys_free(ring->keys, ring->n_keys);
	kms_domain_free(&ring->home);
	for (size_t i = 0; i < ring->n_external; i++)
		kms_domain_free(&ring->external[i]);
	free(ring->external);
	free(ring->kms);
	free(ring->domains);
	free(ring);
}

struct ue_ring *ue_ring_ref(struct ue *u)
{
	pthread_mutex_lock(&u->lock);
	struct ue_ring *ring = u->ring;
	if (ring)
		ring->refs++;
	pthread_mutex_unlock(&u->lock);
	return ring;
}

void ue_ring_unref(struct ue *u, struct ue_ring *ring)
{
	if (!ring)
		return;
	pthread_mutex_lock(&u->lock);
	int last = --ring->refs == 0;
	pthread_mutex_unlock(&u->lock);
	if (last)
		ue_ring_free(ring);
}

int ue_ring_covers(const struct ue_ring *ring, uint64_t at)
{
	uint64_t period;
	if (!ring || mcsec_period_number(&ring->home.cert.periods, at, &period))
		return 0;
	for (size_t i = 0; i < ring->n_keys; i++)
		if (ring->keys[i].set.period_no == period)
			return 1;
	return 0;
}

const char *ue_ring_lacks(const struct ue_ring *ring, const char *kms_uri, uint64_t at)
{
	for (size_t i = 0; ring && i < ring->book.n_kms; i++) {
		const struct mcsec_im_kms *k = &ring->kms[i];
		if (strcmp(k->uri, kms_uri) == 0)
			return MCX_FAULT(ue.kms_expired, k->valid_to && at > k->valid_to) ? "has expired" : NULL;
	}
	for (size_t i = 0; ring && i < ring->n_external; i++)
		if (strcmp(ring->external[i].cert.kms_uri, kms_uri) == 0)
			return ring->external[i].cert.revoked ? "is revoked" : "is not valid now";
	return "is not held";
}

int ue_kms_is_known(struct ue *u, const char *kms_uri)
{
	struct ue_ring *ring = ue_ring_ref(u);
	int known = !ue_ring_lacks(ring, kms_uri, ue_time_now());
	ue_ring_unref(u, ring);
	return known;
}

static uint64_t time_of(int64_t unix_s)
{
	return unix_s == KMS_NO_TIME ? 0 : (uint64_t)unix_s + MCSEC_NTP_UNIX;
}

static void add_kms(struct ue_ring *ring, const struct kms_domain *d)
{
	const struct kms_certificate *cert = &d->cert;
	const char **domains = ring->domains + ring->book.n_kms * KMS_MAX_DOMAINS;
	for (size_t i = 0; i < cert->n_domains; i++)
		domains[i] = cert->domains[i];
	ring->kms[ring->book.n_kms++] = (struct mcsec_im_kms){.uri = cert->kms_uri,
							      .kms = d->kms,
							      .periods = cert->periods,
							      .valid_from = time_of(cert->valid_from),
							      .valid_to = time_of(cert->valid_to),
							      .domains = domains,
							      .n_domains = cert->n_domains};
}

/* The tables that messages are made and opened with; a revoked domain is in none. 0 or -1. */
static int fill_book(struct ue_ring *ring)
{
	size_t n = 1 + ring->n_external;
	ring->kms = calloc(n, sizeof *ring->kms);
	ring->domains = calloc(n * KMS_MAX_DOMAINS, sizeof *ring->domains);
	if (!ring->kms || !ring->domains)
		return -1;
	add_kms(ring, &ring->home);
	for (size_t i = 0; i < ring->n_external; i++)
		/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): n_external counts what is there */
		if (ring->external[i].kms)
			add_kms(ring, &ring->external[i]);
	for (size_t i = 0; i < ring->n_keys; i++)
		ring->own[i] = (struct mcsec_im_own){.uri = ring->keys[i].set.user_uri,
						     .kms_uri = ring->home.cert.kms_uri,
						     .period = ring->keys[i].set.period_no,
						     .keys = ring->keys[i].keyset};
	ring->book.kms = ring->kms;
	ring->book.own = ring->own;
	ring->book.n_own = ring->n_keys;
	return 0;
}

static void install(struct ue *u, struct ue_ring *ring)
{
	if (ring) {
		ring->book.signers = u->signers;
		ring->refs = 1;
	}
	pthread_mutex_lock(&u->lock);
	struct ue_ring *old = u->ring;
	u->ring = ring;
	pthread_mutex_unlock(&u->lock);
	ue_ring_unref(u, old);
}

/* ---- on disk: certificate and key sets ------------------------------------------------------------------------- */

static int put_document(struct ue *u, const char *name, const struct writer *w)
{
	return w->err ? -1 : ue_store_put(u->store, name, wr_result(w));
}

static void key_set_name(uint64_t period, char *out, size_t size)
{
	snprintf(out, size, "key-set/%020llu", (unsigned long long)period);
}

int ue_ring_drop_below(struct ue *u, uint64_t period)
{
	char before[64];
	key_set_name(period, before, sizeof before);
	return ue_store_drop_range(u->store, "key-set/", before);
}

int ue_ring_wipe(struct ue *u)
{
	int rc = ue_store_drop_range(u->store, "key-set/", "key-set0"); /* '0' follows '/' */
	rc |= ue_store_drop(u->store, "kms-certificate");
	rc |= ue_store_drop(u->store, "kms-suites");
	install(u, NULL);
	return rc;
}

/* The algorithm suites of the domain as the KMS wrote them (TS 33.180 4.3.4.1): list and minimum, each with its NUL. */
static int keep_suites(struct ue *u, const struct kms_domain *home)
{
	uint8_t text[sizeof home->suites + sizeof home->suites_minimum];
	struct writer w = wr_init(text, sizeof text);
	wr_text(&w, home->suites);
	wr_u8(&w, 0);
	wr_text(&w, home->suites_minimum);
	wr_u8(&w, 0);
	return put_document(u, "kms-suites", &w);
}

int ue_ring_keep_home(struct ue *u, const struct kms_domain *home)
{
	uint8_t *buf = malloc(KMS_CERTIFICATE_BOUND);
	struct writer w = wr_init(buf, buf ? KMS_CERTIFICATE_BOUND : 0);
	kms_certificate_write(&w, &home->cert);
	int rc = keep_suites(u, home) || put_document(u, "kms-certificate", &w) ? -1 : 0;
	free(buf);
	return rc;
}

int ue_ring_keep_sets(struct ue *u, const struct kms_keys *keys, size_t n)
{
	uint8_t *buf = mcsec_secret_alloc(KMS_KEY_SET_BOUND);
	int rc = buf ? 0 : -1;
	for (size_t i = 0; i < n && !rc; i++) {
		char name[64];
		struct writer w = wr_init(buf, KMS_KEY_SET_BOUND);
		key_set_name(keys[i].set.period_no, name, sizeof name);
		kms_key_set_write(&w, &keys[i].set);
		rc = put_document(u, name, &w);
	}
	mcsec_secret_free(buf);
	return rc;
}

static int load_certificate(struct ue *u, struct ue_ring *ring)
{
	size_t len;
	struct kms_response doc;
	struct kms_fault fault;
	uint8_t *text = ue_store_get(u->store, "kms-certificate", &len);
	if (!text)
		return -1;
	enum mcsec_err e = kms_response_read(&doc, KMS_ROOT_PART, (struct octets){text, len}, &fault);
	mcsec_secret_free(text);
	if (e)
		return -1;
	if (doc.n_certs == 1) {
		ring->home.cert = doc.certs[0];
		e = kms_certificate_check(&ring->home.cert, KMS_ROLE_ROOT, u->c.kms_uri, u->c.kms_uri, ue_unix_now(),
					  &ring->home.kms, &fault);
	}
	int ok = doc.n_certs == 1 && !e;
	kms_response_free(&doc);
	return ok ? 0 : -1;
}

static int take_text(struct reader *r, char *out, size_t size)
{
	size_t n = 0;
	do
		out[n] = (char)rd_u8(r);
	while (out[n] && ++n < size && !r->err);
	return n < size && !r->err;
}

/* A domain that never said anything means 0101; what cannot be read allows nothing. */
static void load_suites(struct ue *u, struct ue_ring *ring)
{
	size_t len = 0;
	struct kms_domain *home = &ring->home;
	uint8_t *kept = ue_store_get(u->store, "kms-suites", &len);
	struct reader r = rd_init((struct octets){kept, kept ? len : 0});
	int ok = !kept || (take_text(&r, home->suites, sizeof home->suites) &&
			   take_text(&r, home->suites_minimum, sizeof home->suites_minimum));
	mcsec_secret_free(kept);
	if (!ok || suite_allowed(home->suites, home->suites_minimum, &u->suites, &ring->suites) != MCSEC_OK)
		ring->suites = (struct suite_list){0};
}

struct loading {
	struct ue_ring *ring;
	char self[MCSEC_ID_MAX];
};

/* A set that no longer passes, or whose time is over, is left out: it will be fetched anew. */
static int load_key_set(void *ctx, const char *name, struct octets text)
{
	struct loading *l = ctx;
	struct kms_response doc;
	struct kms_fault fault;
	(void)name;
	if (l->ring->n_keys == UE_MAX_KEYS || kms_response_read(&doc, KMS_ROOT_PART, text, &fault))
		return 0;
	struct kms_keys *k = &l->ring->keys[l->ring->n_keys];
	if (doc.n_sets == 1 &&
	    !kms_key_set_check(&doc.sets[0], &l->ring->home.cert, l->ring->home.kms, l->self, &k->keyset, &fault)) {
		k->set = doc.sets[0];
		doc.sets[0].secret = NULL; /* it belongs to the ring now */
		l->ring->n_keys++;
	}
	kms_response_free(&doc);
	return 0;
}

/* ---- on disk: the certificates of other domains ---------------------------------------------------------------- */

/* Number, then each certificate with its length before it. */
int ue_ring_keep_cache(struct ue *u, int64_t num, const struct kms_domain *external, size_t n)
{
	size_t size = 8 + n * (4 + KMS_CERTIFICATE_BOUND);
	uint8_t *buf = malloc(size), *one = malloc(KMS_CERTIFICATE_BOUND);
	struct writer w = wr_init(buf, buf && one ? size : 0);
	wr_u64(&w, (uint64_t)num);
	for (size_t i = 0; i < n && !w.err; i++) {
		struct writer x = wr_init(one, KMS_CERTIFICATE_BOUND);
		kms_certificate_write(&x, &external[i].cert);
		w.err = x.err;
		wr_u32(&w, (uint32_t)wr_len(&x));
		wr_octets(&w, wr_result(&x));
	}
	int rc = put_document(u, "kms-cache", &w);
	free(one);
	free(buf);
	return rc;
}

/* One that is revoked, or not valid now, is held without its keys: so it is known why it cannot be used. */
static void load_external(struct ue *u, struct ue_ring *ring, struct octets text)
{
	struct kms_response doc;
	struct kms_fault fault;
	if (kms_response_read(&doc, KMS_ROOT_PART, text, &fault))
		return;
	struct kms_domain *d = &ring->external[ring->n_external];
	enum mcsec_err e = doc.n_certs == 1 ? MCSEC_OK : MCSEC_E_MALFORMED;
	if (!e) {
		d->cert = doc.certs[0];
		e = kms_certificate_check(&d->cert, KMS_ROLE_EXTERNAL, d->cert.kms_uri, u->c.kms_uri, ue_unix_now(),
					  &d->kms, &fault);
	}
	if (e)
		d->kms = NULL;
	ring->n_external += !e || e == MCSEC_E_REVOKED || e == MCSEC_E_BAD_TIME;
	kms_response_free(&doc);
}

static void load_cache(struct ue *u, struct ue_ring *ring)
{
	size_t len = 0;
	uint8_t *kept = ue_store_get(u->store, "kms-cache", &len);
	struct reader r = rd_init((struct octets){kept, kept ? len : 0});
	int64_t num = (int64_t)rd_u64(&r);
	ring->cache_num = -1;
	ring->external = kept ? calloc(CACHE_MAX, sizeof *ring->external) : NULL;
	while (ring->external && rd_left(&r) && ring->n_external < CACHE_MAX) {
		struct octets one = rd_take(&r, rd_u32(&r));
		if (one.len)
			load_external(u, ring, one);
	}
	if (ring->external && !rd_done(&r))
		ring->cache_num = num;
	mcsec_secret_free(kept);
}

/* ---- read back ------------------------------------------------------------------------------------------------- */

int ue_ring_load(struct ue *u)
{
	struct loading l = {.ring = calloc(1, sizeof *l.ring)};
	pthread_mutex_lock(&u->lock);
	snprintf(l.self, sizeof l.self, "%s", u->tokens->mcptt_id);
	pthread_mutex_unlock(&u->lock);
	int rc = l.ring && l.self[0] ? load_certificate(u, l.ring) : -1;
	if (!rc) {
		(void)ue_store_each(u->store, "key-set/", load_key_set, &l);
		load_suites(u, l.ring);
		load_cache(u, l.ring);
		rc = fill_book(l.ring);
	}
	if (rc)
		ue_ring_free(l.ring);
	else
		install(u, l.ring);
	return rc;
}
