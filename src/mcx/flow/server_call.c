/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server_call.c - the table of the machine; it is the specification of this file: first match wins, what is not in it
 * changes nothing. The INVITE rows follow flows 3.2: originating function, controlling function, terminating function.
 */
#include "mcx/flow/server_call.h"

#include "mcx/flow/warning.h"
#include "sec/base/check.h"

static int unbound(const struct sc_event *ev)
{
	return MCX_FAULT(sc.unbound, !ev->bound);
}

static int forged(const struct sc_event *ev)
{
	return MCX_FAULT(sc.forged, ev->xml == SC_XML_FORGED);
}

static int undecryptable(const struct sc_event *ev)
{
	return MCX_FAULT(sc.undecryptable, ev->xml == SC_XML_UNDECRYPTABLE);
}

static int replayed(const struct sc_event *ev)
{
	return MCX_FAULT(sc.replayed, ev->xml == SC_XML_REPLAY);
}

static int held(const struct sc_event *ev)
{
	return MCX_FAULT(sc.held, ev->held);
}

static int unreadable(const struct sc_event *ev)
{
	return MCX_FAULT(sc.unreadable, !ev->readable);
}

static int other_client(const struct sc_event *ev)
{
	return MCX_FAULT(sc.other_client, !ev->same_client);
}

static int other_session(const struct sc_event *ev)
{
	return MCX_FAULT(sc.other_session, !ev->private_call);
}

static int not_one(const struct sc_event *ev)
{
	return MCX_FAULT(sc.not_one, ev->n_targets != 1);
}

static int may_not(const struct sc_event *ev)
{
	return MCX_FAULT(sc.may_not, !ev->may_call);
}

static int not_automatic(const struct sc_event *ev)
{
	return MCX_FAULT(sc.not_automatic, ev->mode == SC_MODE_AUTOMATIC && !ev->may_automatic);
}

static int not_manual(const struct sc_event *ev)
{
	return MCX_FAULT(sc.not_manual, ev->mode == SC_MODE_MANUAL && !ev->may_manual);
}

static int against_protection(const struct sc_event *ev)
{
	return MCX_FAULT(sc.against_protection, ev->key_mgmt ? ev->protection == SC_PROTECTION_FORBIDDEN
							     : ev->protection == SC_PROTECTION_REQUIRED);
}

static int damaged(const struct sc_event *ev)
{
	return MCX_FAULT(sc.damaged, ev->key_mgmt && !ev->im_ok);
}

static int no_controlling(const struct sc_event *ev)
{
	return MCX_FAULT(sc.no_controlling, !ev->controlling);
}

static int at_max(const struct sc_event *ev)
{
	return MCX_FAULT(sc.at_max, !ev->below_max);
}

static int unknown_callee(const struct sc_event *ev)
{
	return MCX_FAULT(sc.unknown_callee, !ev->callee_known);
}

static int not_callable(const struct sc_event *ev)
{
	return MCX_FAULT(sc.not_callable, !ev->callee_callable);
}

static int no_settings(const struct sc_event *ev)
{
	return MCX_FAULT(sc.no_settings, !ev->callee_settings);
}

/* Seed 003 7.2.1.3.2 steps 2 and 3: who may call this user learns of which domain it is, and nobody else does. */
static int kms_refused(const struct sc_event *ev)
{
	return MCX_FAULT(sc.kms_refused, ev->key_mgmt && ev->kms_refused);
}

static int bad_media(const struct sc_event *ev)
{
	return MCX_FAULT(sc.bad_media, !ev->media_ok);
}

#define IN(s) (1 << (s))
enum { LIVE = IN(SC_UP) | IN(SC_REFRESH) };
#define ACTS(...) {__VA_ARGS__}, sizeof((enum sc_action[]){__VA_ARGS__}) / sizeof(enum sc_action)
#define REFUSE    ACTS(SC_DO_REPLY, SC_DO_AUDIT, SC_DO_FREE)
#define OVER      SC_DO_CLOSE_RELAY, SC_DO_ERASE

/* clang-format off */
static const struct row {
	int in; /* set of states */
	enum sc_event_kind on;
	int (*when)(const struct sc_event *);
	enum sc_state next;
	int status, warning;
	const char *reason, *audit;
	enum sc_action acts[6];
	size_t n_acts;
} rows[] = {
	/* in                on               when                next           answer                      reason, record               actions, in order */
	/* originating function */
	{ IN(SC_NEW),        SC_EV_INVITE,    unbound,            SC_DONE,       404, WARN_UNKNOWN_USER,       NULL, "svc.refuse",          REFUSE },
	{ IN(SC_NEW),        SC_EV_INVITE,    forged,             SC_DONE,       403, WARN_INTEGRITY,          NULL, "xml.bad-sig",         REFUSE },
	{ IN(SC_NEW),        SC_EV_INVITE,    undecryptable,      SC_DONE,       403, WARN_DECRYPT,            NULL, "xml.bad-decrypt",     REFUSE },
	{ IN(SC_NEW),        SC_EV_INVITE,    replayed,           SC_DONE,       403, WARN_DECRYPT,            NULL, "xml.replay",          REFUSE },
	{ IN(SC_NEW),        SC_EV_INVITE,    held,               SC_DONE,       500, 0,                       NULL, NULL,                  ACTS(SC_DO_REPLY, SC_DO_FREE) },
	{ IN(SC_NEW),        SC_EV_INVITE,    unreadable,         SC_DONE,       400, 0,                       NULL, NULL,                  ACTS(SC_DO_REPLY, SC_DO_FREE) },
	{ IN(SC_NEW),        SC_EV_INVITE,    other_client,       SC_DONE,       403, WARN_DECRYPT,            NULL, "svc.refuse",          REFUSE },
	{ IN(SC_NEW),        SC_EV_INVITE,    other_session,      SC_DONE,       403, WARN_NOT_ALLOWED,        "session type not supported", NULL, ACTS(SC_DO_REPLY, SC_DO_FREE) },
	{ IN(SC_NEW),        SC_EV_INVITE,    not_one,            SC_DONE,       403, WARN_NO_CALLED_PARTY,    NULL, NULL,                  ACTS(SC_DO_REPLY, SC_DO_FREE) },
	{ IN(SC_NEW),        SC_EV_INVITE,    may_not,            SC_DONE,       403, WARN_NO_PRIVATE_CALLS,   NULL, "call.start",          REFUSE },
	{ IN(SC_NEW),        SC_EV_INVITE,    not_automatic,      SC_DONE,       403, WARN_NOT_AUTOMATIC,      NULL, "call.start",          REFUSE },
	{ IN(SC_NEW),        SC_EV_INVITE,    not_manual,         SC_DONE,       403, WARN_NOT_MANUAL,         NULL, "call.start",          REFUSE },
	{ IN(SC_NEW),        SC_EV_INVITE,    against_protection, SC_DONE,       403, WARN_NO_PRIVATE_CALLS,   NULL, "call.start",          REFUSE },
	{ IN(SC_NEW),        SC_EV_INVITE,    damaged,            SC_DONE,       488, WARN_MIKEY,              NULL, "mikey.malformed",     REFUSE },
	{ IN(SC_NEW),        SC_EV_INVITE,    no_controlling,     SC_DONE,       404, WARN_NO_CONTROLLING,     NULL, "call.start",          REFUSE },
	/* controlling function */
	{ IN(SC_NEW),        SC_EV_INVITE,    at_max,             SC_DONE,       486, WARN_MAX_PRIVATE_CALLS,  NULL, "call.start",          REFUSE },
	/* terminating function */
	{ IN(SC_NEW),        SC_EV_INVITE,    unknown_callee,     SC_DONE,       404, 0,                       NULL, "call.start",          REFUSE },
	{ IN(SC_NEW),        SC_EV_INVITE,    not_callable,       SC_DONE,       403, WARN_NOT_CALLABLE,       NULL, "call.start",          REFUSE },
	{ IN(SC_NEW),        SC_EV_INVITE,    no_settings,        SC_DONE,       480, WARN_NO_SETTINGS,        NULL, "call.start",          REFUSE },
	{ IN(SC_NEW),        SC_EV_INVITE,    kms_refused,        SC_DONE,       488, 0,                       NULL, "krr.sent",            REFUSE },
	{ IN(SC_NEW),        SC_EV_INVITE,    bad_media,          SC_DONE,       488, 0,                       NULL, "call.start",          REFUSE },
	{ IN(SC_NEW),        SC_EV_INVITE,    NULL,               SC_CALLING,    0, 0,                         NULL, NULL,                  ACTS(SC_DO_RELAY, SC_DO_INVITE_B, SC_DO_RING_TIMER) },

	{ IN(SC_CALLING),    SC_EV_NO_PORTS,  NULL,               SC_DONE,       503, 0,                       NULL, NULL,                  ACTS(SC_DO_REPLY, SC_DO_FREE) },
	{ IN(SC_CALLING),    SC_EV_UNSENT,    NULL,               SC_DONE,       480, 0,                       NULL, NULL,                  ACTS(SC_DO_REPLY, SC_DO_CLOSE_RELAY, SC_DO_FREE) },
	{ IN(SC_CALLING),    SC_EV_RINGING,   NULL,               SC_CALLING,    0, 0,                         NULL, NULL,                  ACTS(SC_DO_FORWARD_RINGING) },
	{ IN(SC_CALLING),    SC_EV_ANSWER,    NULL,               SC_STORING,    0, 0,                         NULL, NULL,                  ACTS(SC_DO_STORE) },
	{ IN(SC_CALLING),    SC_EV_BAD_ANSWER, NULL,              SC_ENDING,     488, 0,                       NULL, "call.start",          ACTS(SC_DO_REPLY, SC_DO_BYE_B, SC_DO_CLOSE_RELAY, SC_DO_AUDIT) },
	{ IN(SC_CALLING),    SC_EV_REFUSED,   NULL,               SC_DONE,       0, 0,                         NULL, "call.start",          ACTS(SC_DO_FORWARD_FINAL, SC_DO_CLOSE_RELAY, SC_DO_AUDIT, SC_DO_FREE) },
	{ IN(SC_CALLING),    SC_EV_UNREACHABLE, NULL,             SC_DONE,       480, 0,                       NULL, "call.start",          ACTS(SC_DO_REPLY, SC_DO_CLOSE_RELAY, SC_DO_AUDIT, SC_DO_FREE) },
	{ IN(SC_CALLING),    SC_EV_CANCEL,    NULL,               SC_CANCELLING, 487, 0,                       NULL, NULL,                  ACTS(SC_DO_REPLY, SC_DO_CANCEL_B) },
	{ IN(SC_CALLING),    SC_EV_RING_TIME, NULL,               SC_CANCELLING, 480, 0,                       NULL, NULL,                  ACTS(SC_DO_REPLY, SC_DO_CANCEL_B) },
	{ IN(SC_CALLING),    SC_EV_REVOKED,   NULL,               SC_CANCELLING, 480, 0,                       NULL, NULL,                  ACTS(SC_DO_REPLY, SC_DO_CANCEL_B) },

	/* CANCEL and 200 crossed: the 200 wins at B, which is acknowledged and told BYE */
	{ IN(SC_CANCELLING), SC_EV_ANSWER,    NULL,               SC_ENDING,     0, 0,                         NULL, NULL,                  ACTS(SC_DO_BYE_B, SC_DO_CLOSE_RELAY) },
	{ IN(SC_CANCELLING), SC_EV_BAD_ANSWER, NULL,              SC_ENDING,     0, 0,                         NULL, NULL,                  ACTS(SC_DO_BYE_B, SC_DO_CLOSE_RELAY) },
	{ IN(SC_CANCELLING), SC_EV_REFUSED,   NULL,               SC_DONE,       0, 0,                         NULL, NULL,                  ACTS(SC_DO_CLOSE_RELAY, SC_DO_FREE) },
	{ IN(SC_CANCELLING), SC_EV_UNREACHABLE, NULL,             SC_DONE,       0, 0,                         NULL, NULL,                  ACTS(SC_DO_CLOSE_RELAY, SC_DO_FREE) },

	{ IN(SC_STORING),    SC_EV_STORED,    NULL,               SC_UP,         200, 0,                       NULL, NULL,                  ACTS(SC_DO_ANSWER_A) },
	{ IN(SC_STORING),    SC_EV_STORE_FAILED, NULL,            SC_ENDING,     503, 0,                       NULL, NULL,                  ACTS(SC_DO_REPLY, SC_DO_BYE_B, SC_DO_CLOSE_RELAY) },
	{ IN(SC_STORING),    SC_EV_CANCEL,    NULL,               SC_ENDING,     487, 0,                       "cancelled", NULL,           ACTS(SC_DO_REPLY, SC_DO_BYE_B, OVER) },
	{ IN(SC_STORING),    SC_EV_REVOKED,   NULL,               SC_ENDING,     480, 0,                       "revoked", NULL,             ACTS(SC_DO_REPLY, SC_DO_BYE_B, OVER) },
	{ IN(SC_STORING),    SC_EV_BYE_B,     NULL,               SC_ENDING,     480, 0,                       "callee", NULL,              ACTS(SC_DO_REPLY_BYE, SC_DO_REPLY, OVER) },

	{ LIVE,              SC_EV_BYE_A,     NULL,               SC_ENDING,     0, 0,                         "caller", NULL,              ACTS(SC_DO_REPLY_BYE, SC_DO_BYE_B, OVER) },
	{ LIVE,              SC_EV_BYE_B,     NULL,               SC_ENDING,     0, 0,                         "callee", NULL,              ACTS(SC_DO_REPLY_BYE, SC_DO_BYE_A, OVER) },
	{ LIVE,              SC_EV_UNACKED,   NULL,               SC_ENDING,     0, 0,                         "no ACK", NULL,              ACTS(SC_DO_BYE_A, SC_DO_BYE_B, OVER) },
	{ LIVE,              SC_EV_SILENT,    NULL,               SC_ENDING,     0, 0,                         "silent", NULL,              ACTS(SC_DO_BYE_A, SC_DO_BYE_B, OVER) },
	{ LIVE,              SC_EV_REVOKED,   NULL,               SC_ENDING,     0, 0,                         "revoked", NULL,             ACTS(SC_DO_BYE_A, SC_DO_BYE_B, OVER) },
	{ LIVE,              SC_EV_RESTART,   NULL,               SC_ENDING,     0, 0,                         "restart", NULL,             ACTS(SC_DO_BYE_A, SC_DO_BYE_B, SC_DO_ERASE) },
	{ IN(SC_UP),         SC_EV_REINVITE,  NULL,               SC_REFRESH,    0, 0,                         NULL, NULL,                  ACTS(SC_DO_FORWARD_REINVITE) },
	{ IN(SC_REFRESH),    SC_EV_REINVITE,  NULL,               SC_REFRESH,    491, 0,                       NULL, NULL,                  ACTS(SC_DO_REPLY) },
	{ IN(SC_REFRESH),    SC_EV_REFRESHED, NULL,               SC_UP,         0, 0,                         NULL, NULL,                  ACTS(SC_DO_FORWARD_REFRESH) },
	{ IN(SC_REFRESH),    SC_EV_REFRESH_REFUSED, NULL,         SC_UP,         0, 0,                         NULL, NULL,                  ACTS(SC_DO_FORWARD_REFRESH) },

	{ IN(SC_ENDING),     SC_EV_BYE_A,     NULL,               SC_ENDING,     0, 0,                         NULL, NULL,                  ACTS(SC_DO_REPLY_BYE) },
	{ IN(SC_ENDING),     SC_EV_BYE_B,     NULL,               SC_ENDING,     0, 0,                         NULL, NULL,                  ACTS(SC_DO_REPLY_BYE) },
	{ IN(SC_ENDING),     SC_EV_REINVITE,  NULL,               SC_ENDING,     481, 0,                       NULL, NULL,                  ACTS(SC_DO_REPLY) },
	{ IN(SC_ENDING),     SC_EV_ENDED,     NULL,               SC_DONE,       0, 0,                         NULL, NULL,                  ACTS(SC_DO_FREE) },
};
/* clang-format on */

const int sc_rows = sizeof rows / sizeof *rows;

int sc_step(struct sc *m, const struct sc_event *ev, struct sc_actions *out)
{
	*out = (struct sc_actions){0};
	for (int i = 0; i < sc_rows; i++) {
		const struct row *r = &rows[i];
		if (!(r->in & IN(m->state)) || r->on != ev->kind || (r->when && !r->when(ev)))
			continue;
		out->status = r->status;
		out->warning = r->warning;
		out->reason = r->reason;
		out->audit = r->audit;
		for (size_t a = 0; a < r->n_acts; a++)
			out->do_[out->n++] = r->acts[a];
		m->state = r->next;
		return i;
	}
	return -1;
}
