/* SPDX-License-Identifier: Apache-2.0 */
/* server_crowd_roll.c - a roll of all CSKs in a crowd with calls up (see server_crowd.h). */
#include "e2e/server_crowd.h"

enum { ASK_MS = 100, LOOK_MS = 100, PATIENCE_S = 300 };

static void set_max_age(void *arg)
{
	bed.cfg.csk_max_age_s = *(int64_t *)arg;
}

static void plan(const struct roll *r)
{
	size_t off = r->off;
	for (size_t k = 0; k < r->lost; k++)
		crowd[k * crowd_size / r->lost].lose = 1;
	for (size_t i = crowd_size; i-- > 2 * r->calls && off;)
		if (!crowd[i].lose) {
			crowd[i].off = 1;
			off--;
		}
	assert_int_equal(off, 0);
}

static void serve_until_agreed(size_t n)
{
	double end = crowd_now() + PATIENCE_S;
	while (crowd_agreed() < n && crowd_now() < end)
		crowd_serve(LOOK_MS, ASK_MS);
}

/* A request under the new CSK, to nobody: it is opened before anything is looked up. */
static void prove(const struct roll *r)
{
	for (size_t i = 2 * r->calls; i < crowd_size; i++) {
		struct ua *u = &crowd[i].ua;
		if (crowd[i].silent)
			(void)ua_invite(
			    u, &(struct inv){.from = u->impu, .asserted = u->impu, .target = "sip:nobody@mcptt." ZONE});
	}
}

static void come_back(void)
{
	for (size_t i = 0; i < crowd_size; i++)
		if (crowd[i].off) {
			crowd[i].off = 0;
			crowd_register(i, i + 1, -2); /* later than what waits for it */
		}
}

static void look(struct roll *r)
{
	r->dropped = r->calls - (size_t)atomic_load(&bed.server->metrics[M_CALLS].value);
	r->agreed = crowd_agreed();
	for (size_t i = 0; i < crowd_size; i++) {
		const struct member *m = &crowd[i];
		double since = m->control ? crowd_now() - m->heard_s : 0;
		r->gap_s = m->longest_s > r->gap_s ? m->longest_s : r->gap_s;
		r->gap_s = since > r->gap_s ? since : r->gap_s;
		r->retried += m->messages > 1 ? (size_t)m->messages - 1 : 0;
		r->replaced += m->replaced > 0;
	}
}

void crowd_roll(struct roll *r)
{
	int64_t before = bed.cfg.csk_max_age_s, one = 1;
	plan(r);
	crowd_serve(5 * ASK_MS, ASK_MS);
	for (size_t i = 0; i < 2 * r->calls; i++) {
		assert_true(crowd[i].answers > 0);
		crowd[i].longest_s = 0;
	}
	for (size_t i = 0; i < crowd_size; i++)
		crowd[i].renewed = 0;
	double begun = crowd_now();
	server_on_loop(bed.server, set_max_age, &one);
	size_t outside = 0; /* calls: nothing of theirs tells the server */
	for (size_t i = 2 * r->calls; i < crowd_size; i++)
		outside += crowd[i].lose != 0;
	serve_until_agreed(crowd_size - r->off - outside);
	r->most_s = crowd_now() - begun;
	if (r->prove)
		prove(r);
	serve_until_agreed(crowd_size - r->off);
	r->took_s = crowd_now() - begun;
	come_back();
	serve_until_agreed(crowd_size);
	crowd_serve(5 * ASK_MS, ASK_MS);
	look(r);
	for (size_t i = 0; i < 2 * r->calls; i += 2) {
		r->dropped += crowd[i].ua.byes || crowd[i + 1].ua.byes;
		crowd_hang_up(&crowd[i]);
	}
	server_on_loop(bed.server, set_max_age, &before);
}
