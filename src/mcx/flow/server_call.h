/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server_call.h - a private call at the server, as a pure machine: originating, controlling and terminating function
 * in one (TS 24.379 11.1.1; flows 3.2, sip 6.3).
 *
 * The server stands between two dialogs, A (caller) and B (callee), and is stateless towards keys: it never opens an
 * I_MESSAGE. Facts come in events, what has to happen leaves as actions, in order. Invariants: the call is durable
 * before the caller hears 200; a relay forwards only between two answered ends; a callee that answered is always sent
 * a BYE when the caller can no longer be told.
 */
#ifndef MCX_FLOW_SERVER_CALL_H
#define MCX_FLOW_SERVER_CALL_H

#include <stddef.h>

enum sc_state {
	SC_NEW,
	SC_CALLING,    /* INVITE is with the callee                              */
	SC_CANCELLING, /* the caller was answered, the callee's final one is due */
	SC_STORING,    /* the callee answered; the call is being made durable    */
	SC_UP,
	SC_REFRESH, /* a re-INVITE of one end is with the other               */
	SC_ENDING,  /* BYE is with one end or both                            */
	SC_DONE,
	SC_STATES
};

enum sc_event_kind {
	SC_EV_INVITE,
	SC_EV_NO_PORTS,    /* the relay has none left                           */
	SC_EV_UNSENT,      /* no INVITE could be made to the callee              */
	SC_EV_RINGING,     /* 18x of the callee                                 */
	SC_EV_ANSWER,      /* 2xx with a session description we can relay       */
	SC_EV_BAD_ANSWER,  /* 2xx without one                                   */
	SC_EV_REFUSED,     /* 3xx to 6xx from the callee                        */
	SC_EV_UNREACHABLE, /* no answer: transport, time-out                    */
	SC_EV_CANCEL,      /* of the caller                                     */
	SC_EV_RING_TIME,   /* t_ring                                            */
	SC_EV_STORED,
	SC_EV_STORE_FAILED,
	SC_EV_UNACKED, /* the caller did not acknowledge our 200 in time    */
	SC_EV_BYE_A,
	SC_EV_BYE_B,
	SC_EV_REINVITE,        /* of either end                                     */
	SC_EV_REFRESHED,       /* 2xx of the other end                              */
	SC_EV_REFRESH_REFUSED, /* or anything else                                  */
	SC_EV_SILENT,          /* no media and no control for the time allowed      */
	SC_EV_REVOKED,         /* the binding of one end is gone                    */
	SC_EV_RESTART,         /* read back from the store                          */
	SC_EV_ENDED,           /* no BYE is outstanding any more                    */
	SC_EVENTS
};

/* Commencement asked for (Answer-Mode). */
enum sc_mode { SC_MODE_ANY, SC_MODE_AUTOMATIC, SC_MODE_MANUAL };
/* The domain's rule on end-to-end protection. */
enum sc_protection { SC_PROTECTION_REQUIRED, SC_PROTECTION_ALLOWED, SC_PROTECTION_FORBIDDEN };

/* What the XML protection says of the body. */
enum sc_xml { SC_XML_PASSED, SC_XML_FORGED, SC_XML_UNDECRYPTABLE, SC_XML_REPLAY };

struct sc_event {
	enum sc_event_kind kind;

	/* SC_EV_INVITE, in the order they are looked at */
	int bound;        /* V-BIND: the peer is a client we know                            */
	enum sc_xml xml;  /* V-XML under the key of that client                              */
	int held;         /* the key it stands under waits for the one of a key download (mikey.md 8) */
	int readable;     /* body, info part and session description                         */
	int same_client;  /* the client id inside is the binding's                           */
	int private_call; /* session-type private                                            */
	size_t n_targets;
	int may_call, may_automatic, may_manual;
	enum sc_mode mode;
	enum sc_protection protection;
	int key_mgmt, im_ok; /* there is an I_MESSAGE; its syntax and purpose tag are right     */
	int controlling;     /* we are the controlling function for it                           */
	int below_max;       /* private calls of the caller                                      */
	int callee_known, callee_callable, callee_settings;
	int kms_refused; /* the callee is not of the KMS that the call's key is for, or the caller's is not let in */
	int media_ok;    /* lines we can relay, and the caller's own address                   */
};

enum sc_action {
	SC_DO_REPLY, /* to the caller's INVITE, or to the BYE or re-INVITE at hand: status, warning */
	SC_DO_RELAY, /* ports for each media line                                        */
	SC_DO_INVITE_B,
	SC_DO_RING_TIMER,
	SC_DO_FORWARD_RINGING,
	SC_DO_FORWARD_FINAL, /* code, Warning and body of the callee, unchanged              */
	SC_DO_STORE,         /* dialogs and call.start, one transaction                      */
	SC_DO_ANSWER_A,      /* 200 with the rewritten answer; the relay forwards from here  */
	SC_DO_CANCEL_B,
	SC_DO_BYE_A,
	SC_DO_BYE_B,
	SC_DO_REPLY_BYE, /* 200 */
	SC_DO_FORWARD_REINVITE,
	SC_DO_FORWARD_REFRESH, /* the other end's final answer                                 */
	SC_DO_CLOSE_RELAY,
	SC_DO_ERASE, /* delete the stored call, call.end, one transaction            */
	SC_DO_AUDIT, /* a refusal: type of struct sc_actions                         */
	SC_DO_FREE,  /* the machine is over                                          */
	SC_ACTIONS
};

struct sc {
	enum sc_state state;
};

struct sc_actions {
	size_t n;
	enum sc_action do_[6];
	int status, warning;
	const char *reason; /* for call.end, or the text after warning 100 */
	const char *audit;
};

int sc_step(struct sc *m, const struct sc_event *ev, struct sc_actions *out);
extern const int sc_rows;

#endif
