/* SPDX-License-Identifier: Apache-2.0 */
/*
 * download_job.c - what a key download has done off the loop: the key drawn or unsealed and its I_MESSAGE made, in the
 * pool, then made durable; the change when the client has taken it; the end of what it never took.
 *
 * A job takes copies and finds its download again by binding, kind and run: one that ended meanwhile ignores it.
 */
#include "server/download_in.h"

#include <stdlib.h>

#include "app/log.h"
#include "mcsec/secret.h"

struct job {
	struct work work; /* first: jobs come back as this */
	enum download_job what;
	int draw; /* DOWNLOAD_SAVE: a new CSK, else the one of the row */
	unsigned run;
	struct db_binding b;
	struct db_download row;
	struct server_book *book;
	int64_t musik_expires;
	enum db_changed result;
	const char *why;
	size_t len;
	uint8_t message[MCSEC_IM_MAX];
};

/* TIME seconds of a T on the wire, in the era of 1968 to 2104. */
uint64_t download_seconds(uint64_t ntp)
{
	uint64_t s = ntp >> 32;
	if (s == 0)
		return 0;
	return s < UINT64_C(0x80000000) ? s + (UINT64_C(1) << 32) : s;
}

/* The key in `key`, secret memory; the row names and holds it. */
static int take_key(struct job *j, uint8_t *key)
{
	const struct seal *seal = j->work.s->seal;
	struct db_download *r = &j->row;
	char what[2 * DB_URI + 32];
	if (r->kind == KD_MUSIK)
		return seal_get(seal, db_musik_purpose(r->k_id, what, sizeof what), OCTETS(r->key), key) != MCSEC_OK;
	if (j->draw && (mcsec_kid_new(MCSEC_CSK, &mcsec_rng_system, NULL, NULL, &r->k_id) != MCSEC_OK ||
			mcsec_rng_system.fill(mcsec_rng_system.ctx, key, MCSEC_KEY_LEN) != MCSEC_OK ||
			mcsec_rng_system.fill(mcsec_rng_system.ctx, r->rand, sizeof r->rand) != MCSEC_OK))
		return -1;
	struct octets purpose = db_csk_purpose(&j->b, r->k_id, what, sizeof what);
	return j->draw ? seal_put(seal, purpose, (struct octets){key, MCSEC_KEY_LEN}, r->key) != MCSEC_OK
		       : seal_get(seal, purpose, OCTETS(r->key), key) != MCSEC_OK;
}

/*
 * The suite of a CSK and this server's own list, to a client that negotiates; one that listed nothing but the mandatory
 * suite need not know of lists. A suite that is no longer allowed goes out once more all the same: the client may hold
 * the key already.
 */
static void list_suites(const struct job *j, struct mcsec_alg_list *out)
{
	const struct suite_list *offered = &j->b.offered, *own = server_book_suites(j->book);
	*out = (struct mcsec_alg_list){.selected = j->row.suite};
	if (j->row.kind != KD_CSK || (offered->n == 1 && offered->at[0] == MCSEC_SUITE_AES128))
		return;
	out->n = own->n;
	memcpy(out->suites, own->at, own->n * sizeof *own->at);
	if (!suite_listed(own, j->row.suite) && out->n < MCSEC_SUITES_MAX)
		out->suites[out->n++] = j->row.suite;
}

/* From the identity the client uploaded to, to the client's MC service ID (TS 33.180 5.8.1; sip 4.1). */
static enum mcsec_err make_message(struct job *j, const uint8_t *key)
{
	const struct mcsec_im_book *book = server_book_tables(j->book);
	uint64_t used = download_seconds(j->b.t), last = j->draw ? 0 : download_seconds(j->row.t);
	uint64_t t = kd_time((uint64_t)db_now() + MCSEC_NTP_UNIX, used > last ? used : last);
	struct mcsec_key_params params = {.status = MCSEC_STATUS_NOT_REVOKED, .expiry = (uint64_t)j->musik_expires};
	struct mcsec_im_make what = {.kind = j->row.kind == KD_CSK ? MCSEC_CSK : MCSEC_MUSIK,
				     .k_id = j->row.k_id,
				     .key = key,
				     .rand = j->row.rand,
				     .time = t,
				     .initiator = j->b.server_id,
				     .initiator_kms = book->kms[0].uri,
				     .responder = j->b.mcptt_id,
				     .responder_kms = *j->b.kms_uri ? j->b.kms_uri : book->kms[0].uri,
				     .hide_initiator = j->work.s->cfg->identity_hiding,
				     .hide_responder = j->work.s->cfg->identity_hiding,
				     .to_self = j->work.s->cfg->sakke_to_self,
				     .params = j->row.kind == KD_MUSIK ? &params : NULL};
	struct mcsec_alg_list algs;
	list_suites(j, &algs);
	what.algs = algs.n ? &algs : NULL;
	j->row.t = (t & UINT32_MAX) << 32;
	return mcsec_im_make(book, &what, &mcsec_rng_system, j->message, sizeof j->message, &j->len);
}

static void run_make(struct work *w, struct db *d)
{
	struct job *j = (struct job *)w;
	uint8_t *key = mcsec_secret_alloc(MCSEC_KEY_LEN);
	(void)d;
	enum mcsec_err e = key ? MCSEC_OK : MCSEC_E_MEMORY;
	if (!e && !j->book)
		e = MCSEC_E_NO_KEYS;
	if (!e && take_key(j, key))
		e = MCSEC_E_CRYPTO;
	e = e ? e : make_message(j, key);
	mcsec_secret_free(key);
	j->why = e ? mcsec_err_name(e) : NULL;
}

static void run_change(struct work *w, struct db *d)
{
	struct job *j = (struct job *)w;
	j->result = DB_FAILED;
	j->why = "database";
	if (!d)
		return;
	if (j->what == DOWNLOAD_SAVE)
		j->result = db_download_save(d, &j->row);
	else if (j->what == DOWNLOAD_SETTLE)
		j->result = db_download_settle(d, &j->row, &j->b);
	else
		j->result = db_download_erase(d, &j->row) == STORE_OK ? DB_CHANGED : DB_FAILED;
}

/* The pending CSK opens from now on; it is what the client may hold. */
void download_pend(struct download *d)
{
	struct binding *b = download_binding(d);
	if (!b || d->row.kind != KD_CSK)
		return;
	struct db_binding *row = malloc(sizeof *row);
	if (!row)
		return;
	*row = b->row;
	memcpy(row->csk, d->row.key, sizeof row->csk);
	row->csk_id = d->row.k_id;
	memcpy(row->rand, d->row.rand, sizeof d->row.rand);
	row->rand_len = sizeof d->row.rand;
	row->t = d->row.t;
	row->suite = d->row.suite;
	binding_pend(b, row);
}

static enum kd_event_kind outcome(const struct job *j)
{
	static const enum kd_event_kind table[3][3] = {
	    [DOWNLOAD_SAVE] = {KD_EV_SAVED, KD_EV_SUPERSEDED, KD_EV_SAVE_FAILED},
	    [DOWNLOAD_SETTLE] = {KD_EV_SETTLED, KD_EV_SUPERSEDED, KD_EV_SETTLE_FAILED},
	    [DOWNLOAD_ERASE] = {KD_EV_ENDED, KD_EV_ENDED,
				KD_EV_ENDED}, /* what stays is erased with the next change, or resent */
	};
	return table[j->what][j->result];
}

static void done_job(struct work *w)
{
	struct job *j = (struct job *)w;
	struct server *s = w->s;
	struct download *d = download_find(s, j->row.binding, j->row.kind);
	enum kd_event_kind what = outcome(j);
	server_book_release(j->book);
	atomic_store(&s->store_ok, j->result != DB_FAILED || strcmp(j->why, "database") != 0);
	if (j->result == DB_FAILED)
		log_warn("key.download-failed", log_text("mcptt_id", j->b.mcptt_id), log_text("detail", j->why));
	if (d && d->run == j->run) {
		if (what == KD_EV_SAVED) {
			d->row = j->row;
			d->len = j->len;
			memcpy(d->message, j->message, j->len);
			download_pend(d);
		}
		download_step(d, &(struct kd_event){.kind = what});
	}
	free(j);
}

static void done_make(struct work *w)
{
	struct job *j = (struct job *)w;
	w->run = run_change;
	w->done = done_job;
	if (j->why || server_change(w) != 0) {
		j->why = j->why ? j->why : "too many changes wait";
		done_job(w);
	}
}

static int begin(struct job *j)
{
	j->work.run = j->what == DOWNLOAD_SAVE ? run_make : run_change;
	j->work.done = j->what == DOWNLOAD_SAVE ? done_make : done_job;
	return j->what == DOWNLOAD_SAVE ? server_submit(&j->work) : server_change(&j->work);
}

void download_submit(struct download *d, enum download_job what, int draw)
{
	struct binding *b = download_binding(d);
	struct job *j = b ? calloc(1, sizeof *j) : NULL;
	if (j) {
		*j = (struct job){.work = {.s = d->s, .done = done_job},
				  .what = what,
				  .draw = draw,
				  .run = d->run,
				  .result = DB_FAILED};
		d->row.follows = d->row.kind == KD_CSK ? b->row.csk_id : 0;
		d->row.reason = d->machine.reason;
		d->row.attempt = d->machine.attempt;
		j->b = b->row;
		j->row = d->row;
		j->book = server_keys_book(d->s->keys);
		j->musik_expires = d->s->musik.expires;
		if (begin(j) == 0)
			return;
		server_book_release(j->book);
		free(j);
	}
	struct job none = {.what = what, .result = DB_FAILED};
	download_step(d, &(struct kd_event){.kind = outcome(&none)});
}
