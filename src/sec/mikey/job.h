/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job.h - the opening of one I_MESSAGE under way: what check.c found and job.c needs.
 *
 * The job owns its copy of the message and the result it fills; the caller's tables are only pointed at. Between begin
 * and finish nobody else touches it, so the step in between may run on any thread.
 */
#ifndef SEC_MIKEY_JOB_H
#define SEC_MIKEY_JOB_H

#include "sec/mikey/message.h"

/* The result with what its pointers point at. */
struct im_box {
	struct mcsec_im im; /* first: the caller holds a pointer to it */
	uint8_t *key;       /* secret memory */
	uint8_t *rand;
	char *strings[4];
	struct params_store store;
};

struct mcsec_im_job {
	uint8_t *msg;
	size_t len;
	struct mikey_message m; /* points into msg */
	const struct mcsec_im_book *book;
	const struct mcsec_im_kms *kms_i;
	const char *self; /* which of our identities, and under which KMS */
	const struct mcsec_im_kms *self_kms;
	const struct mcsec_im_own *own; /* whose key opens it; NULL while the KMS is refused */
	const struct mikey_sakke *sakke;
	struct im_box *box;
	uint64_t now, window;
	int verify_only;          /* IDRkmsr is not our KMS: told after the signature has verified */
	struct mcsec_fault later; /* that fault */
	struct mcsec_fault fault; /* the first; code MCSEC_OK: none so far */
	int worked;
};

enum mcsec_err job_fail(struct mcsec_im_job *job, enum mcsec_err code, size_t offset, const char *clause,
			const char *detail);
/* Where in the message these octets stand. */
size_t job_offset(const struct mcsec_im_job *job, const uint8_t *p);

/* Steps 1 to 7 of mikey 10 on job->msg; the result is also in job->fault. */
enum mcsec_err job_check(struct mcsec_im_job *job, const struct mcsec_im_expect *expect);

#endif
