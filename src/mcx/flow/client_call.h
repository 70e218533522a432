/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_call.h - a private call at the client, caller and callee, as a pure machine (TS 24.379 11.1.1; flows 3.1, 3.3;
 * sip 6).
 *
 * One machine a call. Facts come in events, what has to happen leaves as actions, in order. Invariants: the callee
 * neither rings nor answers before the I_MESSAGE was opened; SSRC and replay record are durable before the key is
 * used; media starts only after a secure answer or our own 200; whatever ends a call wipes its key.
 */
#ifndef MCX_FLOW_CLIENT_CALL_H
#define MCX_FLOW_CLIENT_CALL_H

#include <stddef.h>

#include "mcsec/err.h"

enum cc_state {
	CC_IDLE,
	CC_MAKING,     /* caller: PCK and I_MESSAGE are being made                        */
	CC_CALLING,    /* caller: INVITE is out                                          */
	CC_CHOOSING,   /* caller: a KMS redirect is being judged                          */
	CC_CANCELLING, /* caller: CANCEL is out, the final answer is due                  */
	CC_CHECKING,   /* callee: the I_MESSAGE is being opened                           */
	CC_RINGING,    /* callee: verified, the user is asked                             */
	CC_UP,
	CC_REKEYING, /* a re-INVITE brought another I_MESSAGE: it is being opened        */
	CC_STATES
};

enum cc_event_kind {
	CC_EV_CALL,     /* the user calls: `certificate` says whether the callee's KMS is known */
	CC_EV_MADE,     /* the message is there                                           */
	CC_EV_FAILED,   /* it could not be made or sent; later: the media failed          */
	CC_EV_RECORDED, /* what RECORD asked for is durable: `automatic`                  */
	CC_EV_NOT_RECORDED,
	CC_EV_RINGING,    /* 18x                                                            */
	CC_EV_ANSWER,     /* 2xx: `secure`                                                  */
	CC_EV_REFUSED,    /* 3xx to 6xx, or no answer: `status`, `warning`                   */
	CC_EV_REDIRECTED, /* 488 with a KMS redirect                                     */
	CC_EV_CHOSEN,     /* another KMS is to be tried, with a new key                    */
	CC_EV_EXHAUSTED,  /* there is none                                               */
	CC_EV_INVITE,     /* we are called: `has_key`, `required`, `known_peer`              */
	CC_EV_OPENED,     /* V-IM passed                                                    */
	CC_EV_UNOPENED,   /* V-IM failed: `im`                                             */
	CC_EV_ACCEPT,     /* the user                                                       */
	CC_EV_DECLINE,
	CC_EV_CANCEL,    /* of the caller                                                */
	CC_EV_RING_TIME, /* t_ring                                                       */
	CC_EV_HANG_UP,   /* our user                                                     */
	CC_EV_BYE,       /* of the other end                                             */
	CC_EV_REINVITE,  /* `same_key`                                                   */
	CC_EV_SILENT,    /* no media for the time allowed, or the transport is gone       */
	CC_EVENTS
};

/* INVITE: what the XML protection says of its body. */
enum cc_xml { CC_XML_PASSED, CC_XML_FORGED, CC_XML_UNDECRYPTABLE };

struct cc_event {
	enum cc_event_kind kind;
	enum cc_xml xml;
	int certificate; /* CALL */
	int secure;      /* ANSWER: sdp_check_answer said so */
	int status, warning;
	int has_key;    /* INVITE, REINVITE: the offer carries an I_MESSAGE */
	int required;   /* INVITE: policy demands end-to-end protection; this client has no clear media */
	int known_peer; /* INVITE: mcptt-calling-user-id and a session description we can answer are there */
	int automatic;  /* RECORDED */
	int same_key;   /* REINVITE: the I_MESSAGE is octet for octet the current one */
	enum mcsec_err im;
};

enum cc_action {
	CC_DO_MAKE,   /* PCK, PCK-ID, I_MESSAGE, as a job: MADE or FAILED               */
	CC_DO_RECORD, /* SSRC and replay record durable: RECORDED or NOT_RECORDED         */
	CC_DO_INVITE,
	CC_DO_RING_TIMER,
	CC_DO_TELL,  /* the user: `reason`                                             */
	CC_DO_MEDIA, /* SRTP starts, both ways                                        */
	CC_DO_STOP,  /* media ends, files are closed                                  */
	CC_DO_CANCEL,
	CC_DO_BYE,
	CC_DO_OPEN,     /* V-IM, as a job: OPENED or UNOPENED                             */
	CC_DO_REPLY,    /* to the INVITE, re-INVITE or BYE at hand: status, warning       */
	CC_DO_RING,     /* 180, and ask the user                                         */
	CC_DO_ANSWER,   /* 200 with our session description, no key-mgmt in it           */
	CC_DO_REANSWER, /* 200 to a re-INVITE                                         */
	CC_DO_REKEY,    /* the new key is used from the peer's first packet under it; the old one 5 s more */
	CC_DO_WIPE,
	CC_ACTIONS
};

struct cc {
	enum cc_state state;
};

struct cc_actions {
	size_t n;
	enum cc_action do_[5];
	int status, warning; /* of CC_DO_REPLY */
	const char *reason;  /* of CC_DO_TELL; never NULL */
};

/* Returns the row that applied, or -1 if the event means nothing in this state. */
int cc_step(struct cc *m, const struct cc_event *ev, struct cc_actions *out);
extern const int cc_rows;

/* What to tell the caller's user about a final answer (flows 3.1 "tell the reason by code"). */
const char *cc_refusal_text(int status, int warning);

#endif
