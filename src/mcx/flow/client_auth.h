/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_auth.h - service authorisation with CSK upload, the client's side, as a pure machine (TS 24.379 7.2.1, 7.2.1A;
 * flows 1.1).
 *
 * One machine a service. Clock, keys and sockets stay outside: facts and the time come in events, what has to happen
 * leaves as actions, in order. Invariants: no upload leaves before its CSK-ID is durable; a CSK in use is replaced only
 * by an accepted one; repairs are bounded, so that a broken server never makes a client loop.
 */
#ifndef MCX_FLOW_CLIENT_AUTH_H
#define MCX_FLOW_CLIENT_AUTH_H

#include <stddef.h>
#include <stdint.h>

enum ca_state {
	CA_OFF,
	CA_KEYS,       /* token or identity keys are missing          */
	CA_UPLOAD,     /* a CSK is on its way                         */
	CA_UNSURE,     /* a SIP core said 200 to REGISTER: no proof    */
	CA_AUTHORISED, /* the CSK is in use                           */
	CA_RENEWING,   /* authorised, and a new CSK is on its way      */
	CA_STATES
};

enum ca_event_kind {
	CA_EV_START,
	CA_EV_READY, /* token and key set are there                                  */
	CA_EV_NOT_READY,
	CA_EV_ACCEPTED,     /* 200 by the server itself: to PUBLISH, or to REGISTER where it is the registrar */
	CA_EV_REGISTERED,   /* 200 to REGISTER by a SIP core                           */
	CA_EV_PROVED,       /* 2xx to a protected request, or a valid key download      */
	CA_EV_UNKNOWN_USER, /* 404/141                                               */
	CA_EV_UNAUTHORISED, /* 403/101                                               */
	CA_EV_UNREADABLE,   /* 403/139, 403/140                                      */
	CA_EV_MIKEY,        /* 488/136                                               */
	CA_EV_NO_SUITE,     /* 403/100                                               */
	CA_EV_REDIRECTED,   /* 488 with a KMS redirect, or one as MESSAGE: it is being judged  */
	CA_EV_CHOSEN,       /* another KMS is to be tried, with a new CSK                    */
	CA_EV_EXHAUSTED,    /* there is none                                                */
	CA_EV_REFUSED,      /* any other 3xx to 6xx                                  */
	CA_EV_LATER,        /* 503, no answer, transport                              */
	CA_EV_TIMER,        /* due_ms was reached: t_renew or t_reauth               */
	CA_EV_SIP_LOST,     /* the SIP registration is gone                          */
	CA_EV_LOG_OFF,
	CA_EVENTS
};

struct ca_event {
	enum ca_event_kind kind;
	int64_t now_ms;
	uint32_t expires_s;     /* of the registration, with ACCEPTED and REGISTERED  */
	uint32_t token_s;       /* what is left of the token's life, with the same    */
	uint32_t retry_after_s; /* with LATER; 0: none                                */
	uint8_t jitter;         /* random, with LATER                                 */
	uint8_t alone;          /* with REFUSED: a PUBLISH without a REGISTER before it */
};

enum ca_action {
	CA_DO_FETCH,        /* token and key set, where missing                       */
	CA_DO_NEW_TOKEN,    /* then READY or NOT_READY                                */
	CA_DO_REFRESH_KEYS, /* key set and certificate anew, then READY or NOT_READY  */
	CA_DO_MAKE,         /* CSK, CSK-ID, I_MESSAGE; CSK-ID and T durable           */
	CA_DO_SEND,         /* the upload: by PUBLISH while `repairing` is set, if it can; else as configured */
	CA_DO_INSTALL,      /* the uploaded CSK is the one in use; wipe the old one   */
	CA_DO_TIMER,        /* wake at due_ms                                        */
	CA_DO_WIPE_NEW,     /* the CSK that was not accepted                          */
	CA_DO_WIPE,         /* every CSK                                             */
	CA_DO_LOG_OFF,      /* REGISTER or PUBLISH with Expires 0                     */
	CA_DO_TELL,         /* the user: why it does not go on                        */
	CA_ACTIONS
};

struct ca {
	enum ca_state state;
	uint8_t tries;                         /* answers without a verdict in a row                   */
	uint8_t token_renewed, keys_refreshed; /* once each                            */
	uint8_t repairs;                       /* since repairs_from_ms                                */
	uint8_t repairing; /* the server lost or cannot read what we uploaded: its own word is wanted, not a core's */
	int64_t repairs_from_ms;
	int64_t due_ms; /* absolute; set with CA_DO_TIMER                               */
};

struct ca_actions {
	size_t n;
	enum ca_action do_[4];
};

/* Returns the row that applied, or -1 if the event means nothing in this state. */
int ca_step(struct ca *m, const struct ca_event *ev, struct ca_actions *out);
extern const int ca_rows;

#endif
