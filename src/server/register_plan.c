/* SPDX-License-Identifier: Apache-2.0 */
/*
 * register_plan.c - what a REGISTER or PUBLISH that passed its checks changes: one row for each service of the client,
 * stored together (sip 2.1, 2.5, 2.8).
 *
 * A service that came with its document has a new CSK, unless the one in use wins (flows 0.4). One that did not lives
 * on with the registration as long as its feature tag stands in the Contact, and leaves when it does not. A PUBLISH
 * says nothing of other services than its own.
 */
#include "server/register.h"

enum { HARD_CAP_S = 86400 }; /* a registration never outlives its authorisation by more (identity 10.3-7) */

/* Of each service the binding that this contact has; where a client was installed anew, the later one. */
static void find_current(const struct attempt *a, const struct binding *now[MCX_SERVICES])
{
	struct binding *b = NULL;
	while ((b = bindings_of_impu(a->work.s->bindings, a->row.impu, b))) {
		const struct binding **at = &now[b->row.service];
		if (same_contact(b->row.contact, a->row.contact) &&
		    (!*at || (*at)->row.authorised_at < b->row.authorised_at))
			*at = b;
	}
}

/* The way to the client is new, and the life; never beyond its authorisation's. */
void plan_move(const struct attempt *a, struct db_binding *row)
{
	db_copy(row->contact, sizeof row->contact, a->row.contact);
	db_copy(row->peer, sizeof row->peer, a->row.peer);
	row->expires = a->row.expires;
	if (row->has_csk && row->expires > row->authorised_at + HARD_CAP_S)
		row->expires = row->authorised_at + HARD_CAP_S;
}

static void add(struct attempt *a, const struct db_binding *row, int fresh)
{
	struct db_change *c = &a->change;
	c->fresh |= fresh ? 1u << c->n : 0;
	c->rows[c->n] = *row;
	if (!fresh && row->id)
		plan_move(a, &c->rows[c->n]);
	c->n++;
}

static void plan_brought(struct attempt *a, enum mcx_service s)
{
	const struct db_binding *row = &a->uploads[s];
	const struct binding *b = bindings_by_client(a->work.s->bindings, row->impu, row->client_id, s);
	int wins = a->wins >> s & 1;
	if (wins || b)
		add(a, wins ? row : &b->row, wins);
}

static void plan_other(struct attempt *a, const struct binding *b)
{
	struct db_change *c = &a->change;
	if (!b->row.has_csk && a->services)
		return; /* a registration alone, that is authorised now */
	if (!b->row.has_csk || a->tags >> b->row.service & 1)
		add(a, &b->row, 0);
	else
		c->gone[c->n_gone++] = b->row.id;
}

void plan_change(struct attempt *a, enum sa_action what)
{
	const struct binding *now[MCX_SERVICES] = {0};
	a->change.n = a->change.n_gone = 0;
	a->change.fresh = 0;
	a->change.reason = "left";
	if (what == SA_DO_CONTACT) {
		add(a, &a->row, 0);
		return;
	}
	find_current(a, now);
	for (int s = 0; s < MCX_SERVICES; s++)
		if (a->services >> s & 1)
			plan_brought(a, (enum mcx_service)s);
		else if (now[s] && !a->publish)
			plan_other(a, now[s]);
	/* What the answer says is true of all of them. */
	for (size_t i = 0; i < a->change.n; i++)
		if (a->change.rows[i].expires < a->row.expires)
			a->row.expires = a->change.rows[i].expires;
}
