/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check.c - steps 1 to 7 of opening an I_MESSAGE (mikey 10; TS 33.180 E.1.2, TS 24.379 7.2.5): what costs microseconds.
 *
 *   1 syntax and the switches for peers   2 purpose tag    3 responder and its KMS    4 time
 *   5 replay                              6 initiator      7 the initiator's KMS
 *
 * The order is the table at the end. A message for another KMS of ours is not refused here: the redirect it earns is
 * for senders who have proven who they are, so it is remembered and told after the signature.
 */
#include <stdlib.h>

#include "sec/base/check.h"
#include "sec/keys/hash.h"
#include "sec/mikey/job.h"

enum { WINDOW = 300, REPLAY_FACTOR = 2 };

static enum mcsec_err fail_at(struct mcsec_im_job *job, enum mcsec_err code, const struct octets *field,
			      const char *clause, const char *detail)
{
	return job_fail(job, code, field ? job_offset(job, field->p) : MCSEC_NO_OFFSET, clause, detail);
}

enum keep { RESPONDER, INITIATOR, INITIATOR_KMS, RESPONDER_KMS };

/* A copy of these octets as a string that lives as long as the result. */
static enum mcsec_err keep(struct mcsec_im_job *job, enum keep which, struct octets o, const char **out)
{
	/* NOLINTNEXTLINE(-Wanalyzer-malloc-leak): the box is freed with its strings; each is set once */
	*out = job->box->strings[which] = strndup((const char *)o.p, o.len);
	return *out ? MCSEC_OK : job_fail(job, MCSEC_E_MEMORY, MCSEC_NO_OFFSET, "", "no memory");
}

/* ---- 1: syntax, and what only a switch allows ---- */

static enum mcsec_err nul_uris(struct mcsec_im_job *job, unsigned compat)
{
	for (int role = 0; role < MIKEY_ROLES; role++) {
		const struct mikey_idr *idr = &job->m.idr[role];
		if (MCX_FAULT(im.nul_uri, idr->nul && !(compat & MCSEC_COMPAT_NUL_URI)))
			return job_fail(job, MCSEC_E_MALFORMED, job_offset(job, idr->id.p) + idr->id.len,
					"RFC 6043 6.6", "a NUL behind a URI");
		if (idr->nul)
			job->box->im.notes |= MCSEC_NOTE_NUL_URI;
	}
	return MCSEC_OK;
}

static enum mcsec_err schemes(struct mcsec_im_job *job, unsigned compat)
{
	const struct mikey_sakke *both[] = {&job->m.sakke, &job->m.to_self};
	for (int i = 0; i < 2; i++) {
		if (!both[i]->sed.p || both[i]->scheme == MIKEY_SCHEME_HASHED_UID)
			continue;
		if (MCX_FAULT(im.id_scheme, !(compat & MCSEC_COMPAT_ID_SCHEME_1)))
			return job_fail(job, MCSEC_E_UNSUPPORTED, both[i]->scheme_at, "TS 33.180 E.1.2",
					"the ID scheme is not the hashed UID");
		job->box->im.notes |= MCSEC_NOTE_ID_SCHEME_1;
	}
	return MCSEC_OK;
}

static enum mcsec_err syntax(struct mcsec_im_job *job, const struct mcsec_im_expect *expect)
{
	struct mikey_in in = mikey_in_of((struct octets){job->msg, job->len});
	struct mcsec_im *im = &job->box->im;
	(void)expect;
	enum mcsec_err err = mikey_message_read(&in, &job->m);
	mikey_fault(&in, &job->fault);
	if (err)
		return err;
	job->kms_i = book_kms(job->book, job->m.idr[MIKEY_IDRKMSI].id);
	unsigned compat = job->kms_i ? job->kms_i->compat : 0;
	im->csb_id = im->k_id = job->m.hdr.csb_id;
	im->ntp = job->m.ntp;
	im->algs = job->m.algs;
	im->notes |= job->m.hdr.v ? MCSEC_NOTE_V_BIT : 0;
	im->notes |= job->m.hdr.map == MIKEY_MAP_SRTP_ID ? MCSEC_NOTE_SRTP_ID_MAP : 0;
	err = nul_uris(job, compat);
	if (!err)
		err = schemes(job, compat);
	if (err || !job->m.legacy_params)
		return err;
	if (MCX_FAULT(im.legacy_params, !(compat & MCSEC_COMPAT_LEGACY_PARAMS)))
		return fail_at(job, MCSEC_E_BAD_PARAMS, &job->m.params_data, "TS 33.180 E.6",
			       "the key parameters are no protected payload");
	im->notes |= MCSEC_NOTE_LEGACY_PARAMS;
	return MCSEC_OK;
}

/* ---- 2: the purpose tag, and the profile it calls for ---- */

static enum mcsec_err session_profile(struct mcsec_im_job *job, const struct mikey_cs *cs, struct mcsec_profile *out)
{
	if (!cs->has_policy)
		return mcsec_profile_default(job->box->im.kind, out);
	for (size_t i = 0; i < job->m.n_sp; i++) {
		const struct mikey_sp *sp = &job->m.sp[i];
		if (sp->policy != cs->policy)
			continue;
		const char *why = profile_from_sp(sp, out);
		return MCX_FAULT(im.profile, why) ? job_fail(job, MCSEC_E_UNSUPPORTED, sp->at, "RFC 3830 6.10", why)
						  : MCSEC_OK;
	}
	return MCX_FAULT(im.policy_named, 1) ? job_fail(job, MCSEC_E_MALFORMED, cs->at, "RFC 6043 6.1.1",
							"a crypto session names a policy that is not there")
					     : MCSEC_OK;
}

/* Without crypto sessions an SP payload still replaces the default; of several the one with the lowest number. */
static enum mcsec_err overall_profile(struct mcsec_im_job *job)
{
	struct mikey_cs cs = {.has_policy = job->m.n_sp > 0, .policy = UINT8_MAX};
	for (size_t i = 0; i < job->m.n_sp; i++)
		if (job->m.sp[i].policy < cs.policy)
			cs.policy = job->m.sp[i].policy;
	return session_profile(job, &cs, &job->box->im.profile);
}

static enum mcsec_err tag(struct mcsec_im_job *job, const struct mcsec_im_expect *expect)
{
	struct mcsec_im *im = &job->box->im;
	unsigned t = mcsec_kid_tag(im->csb_id);
	if (t >= MCSEC_KEY_KINDS || MCX_FAULT(im.tag, expect->tags && !(expect->tags >> t & 1)))
		return job_fail(job, MCSEC_E_WRONG_TAG, 4, "TS 33.180 5.2.3", "the purpose tag is not expected here");
	im->kind = (enum mcsec_key_kind)t;
	for (im->n_cs = 0; im->n_cs < job->m.hdr.n_cs; im->n_cs++) {
		struct mcsec_cs *cs = &im->cs[im->n_cs];
		cs->cs_id = job->m.hdr.cs[im->n_cs].cs_id;
		enum mcsec_err err = session_profile(job, &job->m.hdr.cs[im->n_cs], &cs->profile);
		if (err)
			return err;
	}
	if (im->n_cs == 0)
		return overall_profile(job);
	im->profile = im->cs[0].profile;
	return MCSEC_OK;
}

/* ---- 3: the responder ---- */

static int is_meant(const struct mcsec_im_expect *expect, const char *uri)
{
	for (size_t i = 0; i < expect->n_selves; i++)
		if (strcmp(expect->selves[i], uri) == 0)
			return 1;
	return expect->n_selves == 0;
}

/* One of our identities that idr names, as URI or as UID under this KMS (NULL: no UID can be compared). */
static const struct mcsec_im_own *ours(const struct mcsec_im_job *job, const struct mcsec_im_expect *expect,
				       const struct mikey_idr *idr, const struct mcsec_im_kms *kms)
{
	int hidden = idr->role == MIKEY_IDRUIDI || idr->role == MIKEY_IDRUIDR;
	for (size_t i = 0; i < job->book->n_own; i++) {
		const struct mcsec_im_own *own = &job->book->own[i];
		uint8_t uid[MCSEC_UID_LEN];
		if (!is_meant(expect, own->uri))
			continue;
		if (!hidden && octets_equal(octets_of(own->uri), idr->id))
			return own;
		if (hidden && kms && !book_uid(kms, own->uri, job->box->im.time, uid) &&
		    memcmp(uid, idr->id.p, sizeof uid) == 0)
			return own;
	}
	return NULL;
}

static int has_kms(const struct mcsec_im_job *job, const char *uri, const struct mcsec_im_kms *kms)
{
	for (size_t i = 0; kms && i < job->book->n_own; i++)
		if (strcmp(job->book->own[i].uri, uri) == 0 && strcmp(job->book->own[i].kms_uri, kms->uri) == 0)
			return 1;
	return 0;
}

/* A message of ours, seen by another of our devices: SAKKE-to-self (E.5) opens it. */
static enum mcsec_err own_message(struct mcsec_im_job *job, const struct mcsec_im_own *self)
{
	struct mcsec_im *im = &job->box->im;
	const struct mikey_idr *r = mikey_responder(&job->m);
	im->notes |= MCSEC_NOTE_TO_SELF;
	job->sakke = &job->m.to_self;
	job->self = self->uri;
	job->self_kms = job->kms_i;
	if (r->role == MIKEY_IDRR)
		return keep(job, RESPONDER, r->id, &im->responder);
	if (im->kind == MCSEC_GMK)
		return fail_at(job, MCSEC_E_UNSUPPORTED, &r->id, "TS 33.180 5.2.3",
			       "the GMK-ID cannot be had back without the member's URI");
	return MCSEC_OK;
}

static enum mcsec_err responder(struct mcsec_im_job *job, const struct mcsec_im_expect *expect)
{
	struct mcsec_im *im = &job->box->im;
	const struct mikey_idr *r = mikey_responder(&job->m);
	const struct octets *kms_uri = &job->m.idr[MIKEY_IDRKMSR].id;
	const struct mcsec_im_kms *kms = book_kms(job->book, *kms_uri);
	im->time = mcsec_ntp_unfold(job->m.ntp, expect->now);
	const struct mcsec_im_own *own = ours(job, expect, r, kms);
	const struct mcsec_im_own *self = ours(job, expect, mikey_initiator(&job->m), job->kms_i);
	job->sakke = &job->m.sakke;
	if (!own && self && job->kms_i && job->m.to_self.sed.p)
		return own_message(job, self);
	if (MCX_FAULT(im.responder, !own && (r->role == MIKEY_IDRR || kms)))
		return fail_at(job, MCSEC_E_NOT_FOR_US, &r->id, "TS 33.180 E.1.2",
			       "the responder is none of our identities");
	if (!own || MCX_FAULT(im.responder_kms, !has_kms(job, own->uri, kms))) {
		job->verify_only = 1;
		job->later = (struct mcsec_fault){MCSEC_E_KMS_REFUSED, job_offset(job, kms_uri->p), "TS 33.180 5.2.8",
						  "IDRkmsr is not the KMS of the responder"};
		return MCSEC_OK;
	}
	job->self = own->uri;
	job->self_kms = kms;
	return keep(job, RESPONDER, octets_of(own->uri), &im->responder);
}

/* ---- 4: time ---- */

static enum mcsec_err time_window(struct mcsec_im_job *job, const struct mcsec_im_expect *expect)
{
	struct mcsec_im *im = &job->box->im;
	int stored = im->kind == MCSEC_GMK || im->kind == MCSEC_MKFC;
	uint64_t past = expect->past ? expect->past : stored ? UINT64_MAX : WINDOW;
	uint64_t future = expect->future ? expect->future : WINDOW;
	const char *why = NULL;
	job->window = past == UINT64_MAX ? WINDOW : past;
	if (MCX_FAULT(im.time_ahead, im->time > expect->now && im->time - expect->now > future))
		why = "T lies ahead of now";
	else if (MCX_FAULT(im.time_past, im->time < expect->now && expect->now - im->time > past))
		why = "T lies too far back";
	else if (MCX_FAULT(im.time_not_before, im->time < expect->not_before))
		why = "T is older than the current key's";
	return why ? job_fail(job, MCSEC_E_BAD_TIME, job->m.t_at, "RFC 3830 5.4", why) : MCSEC_OK;
}

/* ---- 5: replay ---- */

static enum mcsec_err replay(struct mcsec_im_job *job, const struct mcsec_im_expect *expect)
{
	struct mcsec_im *im = &job->box->im;
	struct octets signed_octets = {job->msg, job->m.sign.signed_len};
	if (sha256_of(&signed_octets, 1, im->entry.hash))
		return job_fail(job, MCSEC_E_CRYPTO, MCSEC_NO_OFFSET, "RFC 3830 5.4", "no hash");
	im->remember = 1;
	if (!expect->replay || !mcsec_replay_seen(expect->replay, im->entry.hash, expect->now))
		return MCSEC_OK;
	im->remember = 0;
	if (MCX_FAULT(im.replay, im->kind != MCSEC_GMK && im->kind != MCSEC_MKFC))
		return job_fail(job, MCSEC_E_REPLAY, MCSEC_NO_OFFSET, "RFC 3830 5.4", "the message was seen before");
	im->notes |= MCSEC_NOTE_AGAIN;
	return MCSEC_OK;
}

/* ---- 6 and 7: the initiator and its KMS ---- */

static enum mcsec_err initiator(struct mcsec_im_job *job, const struct mcsec_im_expect *expect)
{
	struct mcsec_im *im = &job->box->im;
	const struct mikey_idr *i = mikey_initiator(&job->m);
	const char *found = NULL;
	if (!job->kms_i)
		return fail_at(job, MCSEC_E_KMS_REFUSED, &job->m.idr[MIKEY_IDRKMSI].id, "TS 33.180 5.2.8",
			       "we hold no certificate of IDRkmsi");
	for (size_t n = 0; n < expect->n_initiators && !found; n++) {
		const char *uri = expect->initiators[n];
		if (i->role == MIKEY_IDRI ? octets_equal(octets_of(uri), i->id)
					  : !book_uid(job->kms_i, uri, im->time, im->initiator_uid) &&
						memcmp(im->initiator_uid, i->id.p, MCSEC_UID_LEN) == 0)
			found = uri;
	}
	if (MCX_FAULT(im.initiator, expect->n_initiators && !found))
		return fail_at(job, MCSEC_E_BAD_IDENTITY, &i->id, "TS 24.379 7.2.5",
			       "the initiator is not the expected peer");
	enum mcsec_err err = MCSEC_OK;
	if (i->role == MIKEY_IDRI)
		err = keep(job, INITIATOR, i->id, &im->initiator);
	else if (found)
		err = keep(job, INITIATOR, octets_of(found), &im->initiator);
	if (err)
		return err;
	if (i->role == MIKEY_IDRUIDI)
		memcpy(im->initiator_uid, i->id.p, MCSEC_UID_LEN);
	else if (book_uid(job->kms_i, im->initiator, im->time, im->initiator_uid))
		return fail_at(job, MCSEC_E_BAD_IDENTITY, &i->id, "TS 33.180 F.2.1", "the initiator has no UID at T");
	return MCSEC_OK;
}

static enum mcsec_err initiator_kms(struct mcsec_im_job *job, const struct mcsec_im_expect *expect)
{
	struct mcsec_im *im = &job->box->im;
	const struct mcsec_im_kms *kms = job->kms_i;
	(void)expect;
	if (MCX_FAULT(im.kms_valid, !book_valid(kms, im->time)))
		return fail_at(job, MCSEC_E_KMS_REFUSED, &job->m.idr[MIKEY_IDRKMSI].id, "TS 33.180 D.3.2",
			       "the certificate of IDRkmsi is not valid at T");
	if (MCX_FAULT(im.kms_serves, im->initiator && !book_serves(job->book, kms, im->initiator)))
		return fail_at(job, MCSEC_E_BAD_IDENTITY, &mikey_initiator(&job->m)->id, "TS 33.180 D.3.2",
			       "IDRkmsi does not serve the initiator's domain");
	enum mcsec_err err = keep(job, INITIATOR_KMS, job->m.idr[MIKEY_IDRKMSI].id, &im->initiator_kms);
	return err ? err : keep(job, RESPONDER_KMS, job->m.idr[MIKEY_IDRKMSR].id, &im->responder_kms);
}

/* ---- our key set, for the period of T ---- */

static enum mcsec_err key_set(struct mcsec_im_job *job, const struct mcsec_im_expect *expect)
{
	struct mcsec_im *im = &job->box->im;
	uint64_t period;
	(void)expect;
	if (job->verify_only)
		return MCSEC_OK;
	if (!mcsec_period_number(&job->self_kms->periods, im->time, &period))
		job->own = book_own(job->book, job->self, job->self_kms->uri, period);
	if (!job->own)
		return job_fail(job, MCSEC_E_NO_KEYS, job->m.t_at, "TS 33.180 F.2.1",
				"we hold no key set for the period of T");
	if (job->sakke == &job->m.sakke && book_uid(job->self_kms, job->self, im->time, im->responder_uid))
		return job_fail(job, MCSEC_E_NO_KEYS, job->m.t_at, "TS 33.180 F.2.1", "we have no UID at T");
	return MCSEC_OK;
}

/* The dialog's current message again: no replay, and as old as the dialog. */
static int is_current(const struct mcsec_im_job *job, const struct mcsec_im_expect *expect)
{
	return expect->current &&
	       octets_equal((struct octets){expect->current, expect->current_len}, (struct octets){job->msg, job->len});
}

enum mcsec_err job_check(struct mcsec_im_job *job, const struct mcsec_im_expect *expect)
{
	static const struct {
		enum mcsec_err (*check)(struct mcsec_im_job *, const struct mcsec_im_expect *);
		int once; /* not asked of the dialog's current message */
	} steps[] = {
	    {syntax, 0}, {tag, 0},       {responder, 0},     {time_window, 1},
	    {replay, 1}, {initiator, 0}, {initiator_kms, 0}, {key_set, 0},
	};
	int current = is_current(job, expect);
	enum mcsec_err err = MCSEC_OK;
	job->now = expect->now;
	for (size_t i = 0; i < sizeof steps / sizeof *steps && !err; i++)
		if (!steps[i].once || !current)
			err = steps[i].check(job, expect);
	/* From T or from now, whichever is later: a T that lies ahead is accepted longer than twice a short window. */
	uint64_t from = job->box->im.time > expect->now ? job->box->im.time : expect->now;
	job->box->im.entry.until = from + REPLAY_FACTOR * job->window;
	return err;
}
