/* SPDX-License-Identifier: Apache-2.0 */
/*
 * download_musik.c - the multicast signalling key of the service (TS 33.180 5.8; sip 4.3): one key and one RAND for all
 * clients, made on an officer's word, at its expiry, and when one who held it has left; then downloaded to each.
 */
#include "server/download_in.h"

#include <stdlib.h>

#include "app/log.h"
#include "mcsec/secret.h"

struct musik_job {
	struct work work;
	struct db_musik m;
	char officer[DB_URI];
	int failed;
};

/* One key and RAND for all (media.md 2; sip 4.3). */
static void run_musik(struct work *w, struct db *d)
{
	struct musik_job *j = (struct musik_job *)w;
	uint8_t *key = mcsec_secret_alloc(MCSEC_KEY_LEN);
	char what[64];
	j->failed = !d || !key || mcsec_kid_new(MCSEC_MUSIK, &mcsec_rng_system, NULL, NULL, &j->m.k_id) ||
		    mcsec_rng_system.fill(mcsec_rng_system.ctx, key, MCSEC_KEY_LEN) ||
		    mcsec_rng_system.fill(mcsec_rng_system.ctx, j->m.rand, sizeof j->m.rand) ||
		    seal_put(w->s->seal, db_musik_purpose(j->m.k_id, what, sizeof what),
			     (struct octets){key, MCSEC_KEY_LEN}, j->m.key) ||
		    db_musik_put(d, &j->m, j->officer) != STORE_OK;
	mcsec_secret_free(key);
}

static int give_musik(void *ctx, struct binding *b)
{
	struct server *s = ctx;
	if (b->row.has_csk && b->musik_id != s->musik.k_id)
		(void)download_start(s, b, KD_MUSIK, KD_BEARER);
	return 0;
}

static void done_musik(struct work *w)
{
	struct musik_job *j = (struct musik_job *)w;
	struct server *s = w->s;
	s->musik_making = 0;
	if (!j->failed) {
		for (struct download *d = s->downloads, *next; d; d = next) {
			next = d->next;
			if (d->row.kind == KD_MUSIK) /* of the one before */
				download_step(d, &(struct kd_event){.kind = KD_EV_SUPERSEDED});
		}
		s->musik = j->m;
		s->has_musik = 1;
		s->musik_stale = 0;
		log_info("musik.made", log_int("musik_id", j->m.k_id), log_text("officer", j->officer));
		bindings_each(s->bindings, give_musik, s);
	}
	free(j);
}

static int without_musik(void *ctx, struct binding *b)
{
	struct musik_order *o = ctx;
	o->clients += b->row.has_csk != 0;
	return 0;
}

void download_musik(struct server *s, struct musik_order *o)
{
	o->wrong = NULL;
	if (s->has_musik && !o->anew) {
		bindings_each(s->bindings, give_musik, s);
		for (const struct download *d = s->downloads; d; d = d->next)
			o->clients += d->row.kind == KD_MUSIK;
		return;
	}
	if (s->musik_making)
		return;
	struct musik_job *j = calloc(1, sizeof *j);
	if (!j) {
		o->wrong = "no memory";
		return;
	}
	j->work = (struct work){.s = s, .run = run_musik, .done = done_musik};
	j->m.made = db_now();
	j->m.expires = j->m.made + s->cfg->musik_life_s;
	db_copy(j->officer, sizeof j->officer, o->officer);
	if (server_change(&j->work) != 0) {
		free(j);
		o->wrong = "the job queue is full";
		return;
	}
	s->musik_making = 1;
	bindings_each(s->bindings, without_musik, o);
}

void download_musik_tick(struct server *s, int64_t now)
{
	if (s->has_musik && (s->musik_stale || s->musik.expires <= now))
		download_musik(s, &(struct musik_order){.anew = 1, .officer = s->musik_stale ? "left" : "expiry"});
}
