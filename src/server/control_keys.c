/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control_keys.c - the CSKs of one client as its control signalling uses them (see control.h).
 *
 * Nobody tells this file that a CSK changed: the keys held are compared with the binding's before each use and once a
 * second. Indices are taken from the store by a job, a block ahead of need; until a key has its first block nothing is
 * sent under it.
 */
#include "server/control.h"

#include <stdlib.h>

#include "app/log.h"
#include "mcsec/secret.h"
#include "mcx/flow/suite.h"
#include "sec/base/check.h"
#include "server/download.h"

struct control_keys {
	struct control_keys *next, **back;
	struct server *s;
	int64_t binding;
	int refs, asking; /* a job for indices is out */
	uint32_t said_with;
	struct csk_control *csk;
};

struct control_keys *control_keys_take(struct server *s, int64_t binding)
{
	struct control_keys *k = s->control_keys;
	while (k && k->binding != binding)
		k = k->next;
	if (k) {
		k->refs++;
		return k;
	}
	k = calloc(1, sizeof *k);
	struct csk_control *csk = csk_control_new(NULL, NULL);
	if (!k || !csk) {
		free(k);
		csk_control_free(csk);
		return NULL;
	}
	*k = (struct control_keys){
	    .next = s->control_keys, .back = &s->control_keys, .s = s, .binding = binding, .refs = 1, .csk = csk};
	if (k->next)
		k->next->back = &k->next;
	s->control_keys = k;
	(void)control_keys_now(k);
	k->said_with = csk_control_sends_with(csk);
	return k;
}

void control_keys_release(struct control_keys *k)
{
	if (!k || --k->refs)
		return;
	*k->back = k->next;
	if (k->next)
		k->next->back = k->back;
	csk_control_free(k->csk);
	free(k);
}

/* ---- indices ---- */

struct taking {
	struct work work;
	int64_t binding;
	uint32_t csk_id, first, end;
	enum store_err result;
};

static void run_taking(struct work *w, struct db *d)
{
	struct taking *t = (struct taking *)w;
	t->result = d ? db_take_indices(d, t->csk_id, &t->first, &t->end) : STORE_BROKEN;
}

static void done_taking(struct work *w)
{
	struct taking *t = (struct taking *)w;
	struct server *s = w->s;
	struct control_keys *k = s->control_keys;
	while (k && k->binding != t->binding)
		k = k->next;
	if (t->result != STORE_OK || !t->end)
		log_warn("control.no-indices", log_int("csk_id", t->csk_id),
			 log_text("error", store_err_name(t->result)));
	if (k) {
		int first = csk_control_left(k->csk, t->csk_id) == 0;
		k->asking = 0;
		csk_control_grant(k->csk, t->csk_id, t->first, t->end);
		if (first && t->end)
			control_say_again(s, k);
	}
	free(t);
}

static void want_indices(struct control_keys *k, uint32_t csk_id)
{
	if (!csk_id || k->asking || csk_control_left(k->csk, csk_id) > DB_INDICES / 2)
		return;
	struct taking *t = calloc(1, sizeof *t);
	if (!t)
		return;
	*t = (struct taking){
	    .work = {k->s, run_taking, done_taking}, .binding = k->binding, .csk_id = csk_id, .result = STORE_BROKEN};
	k->asking = 1;
	if (server_change(&t->work) == 0)
		return;
	k->asking = 0;
	free(t);
}

/* ---- keys ---- */

static void hold(struct control_keys *k, const struct db_binding *row, int video, uint32_t *ids, size_t *n)
{
	uint8_t csk[MCSEC_KEY_LEN];
	if (!row->has_csk)
		return;
	ids[(*n)++] = row->csk_id;
	if (csk_control_holds(k->csk, row->csk_id))
		return;
	if (db_open_csk(k->s->seal, row, csk) == MCSEC_OK) {
		struct csk_control_key key = {
		    row->csk_id, csk, {row->rand, row->rand_len}, (uint8_t)suite_key_len(row->suite), video};
		if (csk_control_hold(k->csk, &key))
			log_warn("control.no-key", log_int("csk_id", row->csk_id));
	}
	mcsec_wipe(csk, sizeof csk);
}

struct csk_control *control_keys_now(struct control_keys *k)
{
	const struct binding *b = bindings_by_id(k->s->bindings, k->binding);
	uint32_t ids[3];
	size_t n = 0;
	if (b) {
		/* Keys that are over go first: there is room for few. */
		if (b->row.has_csk)
			ids[n++] = b->row.csk_id;
		if (b->previous.has_csk && !MCX_FAULT(floor.grace, b->previous_until <= db_now()))
			ids[n++] = b->previous.csk_id;
		if (b->pending)
			ids[n++] = b->pending->csk_id;
	}
	csk_control_keep_only(k->csk, ids, n);
	n = 0;
	if (b) {
		int video = b->row.service == MCX_MCVIDEO;
		hold(k, &b->row, video, ids, &n);
		if (b->previous.has_csk && !MCX_FAULT(floor.grace, b->previous_until <= db_now()))
			hold(k, &b->previous, video, ids, &n);
		if (b->pending)
			hold(k, b->pending, video, ids, &n);
		csk_control_send_with(k->csk, b->row.csk_id);
		want_indices(k, csk_control_sends_with(k->csk));
	}
	return k->csk;
}

void control_keys_proved(struct control_keys *k, uint32_t csk_id)
{
	const struct binding *b = bindings_by_id(k->s->bindings, k->binding);
	if (b && csk_id != b->row.csk_id)
		download_proved(k->s, b, csk_id);
}

void control_tick(struct server *s)
{
	/* NOLINTNEXTLINE(-Wanalyzer-malloc-leak): what want_indices made is handed on */
	for (struct control_keys *k = s->control_keys; k; k = k->next) {
		uint32_t with = csk_control_sends_with(control_keys_now(k));
		/* A key that has its indices already; where it has none yet, they bring it about. */
		if (with != k->said_with && csk_control_left(k->csk, with))
			control_say_again(s, k);
		k->said_with = with;
	}
}
