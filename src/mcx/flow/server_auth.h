/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server_auth.h - service authorisation with CSK upload, the server's side of a REGISTER, the client's own or a SIP
 * core's third-party REGISTER, as a pure machine (TS 24.379 7.3.1, 7.3.1A; TS 33.180 5.4; flows 1.2, sip 2.5).
 *
 * One machine per client (IMPU, MCPTT client id). It owns no socket, clock, key or store: facts come in events, what
 * has to happen leaves as actions, in order. Invariants: a 200 never precedes the store's word that the change is
 * durable; a failure never touches a binding that existed; the removal of a binding is durable before its 200.
 */
#ifndef MCX_FLOW_SERVER_AUTH_H
#define MCX_FLOW_SERVER_AUTH_H

#include <stddef.h>
#include <stdint.h>

#include "mcsec/err.h"

enum sa_state {
	SA_NONE,     /* no binding                                        */
	SA_BOUND,    /* binding in force                                  */
	SA_CHECKING, /* I_MESSAGE and token are with a worker             */
	SA_STORING,  /* a binding, or its renewal, is being made durable  */
	SA_REMOVING, /* its removal is                                    */
	SA_STATES
};

enum sa_event_kind {
	SA_EV_REGISTER,
	SA_EV_BUSY,    /* no worker free                              */
	SA_EV_CHECKED, /* the worker's verdict                        */
	SA_EV_STORED,  /* the store's                                 */
	SA_EV_EXPIRED, /* of the binding                              */
	SA_EV_REVOKED, /* token or user revoked, or removed by an officer */
	SA_EVENTS
};

/* What the body of a REGISTER holds for this service. */
enum sa_body { SA_BODY_NONE, SA_BODY_BROKEN, SA_BODY_MC };
enum sa_stored { SA_STORED_OK, SA_STORED_REPLAY, SA_STORED_FAILED };

struct sa_event {
	enum sa_event_kind kind;

	/* SA_EV_REGISTER */
	int allowed;    /* the listener it came in by accepts REGISTER                                    */
	int proven;     /* the connection proves that the peer owns the IMPU                               */
	int contact;    /* a contact that makes sense with the expiry                                      */
	int tags;       /* the contact carries the service's feature tags                                  */
	int by_core;    /* a SIP core hands it on: third-party REGISTER                                    */
	int authorised; /* the binding there is has a CSK: it is not a registration alone                  */
	int64_t expires, min_expires;
	enum sa_body body;
	int mikey, token; /* there is an I_MESSAGE part; there is an access token                        */

	/* SA_EV_CHECKED */
	enum mcsec_err im; /* V-IM                                                                       */
	int xml_forged;    /* V-XML: a signature that is missing or does not hold                        */
	int xml_bad;       /* V-XML: something encrypted that does not open                              */
	int token_ok;      /* V-TOK with scope and MC service ID                                         */
	int same_id;       /* IDRi is the token's MC service ID                                          */
	int suite_ok;      /* V-ALG: selected one allowed, or another of the list that can be forced      */
	int csk_wins;      /* against the binding's CSK, sa_csk_wins                                      */

	/* SA_EV_STORED */
	enum sa_stored stored;
	int force; /* a suite is selected that is not allowed: a key download names another (mikey.md 8)  */
};

enum sa_action {
	SA_DO_REPLY,   /* status and warning of struct sa_actions                                        */
	SA_DO_CHECK,   /* V-IM, V-XML, V-TOK as one job                                                  */
	SA_DO_STORE,   /* binding with the new CSK, audit csk.upload and svc.auth, one transaction       */
	SA_DO_REFRESH, /* contact and expiry of the binding, its CSK stays                               */
	SA_DO_CONTACT, /* a registration without service authorisation                                   */
	SA_DO_REMOVE,  /* delete the binding, audit svc.deauth                                            */
	SA_DO_INSTALL, /* what was stored is in force from here on                                       */
	SA_DO_FORGET,  /* what was removed is gone from memory; calls of a revoked client end             */
	SA_DO_FORCE,   /* key download with a suite of the server's choice                               */
	SA_DO_AUDIT,   /* a refusal: type of struct sa_actions                                           */
	SA_ACTIONS
};

struct sa {
	enum sa_state state, before; /* before: where a failure goes back to, SA_NONE or SA_BOUND */
};

struct sa_actions {
	size_t n;
	enum sa_action do_[4];
	int status, warning; /* of SA_DO_REPLY; 200 carries none */
	const char *audit;   /* of SA_DO_AUDIT */
};

/* Returns the row that applied, or -1 if the event means nothing in this state. */
int sa_step(struct sa *m, const struct sa_event *ev, struct sa_actions *out);
extern const int sa_rows;

/*
 * Which of two CSKs wins (flows 0.4): the later T, then the larger CSK-ID. Both ends compute the same. A side without
 * a CSK has had == 0. Times are NTP 64-bit as on the wire, of one era.
 */
int sa_csk_wins(uint64_t t_new, uint32_t id_new, int had, uint64_t t_old, uint32_t id_old);

/* The answer to a request whose I_MESSAGE did not open, and the name for the record (flows 0.2). */
struct sa_im_answer {
	int status, warning;
	const char *audit;
};
struct sa_im_answer sa_im_answer(enum mcsec_err e);

#endif
