/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key_receive.c - the table of the machine; it is the specification of this file (flows 2.2): first match wins, what is
 * not in it changes nothing. The order of the CHECKED rows is V-IM, then what only an authentic message may ask.
 */
#include "mcx/flow/key_receive.h"

#include "mcx/flow/server_auth.h"
#include "mcx/flow/warning.h"
#include "sec/base/check.h"

enum { LATER_S = 2 };

typedef int guard(const struct kr *m, const struct kr_event *ev);

static int foreign(const struct kr *m, const struct kr_event *ev)
{
	(void)m;
	return MCX_FAULT(kr.foreign, !ev->from_server);
}

static int revoked_csk(const struct kr *m, const struct kr_event *ev)
{
	(void)m;
	return ev->im == MCSEC_E_REVOKED && !ev->musik && ev->same_id;
}

static int revoked(const struct kr *m, const struct kr_event *ev)
{
	(void)m;
	return ev->im == MCSEC_E_REVOKED;
}

static int im_failed(const struct kr *m, const struct kr_event *ev)
{
	(void)m;
	return MCX_FAULT(kr.im_failed, ev->im != MCSEC_OK);
}

static int uploading(const struct kr *m, const struct kr_event *ev)
{
	(void)m;
	return MCX_FAULT(kr.uploading, !ev->musik && ev->uploading);
}

static int other_key(const struct kr *m, const struct kr_event *ev)
{
	(void)m;
	return MCX_FAULT(kr.other_key, ev->same_id && !ev->same_key);
}

static int bad_suite(const struct kr *m, const struct kr_event *ev)
{
	(void)m;
	return MCX_FAULT(kr.bad_suite, !ev->musik && !ev->suite_ok);
}

static int known(const struct kr *m, const struct kr_event *ev)
{
	(void)m;
	return ev->same_id;
}

static int loses(const struct kr *m, const struct kr_event *ev)
{
	(void)m;
	return MCX_FAULT(kr.loses, !ev->musik && !ev->wins);
}

static int again(const struct kr *m, const struct kr_event *ev)
{
	(void)ev;
	return !m->install;
}

static int for_musik(const struct kr *m, const struct kr_event *ev)
{
	(void)ev;
	return m->musik;
}

enum { BY_IM = -1 };
#define ACTS(...) {__VA_ARGS__}, sizeof((enum kr_action[]){__VA_ARGS__}) / sizeof(enum kr_action)

/* clang-format off */
static const struct row {
	enum kr_state in;
	enum kr_event_kind on;
	guard *when;
	enum kr_state next;
	int install;
	int status, warning;
	const char *audit;
	enum kr_action acts[5];
	size_t n_acts;
} rows[] = {
	/* in           on                  when         next        new answer           record                actions, in order */
	{ KR_NEW,      KR_EV_MESSAGE,      foreign,     KR_DONE,     0, 403, WARN_NONE,  "csk.foreign",        ACTS(KR_DO_TELL, KR_DO_REPLY) },
	{ KR_NEW,      KR_EV_MESSAGE,      0,           KR_CHECKING, 0, 0, 0,            NULL,                 ACTS(KR_DO_CHECK) },
	{ KR_CHECKING, KR_EV_CHECKED,      revoked_csk, KR_DONE,     0, 200, WARN_NONE,  "csk.revoked",        ACTS(KR_DO_TELL, KR_DO_DISCARD, KR_DO_REPLY, KR_DO_RENEW) },
	{ KR_CHECKING, KR_EV_CHECKED,      revoked,     KR_DONE,     0, 200, WARN_NONE,  "key.revoked",        ACTS(KR_DO_TELL, KR_DO_REPLY) },
	{ KR_CHECKING, KR_EV_CHECKED,      im_failed,   KR_DONE,     0, BY_IM, 0,        NULL,                 ACTS(KR_DO_TELL, KR_DO_REPLY) },
	{ KR_CHECKING, KR_EV_CHECKED,      uploading,   KR_DONE,     0, 500, WARN_NONE,  NULL,                 ACTS(KR_DO_REPLY) },
	{ KR_CHECKING, KR_EV_CHECKED,      other_key,   KR_DONE,     0, 488, WARN_MIKEY, "mikey.k-id-reused",  ACTS(KR_DO_TELL, KR_DO_REPLY) },
	{ KR_CHECKING, KR_EV_CHECKED,      bad_suite,   KR_DONE,     0, 488, WARN_NONE,  "alg.refuse",         ACTS(KR_DO_TELL, KR_DO_REPLY) },
	{ KR_CHECKING, KR_EV_CHECKED,      loses,       KR_DONE,     0, 200, WARN_NONE,  "csk.superseded",     ACTS(KR_DO_TELL, KR_DO_REPLY) },
	{ KR_CHECKING, KR_EV_CHECKED,      known,       KR_STORING,  0, 0, 0,            NULL,                 ACTS(KR_DO_STORE) },
	{ KR_CHECKING, KR_EV_CHECKED,      0,           KR_STORING,  1, 0, 0,            NULL,                 ACTS(KR_DO_STORE) },
	{ KR_STORING,  KR_EV_STORED,       again,       KR_DONE,     0, 200, WARN_NONE,  NULL,                 ACTS(KR_DO_REPLY) },
	{ KR_STORING,  KR_EV_STORED,       for_musik,   KR_DONE,     0, 200, WARN_NONE,  "musik.install",      ACTS(KR_DO_INSTALL, KR_DO_TELL, KR_DO_REPLY) },
	{ KR_STORING,  KR_EV_STORED,       0,           KR_DONE,     0, 200, WARN_NONE,  "csk.replace",        ACTS(KR_DO_DISCARD, KR_DO_INSTALL, KR_DO_TELL, KR_DO_REPLY) },
	{ KR_STORING,  KR_EV_STORE_FAILED, 0,           KR_DONE,     0, 503, WARN_NONE,  "store.failed",       ACTS(KR_DO_TELL, KR_DO_REPLY) },
};
/* clang-format on */

const int kr_rows = sizeof rows / sizeof *rows;

static void apply(struct kr *m, const struct row *r, const struct kr_event *ev, struct kr_actions *out)
{
	struct sa_im_answer a = {r->status, r->warning, r->audit};
	if (r->status == BY_IM)
		a = sa_im_answer(ev->im);
	*out = (struct kr_actions){.status = a.status, .warning = a.warning, .audit = a.audit};
	if (a.status == 500 || a.status == 503)
		out->retry_after_s = LATER_S;
	for (size_t i = 0; i < r->n_acts; i++)
		out->do_[out->n++] = r->acts[i];
	m->install = r->install;
	m->musik = ev->kind == KR_EV_CHECKED ? ev->musik : m->musik;
	m->state = r->next;
}

int kr_step(struct kr *m, const struct kr_event *ev, struct kr_actions *out)
{
	*out = (struct kr_actions){0};
	for (int i = 0; i < kr_rows; i++) {
		const struct row *r = &rows[i];
		if (r->in != m->state || r->on != ev->kind || (r->when && !r->when(m, ev)))
			continue;
		apply(m, r, ev, out);
		return i;
	}
	return -1;
}
