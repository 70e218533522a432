/* SPDX-License-Identifier: Apache-2.0 */
/*
 * demo_keys.c - the main job's key downloads (TS 24.379 7.3.7; TS 33.180 5.8.1): the MC server gives Bob a new
 * client-server key, and forces another algorithm suite on Alice; the call that follows goes under both.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tool/demo/demo.h"
#include "tool/domain/admin_client.h"

#define FORCED "0102" /* AES-256-GCM: the domain's KMS lists it behind the mandatory 0101 */

enum { TRIES = 2000, PAUSE_US = 10000 };

static int replaced(struct demo_end *e)
{
	pthread_mutex_lock(&e->lock);
	int n = e->csks;
	pthread_mutex_unlock(&e->lock);
	return n;
}

static int fail(struct demo *d, const struct demo_end *e, const char *why)
{
	snprintf(d->err, sizeof d->err, "key download to %s: %.600s", e->who, why);
	return -1;
}

/* An officer asks for it; the client says when it has taken the new key. */
static int download(struct demo *d, struct admin_client *officer, struct demo_end *e, const char *reason)
{
	struct admin_answer a;
	char segment[3 * DOMAIN_TEXT], why[300] = "";
	int before = replaced(e);
	int status = admin_call(officer, ADMIN_AT_SERVER, "POST", NULL, &a, "csk-renew?id=%s&reason=%s",
				admin_segment(e->user.mcptt, segment), reason);
	snprintf(why, sizeof why, "%.200s", a.error);
	admin_answer_free(&a);
	if (status / 100 != 2)
		return fail(d, e, why);
	for (int i = 0; i < TRIES && replaced(e) == before; i++)
		usleep(PAUSE_US);
	return replaced(e) == before ? fail(d, e, "the client has not taken it") : 0;
}

int demo_new_keys(struct demo *d)
{
	char err[400];
	struct admin_client *officer = admin_client_new(&d->d, "officer", err, sizeof err);
	if (!officer) {
		snprintf(d->err, sizeof d->err, "%s", err);
		return -1;
	}
	uint32_t old = ue_csk_id(d->bob.ue);
	int rc = download(d, officer, &d->bob, "operator");
	if (!rc)
		narrate_step(&d->say, -1,
			     "key download: the MC server gives Bob client-server key %08x; %08x is discarded",
			     ue_csk_id(d->bob.ue), old);
	if (!rc)
		rc = download(d, officer, &d->alice, "suite&suite=" FORCED);
	if (!rc)
		narrate_step(&d->say, -1,
			     "forced algorithm: the MC server gives Alice key %08x for suite " FORCED
			     ", AES-256-GCM; she had selected 0101",
			     ue_csk_id(d->alice.ue));
	admin_client_free(officer);
	return rc;
}
