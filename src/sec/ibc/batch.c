/* SPDX-License-Identifier: Apache-2.0 */
/* batch.c - many receivers or many identities at once; see mcsec/ibc.h. */
#include "sec/ibc/engine.h"

enum mcsec_err mcsec_sakke_encapsulate_batch(struct mcsec_kms *kms, struct mcsec_encap_job *jobs, size_t n,
					     unsigned threads)
{
	(void)threads;
	enum mcsec_err first = MCSEC_OK;
	for (size_t i = 0; i < n; i++) {
		struct mcsec_identity *to;
		jobs[i].err = mcsec_identity_new(&to, kms, jobs[i].id, jobs[i].id_len);
		if (!jobs[i].err)
			jobs[i].err = mcsec_sakke_encapsulate(to, jobs[i].ssv, jobs[i].sed);
		mcsec_identity_free(to);
		if (!first)
			first = jobs[i].err;
	}
	return first;
}

enum mcsec_err mcsec_master_issue_batch(const struct mcsec_master *master, const struct mcsec_rng *rng,
					struct mcsec_issue_job *jobs, size_t n, unsigned threads)
{
	(void)threads;
	enum mcsec_err first = MCSEC_OK;
	for (size_t i = 0; i < n; i++) {
		struct mcsec_issue_job *j = &jobs[i];
		j->err = mcsec_master_issue(master, rng, j->issue_counter, j->id, j->id_len, j->out);
		if (!first)
			first = j->err;
	}
	return first;
}
