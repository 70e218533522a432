/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_call.c - the private call at the client (flows 3.1, 3.3, 0.2). The table is the specification of this file.
 *
 * First match wins; what is not in the table changes nothing. Every refusal of an I_MESSAGE looks the same to the peer:
 * 488 with 136; only a KMS that is refused (488 with a redirect) and our own trouble (503) differ (flows 0.2).
 */
#include "mcx/flow/client_call.h"

#include "mcx/flow/warning.h"
#include "sec/base/check.h"

typedef int guard(const struct cc_event *ev);

static int no_certificate(const struct cc_event *ev)
{
	return MCX_FAULT(cc.no_certificate, !ev->certificate);
}

static int secure(const struct cc_event *ev)
{
	return MCX_CHECK(cc.secure, ev->secure);
}

static int forged(const struct cc_event *ev)
{
	return MCX_FAULT(cc.forged, ev->xml == CC_XML_FORGED);
}

static int undecryptable(const struct cc_event *ev)
{
	return MCX_FAULT(cc.undecryptable, ev->xml == CC_XML_UNDECRYPTABLE);
}

static int unreadable(const struct cc_event *ev)
{
	return MCX_FAULT(cc.unreadable, !ev->known_peer);
}

static int unprotected(const struct cc_event *ev)
{
	return MCX_FAULT(cc.unprotected, !ev->has_key && ev->required);
}

static int without_key(const struct cc_event *ev)
{
	return MCX_FAULT(cc.without_key, !ev->has_key);
}

/* One call at a time. */
static int busy(const struct cc_event *ev)
{
	(void)ev;
	return MCX_FAULT(cc.busy, 1);
}

static int automatic(const struct cc_event *ev)
{
	return ev->automatic;
}

static int same_key(const struct cc_event *ev)
{
	return ev->same_key;
}

static int other_key(const struct cc_event *ev)
{
	return ev->has_key && !ev->same_key;
}

static int kms_refused(const struct cc_event *ev)
{
	return ev->im == MCSEC_E_KMS_REFUSED;
}

/* By what it is, and not by our own trouble. */
static int im_failed(const struct cc_event *ev)
{
	int ours = ev->im == MCSEC_E_MEMORY || ev->im == MCSEC_E_RANDOM || ev->im == MCSEC_E_CRYPTO ||
		   ev->im == MCSEC_E_NO_SPACE;
	return MCX_FAULT(cc.im_failed, !ours);
}

static const char by_code[] = ""; /* cc_refusal_text of the event */

#define ACTS(...) {__VA_ARGS__}, sizeof((enum cc_action[]){__VA_ARGS__}) / sizeof(enum cc_action)

/* clang-format off */
static const struct row {
	enum cc_state in;
	enum cc_event_kind on;
	guard *when;
	enum cc_state next;
	enum cc_action acts[5];
	size_t n_acts;
	int status, warning;
	const char *reason;
} rows[] = {
	/* in           on               when            next           actions, in order                                       reply, reason */

	/* caller (3.1) */
	{ CC_IDLE,       CC_EV_CALL,      no_certificate, CC_IDLE,       ACTS(CC_DO_TELL), 0, 0, "the certificate of the callee's KMS cannot be used" },
	{ CC_IDLE,       CC_EV_CALL,      0,              CC_MAKING,     ACTS(CC_DO_MAKE), 0, 0, 0 },
	{ CC_MAKING,     CC_EV_MADE,      0,              CC_MAKING,     ACTS(CC_DO_RECORD), 0, 0, 0 },
	{ CC_MAKING,     CC_EV_RECORDED,  0,              CC_CALLING,    ACTS(CC_DO_INVITE, CC_DO_RING_TIMER), 0, 0, 0 },
	{ CC_MAKING,     CC_EV_NOT_RECORDED, 0,           CC_IDLE,       ACTS(CC_DO_WIPE, CC_DO_TELL), 0, 0, "our own store failed" },
	{ CC_MAKING,     CC_EV_FAILED,    0,              CC_IDLE,       ACTS(CC_DO_WIPE, CC_DO_TELL), 0, 0, "the call could not be prepared" },
	{ CC_MAKING,     CC_EV_HANG_UP,   0,              CC_IDLE,       ACTS(CC_DO_WIPE, CC_DO_TELL), 0, 0, "ended by the caller" },
	{ CC_CALLING,    CC_EV_FAILED,    0,              CC_IDLE,       ACTS(CC_DO_WIPE, CC_DO_TELL), 0, 0, "the call could not be sent" },
	{ CC_CALLING,    CC_EV_RINGING,   0,              CC_CALLING,    ACTS(CC_DO_TELL), 0, 0, "ringing" },
	{ CC_CALLING,    CC_EV_ANSWER,    secure,         CC_UP,         ACTS(CC_DO_MEDIA), 0, 0, 0 },
	{ CC_CALLING,    CC_EV_ANSWER,    0,              CC_IDLE,       ACTS(CC_DO_BYE, CC_DO_WIPE, CC_DO_TELL), 0, 0, "downgrade: the answer is less secure than the offer" },
	{ CC_CALLING,    CC_EV_REFUSED,   0,              CC_IDLE,       ACTS(CC_DO_WIPE, CC_DO_TELL), 0, 0, by_code },
	{ CC_CALLING,    CC_EV_REDIRECTED, 0,             CC_CHOOSING,   ACTS(CC_DO_WIPE), 0, 0, 0 },
	{ CC_CHOOSING,   CC_EV_CHOSEN,    0,              CC_MAKING,     ACTS(CC_DO_MAKE), 0, 0, 0 },
	{ CC_CHOOSING,   CC_EV_EXHAUSTED, 0,              CC_IDLE,       ACTS(CC_DO_TELL), 0, 0, "no KMS is left for this call" },
	{ CC_CHOOSING,   CC_EV_HANG_UP,   0,              CC_IDLE,       ACTS(CC_DO_TELL), 0, 0, "ended by the caller" },
	{ CC_CHOOSING,   CC_EV_RING_TIME, 0,              CC_IDLE,       ACTS(CC_DO_TELL), 0, 0, "no answer in time" },
	{ CC_CALLING,    CC_EV_RING_TIME, 0,              CC_CANCELLING, ACTS(CC_DO_CANCEL, CC_DO_WIPE), 0, 0, 0 },
	{ CC_CALLING,    CC_EV_HANG_UP,   0,              CC_CANCELLING, ACTS(CC_DO_CANCEL, CC_DO_WIPE), 0, 0, 0 },
	{ CC_CALLING,    CC_EV_SILENT,    0,              CC_IDLE,       ACTS(CC_DO_WIPE, CC_DO_TELL), 0, 0, "the connection is gone" },
	{ CC_CANCELLING, CC_EV_ANSWER,    0,              CC_IDLE,       ACTS(CC_DO_BYE, CC_DO_TELL), 0, 0, "ended by the caller" },
	{ CC_CANCELLING, CC_EV_REFUSED,   0,              CC_IDLE,       ACTS(CC_DO_TELL), 0, 0, "ended by the caller" },

	/* callee (3.3): the key first, then the bell */
	{ CC_IDLE,       CC_EV_INVITE,    forged,         CC_IDLE,       ACTS(CC_DO_REPLY, CC_DO_TELL), 403, WARN_INTEGRITY, "the request is not what our server signed" },
	{ CC_IDLE,       CC_EV_INVITE,    undecryptable,  CC_IDLE,       ACTS(CC_DO_REPLY, CC_DO_TELL), 403, WARN_DECRYPT, "the request does not open under our key" },
	{ CC_IDLE,       CC_EV_INVITE,    unreadable,     CC_IDLE,       ACTS(CC_DO_REPLY, CC_DO_TELL), 400, 0, "the request cannot be read" },
	{ CC_IDLE,       CC_EV_INVITE,    unprotected,    CC_IDLE,       ACTS(CC_DO_REPLY, CC_DO_TELL), 488, 0, "unprotected: the offer carries no key" },
	{ CC_IDLE,       CC_EV_INVITE,    without_key,    CC_IDLE,       ACTS(CC_DO_REPLY, CC_DO_TELL), 488, 0, "this client has no clear media" },
	{ CC_IDLE,       CC_EV_INVITE,    0,              CC_CHECKING,   ACTS(CC_DO_OPEN), 0, 0, 0 },
	{ CC_CHECKING,   CC_EV_UNOPENED,  kms_refused,    CC_IDLE,       ACTS(CC_DO_REPLY, CC_DO_WIPE, CC_DO_TELL), 488, 0, "the KMS is not acceptable here" },
	{ CC_CHECKING,   CC_EV_UNOPENED,  im_failed,      CC_IDLE,       ACTS(CC_DO_REPLY, CC_DO_WIPE, CC_DO_TELL), 488, WARN_MIKEY, "the call could not be authenticated" },
	{ CC_CHECKING,   CC_EV_UNOPENED,  0,              CC_IDLE,       ACTS(CC_DO_REPLY, CC_DO_WIPE, CC_DO_TELL), 503, 0, "the key could not be checked" },
	{ CC_CHECKING,   CC_EV_OPENED,    0,              CC_CHECKING,   ACTS(CC_DO_RECORD), 0, 0, 0 },
	{ CC_CHECKING,   CC_EV_RECORDED,  automatic,      CC_UP,         ACTS(CC_DO_ANSWER, CC_DO_MEDIA), 0, 0, 0 },
	{ CC_CHECKING,   CC_EV_RECORDED,  0,              CC_RINGING,    ACTS(CC_DO_RING, CC_DO_RING_TIMER), 0, 0, 0 },
	{ CC_CHECKING,   CC_EV_NOT_RECORDED, 0,           CC_IDLE,       ACTS(CC_DO_REPLY, CC_DO_WIPE, CC_DO_TELL), 503, 0, "our own store failed" },
	{ CC_CHECKING,   CC_EV_HANG_UP,   0,              CC_IDLE,       ACTS(CC_DO_REPLY, CC_DO_WIPE, CC_DO_TELL), 480, WARN_DECLINED, "declined" },
	{ CC_CHECKING,   CC_EV_CANCEL,    0,              CC_IDLE,       ACTS(CC_DO_REPLY, CC_DO_WIPE, CC_DO_TELL), 487, 0, "cancelled by the caller" },
	{ CC_RINGING,    CC_EV_ACCEPT,    0,              CC_UP,         ACTS(CC_DO_ANSWER, CC_DO_MEDIA), 0, 0, 0 },
	{ CC_RINGING,    CC_EV_DECLINE,   0,              CC_IDLE,       ACTS(CC_DO_REPLY, CC_DO_WIPE, CC_DO_TELL), 480, WARN_DECLINED, "declined" },
	{ CC_RINGING,    CC_EV_HANG_UP,   0,              CC_IDLE,       ACTS(CC_DO_REPLY, CC_DO_WIPE, CC_DO_TELL), 480, WARN_DECLINED, "declined" },
	{ CC_RINGING,    CC_EV_RING_TIME, 0,              CC_IDLE,       ACTS(CC_DO_REPLY, CC_DO_WIPE, CC_DO_TELL), 480, 0, "not answered" },
	{ CC_RINGING,    CC_EV_CANCEL,    0,              CC_IDLE,       ACTS(CC_DO_REPLY, CC_DO_WIPE, CC_DO_TELL), 487, 0, "cancelled by the caller" },

	/* both, once the call is up */
	{ CC_UP,         CC_EV_FAILED,    0,              CC_IDLE,       ACTS(CC_DO_STOP, CC_DO_BYE, CC_DO_WIPE, CC_DO_TELL), 0, 0, "our own media failed" },
	{ CC_UP,         CC_EV_HANG_UP,   0,              CC_IDLE,       ACTS(CC_DO_STOP, CC_DO_BYE, CC_DO_WIPE, CC_DO_TELL), 0, 0, "ended here" },
	{ CC_UP,         CC_EV_BYE,       0,              CC_IDLE,       ACTS(CC_DO_REPLY, CC_DO_STOP, CC_DO_WIPE, CC_DO_TELL), 200, 0, "ended by the other end" },
	{ CC_UP,         CC_EV_SILENT,    0,              CC_IDLE,       ACTS(CC_DO_STOP, CC_DO_BYE, CC_DO_WIPE, CC_DO_TELL), 0, 0, "silent too long, or the connection is gone" },
	{ CC_UP,         CC_EV_REINVITE,  same_key,       CC_UP,         ACTS(CC_DO_REANSWER), 0, 0, 0 },
	{ CC_UP,         CC_EV_REINVITE,  other_key,      CC_REKEYING,   ACTS(CC_DO_OPEN), 0, 0, 0 },
	{ CC_UP,         CC_EV_REINVITE,  without_key,    CC_UP,         ACTS(CC_DO_REPLY), 488, 0, 0 },
	{ CC_REKEYING,   CC_EV_OPENED,    0,              CC_REKEYING,   ACTS(CC_DO_RECORD), 0, 0, 0 },
	{ CC_REKEYING,   CC_EV_RECORDED,  0,              CC_UP,         ACTS(CC_DO_REKEY, CC_DO_REANSWER), 0, 0, 0 },
	{ CC_REKEYING,   CC_EV_NOT_RECORDED, 0,           CC_UP,         ACTS(CC_DO_REPLY), 503, 0, 0 },
	{ CC_REKEYING,   CC_EV_UNOPENED,  0,              CC_UP,         ACTS(CC_DO_REPLY), 488, WARN_MIKEY, 0 },
	{ CC_REKEYING,   CC_EV_REINVITE,  0,              CC_REKEYING,   ACTS(CC_DO_REPLY), 491, 0, 0 },
	{ CC_REKEYING,   CC_EV_FAILED,    0,              CC_IDLE,       ACTS(CC_DO_STOP, CC_DO_BYE, CC_DO_WIPE, CC_DO_TELL), 0, 0, "our own media failed" },
	{ CC_REKEYING,   CC_EV_HANG_UP,   0,              CC_IDLE,       ACTS(CC_DO_STOP, CC_DO_BYE, CC_DO_WIPE, CC_DO_TELL), 0, 0, "ended here" },
	{ CC_REKEYING,   CC_EV_BYE,       0,              CC_IDLE,       ACTS(CC_DO_REPLY, CC_DO_STOP, CC_DO_WIPE, CC_DO_TELL), 200, 0, "ended by the other end" },
	{ CC_REKEYING,   CC_EV_SILENT,    0,              CC_IDLE,       ACTS(CC_DO_STOP, CC_DO_BYE, CC_DO_WIPE, CC_DO_TELL), 0, 0, "silent too long, or the connection is gone" },

	/* busy: one call at a time */
	{ CC_MAKING,     CC_EV_INVITE,    busy,           CC_MAKING,     ACTS(CC_DO_REPLY), 486, 0, 0 },
	{ CC_CALLING,    CC_EV_INVITE,    busy,           CC_CALLING,    ACTS(CC_DO_REPLY), 486, 0, 0 },
	{ CC_CHOOSING,   CC_EV_INVITE,    busy,           CC_CHOOSING,   ACTS(CC_DO_REPLY), 486, 0, 0 },
	{ CC_CANCELLING, CC_EV_INVITE,    busy,           CC_CANCELLING, ACTS(CC_DO_REPLY), 486, 0, 0 },
	{ CC_CHECKING,   CC_EV_INVITE,    busy,           CC_CHECKING,   ACTS(CC_DO_REPLY), 486, 0, 0 },
	{ CC_RINGING,    CC_EV_INVITE,    busy,           CC_RINGING,    ACTS(CC_DO_REPLY), 486, 0, 0 },
	{ CC_UP,         CC_EV_INVITE,    0,              CC_UP,         ACTS(CC_DO_REPLY), 486, 0, 0 },
	{ CC_REKEYING,   CC_EV_INVITE,    0,              CC_REKEYING,   ACTS(CC_DO_REPLY), 486, 0, 0 },
};
/* clang-format on */

const int cc_rows = sizeof rows / sizeof *rows;

int cc_step(struct cc *m, const struct cc_event *ev, struct cc_actions *out)
{
	*out = (struct cc_actions){.reason = ""};
	for (int i = 0; i < cc_rows; i++) {
		const struct row *r = &rows[i];
		if (r->in != m->state || r->on != ev->kind || (r->when && !r->when(ev)))
			continue;
		m->state = r->next;
		out->status = r->status;
		out->warning = r->warning;
		if (r->reason)
			out->reason = r->reason == by_code ? cc_refusal_text(ev->status, ev->warning) : r->reason;
		for (size_t a = 0; a < r->n_acts; a++)
			out->do_[out->n++] = r->acts[a];
		return i;
	}
	return -1;
}

const char *cc_refusal_text(int status, int warning)
{
	static const struct {
		int status, warning; /* warning 0: any */
		const char *text;
	} texts[] = {
	    {488, WARN_MIKEY, "the callee could not authenticate the call"},
	    {404, WARN_UNKNOWN_USER, "the server does not know us: register again"},
	    {404, 0, "the callee is unknown or not registered"},
	    {480, WARN_DECLINED, "the callee declined"},
	    {480, WARN_NO_SETTINGS, "the callee cannot be reached now"},
	    {480, 0, "the callee does not answer"},
	    {486, 0, "the callee is busy"},
	    {487, 0, "the call was cancelled"},
	    {488, 0, "the callee does not accept the call as it was offered"},
	    {403, WARN_NO_PRIVATE_CALLS, "private calls are not allowed"},
	    {403, WARN_NOT_CALLABLE, "the callee may not be called"},
	    {403, 0, "the call is not allowed"},
	    {408, 0, "no answer in time"},
	    {503, 0, "the service is not available now"},
	};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		if (texts[i].status == status && (texts[i].warning == 0 || texts[i].warning == warning))
			return texts[i].text;
	return "the call was refused";
}
