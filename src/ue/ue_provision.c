/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ue_provision.c - identity keys and certificates kept current in the background: the machine of mcx/flow decides, this
 * thread carries out (kms.md 3.4, 8.1, 8.2, 11.4).
 *
 * The machine lives on this thread alone; others poke it. It is told of each answer's time, so that a wrong clock is
 * noticed, and of what the folder holds after each change, so that it never believes in a key set that does not pass.
 */
#include <stdio.h>
#include <stdlib.h>

#include "mcsec/secret.h"
#include "ue/engine.h"

enum { LOOK_EVERY_S = 60, CACHE_ROOM = 256 };

struct ue_provision {
	struct ue *u;
	pthread_t thread;
	pthread_cond_t wake;
	unsigned pokes; /* under ue->lock */
	int ends;       /* under ue->lock */
	struct kp machine;
	uint64_t due;      /* TIME; UINT64_MAX: none */
	char trouble[256]; /* of the last failure */
};

static struct kp_event event(enum kp_event_kind kind)
{
	struct kp_event ev = {.kind = kind, .now = ue_time_now()};
	(void)ue_random(&ev.random, sizeof ev.random); /* without it all waits are the shortest */
	return ev;
}

/* ---- what is held ---------------------------------------------------------------------------------------------- */

static void describe(const struct ue_ring *ring, struct kp_event *ev)
{
	ev->cache_num = ring ? ring->cache_num : -1;
	ev->has_cert = ring != NULL;
	if (!ring)
		return;
	ev->periods = ring->home.cert.periods;
	for (size_t i = 0; i < ring->n_keys; i++)
		if (ring->keys[i].set.period_no > ev->newest)
			ev->newest = ring->keys[i].set.period_no;
	for (size_t i = 0; i < ring->n_keys; i++)
		if (ev->newest - ring->keys[i].set.period_no < 32)
			ev->held |= UINT32_C(1) << (ev->newest - ring->keys[i].set.period_no);
}

static void describe_held(struct ue *u, struct kp_event *ev)
{
	struct ue_ring *ring = ue_ring_ref(u);
	describe(ring, ev);
	ue_ring_unref(u, ring);
}

/* ---- requests: each makes the event that follows ---------------------------------------------------------------- */

static struct kp_event failed(struct ue_provision *p, enum kp_why why, const char *detail)
{
	struct kp_event ev = event(KP_EV_FAILED);
	ev.why = why;
	snprintf(p->trouble, sizeof p->trouble, "%s", detail);
	return ev;
}

static struct kp_event not_done(struct ue_provision *p, const struct kms_result *r)
{
	static const enum kp_why why[] = {
	    [KMS_UNREACHABLE] = KP_WHY_UNREACHABLE, [KMS_LATER] = KP_WHY_LATER,        [KMS_TOKEN] = KP_WHY_TOKEN,
	    [KMS_REFUSED] = KP_WHY_REFUSED,         [KMS_NOT_THERE] = KP_WHY_REJECTED, [KMS_REJECTED] = KP_WHY_REJECTED,
	    [KMS_BAD_ANSWER] = KP_WHY_BAD_ANSWER,   [KMS_REVOKED] = KP_WHY_REVOKED};
	struct kp_event ev = failed(p, why[r->outcome], r->detail);
	ev.retry_after_s = r->retry_after_s;
	return ev;
}

static struct kp_event kept(struct ue_provision *p, int rc, enum kp_event_kind kind)
{
	struct kp_event ev = rc ? failed(p, KP_WHY_LATER, "what the KMS gave could not be kept") : event(kind);
	describe_held(p->u, &ev);
	return ev;
}

/* One request under way: with whose token, over which connection. */
struct errand {
	struct ue_provision *p;
	struct kms_client *c;
	const struct signin_tokens *t;
	uint64_t arg;
	struct kms_result r;
};

static struct kp_event fetch_certificate(struct errand *e)
{
	struct ue *u = e->p->u;
	struct kms_domain home = {0};
	if (!kms_client_init(e->c, e->t->access, e->t->mcptt_id, ue_unix_now(), &home, &e->r))
		return not_done(e->p, &e->r);
	int rc = ue_ring_keep_home(u, &home) || ue_ring_load(u);
	kms_domain_free(&home);
	return kept(e->p, rc, KP_EV_INIT_OK);
}

static struct kp_event fetch_sets(struct errand *e, int64_t at)
{
	struct ue *u = e->p->u;
	int64_t began = ue_clock_ms();
	struct ue_ring *ring = ue_ring_ref(u);
	struct kms_keys *keys = calloc(UE_MAX_KEYS, sizeof *keys);
	const char *const mine[] = {e->t->mcptt_id};
	size_t n = UE_MAX_KEYS;
	struct kp_event ev;
	if (!ring || !keys) {
		ev = failed(e->p, KP_WHY_LATER, "no memory");
	} else if (!kms_client_keyprov(e->c, e->t->access, e->t->mcptt_id, e->t->mcptt_id, at, ue_unix_now(),
				       &ring->home, mine, 1, keys, &n, &e->r)) {
		ev = not_done(e->p, &e->r);
	} else {
		ev = kept(e->p, ue_ring_keep_sets(u, keys, n) || ue_ring_load(u), KP_EV_KEYS_OK);
		kms_keys_free(keys, n);
		if (ev.kind == KP_EV_KEYS_OK)
			ue_emit(u, UE_EV_KEYS, began, NULL, e->t->mcptt_id, 0, "keys for %s from %s, up to period %llu",
				e->t->mcptt_id, u->c.kms_uri, (unsigned long long)ev.newest);
	}
	free(keys);
	ue_ring_unref(u, ring);
	return ev;
}

static struct kp_event fetch_keys(struct errand *e)
{
	return fetch_sets(e, KMS_NO_TIME);
}

static struct kp_event fetch_keys_at(struct errand *e)
{
	return fetch_sets(e, (int64_t)(mcsec_period_start(&e->p->machine.periods, e->arg) - MCSEC_NTP_UNIX));
}

/* The number alone says that what we hold is current. */
static struct kp_event fetch_cache(struct errand *e)
{
	struct ue *u = e->p->u;
	int64_t known = (int64_t)e->arg, num = -1;
	size_t n = CACHE_ROOM;
	struct kms_domain *external = calloc(n, sizeof *external);
	if (!external)
		return failed(e->p, KP_WHY_LATER, "no memory");
	if (!kms_client_certcache(e->c, e->t->access, e->t->mcptt_id, known, ue_unix_now(), external, &n, &num,
				  &e->r)) {
		free(external);
		return not_done(e->p, &e->r);
	}
	int rc = num != known && (ue_ring_keep_cache(u, num, external, n) || ue_ring_load(u));
	for (size_t i = 0; i < n; i++)
		kms_domain_free(&external[i]);
	free(external);
	struct kp_event ev = kept(e->p, rc, KP_EV_CACHE_OK);
	ev.cache_num = num;
	return ev;
}

/* kms_lock held. */
static struct kp_event run_errand(struct ue_provision *p, struct kp_event (*request)(struct errand *e), uint64_t arg,
				  struct signin_tokens *t)
{
	struct ue *u = p->u;
	struct ue_report r = {0};
	enum ue_status s = ue_token_fresh(u, 0, &r);
	if (s)
		return failed(p, s == UE_UNREACHABLE || s == UE_INTERNAL ? KP_WHY_LATER : KP_WHY_TOKEN, r.text);
	pthread_mutex_lock(&u->lock);
	*t = *u->tokens;
	pthread_mutex_unlock(&u->lock);
	struct errand e = {.p = p, .c = ue_kms_client(u), .t = t, .arg = arg, .r = {.kms_time = KMS_NO_TIME}};
	if (!e.c)
		return failed(p, KP_WHY_UNREACHABLE, "the trust anchors cannot be read");
	struct kp_event ev = request(&e);
	kms_client_free(e.c);
	if (e.r.status && e.r.kms_time != KMS_NO_TIME)
		ev.server_time = (uint64_t)e.r.kms_time + MCSEC_NTP_UNIX;
	return ev;
}

static struct kp_event ask(struct ue_provision *p, struct kp_event (*request)(struct errand *e), uint64_t arg)
{
	struct signin_tokens *t = signin_tokens_new();
	if (!t)
		return failed(p, KP_WHY_LATER, "no memory");
	pthread_mutex_lock(&p->u->kms_lock);
	struct kp_event ev = run_errand(p, request, arg, t);
	pthread_mutex_unlock(&p->u->kms_lock);
	signin_tokens_free(t);
	return ev;
}

static struct kp_event renew_token(struct ue_provision *p)
{
	struct ue_report r = {0};
	enum ue_status s = ue_token_fresh(p->u, 1, &r);
	return s ? failed(p, s == UE_UNREACHABLE || s == UE_INTERNAL ? KP_WHY_LATER : KP_WHY_TOKEN, r.text)
		 : event(KP_EV_TOKEN);
}

/* ---- the machine ------------------------------------------------------------------------------------------------ */

static void tell(struct ue_provision *p, enum kp_action_kind kind, uint64_t arg)
{
	struct ue *u = p->u;
	int64_t now = ue_clock_ms();
	if (kind == KP_DO_TELL_EXPIRED)
		ue_emit(u, UE_EV_KEYS_EXPIRED, now, NULL, u->own_id, 0, "no identity keys for period %llu",
			(unsigned long long)arg);
	else if (kind == KP_DO_TELL_REFUSED)
		ue_emit(u, UE_EV_ALARM, now, NULL, u->own_id, 0, "identity keys: %s", p->trouble);
	else if (kind == KP_DO_TELL_CLOCK)
		ue_emit(u, UE_EV_ALARM, now, NULL, u->own_id, 0, "our clock and the KMS's are %llu s apart",
			(unsigned long long)arg);
}

static void drop_below(struct ue_provision *p, uint64_t period)
{
	pthread_mutex_lock(&p->u->kms_lock);
	if (!ue_ring_drop_below(p->u, period))
		(void)ue_ring_load(p->u);
	pthread_mutex_unlock(&p->u->kms_lock);
}

static void next_address(struct ue_provision *p)
{
	pthread_mutex_lock(&p->u->kms_lock);
	p->u->kms_turn++;
	pthread_mutex_unlock(&p->u->kms_lock);
}

static void wipe(struct ue_provision *p)
{
	pthread_mutex_lock(&p->u->kms_lock);
	(void)ue_ring_wipe(p->u);
	pthread_mutex_unlock(&p->u->kms_lock);
}

/* At most one action is a request: 1 and the event that follows from it. */
static int carry_out(struct ue_provision *p, const struct kp_actions *a, struct kp_event *next)
{
	static struct kp_event (*const requests[KP_ACTIONS])(struct errand *) = {
	    [KP_DO_INIT] = fetch_certificate,
	    [KP_DO_KEYS] = fetch_keys,
	    [KP_DO_KEYS_AT] = fetch_keys_at,
	    [KP_DO_CACHE] = fetch_cache,
	};
	int follows = 0;
	for (size_t i = 0; i < a->n; i++) {
		enum kp_action_kind kind = a->do_[i].kind;
		uint64_t arg = a->do_[i].arg;
		if (kind == KP_DO_TIMER)
			p->due = arg;
		else if (kind == KP_DO_DROP)
			drop_below(p, arg);
		else if (kind == KP_DO_WIPE)
			wipe(p);
		else if (kind == KP_DO_NEXT_ADDRESS)
			next_address(p);
		else
			tell(p, kind, arg);
		if (requests[kind] || kind == KP_DO_NEW_TOKEN) {
			*next = requests[kind] ? ask(p, requests[kind], arg) : renew_token(p);
			follows = 1;
		}
	}
	return follows;
}

static int is_ending(struct ue_provision *p)
{
	pthread_mutex_lock(&p->u->lock);
	int ends = p->ends;
	pthread_mutex_unlock(&p->u->lock);
	return ends;
}

static void feed(struct ue_provision *p, struct kp_event ev)
{
	struct kp_actions a;
	do
		kp_step(&p->machine, &p->u->key_policy, &ev, &a);
	while (carry_out(p, &a, &ev) && !is_ending(p));
}

/* Sets that no longer pass under the certificate of now are not held, whatever the machine believes. */
static void forget_lost(struct ue_provision *p)
{
	struct kp_event have = {0};
	describe_held(p->u, &have);
	for (unsigned k = 0; k < 32 && p->machine.newest >= k; k++) {
		uint64_t period = p->machine.newest - k;
		int held =
		    period <= have.newest && have.newest - period < 32 && (have.held >> (have.newest - period) & 1);
		if (!kp_holds(&p->machine, period) || held)
			continue;
		struct kp_event ev = event(KP_EV_DROPPED);
		ev.newest = period;
		feed(p, ev);
	}
}

static void start_anew(struct ue_provision *p)
{
	struct kp_event ev = event(KP_EV_START);
	describe_held(p->u, &ev);
	feed(p, ev);
}

static void look(struct ue_provision *p, unsigned pokes)
{
	if ((pokes & UE_POKE_TOKEN) && p->machine.state == KP_BLOCKED)
		start_anew(p); /* signed in anew: whoever was revoked may have been taken back */
	else if (pokes & UE_POKE_TOKEN)
		feed(p, event(KP_EV_TOKEN));
	if (pokes & UE_POKE_FETCHED) {
		struct kp_event ev = event(KP_EV_INIT_OK);
		describe_held(p->u, &ev);
		feed(p, ev);
		ev = event(KP_EV_KEYS_OK);
		describe_held(p->u, &ev);
		feed(p, ev);
	}
	if (pokes & UE_POKE_UNKNOWN_KMS)
		feed(p, event(KP_EV_UNKNOWN_KMS));
	feed(p, event(KP_EV_TIMER));
	forget_lost(p);
}

/* ---- the thread ------------------------------------------------------------------------------------------------- */

/* Until something is due, or the clock may have been set. Lock held. */
static void sleep_a_while(struct ue_provision *p)
{
	struct timespec until;
	uint64_t now = ue_time_now(), left = p->due > now ? p->due - now : 0;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += left < LOOK_EVERY_S ? (time_t)left : LOOK_EVERY_S;
	if (!p->ends && !p->pokes && left)
		pthread_cond_timedwait(&p->wake, &p->u->lock, &until);
}

static void *run(void *arg)
{
	struct ue_provision *p = arg;
	struct ue *u = p->u;
	start_anew(p);
	pthread_mutex_lock(&u->lock);
	while (!p->ends) {
		sleep_a_while(p);
		unsigned pokes = p->pokes;
		p->pokes = 0;
		if (p->due <= ue_time_now())
			p->due = UINT64_MAX; /* it is spent: the machine says when to come again */
		pthread_mutex_unlock(&u->lock);
		look(p, pokes);
		pthread_mutex_lock(&u->lock);
	}
	pthread_mutex_unlock(&u->lock);
	return NULL;
}

int ue_keep_keys(struct ue *u)
{
	pthread_condattr_t steady;
	if (u->provision)
		return 0;
	struct ue_provision *p = calloc(1, sizeof *p);
	if (!p)
		return -1;
	p->u = u;
	p->due = UINT64_MAX;
	pthread_condattr_init(&steady);
	pthread_condattr_setclock(&steady, CLOCK_MONOTONIC);
	pthread_cond_init(&p->wake, &steady);
	pthread_condattr_destroy(&steady);
	if (pthread_create(&p->thread, NULL, run, p)) {
		pthread_cond_destroy(&p->wake);
		free(p);
		return -1;
	}
	pthread_mutex_lock(&u->lock);
	u->provision = p;
	pthread_mutex_unlock(&u->lock);
	return 0;
}

void ue_provision_poke(struct ue *u, enum ue_poke what)
{
	pthread_mutex_lock(&u->lock);
	if (u->provision) {
		u->provision->pokes |= what;
		pthread_cond_signal(&u->provision->wake);
	}
	pthread_mutex_unlock(&u->lock);
}

void ue_provision_stop(struct ue *u)
{
	struct ue_provision *p = u->provision;
	if (!p)
		return;
	pthread_mutex_lock(&u->lock);
	p->ends = 1;
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&u->lock);
	pthread_join(p->thread, NULL);
	pthread_cond_destroy(&p->wake);
	u->provision = NULL;
	free(p);
}
