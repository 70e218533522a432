/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kms_provision.h - how a client gets its identity keys and keeps them current, as a pure machine (TS 33.180 5.3.3;
 * kms.md 3.4, 8.1, 8.2). One machine for each (KMS URI, identity).
 *
 * Clock, randomness, token, keys and sockets stay outside: facts and the time come in events, what has to happen leaves
 * as actions, in order. No allocation, no I/O; a machine is about a hundred octets, the policy is shared.
 * Invariants: at most one request is on its way; a key set that is held is never asked for again; nothing is asked
 * before the back-off has run out; after 403 nothing before a new token; the moment for the next period is drawn once a
 * period for each user, so that a domain's users spread over the window. Whatever the clock does, forward or back, the
 * next event settles by the time it carries; an event that comes early or twice does no harm.
 */
#ifndef MCX_FLOW_KMS_PROVISION_H
#define MCX_FLOW_KMS_PROVISION_H

#include <stddef.h>

#include "mcsec/uid.h"

enum kp_state {
	KP_OFF,
	KP_NO_CERT,
	KP_CERT,       /* no key set for the current period: must not sign or decrypt     */
	KP_READY,      /* READY(n)                                                        */
	KP_READY_NEXT, /* READY(n, n+1)                                                   */
	KP_BLOCKED,    /* certificate or keys revoked, device wiped: until START          */
	KP_STATES
};

enum kp_event_kind {
	KP_EV_START,       /* what the store holds: has_cert, periods, newest and held, cache_num     */
	KP_EV_TIMER,       /* `due` was reached, or the clock was set                                 */
	KP_EV_TOKEN,       /* there is a new token: asked for or not                                  */
	KP_EV_INIT_OK,     /* the certificate was checked and is stored; periods                      */
	KP_EV_KEYS_OK,     /* key sets were checked and are stored; newest and held: these            */
	KP_EV_CACHE_OK,    /* the certificate cache is stored; cache_num                              */
	KP_EV_FAILED,      /* what was asked for did not come; why, retry_after_s                     */
	KP_EV_UNKNOWN_KMS, /* a KMS URI appeared that we hold no certificate of                       */
	KP_EV_DROPPED,     /* the key set of period `newest` was found bad or revoked and is wiped    */
	KP_EV_WIPED,       /* the device was wiped                                                   */
	KP_EVENTS
};

/* Why something failed: the rows of kms.md 8.2. */
enum kp_why {
	KP_WHY_UNREACHABLE, /* no answer                        */
	KP_WHY_LATER,       /* 429, 5xx                         */
	KP_WHY_TOKEN,       /* 401; or a refresh that failed    */
	KP_WHY_REFUSED,     /* 403                              */
	KP_WHY_REJECTED,    /* 400, 404, 409, other 4xx         */
	KP_WHY_BAD_ANSWER,  /* 200, but it did not pass         */
	KP_WHY_REVOKED,     /* our certificate or key set is revoked */
	KP_WHYS
};

struct kp_event {
	enum kp_event_kind kind;
	uint64_t now;                 /* TIME seconds                                                           */
	uint32_t random;              /* uniform; of every event                                                */
	uint64_t newest;              /* highest period of the sets; with START, KEYS_OK, DROPPED                */
	uint32_t held;                /* bit k: the set of period newest - k is there; 0: none                   */
	int has_cert;                 /* START                                                                  */
	struct mcsec_periods periods; /* START with has_cert, INIT_OK: of the certificate            */
	int64_t cache_num;            /* START, CACHE_OK; -1: none                                   */
	enum kp_why why;
	uint32_t retry_after_s; /* with LATER; 0: none                                               */
	uint64_t server_time;   /* Time of the KMS's answer, TIME seconds; 0: none                    */
};

enum kp_action_kind {
	KP_DO_NEW_TOKEN,    /* refresh it; then TOKEN or FAILED                                       */
	KP_DO_INIT,         /* then INIT_OK or FAILED                                                 */
	KP_DO_KEYS,         /* keyprov, plain; then KEYS_OK or FAILED                                 */
	KP_DO_KEYS_AT,      /* keyprov for the period `arg`; then the same                            */
	KP_DO_CACHE,        /* certcache with cache_num; then CACHE_OK or FAILED                      */
	KP_DO_NEXT_ADDRESS, /* of the configured addresses of the KMS: use the next one               */
	KP_DO_TELL_READY,   /* keys of the current period are there                                   */
	KP_DO_TELL_EXPIRED, /* event keys_expired: none are; no signing, no decrypting                */
	KP_DO_TELL_REFUSED, /* the KMS does not go on with us: for the user; arg: enum kp_why          */
	KP_DO_TELL_CLOCK,   /* our clock and the KMS's differ by `arg` seconds                        */
	KP_DO_DROP,         /* wipe the key sets of periods below `arg`                               */
	KP_DO_WIPE,         /* wipe every key set                                                     */
	KP_DO_TIMER,        /* wake at TIME `arg` (`due`)                                             */
	KP_ACTIONS
};

struct kp_actions {
	size_t n;
	struct {
		enum kp_action_kind kind;
		uint64_t arg;
	} do_[8];
};

/* Of the operator and the device; shared by all machines. */
struct kp_policy {
	uint64_t window;        /* W: seconds before a period's end in which the next set is fetched; 0: at the edge  */
	uint32_t retain;        /* past periods whose sets are kept, at most 30                              */
	uint64_t cache_every;   /* seconds between two looks at the certificate cache                        */
	uint64_t patience;      /* seconds until something that was rejected is tried anew                   */
	uint64_t skew_tell;     /* difference of the clocks that is told                                     */
	uint64_t unknown_every; /* negative cache: seconds between two looks for an unknown KMS              */
};
extern const struct kp_policy kp_policy_default; /* 7 days, 3, 1 day, 1 day, 10 s, 10 min */

enum kp_asking { KP_ASK_NONE, KP_ASK_TOKEN, KP_ASK_INIT, KP_ASK_KEYS, KP_ASK_CACHE };

struct kp {
	enum kp_state state;
	uint8_t asking;      /* enum kp_asking: what is on its way                             */
	uint8_t tries;       /* failures in a row                                              */
	uint8_t bad_answers; /* of them answers that did not pass, in a row                    */
	uint8_t token;       /* for the request at hand: 0 as it is, 1 a new one is wanted, 2 renewed */
	uint8_t need_token;  /* 403, or 401 twice: nothing before a new token                  */
	uint8_t has_cert;
	uint8_t init_done;    /* the certificate was looked at in this period                   */
	uint8_t told;         /* of our keys: 0 nothing, 1 ready, 2 expired                     */
	uint8_t clock_told;   /* that it differs                                                */
	uint8_t cache_wanted; /* for a KMS that is not known                                    */
	uint32_t held;        /* bit k: the set of period newest - k                            */
	uint64_t newest;
	struct mcsec_periods periods;
	uint64_t current;               /* period of the last event                                     */
	uint64_t fetch_at, fetch_for;   /* the moment drawn for fetching period fetch_for               */
	uint64_t not_before;            /* back-off                                                     */
	uint64_t cache_at, cache_asked; /* next look; the last one                                      */
	uint64_t due;                   /* of the timer that was asked for                              */
	int64_t cache_num;
};

void kp_step(struct kp *m, const struct kp_policy *p, const struct kp_event *ev, struct kp_actions *out);
/* Is the set of this period held? */
int kp_holds(const struct kp *m, uint64_t period);

#endif
