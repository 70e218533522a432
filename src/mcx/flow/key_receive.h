/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key_receive.h - key download, the client's side: what becomes of a SIP MESSAGE with a CSK or a MuSiK (TS 24.379
 * 7.2.5; TS 33.180 5.8; flows 2.2, sip 4.2, 4.3), as a pure machine.
 *
 * One machine a message; what the client holds comes in the event, as it is at that moment. Invariants: nothing changes
 * unless the I_MESSAGE has passed every check; the new CSK is durable and the old one discarded before the 200 leaves;
 * a CSK never replaces a later one (flows 0.4); a MuSiK never replaces anything.
 */
#ifndef MCX_FLOW_KEY_RECEIVE_H
#define MCX_FLOW_KEY_RECEIVE_H

#include <stddef.h>
#include <stdint.h>

#include "mcsec/err.h"

enum kr_state { KR_NEW, KR_CHECKING, KR_STORING, KR_DONE, KR_STATES };

enum kr_event_kind {
	KR_EV_MESSAGE, /* of the kind CSK download or MuSiK download (message_kind.h) */
	KR_EV_CHECKED, /* V-IM has ended                                             */
	KR_EV_STORED,
	KR_EV_STORE_FAILED,
	KR_EVENTS
};

struct kr_event {
	enum kr_event_kind kind;
	/* MESSAGE */
	int from_server; /* P-Asserted-Identity is absent or the serving function's PSI */
	/* CHECKED */
	enum mcsec_err im;
	int musik;     /* else a CSK                                                */
	int uploading; /* a CSK of our own is on its way                            */
	int suite_ok;  /* V-ALG: of our own list, and the one it is built with      */
	int same_id;   /* we hold a key of this K-ID                                */
	int same_key;  /* ... and it is the same                                    */
	int wins;      /* against the CSK in use, sa_csk_wins                       */
};

enum kr_action {
	KR_DO_CHECK,   /* V-IM as a job                                                  */
	KR_DO_STORE,   /* durable: key or T and K-ID, and the message in the replay memory */
	KR_DO_DISCARD, /* wipe the old CSK, both directions                              */
	KR_DO_INSTALL, /* the new key is in use                                          */
	KR_DO_RENEW,   /* no CSK is left: upload one                                     */
	KR_DO_REPLY,
	KR_DO_TELL, /* the log: `audit` of struct kr_actions                          */
	KR_ACTIONS
};

struct kr {
	enum kr_state state;
	int install; /* CSK or MuSiK is new: not just seen again */
	int musik;
};

struct kr_actions {
	size_t n;
	enum kr_action do_[5];
	int status, warning, retry_after_s; /* of KR_DO_REPLY */
	const char *audit;                  /* of KR_DO_TELL  */
};

/* Returns the row that applied, or -1 if the event means nothing in this state. */
int kr_step(struct kr *m, const struct kr_event *ev, struct kr_actions *out);
extern const int kr_rows;

#endif
