/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server_auth.c - the table of the machine; it is the specification of this file: first match wins, what is not in it
 * changes nothing. The order of the REGISTER rows is cheap before costly, that of the CHECKED rows is flows 1.2's:
 * V-IM, V-XML, V-TOK, identity, V-ALG.
 */
#include "mcx/flow/server_auth.h"

#include "mcx/flow/warning.h"
#include "sec/base/check.h"

int sa_csk_wins(uint64_t t_new, uint32_t id_new, int had, uint64_t t_old, uint32_t id_old)
{
	if (!had || t_new != t_old)
		return !had || t_new > t_old;
	return id_new > id_old;
}

struct sa_im_answer sa_im_answer(enum mcsec_err e)
{
	switch (e) {
	case MCSEC_E_MEMORY:
	case MCSEC_E_RANDOM:
	case MCSEC_E_CRYPTO:
	case MCSEC_E_NO_SPACE:
	case MCSEC_E_NO_KEYS: /* our own trouble: the client did nothing wrong */
		return (struct sa_im_answer){503, WARN_NONE, "svc.refuse"};
	case MCSEC_E_KMS_REFUSED:
		return (struct sa_im_answer){488, WARN_NONE, "krr.sent"};
	case MCSEC_E_BAD_TIME:
		return (struct sa_im_answer){488, WARN_MIKEY, "mikey.bad-time"};
	case MCSEC_E_REPLAY:
		return (struct sa_im_answer){488, WARN_MIKEY, "mikey.replay"};
	case MCSEC_E_NOT_FOR_US:
	case MCSEC_E_BAD_IDENTITY:
		return (struct sa_im_answer){488, WARN_MIKEY, "mikey.bad-identity"};
	case MCSEC_E_BAD_SIGNATURE:
		return (struct sa_im_answer){488, WARN_MIKEY, "mikey.bad-signature"};
	case MCSEC_E_UNDECRYPTABLE:
	case MCSEC_E_BAD_PARAMS:
		return (struct sa_im_answer){488, WARN_MIKEY, "mikey.undecryptable"};
	default:
		return (struct sa_im_answer){488, WARN_MIKEY, "mikey.malformed"};
	}
}

static int forbidden(const struct sa_event *ev)
{
	return MCX_FAULT(sa.forbidden, !ev->allowed);
}

static int unproven(const struct sa_event *ev)
{
	return MCX_FAULT(sa.unproven, !ev->proven);
}

static int broken(const struct sa_event *ev)
{
	return MCX_FAULT(sa.broken, ev->body == SA_BODY_BROKEN || !ev->contact);
}

/* Expires 0, or a contact that no longer offers the service (sip 2.5, de-registration). */
static int leaving(const struct sa_event *ev)
{
	return ev->expires == 0 || (ev->authorised && ev->body == SA_BODY_NONE && !ev->tags);
}

static int zero(const struct sa_event *ev)
{
	return ev->expires == 0;
}

static int too_brief(const struct sa_event *ev)
{
	return MCX_FAULT(sa.too_brief, ev->expires < ev->min_expires);
}

/* The core's registrar keeps who is registered; here only who is authorised is kept. */
static int bare_by_core(const struct sa_event *ev)
{
	return ev->by_core && ev->body == SA_BODY_NONE;
}

static int misread_by_core(const struct sa_event *ev)
{
	return ev->by_core && broken(ev);
}

static int bare(const struct sa_event *ev)
{
	return ev->body == SA_BODY_NONE;
}

static int no_mikey(const struct sa_event *ev)
{
	return MCX_FAULT(sa.no_mikey, !ev->mikey);
}

static int no_token(const struct sa_event *ev)
{
	return MCX_FAULT(sa.no_token, !ev->token);
}

static int im_failed(const struct sa_event *ev)
{
	return MCX_FAULT(sa.im_failed, ev->im != MCSEC_OK);
}

static int forged_xml(const struct sa_event *ev)
{
	return MCX_FAULT(sa.forged_xml, ev->xml_forged);
}

static int bad_xml(const struct sa_event *ev)
{
	return MCX_FAULT(sa.bad_xml, ev->xml_bad);
}

static int bad_token(const struct sa_event *ev)
{
	return MCX_FAULT(sa.bad_token, !ev->token_ok);
}

static int other_id(const struct sa_event *ev)
{
	return MCX_FAULT(sa.other_id, !ev->same_id);
}

/* One at a time. */
static int at_work(const struct sa_event *ev)
{
	(void)ev;
	return MCX_FAULT(sa.at_work, 1);
}

/* The queue of jobs is full. */
static int busy(const struct sa_event *ev)
{
	(void)ev;
	return MCX_FAULT(size.jobs, 1);
}

static int no_suite(const struct sa_event *ev)
{
	return MCX_FAULT(sa.no_suite, !ev->suite_ok);
}

static int csk_loses(const struct sa_event *ev)
{
	return MCX_FAULT(sa.csk_loses, !ev->csk_wins);
}

static int stored(const struct sa_event *ev)
{
	return ev->stored == SA_STORED_OK;
}

static int forced(const struct sa_event *ev)
{
	return stored(ev) && MCX_FAULT(sa.forced, ev->force);
}

static int replayed(const struct sa_event *ev)
{
	return MCX_FAULT(sa.replayed, ev->stored == SA_STORED_REPLAY);
}

enum { IDLE = 1 << SA_NONE | 1 << SA_BOUND, AT_WORK = 1 << SA_CHECKING | 1 << SA_STORING | 1 << SA_REMOVING };
enum { BACK = SA_STATES, BY_IM = -1 };
#define IN(s)     (1 << (s))
#define ACTS(...) {__VA_ARGS__}, sizeof((enum sa_action[]){__VA_ARGS__}) / sizeof(enum sa_action)

/* clang-format off */
static const struct row {
	int in; /* set of states */
	enum sa_event_kind on;
	int (*when)(const struct sa_event *);
	int next;
	int status, warning;
	const char *audit;
	enum sa_action acts[4];
	size_t n_acts;
} rows[] = {
	/* in              on              when       next         answer            record            actions, in order */
	{ IDLE,            SA_EV_REGISTER, forbidden, BACK,        403, 0,           NULL,             ACTS(SA_DO_REPLY) },
	{ IDLE,            SA_EV_REGISTER, unproven,  BACK,        403, 0,           "svc.refuse",     ACTS(SA_DO_REPLY, SA_DO_AUDIT) },
	{ IDLE,            SA_EV_REGISTER, misread_by_core, BACK,  400, 0,           "svc.refuse",     ACTS(SA_DO_REPLY, SA_DO_AUDIT) },
	{ IDLE,            SA_EV_REGISTER, broken,    BACK,        400, 0,           NULL,             ACTS(SA_DO_REPLY) },
	{ IN(SA_NONE),     SA_EV_REGISTER, zero,      SA_NONE,     200, 0,           NULL,             ACTS(SA_DO_REPLY) },
	{ IN(SA_BOUND),    SA_EV_REGISTER, leaving,   SA_REMOVING, 0, 0,             NULL,             ACTS(SA_DO_REMOVE) },
	{ IDLE,            SA_EV_REGISTER, too_brief, BACK,        423, 0,           NULL,             ACTS(SA_DO_REPLY) },
	{ IN(SA_NONE),     SA_EV_REGISTER, bare_by_core, SA_NONE,  200, 0,           NULL,             ACTS(SA_DO_REPLY) },
	{ IN(SA_NONE),     SA_EV_REGISTER, bare,      SA_STORING,  0, 0,             NULL,             ACTS(SA_DO_CONTACT) },
	{ IN(SA_BOUND),    SA_EV_REGISTER, bare,      SA_STORING,  0, 0,             NULL,             ACTS(SA_DO_REFRESH) },
	{ IDLE,            SA_EV_REGISTER, no_mikey,  BACK,        403, WARN_DECRYPT, "svc.refuse",    ACTS(SA_DO_REPLY, SA_DO_AUDIT) },
	{ IDLE,            SA_EV_REGISTER, no_token,  BACK,        403, WARN_SERVICE_AUTHORISATION, "token.refuse", ACTS(SA_DO_REPLY, SA_DO_AUDIT) },
	{ IDLE,            SA_EV_REGISTER, NULL,      SA_CHECKING, 0, 0,             NULL,             ACTS(SA_DO_CHECK) },
	{ AT_WORK,         SA_EV_REGISTER, at_work,   BACK,        500, 0,           NULL,             ACTS(SA_DO_REPLY) },
	{ AT_WORK,         SA_EV_BUSY,     busy,      BACK,        503, 0,           NULL,             ACTS(SA_DO_REPLY) },
	{ IN(SA_CHECKING), SA_EV_CHECKED,  im_failed, BACK,        BY_IM, 0,         NULL,             ACTS(SA_DO_REPLY, SA_DO_AUDIT) },
	{ IN(SA_CHECKING), SA_EV_CHECKED,  forged_xml, BACK,       403, WARN_INTEGRITY, "xml.bad-sig", ACTS(SA_DO_REPLY, SA_DO_AUDIT) },
	{ IN(SA_CHECKING), SA_EV_CHECKED,  bad_xml,   BACK,        403, WARN_DECRYPT, "xml.bad-decrypt", ACTS(SA_DO_REPLY, SA_DO_AUDIT) },
	{ IN(SA_CHECKING), SA_EV_CHECKED,  bad_token, BACK,        403, WARN_SERVICE_AUTHORISATION, "token.refuse", ACTS(SA_DO_REPLY, SA_DO_AUDIT) },
	{ IN(SA_CHECKING), SA_EV_CHECKED,  other_id,  BACK,        488, WARN_MIKEY,  "mikey.bad-identity", ACTS(SA_DO_REPLY, SA_DO_AUDIT) },
	{ IN(SA_CHECKING), SA_EV_CHECKED,  no_suite,  BACK,        403, WARN_NOT_ALLOWED, "alg.refuse", ACTS(SA_DO_REPLY, SA_DO_AUDIT) },
	{ IN(SA_CHECKING), SA_EV_CHECKED,  csk_loses, SA_STORING,  0, 0,             NULL,             ACTS(SA_DO_REFRESH) },
	{ IN(SA_CHECKING), SA_EV_CHECKED,  NULL,      SA_STORING,  0, 0,             NULL,             ACTS(SA_DO_STORE) },
	{ IN(SA_STORING),  SA_EV_STORED,   forced,    SA_BOUND,    200, 0,           NULL,             ACTS(SA_DO_INSTALL, SA_DO_REPLY, SA_DO_FORCE) },
	{ IN(SA_STORING),  SA_EV_STORED,   stored,    SA_BOUND,    200, 0,           NULL,             ACTS(SA_DO_INSTALL, SA_DO_REPLY) },
	{ IN(SA_STORING),  SA_EV_STORED,   replayed,  BACK,        488, WARN_MIKEY,  "mikey.replay",   ACTS(SA_DO_REPLY, SA_DO_AUDIT) },
	{ IN(SA_STORING),  SA_EV_STORED,   NULL,      BACK,        503, 0,           NULL,             ACTS(SA_DO_REPLY) },
	{ IN(SA_REMOVING), SA_EV_STORED,   stored,    SA_NONE,     200, 0,           NULL,             ACTS(SA_DO_FORGET, SA_DO_REPLY) },
	{ IN(SA_REMOVING), SA_EV_STORED,   NULL,      BACK,        503, 0,           NULL,             ACTS(SA_DO_REPLY) },
	{ IN(SA_BOUND),    SA_EV_EXPIRED,  NULL,      SA_REMOVING, 0, 0,             NULL,             ACTS(SA_DO_REMOVE) },
	{ IN(SA_BOUND),    SA_EV_REVOKED,  NULL,      SA_REMOVING, 0, 0,             NULL,             ACTS(SA_DO_REMOVE) },
};
/* clang-format on */

const int sa_rows = sizeof rows / sizeof *rows;

static void apply(struct sa *m, const struct row *r, const struct sa_event *ev, struct sa_actions *out)
{
	struct sa_im_answer a = {r->status, r->warning, r->audit};
	if (r->status == BY_IM)
		a = sa_im_answer(ev->im);
	out->status = a.status;
	out->warning = a.warning;
	out->audit = a.audit;
	for (size_t i = 0; i < r->n_acts; i++)
		out->do_[out->n++] = r->acts[i];
	if (IN(m->state) & IDLE)
		m->before = m->state;
	/* A second REGISTER while one is at work is refused and leaves that one alone. */
	if (r->next != BACK)
		m->state = (enum sa_state)r->next;
	else if (ev->kind != SA_EV_REGISTER)
		m->state = m->before;
}

int sa_step(struct sa *m, const struct sa_event *ev, struct sa_actions *out)
{
	*out = (struct sa_actions){0};
	for (int i = 0; i < sa_rows; i++) {
		const struct row *r = &rows[i];
		if (!(r->in & IN(m->state)) || r->on != ev->kind || (r->when && !r->when(ev)))
			continue;
		apply(m, r, ev, out);
		return i;
	}
	return -1;
}
