/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key_download.h - key download, the server's side: a new CSK, or a MuSiK, goes to one client by SIP MESSAGE until the
 * client has said that it holds it (TS 24.379 7.3.7; TS 33.180 5.8; flows 2.1, sip 4.1, 4.3), as a pure machine.
 *
 * One machine per client and kind. Facts and the time come in events, what has to happen leaves as actions, in order.
 * Invariants: what a MESSAGE carries is durable before it leaves; a new CSK protects nothing before the change is
 * durable, and that change needs the client's word: a 200, or anything that verifies under the new key; while no word
 * came the old one stays in use and both open. Retries carry the same key in a new I_MESSAGE.
 */
#ifndef MCX_FLOW_KEY_DOWNLOAD_H
#define MCX_FLOW_KEY_DOWNLOAD_H

#include <stddef.h>
#include <stdint.h>

enum kd_kind { KD_CSK, KD_MUSIK };

/*
 * Why; it decides what happens when the client never takes it. CROSSED: an upload lost against our key (flows 0.4), so
 * that the two ends hold different ones until the client has taken this one.
 */
enum kd_reason { KD_AGE, KD_OPERATOR, KD_COMPROMISE, KD_SUITE, KD_CROSSED, KD_BEARER, KD_REASONS };

enum kd_state {
	KD_IDLE,
	KD_SAVING,   /* key and I_MESSAGE are being made, and made durable */
	KD_OUT,      /* the MESSAGE is with the client                     */
	KD_WAIT,     /* for t_kd                                           */
	KD_SETTLING, /* the client has it: the change is being made durable */
	KD_ENDING,   /* the pending key is being erased                    */
	KD_STATES
};

enum kd_event_kind {
	KD_EV_START,
	KD_EV_SAVED,
	KD_EV_SAVE_FAILED,
	KD_EV_SUPERSEDED,  /* the store found another CSK in its place, or an upload that wins was installed (flows 0.4)
			    */
	KD_EV_UPLOAD_LOST, /* an upload came that loses against this key: the client must hear of it now   */
	KD_EV_TAKEN,       /* 200                                                                          */
	KD_EV_REFUSED,     /* 488, 403 and whatever else is no matter of time                              */
	KD_EV_LATER,       /* 404, 480, no answer, 503, not sent                                           */
	KD_EV_BUSY,        /* 500: an upload of the client is on its way                                   */
	KD_EV_PROVED,      /* something verified under the new CSK: the answer was lost                    */
	KD_EV_TIMER,       /* due_ms was reached                                                           */
	KD_EV_SEEN,        /* the client, by a new connection                                              */
	KD_EV_SETTLED,
	KD_EV_SETTLE_FAILED,
	KD_EV_ENDED,   /* the pending key is gone from the store */
	KD_EV_RESTART, /* read back from the store               */
	KD_EVENTS
};

struct kd_event {
	enum kd_event_kind kind;
	int64_t now_ms;
	uint8_t jitter;         /* random, wherever a wait may follow */
	uint32_t retry_after_s; /* with BUSY and LATER; 0: none       */
	/* START */
	enum kd_kind what;
	enum kd_reason reason;
	int protected; /* confidentiality protection is on (6.6.2.3.1)                   */
	int has_csk;   /* the client uploaded one (7.3.7)                                */
	/* RESTART */
	uint8_t attempt;
};

enum kd_action {
	KD_DO_MAKE,   /* draw key, K-ID and RAND (MuSiK: take the common one), make the I_MESSAGE, save; audit      */
	KD_DO_REMAKE, /* the same key in a new I_MESSAGE with a later T, save                                       */
	KD_DO_SEND,   /* the MESSAGE                                                                                */
	KD_DO_RECALL, /* forget the MESSAGE that is out                                                             */
	KD_DO_SETTLE, /* durable: pending becomes current (CSK), or the client a holder (MuSiK); audit              */
	KD_DO_SWITCH, /* in memory: send with the new one, open with the old one for t_csk_grace                    */
	KD_DO_TIMER,  /* wake at due_ms                                                                             */
	KD_DO_ERASE,  /* durable: the pending key goes; then ENDED                                                  */
	KD_DO_ALARM,  /* tell the operator                                                                          */
	KD_DO_DROP,   /* drop the binding: the client meets 404/141 and uploads anew                                */
	KD_DO_AUDIT,  /* the client refused                                                                         */
	KD_DO_FORGET, /* nothing is pending any more                                                                */
	KD_ACTIONS
};

struct kd {
	enum kd_state state;
	enum kd_kind what;
	enum kd_reason reason;
	uint8_t attempt; /* t_kd that have passed */
	uint8_t busy;    /* 500s in a row         */
	uint8_t proved;  /* while it was saved    */
	uint8_t again;   /* send anew as soon as it is saved: an upload lost */
	int64_t due_ms;
};

struct kd_actions {
	size_t n;
	enum kd_action do_[4];
	const char *why; /* START that is refused: a sentence for the operator */
};

/* Returns the row that applied, or -1 if the event means nothing in this state. */
int kd_step(struct kd *m, const struct kd_event *ev, struct kd_actions *out);
extern const int kd_rows;

/* What a final answer to the MESSAGE means. */
enum kd_event_kind kd_answer(int status);
/* T of a new I_MESSAGE (flows 0.4): later than that of the CSK in use, whatever the clock says. TIME seconds. */
uint64_t kd_time(uint64_t now, uint64_t in_use);
const char *kd_reason_name(enum kd_reason r);

#endif
