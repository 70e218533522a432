/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ue_call_key.c - the key of a private call: made by the caller, opened by the callee, turned into SRTP keys (sip.md
 * 6.1, 6.2; mikey.md 10; media.md 2).
 *
 * The costly parts run on a worker; replay memory and machine belong to the loop. A job owns what it works on, so that
 * a call may end meanwhile: its result is then wiped (flows 0.2).
 */
#include <stdlib.h>

#include "mcsec/secret.h"
#include "sec/base/check.h"
#include "sec/base/text.h"
#include "ue/engine.h"

/* ---- caller ---------------------------------------------------------------------------------------------------- */

struct make_job {
	struct ue *u;
	unsigned generation;
	struct ue_ring *ring;
	struct ue_pck *pck;
	char peer[MCSEC_ID_MAX], kms[KMS_URI_MAX];
	enum mcsec_err err;
};

static void make_run(void *arg, void *state)
{
	struct make_job *j = arg;
	(void)state;
	struct ue_pck *p = j->pck;
	struct mcsec_im_make what = {.kind = MCSEC_PCK,
				     .key = p->key,
				     .rand = p->rand,
				     .time = ue_time_now(),
				     .initiator = j->u->own_id,
				     .initiator_kms = j->u->c.kms_uri,
				     .responder = j->peer,
				     .responder_kms = j->kms,
				     .hide_initiator = j->u->c.hide_identities,
				     .hide_responder = j->u->c.hide_identities,
				     .to_self = j->u->c.sakke_to_self};
	p->rand_len = MCSEC_RAND_LEN;
	p->from_us = 1;
	j->err = mcsec_kid_new(MCSEC_PCK, &mcsec_rng_system, NULL, NULL, &p->id);
	if (!j->err && (ue_random(p->key, sizeof p->key) || ue_random(p->rand, p->rand_len)))
		j->err = MCSEC_E_RANDOM;
	what.k_id = p->id;
	j->err = j->err ? j->err : mcsec_profile_default(MCSEC_PCK, &p->profile);
	j->err = j->err ? j->err
			: mcsec_im_make(&j->ring->book, &what, &mcsec_rng_system, p->message, sizeof p->message,
					&p->message_len);
}

static void make_done(void *arg)
{
	struct make_job *j = arg;
	struct ue *u = j->u;
	int wanted = u->port && u->call.generation == j->generation && u->call.machine.state == CC_MAKING;
	if (wanted && !j->err) {
		u->call.pck = j->pck;
		j->pck = NULL;
	}
	ue_ring_unref(u, j->ring);
	mcsec_secret_free(j->pck);
	enum cc_event_kind kind = j->err ? CC_EV_FAILED : CC_EV_MADE;
	free(j);
	if (wanted)
		ue_call_event(u, &(struct cc_event){.kind = kind}, NULL);
}

void ue_pck_make(struct ue *u)
{
	struct make_job *j = calloc(1, sizeof *j);
	struct ue_pck *pck = mcsec_secret_alloc(sizeof *pck);
	struct ue_ring *ring = ue_ring_ref(u);
	if (j && pck && ring) {
		*j = (struct make_job){.u = u, .generation = u->call.generation, .ring = ring, .pck = pck};
		pck->service = u->call.service;
		memcpy(j->peer, u->call.peer, sizeof j->peer);
		memcpy(j->kms, u->call.kms_uri, sizeof j->kms);
		if (!worker_submit(u->workers, &(struct worker_job){make_run, make_done, j}))
			return;
	}
	ue_ring_unref(u, ring);
	mcsec_secret_free(pck);
	free(j);
	ue_call_event(u, &(struct cc_event){.kind = CC_EV_FAILED}, NULL);
}

/* ---- callee ---------------------------------------------------------------------------------------------------- */

struct open_job {
	struct ue *u;
	unsigned generation;
	struct ue_ring *ring;
	struct ue_pck *pck; /* holds the message */
	struct mcsec_im_job *job;
};

static void unopened(struct ue *u, enum mcsec_err err)
{
	ue_call_event(u, &(struct cc_event){.kind = CC_EV_UNOPENED, .im = err}, NULL);
}

/* What this client can protect media with (media.md 3.1; M-D9: a ROC tag is understood either way). */
static int profile_fits(const struct mcsec_profile *p)
{
	enum { AES_GCM = 6, RCCM3 = 4 };
	return p->encryption == AES_GCM && (p->key_len == 16 || p->key_len == 32) && p->salt_len == SRTP_SALT &&
	       p->prf == 0 && p->kdr == 0 && p->aead_tag_len == SRTP_TAG && p->srtcp_tag_len == 0 &&
	       (p->authentication == 0 ||
		(p->authentication == RCCM3 && p->srtp_tag_len == SRTP_ROC_TAG && p->roc_rate));
}

/* The profile of the call's crypto session 0, 2 of MCVideo, by which both directions go. */
static const struct mcsec_profile *profile_of(const struct mcsec_im *im, enum mcx_service service)
{
	uint8_t cs_id;
	if (mcsec_cs_id_of(MCSEC_PCK, service == MCX_MCVIDEO, 0, &cs_id))
		return &im->profile;
	for (size_t i = 0; i < im->n_cs; i++)
		if (im->cs[i].cs_id == cs_id)
			return &im->cs[i].profile;
	return &im->profile;
}

static enum mcsec_err take_key(struct ue_pck *pck, const struct mcsec_im *im, uint64_t now)
{
	const struct mcsec_profile *profile = profile_of(im, pck->service);
	if (MCX_FAULT(im.own_offer, im->notes & MCSEC_NOTE_TO_SELF)) /* an offer of our own that came back */
		return MCSEC_E_NOT_FOR_US;
	if (!im->key || im->rand_len > sizeof pck->rand)
		return MCSEC_E_REVOKED;
	if (!profile_fits(profile))
		return MCSEC_E_UNSUPPORTED;
	uint64_t unix_now = now - MCSEC_NTP_UNIX;
	if (MCX_FAULT(im.not_active, im->has_params && ((im->params.activation && im->params.activation > unix_now) ||
							(im->params.expiry && im->params.expiry <= unix_now))))
		return MCSEC_E_BAD_PARAMS;
	pck->id = im->k_id;
	memcpy(pck->key, im->key, sizeof pck->key);
	memcpy(pck->rand, im->rand, im->rand_len);
	pck->rand_len = im->rand_len;
	pck->profile = *profile;
	return MCSEC_OK;
}

static void open_run(void *arg, void *state)
{
	struct open_job *j = arg;
	(void)state;
	mcsec_im_work(j->job);
}

static void open_done(void *arg)
{
	struct open_job *j = arg;
	struct ue *u = j->u;
	struct ue_call_state *c = &u->call;
	struct mcsec_im *im = NULL;
	struct mcsec_fault fault;
	uint64_t now = ue_time_now();
	int wanted = u->port && c->generation == j->generation &&
		     (c->machine.state == CC_CHECKING || c->machine.state == CC_REKEYING);
	/* Also when the call is over: the message was seen, and stays seen (flows 3.3). */
	enum mcsec_err e = mcsec_im_finish(j->job, u->replay, now, &im, &fault);
	e = e ? e : take_key(j->pck, im, now);
	if (wanted && !e) {
		c->has_entry = im->remember;
		c->entry = im->entry;
		mcsec_secret_free(c->next_pck);
		c->next_pck = j->pck;
		j->pck = NULL;
	}
	if (wanted && e == MCSEC_E_KMS_REFUSED && c->machine.state == CC_CHECKING)
		c->krr = ue_redirect_make(u, j->ring, (struct octets){j->pck->message, j->pck->message_len}, c->peer,
					  &c->krr_len);
	mcsec_im_free(im);
	ue_ring_unref(u, j->ring);
	mcsec_secret_free(j->pck);
	free(j);
	if (wanted && e)
		unopened(u, e);
	else if (wanted)
		ue_call_event(u, &(struct cc_event){.kind = CC_EV_OPENED}, NULL);
}

/* The message of the offer that was read last; base64 that is none counts as a malformed message. */
static enum mcsec_err begin_open(struct ue *u, struct open_job *j)
{
	struct ue_call_state *c = &u->call;
	struct sdp *sdp = &u->scratch.theirs;
	struct mcsec_fault fault;
	const char *const initiators[] = {c->peer}, *const selves[] = {u->own_id};
	struct mcsec_im_expect expect = {.now = ue_time_now(),
					 .tags = MCSEC_TAG_BIT(MCSEC_PCK),
					 .initiators = initiators,
					 .n_initiators = 1,
					 .selves = selves,
					 .n_selves = 1,
					 .replay = u->replay};
	size_t audio;
	if (sdp_read((struct octets){c->offer, c->offer_len}, sdp, NULL) ||
	    (audio = sdp_find_media(sdp, "audio")) == SIZE_MAX)
		return MCSEC_E_MALFORMED;
	struct octets text = sdp->media[audio].key_mgmt;
	if (base64_decode((const char *)text.p, text.len, j->pck->message, sizeof j->pck->message,
			  &j->pck->message_len))
		return MCSEC_E_MALFORMED;
	return mcsec_im_begin(&j->job, &j->ring->book, &expect, j->pck->message, j->pck->message_len, &fault);
}

void ue_pck_open(struct ue *u)
{
	struct open_job *j = calloc(1, sizeof *j);
	struct ue_pck *pck = mcsec_secret_alloc(sizeof *pck);
	struct ue_ring *ring = ue_ring_ref(u);
	enum mcsec_err e = j && pck ? ring ? MCSEC_OK : MCSEC_E_NO_KEYS : MCSEC_E_MEMORY;
	if (!e) {
		pck->service = u->call.service;
		*j = (struct open_job){.u = u, .generation = u->call.generation, .ring = ring, .pck = pck};
		e = begin_open(u, j);
		if (!e && !worker_submit(u->workers, &(struct worker_job){open_run, open_done, j}))
			return;
		if (!e) {
			mcsec_im_cancel(j->job);
			e = MCSEC_E_MEMORY;
		}
		/* An initiator's KMS we do not hold: damage, forgery or truth, nothing can be verified (flows 0.2). */
		if (e == MCSEC_E_KMS_REFUSED)
			e = MCSEC_E_BAD_SIGNATURE;
	}
	ue_ring_unref(u, ring);
	mcsec_secret_free(pck);
	free(j);
	unopened(u, e);
}

/* ---- SRTP ------------------------------------------------------------------------------------------------------ */

static int derive(const struct ue_pck *pck, int from_initiator, struct srtp_master *out)
{
	uint8_t cs_id;
	if (mcsec_cs_id_of(MCSEC_PCK, pck->service == MCX_MCVIDEO, !from_initiator, &cs_id))
		return -1;
	struct writer w = wr_init(out->mki, sizeof out->mki);
	wr_u32(&w, pck->id); /* MKI = PCK-ID (media.md 2.3) */
	return mcsec_srtp_master(pck->key, sizeof pck->key, cs_id, pck->id, pck->rand, pck->rand_len, out->key,
				 pck->profile.key_len, out->salt, sizeof out->salt)
		   ? -1
		   : 0;
}

int ue_pck_media_keys(const struct ue_pck *pck, struct media_keys *out)
{
	memset(out, 0, sizeof *out);
	out->policy = (struct srtp_policy){.key_len = pck->profile.key_len,
					   .mki_len = sizeof pck->id,
					   .roc_rate = pck->profile.authentication ? pck->profile.roc_rate : 0};
	return derive(pck, pck->from_us, &out->send) || derive(pck, !pck->from_us, &out->receive) ? -1 : 0;
}

void ue_pck_inspect(struct ue *u, const struct ue_pck *pck, const struct media_keys *keys)
{
	const struct srtp_master *by_stream[2] = {pck->from_us ? &keys->send : &keys->receive,
						  pck->from_us ? &keys->receive : &keys->send};
	pthread_mutex_lock(&u->lock);
	if (u->keep && !u->kept)
		u->kept = mcsec_secret_alloc(sizeof *u->kept);
	for (int i = 0; i < 2 && u->keep && u->kept; i++) {
		u->kept->pck_id = pck->id;
		memcpy(u->kept->pck, pck->key, sizeof u->kept->pck);
		memcpy(u->kept->streams[i].master_key, by_stream[i]->key, sizeof u->kept->streams[i].master_key);
		memcpy(u->kept->streams[i].master_salt, by_stream[i]->salt, sizeof u->kept->streams[i].master_salt);
		(void)srtp_derive(by_stream[i]->key, sizeof u->kept->streams[i].master_key, by_stream[i]->salt,
				  SRTP_SALT, 0, u->kept->streams[i].session_key,
				  sizeof u->kept->streams[i].session_key);
	}
	pthread_mutex_unlock(&u->lock);
}
