/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kms_provision.c - see kms_provision.h. Each event first changes what is known (one handler a kind), then settle()
 * looks at the whole: which period is it, what do we hold of it, what is wanted most, and when is the next look due.
 *
 * Order of wants: token, certificate, keys of now, the cache for an unknown KMS, keys of the next period, the cache.
 * Before the keys of a new period the certificate is looked at once, so that a revoked or replaced one is seen.
 * Old sets are dropped only after the KMS has given new ones: a clock that jumped alone wipes nothing.
 */
#include "mcx/flow/kms_provision.h"

enum { BACKOFF_MAX_S = 300, BAD_ANSWERS_MAX = 3, RETAIN_MAX = 30, HELD_BITS = 32, DAY_S = 86400 };
enum { TOKEN_AS_IT_IS, TOKEN_WANTED, TOKEN_RENEWED };
enum { TOLD_NOTHING, TOLD_READY, TOLD_EXPIRED };

const struct kp_policy kp_policy_default = {
    .window = 7 * DAY_S, .retain = 3, .cache_every = DAY_S, .patience = DAY_S, .skew_tell = 10, .unknown_every = 600};

struct step {
	struct kp *m;
	const struct kp_policy *p;
	const struct kp_event *ev;
	struct kp_actions *out;
};

static void act(struct step *s, enum kp_action_kind kind, uint64_t arg)
{
	s->out->do_[s->out->n].kind = kind;
	s->out->do_[s->out->n++].arg = arg;
}

/* ---- arithmetic ---- */

/* Evenly in [0, span); span up to 2^40 s, which is 34,000 years. */
static uint64_t draw(uint64_t span, uint32_t random)
{
	if (span >> 40)
		span = UINT64_C(1) << 40;
	return span * (random >> 8) >> 24;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

int kp_holds(const struct kp *m, uint64_t period)
{
	return period <= m->newest && m->newest - period < HELD_BITS && (m->held >> (m->newest - period) & 1);
}

/* 1 if it is a new one. */
static int hold(struct kp *m, uint64_t period)
{
	if (!m->held)
		m->newest = period;
	if (kp_holds(m, period))
		return 0;
	if (period > m->newest) {
		uint64_t up = period - m->newest;
		m->held = up < HELD_BITS ? m->held << up : 0;
		m->newest = period;
	}
	if (m->newest - period >= HELD_BITS)
		return 0;
	m->held |= UINT32_C(1) << (m->newest - period);
	return 1;
}

static void let_go(struct kp *m, uint64_t period)
{
	if (kp_holds(m, period))
		m->held &= ~(UINT32_C(1) << (m->newest - period));
}

/* 1, 2, 4 ... 300 s, each half as much more or less; a Retry-After is kept and spread upwards. */
static uint64_t back_off(const struct step *s)
{
	uint64_t asked = s->ev->why == KP_WHY_LATER ? earlier(s->ev->retry_after_s, DAY_S) : 0;
	uint64_t wait = s->m->tries < 9 ? UINT64_C(1) << s->m->tries : BACKOFF_MAX_S;
	wait = earlier(wait, BACKOFF_MAX_S) * 10;
	wait = asked ? asked * 10 + draw(asked * 5, s->ev->random) : wait / 2 + draw(wait, s->ev->random);
	if (s->m->tries < 9)
		s->m->tries++;
	return (wait + 9) / 10;
}

/* ---- what events change ---- */

/* What was asked for came; nothing when it came unasked. */
static void forget_failures(struct kp *m, enum kp_asking answered)
{
	if (m->asking != answered)
		return;
	m->asking = KP_ASK_NONE;
	m->tries = m->bad_answers = 0;
	m->token = TOKEN_AS_IT_IS;
	m->not_before = 0;
}

static void look_at_clock(struct step *s)
{
	uint64_t theirs = s->ev->server_time, ours = s->ev->now;
	if (!theirs)
		return;
	uint64_t apart = theirs > ours ? theirs - ours : ours - theirs;
	if (apart > s->p->skew_tell && !s->m->clock_told)
		act(s, KP_DO_TELL_CLOCK, apart);
	s->m->clock_told = apart > s->p->skew_tell;
}

static void on_start(struct step *s)
{
	const struct kp_event *ev = s->ev;
	*s->m = (struct kp){.state = KP_NO_CERT,
			    .has_cert = ev->has_cert != 0,
			    .periods = ev->periods,
			    .newest = ev->newest,
			    .held = ev->has_cert ? ev->held : 0,
			    .cache_num = ev->cache_num,
			    .cache_at = ev->now};
}

static void on_timer(struct step *s)
{
	s->m->due = 0; /* it is spent */
}

static void on_token(struct step *s)
{
	struct kp *m = s->m;
	int asked = m->asking == KP_ASK_TOKEN;
	if (m->need_token || asked)
		m->not_before = 0;
	m->need_token = 0;
	if (asked)
		m->asking = KP_ASK_NONE;
	m->token = m->token == TOKEN_WANTED ? TOKEN_RENEWED : TOKEN_AS_IT_IS;
}

static void on_init_ok(struct step *s)
{
	struct kp *m = s->m;
	const struct mcsec_periods *p = &s->ev->periods;
	if (m->has_cert && (p->period != m->periods.period || p->offset != m->periods.offset))
		m->held = 0; /* sets of another certificate */
	m->has_cert = m->init_done = 1;
	m->periods = *p;
	if (mcsec_period_number(p, s->ev->now, &m->current))
		m->current = 0;
	forget_failures(m, KP_ASK_INIT);
}

static void failed(struct step *s, enum kp_why why);

static void on_keys_ok(struct step *s)
{
	struct kp *m = s->m;
	int fresh = 0;
	for (unsigned k = HELD_BITS; k-- > 0;)
		if ((s->ev->held >> k & 1) && s->ev->newest >= k)
			fresh |= hold(m, s->ev->newest - k);
	if (!fresh && m->asking == KP_ASK_KEYS) {
		failed(s, KP_WHY_BAD_ANSWER); /* or we would ask for ever */
		return;
	}
	forget_failures(m, KP_ASK_KEYS);
	uint64_t keep = earlier(s->p->retain, RETAIN_MAX), below = m->newest > keep ? m->newest - keep : 0;
	if (m->newest == m->current + 1 && below)
		below--; /* what is retained counts from the current period */
	uint64_t bits = m->newest - below + 1;
	if (below && bits < HELD_BITS && m->held >> bits) {
		m->held &= (UINT32_C(1) << bits) - 1;
		act(s, KP_DO_DROP, below);
	}
}

static void plan_cache(struct step *s, uint64_t after)
{
	s->m->cache_wanted = 0;
	s->m->cache_at = s->ev->now + after - after / 4 + draw(after / 2, s->ev->random);
}

static void on_cache_ok(struct step *s)
{
	s->m->cache_num = s->ev->cache_num;
	plan_cache(s, s->p->cache_every);
	forget_failures(s->m, KP_ASK_CACHE);
}

static void wait_patiently(struct step *s, int asking, enum kp_why why)
{
	if (asking == KP_ASK_CACHE)
		plan_cache(s, s->p->patience); /* keys are not held up by it */
	else
		s->m->not_before = s->ev->now + s->p->patience + draw(s->p->patience / 8, s->ev->random);
	act(s, KP_DO_TELL_REFUSED, why);
}

static void stop_until_token(struct step *s, enum kp_why why)
{
	s->m->need_token = 1;
	s->m->token = TOKEN_AS_IT_IS;
	act(s, KP_DO_TELL_REFUSED, why);
}

static void block(struct step *s)
{
	*s->m = (struct kp){.state = KP_BLOCKED, .cache_num = -1};
	act(s, KP_DO_WIPE, 0);
}

/* kms.md 8.2, row by row. */
static void failed(struct step *s, enum kp_why why)
{
	struct kp *m = s->m;
	enum kp_asking asking = m->asking;
	m->asking = KP_ASK_NONE;
	m->bad_answers = why == KP_WHY_BAD_ANSWER ? (uint8_t)(m->bad_answers + 1) : 0;
	switch (why) {
	case KP_WHY_TOKEN:
		if (asking == KP_ASK_TOKEN || m->token == TOKEN_RENEWED)
			stop_until_token(s, why);
		else
			m->token = TOKEN_WANTED;
		return;
	case KP_WHY_REFUSED:
		stop_until_token(s, why);
		return;
	case KP_WHY_REVOKED:
		block(s);
		act(s, KP_DO_TELL_REFUSED, why);
		return;
	case KP_WHY_REJECTED:
		wait_patiently(s, asking, why);
		return;
	case KP_WHY_BAD_ANSWER:
		if (m->bad_answers >= BAD_ANSWERS_MAX) {
			m->bad_answers = 0;
			wait_patiently(s, asking, why);
			return;
		}
		break;
	case KP_WHY_UNREACHABLE:
		act(s, KP_DO_NEXT_ADDRESS, 0);
		break;
	default:
		break;
	}
	m->not_before = s->ev->now + back_off(s);
}

static void on_failed(struct step *s)
{
	if (s->m->asking)
		failed(s, s->ev->why);
}

static void on_unknown_kms(struct step *s)
{
	struct kp *m = s->m;
	uint64_t now = s->ev->now;
	if (!m->cache_asked || now < m->cache_asked || now - m->cache_asked >= s->p->unknown_every)
		m->cache_wanted = 1;
}

static void on_dropped(struct step *s)
{
	let_go(s->m, s->ev->newest);
}

/* ---- the whole ---- */

static void tell(struct step *s)
{
	struct kp *m = s->m;
	if (m->state >= KP_READY && m->told != TOLD_READY) {
		m->told = TOLD_READY;
		act(s, KP_DO_TELL_READY, m->current);
	} else if (m->state == KP_CERT && m->told != TOLD_EXPIRED && (m->held || m->told)) {
		m->told = TOLD_EXPIRED;
		act(s, KP_DO_TELL_EXPIRED, m->current);
	}
}

/* kms.md 3.4: a random moment in [End - W, End - W/10]; a client that comes late draws from what is left. */
static void draw_fetch(struct step *s)
{
	struct kp *m = s->m;
	uint64_t w = s->p->window, now = s->ev->now;
	uint64_t start = mcsec_period_start(&m->periods, m->current), end = start + m->periods.period;
	if (m->fetch_for == m->current + 1)
		return;
	uint64_t from = end - earlier(w, end - start), to = end - earlier(w / 10, end - start);
	if (from < now)
		from = now;
	if (to <= from)
		to = from + (end > from ? (end - from) / 2 : 0);
	m->fetch_for = m->current + 1;
	m->fetch_at = from + draw(to - from, s->ev->random);
}

/* The period of `now` and what we hold of it; 0 if there is none. */
static int place(struct step *s)
{
	struct kp *m = s->m;
	uint64_t current;
	m->state = KP_NO_CERT;
	if (!m->has_cert)
		return 0;
	m->state = KP_CERT;
	if (mcsec_period_number(&m->periods, s->ev->now, &current))
		return 0;
	if (current != m->current)
		m->init_done = 0;
	m->current = current;
	if (kp_holds(m, current))
		m->state = kp_holds(m, current + 1) ? KP_READY_NEXT : KP_READY;
	return 1;
}

static void ask(struct step *s, enum kp_asking what, enum kp_action_kind how, uint64_t arg)
{
	s->m->asking = (uint8_t)what;
	act(s, how, arg);
}

/* Asks for what is wanted most and is due; returns when the next thing will be. */
static uint64_t want(struct step *s, int placed)
{
	struct kp *m = s->m;
	uint64_t now = s->ev->now, wake = placed ? mcsec_period_start(&m->periods, m->current + 1) : UINT64_MAX;
	uint64_t longest = 2 * s->p->patience + 2 * s->p->cache_every + 2 * DAY_S; /* that is ever waited */
	if (m->asking || m->need_token || (m->has_cert && !placed))
		return wake;
	if (m->not_before > now && m->not_before - now <= longest) /* else the clock went back */
		return earlier(wake, m->not_before);
	int ready = m->state >= KP_READY, fetch = s->p->window && m->state == KP_READY;
	if (m->token == TOKEN_WANTED)
		ask(s, KP_ASK_TOKEN, KP_DO_NEW_TOKEN, 0);
	else if (!m->has_cert || (!ready && !m->init_done))
		/* NOLINTNEXTLINE(bugprone-branch-clone): in the order in which they are told apart */
		ask(s, KP_ASK_INIT, KP_DO_INIT, 0);
	else if (!ready)
		ask(s, KP_ASK_KEYS, KP_DO_KEYS, 0);
	/* NOLINTNEXTLINE(bugprone-branch-clone): in the order of what comes first */
	else if (fetch && !m->cache_wanted && now >= m->fetch_at && !m->init_done)
		ask(s, KP_ASK_INIT, KP_DO_INIT, 0);
	else if (fetch && !m->cache_wanted && now >= m->fetch_at)
		ask(s, KP_ASK_KEYS, KP_DO_KEYS_AT, m->current + 1);
	else if (m->cache_wanted || now >= m->cache_at || m->cache_at - now > longest) {
		m->cache_asked = now;
		ask(s, KP_ASK_CACHE, KP_DO_CACHE, (uint64_t)m->cache_num);
	}
	if (!m->asking)
		wake = earlier(wake, earlier(m->cache_at, fetch ? m->fetch_at : UINT64_MAX));
	return wake;
}

static void settle(struct step *s)
{
	struct kp *m = s->m;
	if (m->state == KP_OFF || m->state == KP_BLOCKED)
		return;
	int placed = place(s);
	if (placed)
		draw_fetch(s);
	tell(s);
	uint64_t wake = want(s, placed);
	if (wake != m->due && wake != UINT64_MAX) {
		m->due = wake;
		act(s, KP_DO_TIMER, wake);
	}
}

void kp_step(struct kp *m, const struct kp_policy *p, const struct kp_event *ev, struct kp_actions *out)
{
	static void (*const handlers[KP_EVENTS])(struct step *) = {
	    [KP_EV_START] = on_start,     [KP_EV_TIMER] = on_timer,
	    [KP_EV_TOKEN] = on_token,     [KP_EV_INIT_OK] = on_init_ok,
	    [KP_EV_KEYS_OK] = on_keys_ok, [KP_EV_CACHE_OK] = on_cache_ok,
	    [KP_EV_FAILED] = on_failed,   [KP_EV_UNKNOWN_KMS] = on_unknown_kms,
	    [KP_EV_DROPPED] = on_dropped, [KP_EV_WIPED] = block,
	};
	struct step s = {m, p, ev, out};
	out->n = 0;
	if ((unsigned)ev->kind >= KP_EVENTS || (ev->kind != KP_EV_START && m->state == KP_OFF) ||
	    (ev->kind != KP_EV_START && m->state == KP_BLOCKED && ev->kind != KP_EV_WIPED))
		return;
	look_at_clock(&s);
	handlers[ev->kind](&s);
	settle(&s);
}
