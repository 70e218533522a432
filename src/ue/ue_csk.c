/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ue_csk.c - the client-server key: drawn, put into its I_MESSAGE and kept until the server has it (sip.md 2.4; flows
 * 0.4, 1.1).
 *
 * Made on a worker, with a token and identity keys of now. CSK-ID and T are durable before the upload leaves. Exactly
 * one is in use at any time for a service; a second one lives only while its upload is on the way. One upload is for
 * all services of the client; after it a key download replaces the CSK of its own service alone.
 */
#include <stdlib.h>

#include "mcsec/secret.h"
#include "ue/engine.h"

enum { MAX_AHEAD_S = 240 }; /* a T further ahead is of a wrong clock: it would be refused (mikey.md 10 step 4) */

struct make_job {
	struct ue *u;
	struct ue_ring *ring;
	struct ue_csk *csk;
	char server_kms[KMS_URI_MAX];
	enum mcsec_err err;
};

/* T later than that of any CSK before, so that clock skew never makes the newer one lose (flows 0.4). Durable first. */
static int draw_csk(struct ue *u, struct ue_csk *csk)
{
	uint64_t now = ue_time_now();
	uint8_t kept[12];
	int ahead = u->csk_time >= now && u->csk_time - now < MAX_AHEAD_S;
	csk->time = ahead ? u->csk_time + 1 : now;
	if (mcsec_kid_new(MCSEC_CSK, &mcsec_rng_system, NULL, NULL, &csk->id) || ue_random(csk->key, sizeof csk->key) ||
	    ue_random(csk->rand, MCSEC_RAND_LEN))
		return -1;
	csk->rand_len = MCSEC_RAND_LEN;
	struct writer w = wr_init(kept, sizeof kept);
	wr_u32(&w, csk->id);
	wr_u64(&w, csk->time);
	u->csk_time = csk->time;
	return ue_store_put(u->store, "csk", OCTETS(kept));
}

/*
 * An upload may come long after the sign-in: the token is refreshed when due, and the keys of the period that this
 * registration reaches into are fetched ahead. What is still good serves on when the services do not answer.
 */
static int freshen(struct make_job *j)
{
	struct ue *u = j->u;
	struct ue_report r = {0};
	int token_good = ue_token_fresh(u, 0, &r) == UE_OK;
	if (!ue_ring_covers(j->ring, ue_time_now() + u->c.register_s)) {
		(void)ue_keys_fetch(u, 1, &r);
		ue_ring_unref(u, j->ring);
		j->ring = ue_ring_ref(u);
	}
	return token_good && ue_ring_covers(j->ring, j->csk->time) ? 0 : -1;
}

static void make_run(void *arg, void *state)
{
	struct make_job *j = arg;
	(void)state;
	struct ue *u = j->u;
	if (freshen(j)) {
		j->err = MCSEC_E_NO_KEYS;
		return;
	}
	struct mcsec_alg_list algs;
	if (j->ring->suites.n == 0) {
		j->err = MCSEC_E_UNSUPPORTED;
		return;
	}
	suite_offer(&j->ring->suites, &algs);
	j->csk->suite = j->csk->wanted = suite_uploaded(&algs, &j->csk->offered);
	j->csk->upload_suite = suite_of_upload(&algs);
	const char *server = u->c.mdsi && u->c.mdsi[0] ? u->c.mdsi : u->c.sip_psi; /* sip.md 2.4 */
	struct mcsec_im_make what = {.kind = MCSEC_CSK,
				     .k_id = j->csk->id,
				     .key = j->csk->key,
				     .rand = j->csk->rand,
				     .time = j->csk->time,
				     .initiator = u->own_id,
				     .initiator_kms = u->c.kms_uri,
				     .responder = server,
				     .responder_kms = j->server_kms,
				     .hide_initiator = u->c.hide_identities,
				     .hide_responder = u->c.hide_identities,
				     .to_self = u->c.sakke_to_self,
				     .algs = algs.n ? &algs : NULL};
	j->err = mcsec_im_make(&j->ring->book, &what, &mcsec_rng_system, j->csk->message, sizeof j->csk->message,
			       &j->csk->message_len);
}

static void make_done(void *arg)
{
	struct make_job *j = arg;
	struct ue *u = j->u;
	int wanted = u->port && u->making == j;
	ue_ring_unref(u, j->ring);
	if (wanted && !j->err) {
		u->making = NULL;
		u->csk_new = j->csk;
		ue_upload_send(u);
	} else {
		mcsec_secret_free(j->csk);
		int no_suite = j->err == MCSEC_E_UNSUPPORTED;
		if (wanted && no_suite)
			ue_emit(u, UE_EV_ALARM, ue_clock_ms(), NULL, u->own_id, 0,
				"the domain allows no algorithm suite of this client");
		if (wanted)
			ue_auth_event(u, &(struct ca_event){.kind = no_suite ? CA_EV_NO_SUITE : CA_EV_REFUSED});
	}
	free(j);
}

/* A job that is under way keeps its key to itself until its end, and wipes it then. */
void ue_csk_wipe_new(struct ue *u)
{
	mcsec_secret_free(u->csk_new);
	u->csk_new = NULL;
	u->making = NULL;
}

int ue_csk_make(struct ue *u)
{
	struct make_job *j = calloc(1, sizeof *j);
	struct ue_csk *csk = mcsec_secret_alloc(sizeof *csk);
	struct ue_ring *ring = ue_ring_ref(u);
	ue_csk_wipe_new(u);
	if (j && csk && ring && !draw_csk(u, csk)) {
		*j = (struct make_job){.u = u, .ring = ring, .csk = csk};
		memcpy(j->server_kms, u->server_kms, sizeof j->server_kms);
		u->making = j;
		if (!worker_submit(u->workers, &(struct worker_job){make_run, make_done, j}))
			return 0;
		u->making = NULL;
	}
	ue_ring_unref(u, ring);
	mcsec_secret_free(csk);
	free(j);
	return -1;
}

/* ---- in use ---- */

enum mcx_service ue_first_service(const struct ue *u)
{
	enum mcx_service s = MCX_MCPTT;
	while (!(u->c.services >> s & 1))
		s++;
	return s;
}

struct ue_csk **ue_csk_at(struct ue *u, enum mcx_service service)
{
	return service == MCX_MCPTT ? &u->csk : &u->others[service];
}

void ue_set_csk_id(struct ue *u, enum mcx_service service, uint32_t id)
{
	pthread_mutex_lock(&u->lock);
	u->csk_ids[service] = id;
	pthread_mutex_unlock(&u->lock);
}

void ue_csk_wipe(struct ue *u)
{
	for (int s = 0; s < MCX_SERVICES; s++) {
		struct ue_csk **at = ue_csk_at(u, (enum mcx_service)s);
		mcsec_secret_free(*at);
		*at = NULL;
		ue_set_csk_id(u, (enum mcx_service)s, 0);
	}
}

/* Without memory for a copy that service has no CSK: what comes under it is refused, which uploads another. */
void ue_csk_install(struct ue *u)
{
	struct ue_csk *new = u->csk_new;
	u->csk_new = NULL;
	for (int s = 0; s < MCX_SERVICES; s++) {
		struct ue_csk **at = ue_csk_at(u, (enum mcx_service)s);
		mcsec_secret_free(*at);
		*at = new && u->c.services >> s & 1 ? mcsec_secret_alloc(sizeof **at) : NULL;
		if (*at)
			**at = *new;
		ue_set_csk_id(u, (enum mcx_service)s, *at ? new->id : 0); /* one step: a call may look at any moment */
	}
	mcsec_secret_free(new);
}
