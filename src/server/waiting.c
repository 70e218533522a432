/* SPDX-License-Identifier: Apache-2.0 */
/* waiting.c - see waiting.h. */
#include "server/waiting.h"

#include <stdlib.h>

#include "mcsec/secret.h"
#include "mcx/flow/warning.h"
#include "sec/base/check.h"
#include "server/register.h"

struct waiting {
	struct waiting *next;
	struct sip_server_tx *tx;
	struct db_binding who;
	int64_t since_ms;
};

static struct waiting *take(struct server *s, struct waiting **at)
{
	struct waiting *w = *at;
	*at = w->next;
	metric_add(&s->metrics[M_WAITING], -1);
	return w;
}

static void forget(struct waiting *w)
{
	mcsec_wipe(w, sizeof *w);
	free(w);
}

static int put(struct server *s, struct sip_server_tx *tx, const struct db_binding *who, int in_front)
{
	struct waiting *w = calloc(1, sizeof *w), **at = &s->waiting;
	if (!w)
		return 0;
	while (*at && !in_front)
		at = &(*at)->next;
	*w = (struct waiting){.next = *at, .tx = tx, .who = *who, .since_ms = sip_loop_now_ms(s->loop)};
	*at = w;
	metric_add(&s->metrics[M_WAITING], 1);
	return 1;
}

int waiting_before(const struct server *s, const struct db_binding *who)
{
	const struct waiting *w = s->waiting_turn ? NULL : s->waiting; /* whose turn it is came before those */
	while (w && !same_client(&w->who, who))
		w = w->next;
	return w != NULL;
}

int waiting_put(struct server *s, struct sip_server_tx *tx, const struct db_binding *who)
{
	size_t n = 0, same = 0;
	for (const struct waiting *w = s->waiting; w; w = w->next, n++)
		same += (size_t)same_client(&w->who, who);
	if (s->ending || MCX_FAULT(size.waiting, same >= WAITING_EACH) ||
	    MCX_FAULT(size.waiting_all, n >= (size_t)s->cfg->waiting))
		return 0;
	return put(s, tx, who, 0);
}

void waiting_put_back(struct server *s, struct sip_server_tx *tx, const struct db_binding *who)
{
	if (s->ending || !put(s, tx, who, 1))
		server_refuse(s, tx, 503, WARN_NONE, NULL);
}

/* By a job of its client, or by one that came before it. */
static int held_up(const struct server *s, const struct waiting *w)
{
	for (const struct waiting *before = s->waiting; before != w; before = before->next)
		if (same_client(&before->who, &w->who))
			return 1;
	return attempt_at_work(s, NULL, &w->who) != NULL;
}

/* As if it came now: what it finds may be another binding than when it came. */
/* NOLINTNEXTLINE(misc-no-recursion): waiting_next is not entered again while it runs */
static void take_up(struct server *s, struct waiting *w)
{
	struct sip_server_tx *tx = w->tx;
	const struct sip_message *rq = sip_tx_request(tx);
	forget(w);
	if (strcmp(rq->method, "PUBLISH") == 0)
		handle_publish(s, tx, rq);
	else
		handle_register(s, tx, rq);
}

/* NOLINTNEXTLINE(misc-no-recursion): it is not entered again while it runs */
void waiting_next(struct server *s, const struct db_binding *ended)
{
	char impu[sizeof ended->impu]; /* its attempt goes */
	db_copy(impu, sizeof impu, ended->impu);
	if (s->waiting_turn)
		return;
	s->waiting_turn = 1;
	struct waiting **at = &s->waiting;
	while (*at)
		if (strcmp((*at)->who.impu, impu) == 0 && !held_up(s, *at)) {
			take_up(s, take(s, at));
			at = &s->waiting; /* it may have ended at once, or wait anew */
		} else {
			at = &(*at)->next;
		}
	s->waiting_turn = 0;
}

/* NOLINTNEXTLINE(misc-no-recursion): an answer begins nothing */
static void refuse_those(struct server *s, int64_t before_ms)
{
	struct waiting **at = &s->waiting;
	while (*at)
		if (MCX_FAULT(size.waiting_time, (*at)->since_ms <= before_ms)) {
			struct waiting *w = take(s, at);
			server_refuse(s, w->tx, 503, WARN_NONE, NULL);
			forget(w);
		} else {
			at = &(*at)->next;
		}
}

void waiting_tick(struct server *s)
{
	refuse_those(s, sip_loop_now_ms(s->loop) - s->cfg->waiting_s * 1000);
}

void waiting_end(struct server *s)
{
	s->ending = 1;
	if (s->loop)
		refuse_those(s, INT64_MAX);
}
