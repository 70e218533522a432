/* SPDX-License-Identifier: Apache-2.0 */
/*
 * open.c - an I_MESSAGE opened: begin, work, finish (steps 8 to 11 of mikey 10; check.c has 1 to 7).
 *
 *   8 the signature   9 only then the decapsulation   10 the key parameters   11 the K-ID, and the replay memory again,
 * because two copies may have been at work at the same time. A key leaves only with everything else in place.
 */
#include <stdlib.h>

#include "mcsec/secret.h"
#include "sec/base/check.h"
#include "sec/mikey/job.h"

#define CLAUSE_SIGN  "RFC 6507 5.2.2"
#define CLAUSE_SAKKE "RFC 6508 6.2.2"

enum { SIGN_HEAD = 2 };

enum mcsec_err job_fail(struct mcsec_im_job *job, enum mcsec_err code, size_t offset, const char *clause,
			const char *detail)
{
	job->fault = (struct mcsec_fault){code, offset, clause, detail};
	return code;
}

size_t job_offset(const struct mcsec_im_job *job, const uint8_t *p)
{
	return (size_t)(p - job->msg);
}

static void box_free(struct im_box *box)
{
	if (!box)
		return;
	mcsec_secret_free(box->key);
	free(box->rand);
	for (size_t i = 0; i < sizeof box->strings / sizeof *box->strings; i++)
		free(box->strings[i]);
	params_store_free(&box->store);
	free(box);
}

void mcsec_im_free(struct mcsec_im *im)
{
	box_free((struct im_box *)im);
}

void mcsec_im_cancel(struct mcsec_im_job *job)
{
	if (!job)
		return;
	box_free(job->box);
	free(job->msg);
	free(job);
}

static struct mcsec_im_job *job_new(const struct mcsec_im_book *book, const uint8_t *msg, size_t len)
{
	struct mcsec_im_job *job = calloc(1, sizeof *job);
	if (!job)
		return NULL;
	job->book = book;
	job->len = len;
	job->msg = malloc(len + 1);
	job->box = calloc(1, sizeof *job->box);
	if (job->box)
		job->box->key = mcsec_secret_alloc(MCSEC_KEY_LEN);
	if (!job->msg || !job->box || !job->box->key) {
		mcsec_im_cancel(job);
		return NULL;
	}
	if (len)
		memcpy(job->msg, msg, len);
	return job;
}

static const struct mcsec_fault too_long = {MCSEC_E_MALFORMED, 0, "RFC 3830 6", "the message is longer than 8 KiB"};
static const struct mcsec_fault no_memory = {MCSEC_E_MEMORY, MCSEC_NO_OFFSET, "", "no memory"};

static enum mcsec_err tell(struct mcsec_fault *fault, const struct mcsec_fault *what)
{
	if (fault)
		*fault = *what;
	return what->code;
}

enum mcsec_err mcsec_im_begin(struct mcsec_im_job **out, const struct mcsec_im_book *book,
			      const struct mcsec_im_expect *expect, const uint8_t *msg, size_t len,
			      struct mcsec_fault *fault)
{
	*out = NULL;
	if (MCX_FAULT(im.size, len > MCSEC_IM_MAX))
		return tell(fault, &too_long);
	struct mcsec_im_job *job = job_new(book, msg, len);
	if (!job)
		return tell(fault, &no_memory);
	if (job_check(job, expect)) {
		enum mcsec_err err = tell(fault, &job->fault);
		mcsec_im_cancel(job);
		return err;
	}
	*out = job;
	return tell(fault, &job->fault);
}

static enum mcsec_err verify(struct mcsec_im_job *job)
{
	const struct mikey_sign *sign = &job->m.sign;
	struct mcsec_signers *signers = job->book->signers;
	const uint8_t *uid = job->box->im.initiator_uid;
	enum mcsec_err err =
	    mcsec_signers_verify(signers, job->kms_i->kms, uid, MCSEC_UID_LEN, job->msg, sign->signed_len, sign->sig.p);
	if (err && job->kms_i->compat & MCSEC_COMPAT_SHORT_SIGN) {
		err = mcsec_signers_verify(signers, job->kms_i->kms, uid, MCSEC_UID_LEN, job->msg,
					   sign->signed_len - SIGN_HEAD, sign->sig.p);
		job->box->im.notes |= err ? 0 : MCSEC_NOTE_SHORT_SIGN;
	}
	if (err == MCSEC_E_SIGNATURE)
		err = MCSEC_E_BAD_SIGNATURE;
	return MCX_FAULT(im.signature, err)
		   ? job_fail(job, err, job_offset(job, sign->sig.p), CLAUSE_SIGN, "the signature does not verify")
		   : MCSEC_OK;
}

static enum mcsec_err decapsulate(struct mcsec_im_job *job)
{
	struct octets sed = job->sakke->sed;
	enum mcsec_err err = mcsec_sakke_decapsulate(job->own->keys, sed.p, sed.len, job->box->key);
	if (err == MCSEC_E_DECRYPT)
		err = MCSEC_E_UNDECRYPTABLE;
	if (MCX_FAULT(im.sakke, err))
		return job_fail(job, err, job_offset(job, sed.p), CLAUSE_SAKKE, "the encapsulated key does not open");
	if (sed.len < MCSEC_SED_LEN)
		job->box->im.notes |= MCSEC_NOTE_SED_272;
	return MCSEC_OK;
}

static enum mcsec_err parameters(struct mcsec_im_job *job)
{
	struct mcsec_im *im = &job->box->im;
	const struct protected_payload *p = &job->m.params;
	size_t at = job_offset(job, p->sealed.p), len = p->sealed.len - PROTECTED_TAG_LEN;
	const char *detail;
	uint8_t *plain = malloc(len + 1);
	if (!plain)
		return job_fail(job, MCSEC_E_MEMORY, MCSEC_NO_OFFSET, "TS 33.180 E.6", "no memory");
	enum mcsec_err err = protected_open(p, (struct octets){job->box->key, MCSEC_KEY_LEN}, plain);
	if (err)
		err = job_fail(job, err == MCSEC_E_DECRYPT ? MCSEC_E_BAD_PARAMS : err, at, "TS 33.180 8.5.4",
			       "the key parameters do not decrypt");
	else
		err =
		    params_read((struct octets){plain, len}, at, im->kind, &im->params, &job->box->store, &job->fault);
	mcsec_wipe(plain, len);
	free(plain);
	if (err)
		return err;
	im->has_params = 1;
	err = params_judge(&im->params, im->time - MCSEC_NTP_UNIX, job->now - MCSEC_NTP_UNIX, &detail);
	return err ? job_fail(job, err, at, "TS 33.180 E.6.11", detail) : MCSEC_OK;
}

/* Undo the diversity of a GUK-ID, and see whether the SPIs are the MKI this key calls for. */
static enum mcsec_err identify(struct mcsec_im_job *job)
{
	struct mcsec_im *im = &job->box->im;
	uint8_t mki[8];
	struct writer w = wr_init(mki, sizeof mki);
	if (im->kind == MCSEC_GMK) {
		enum mcsec_err err = mcsec_guk_id(job->box->key, MCSEC_KEY_LEN, im->csb_id, im->responder, &im->k_id);
		if (err)
			return job_fail(job, err, 4, "TS 33.180 5.2.3", "the GMK-ID cannot be derived");
		wr_u32(&w, im->k_id);
	}
	wr_u32(&w, im->csb_id);
	for (uint8_t i = 0; i < job->m.hdr.n_cs; i++) {
		struct octets spi = job->m.hdr.cs[i].spi;
		if (spi.len && !octets_equal(spi, wr_result(&w)))
			im->notes |= MCSEC_NOTE_SPI;
	}
	return MCSEC_OK;
}

void mcsec_im_work(struct mcsec_im_job *job)
{
	job->worked = 1;
	if (MCX_FAULT(im.verify_first, verify(job)))
		return;
	if (job->verify_only) {
		job->fault = job->later;
		return;
	}
	if (decapsulate(job))
		return;
	if (identify(job))
		return;
	if (job->m.params.sealed.p)
		(void)parameters(job);
}

static enum mcsec_err remember(struct mcsec_im_job *job, struct mcsec_replay *replay, uint64_t now)
{
	struct mcsec_im *im = &job->box->im;
	if (!replay || !im->remember)
		return MCSEC_OK;
	enum mcsec_err err = mcsec_replay_add(replay, &im->entry, now);
	if (err != MCSEC_E_REPLAY)
		return err ? job_fail(job, err, MCSEC_NO_OFFSET, "RFC 3830 5.4", "the replay memory is full")
			   : MCSEC_OK;
	im->remember = 0;
	im->notes |= MCSEC_NOTE_AGAIN;
	if (!MCX_FAULT(im.replay_at_end, im->kind != MCSEC_GMK && im->kind != MCSEC_MKFC))
		return MCSEC_OK;
	return job_fail(job, MCSEC_E_REPLAY, MCSEC_NO_OFFSET, "RFC 3830 5.4", "the message was seen before");
}

/* Hand the result out: with its key, or without when the key is revoked. */
static enum mcsec_err release(struct mcsec_im_job *job, struct mcsec_im **out)
{
	struct im_box *box = job->box;
	struct octets rand = job->m.rand;
	uint8_t *copy = malloc(rand.len);
	if (!copy)
		return job_fail(job, MCSEC_E_MEMORY, MCSEC_NO_OFFSET, "", "no memory");
	memcpy(copy, rand.p, rand.len);
	box->im.rand = box->rand = copy;
	box->im.rand_len = rand.len;
	if (job->fault.code == MCSEC_E_REVOKED) {
		mcsec_secret_free(box->key);
		box->key = NULL;
	}
	box->im.key = box->key;
	*out = &box->im;
	job->box = NULL;
	/* NOLINTNEXTLINE(-Wanalyzer-malloc-leak): the box and all in it are the caller's from here on, by *out */
	return job->fault.code;
}

enum mcsec_err mcsec_im_finish(struct mcsec_im_job *job, struct mcsec_replay *replay, uint64_t now,
			       struct mcsec_im **im, struct mcsec_fault *fault)
{
	*im = NULL;
	if (!job->worked)
		job_fail(job, MCSEC_E_ARGUMENT, MCSEC_NO_OFFSET, "", "finish before work");
	if (!job->fault.code || job->fault.code == MCSEC_E_REVOKED) {
		struct mcsec_fault revoked = job->fault;
		if (!remember(job, replay, now)) {
			job->fault = revoked;
			(void)release(job, im);
		}
	}
	enum mcsec_err err = tell(fault, &job->fault);
	mcsec_im_cancel(job);
	return err;
}

enum mcsec_err mcsec_im_open(const struct mcsec_im_book *book, const struct mcsec_im_expect *expect, const uint8_t *msg,
			     size_t len, struct mcsec_im **im, struct mcsec_fault *fault)
{
	struct mcsec_im_job *job;
	*im = NULL;
	enum mcsec_err err = mcsec_im_begin(&job, book, expect, msg, len, fault);
	if (!job)
		return err;
	mcsec_im_work(job);
	return mcsec_im_finish(job, expect->replay, expect->now, im, fault);
}

int mcsec_im_is_from(const struct mcsec_im *im, const struct mcsec_im_book *book, const char *uri)
{
	const struct mcsec_im_kms *kms = book_kms(book, octets_of(im->initiator_kms));
	uint8_t uid[MCSEC_UID_LEN];
	return kms && book_serves(book, kms, uri) && !book_uid(kms, uri, im->time, uid) &&
	       memcmp(uid, im->initiator_uid, sizeof uid) == 0;
}

const char *mcsec_im_refusal(enum mcsec_err code)
{
	switch (code) {
	case MCSEC_E_WRONG_TAG:
	case MCSEC_E_NOT_FOR_US:
	case MCSEC_E_KMS_REFUSED:
	case MCSEC_E_BAD_TIME:
	case MCSEC_E_REPLAY:
	case MCSEC_E_BAD_IDENTITY:
	case MCSEC_E_BAD_SIGNATURE:
	case MCSEC_E_UNDECRYPTABLE:
	case MCSEC_E_BAD_PARAMS:
	case MCSEC_E_REVOKED:
		return mcsec_err_name(code);
	case MCSEC_E_MALFORMED:
	case MCSEC_E_UNSUPPORTED:
		return "malformed";
	case MCSEC_E_NO_KEYS:
		return "undecryptable";
	default:
		return "busy";
	}
}
