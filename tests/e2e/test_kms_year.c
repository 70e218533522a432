/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_kms_year.c - a year of two domains with 10,000 users in simulated time: their clients are the provisioning
 * machines (kms_provision.h), the KMS is its own rules (period.c, admit.c) with a stub engine that counts, and a real
 * one for 100 users throughout (kms.md 3.1, 3.4, 15A rows 4, 5, 14, 17).
 *
 * One domain has offset 0, the other another one and another KMS URI. The year crosses 2036-02-07T06:28:16Z, where the
 * 32-bit NTP seconds wrap. Clients' clocks are up to 150 s off, so two of them up to 300 s apart: the limit of the
 * window of an I_MESSAGE. Answers take their time, some are 503, some 401, and once a KMS is gone for twelve hours in
 * the window. At each edge of either domain, and at the wrap, everybody sends one second before, at it and one after.
 */
#include <time.h>

#include "kms/admit.h"
#include "kms/period.h"
#include "mcsec/mikey.h"
#include "mcx/flow/kms_provision.h"
#include "unit/test.h"

enum {
	USERS = 10000,
	REAL = 100,
	DOMAINS = 2,
	DAY = 86400,
	PERIOD = 30 * DAY,
	SKEW = 150,
	WINDOW_S = 2 * SKEW,
	SETS = 16,
	SUSPENDED_EVERY = 100, /* one user in so many is suspended some day */
	REVOKED_EVERY = 199,
};
#define WRAP (UINT64_C(1) << 32)
#define FROM (WRAP - UINT64_C(180) * DAY - 1000)
#define TO   (FROM + UINT64_C(366) * DAY)

struct user {
	struct kp m;
	int domain;
	int64_t skew; /* its clock minus the true one */
	struct kms_user row;
	uint64_t timer_at;        /* true time; 0 none */
	uint64_t ends_at;         /* suspended or revoked then; 0 never */
	int revoked;              /* it is that */
	int token_is_new;         /* it will not be refused */
	uint64_t last_before_end; /* highest period issued before ends_at */
	struct keys {
		struct mcsec_im_own own[SETS];
		size_t n;
	} * real; /* NULL: a stub */
	char uri[40];
};

struct domain {
	const char *uri;
	struct period_policy policy;
	struct mcsec_master *master;
	struct mcsec_im_kms kms;
	uint64_t gone_from, gone_to;
	uint64_t issued; /* by the stub and the real one */
};

struct event {
	uint64_t at;
	uint32_t user;
	enum kp_event_kind kind;
	enum kp_why why;
	uint64_t newest;
	uint32_t held;
	uint32_t retry_after;
};

static struct user *users;
static struct domain domains[DOMAINS];
static struct mcsec_im_kms both[DOMAINS];
static struct event *heap;
static size_t n_heap, heap_size;
static uint64_t now, requests, refused, revoked_told, counter;
static struct {
	uint64_t stub_ok, real_ok, stub_refused, real_refused, forged, early_late;
} messages;

/* ---- chance, the same each time ---- */

static uint32_t dice(void)
{
	static uint64_t s = 88172645463325252u;
	s ^= s << 13;
	s ^= s >> 7;
	s ^= s << 17;
	return (uint32_t)(s >> 16);
}

static uint32_t below(uint32_t n)
{
	return dice() % n;
}

static enum mcsec_err fill(void *ctx, uint8_t *out, size_t n)
{
	(void)ctx;
	while (n--)
		*out++ = (uint8_t)dice();
	return MCSEC_OK;
}
static const struct mcsec_rng rng = {fill, NULL};

/* ---- events in the order of time ---- */

static void put(struct event e)
{
	if (n_heap == heap_size)
		assert_non_null(heap = realloc(heap, (heap_size = heap_size ? 2 * heap_size : 1024) * sizeof *heap));
	size_t i = n_heap++;
	for (; i && heap[(i - 1) / 2].at > e.at; i = (i - 1) / 2)
		heap[i] = heap[(i - 1) / 2];
	heap[i] = e;
}

static struct event take(void)
{
	struct event first = heap[0], last = heap[--n_heap];
	size_t i = 0;
	for (size_t c; (c = 2 * i + 1) < n_heap; i = c) {
		if (c + 1 < n_heap && heap[c + 1].at < heap[c].at)
			c++;
		if (heap[c].at >= last.at)
			break;
		heap[i] = heap[c];
	}
	heap[i] = last;
	return first;
}

static uint64_t clock_of(const struct user *u, uint64_t at)
{
	return (uint64_t)((int64_t)at + u->skew);
}

static void later(const struct user *u, struct event e)
{
	e.user = (uint32_t)(u - users);
	e.at = now + 1 + below(20);
	put(e);
}

/* ---- the KMS ---- */

static void issue_real(struct user *u, uint64_t period)
{
	struct domain *d = &domains[u->domain];
	struct keys *k = u->real;
	uint8_t uid[MCSEC_UID_LEN];
	struct mcsec_issued set;
	struct mcsec_keyset *keys;
	for (size_t i = 0; i < k->n; i++)
		if (k->own[i].period == period)
			return; /* asked for again: the one it has is as good */
	assert_true(k->n < SETS);
	assert_int_equal(mcsec_uid(u->uri, d->uri, &d->policy.periods, period, uid), MCSEC_OK);
	assert_int_equal(mcsec_master_issue(d->master, &rng, counter++, uid, sizeof uid, &set), MCSEC_OK);
	assert_int_equal(mcsec_keyset_new(&keys, d->kms.kms, uid, sizeof uid, set.ssk, set.pvt, set.rsk), MCSEC_OK);
	k->own[k->n++] = (struct mcsec_im_own){u->uri, d->uri, period, keys};
}

static void answer_keys(struct user *u, int one, uint64_t wanted)
{
	static const struct kms_admit_rules rules = {.listed = 1, .limit_hour = 20, .limit_period = 60};
	struct domain *d = &domains[u->domain];
	uint64_t period[2], current;
	struct event e = {.kind = KP_EV_KEYS_OK};
	size_t n = period_plain(&d->policy, now, period);
	current = period[0];
	requests++;
	if (one)
		n = period_at(&d->policy, now, mcsec_period_start(&d->policy.periods, wanted), &period[0]) ? 0 : 1;
	enum kms_admission a = kms_admit(&u->row, &rules, (int64_t)(now - MCSEC_NTP_UNIX), current);
	if (a == KMS_ADMIT_REVOKED) {
		revoked_told++;
		later(u, (struct event){.kind = KP_EV_FAILED, .why = KP_WHY_REVOKED});
		return;
	}
	if (a == KMS_ADMIT_TOO_OFTEN) {
		later(u, (struct event){.kind = KP_EV_FAILED, .why = KP_WHY_LATER, .retry_after = 1});
		return;
	}
	if (a != KMS_ADMIT_OK || n == 0) {
		refused++;
		later(u, (struct event){.kind = KP_EV_FAILED, .why = KP_WHY_REFUSED});
		return;
	}
	e.newest = period[n - 1];
	e.held = n == 2 ? 3 : 1;
	kms_admitted(&u->row, (int64_t)(now - MCSEC_NTP_UNIX), e.newest);
	d->issued += n;
	for (size_t i = 0; u->real && i < n; i++)
		issue_real(u, period[i]);
	later(u, e);
}

/* One request in a hundred meets trouble; a KMS that is gone answers nobody. */
static int meets_trouble(struct user *u)
{
	const struct domain *d = &domains[u->domain];
	uint32_t luck = below(200);
	if (now >= d->gone_from && now < d->gone_to)
		later(u, (struct event){.kind = KP_EV_FAILED, .why = KP_WHY_UNREACHABLE});
	else if (luck == 0)
		later(u, (struct event){.kind = KP_EV_FAILED, .why = KP_WHY_LATER, .retry_after = 30});
	else if (luck == 1 && !u->token_is_new)
		later(u, (struct event){.kind = KP_EV_FAILED, .why = KP_WHY_TOKEN});
	else
		return u->token_is_new = 0;
	return 1;
}

/* ---- the clients ---- */

static void drop_keys(struct user *u, uint64_t below_period)
{
	struct keys *k = u->real;
	size_t n = 0;
	for (size_t i = 0; k && i < k->n; i++) {
		if (k->own[i].period >= below_period)
			k->own[n++] = k->own[i];
		else
			mcsec_keyset_free((struct mcsec_keyset *)(uintptr_t)k->own[i].keys);
	}
	if (k)
		k->n = n;
}

static void carry_out(struct user *u, const struct kp_actions *a)
{
	for (size_t i = 0; i < a->n; i++) {
		uint64_t arg = a->do_[i].arg;
		switch (a->do_[i].kind) {
		case KP_DO_NEW_TOKEN:
			u->token_is_new = 1;
			later(u, (struct event){.kind = KP_EV_TOKEN});
			break;
		case KP_DO_INIT:
			if (!meets_trouble(u))
				later(u, (struct event){.kind = KP_EV_INIT_OK});
			break;
		case KP_DO_KEYS:
		case KP_DO_KEYS_AT:
			if (!meets_trouble(u))
				answer_keys(u, a->do_[i].kind == KP_DO_KEYS_AT, arg);
			break;
		case KP_DO_CACHE:
			if (!meets_trouble(u))
				later(u, (struct event){.kind = KP_EV_CACHE_OK});
			break;
		case KP_DO_TIMER:
			u->timer_at = (uint64_t)((int64_t)arg - u->skew);
			u->timer_at = u->timer_at > now ? u->timer_at : now + 1;
			put((struct event){.at = u->timer_at, .user = (uint32_t)(u - users), .kind = KP_EV_TIMER});
			break;
		case KP_DO_DROP:
			drop_keys(u, arg);
			break;
		case KP_DO_WIPE:
			drop_keys(u, UINT64_MAX);
			break;
		default:
			break; /* told to people */
		}
	}
}

static void happen(const struct event *e)
{
	struct user *u = &users[e->user];
	struct kp_actions a;
	if (e->kind == KP_EV_TIMER && e->at != u->timer_at)
		return; /* another one took its place */
	struct kp_event ev = {.kind = e->kind,
			      .now = clock_of(u, now),
			      .random = dice(),
			      .newest = e->newest,
			      .held = e->held,
			      .periods = domains[u->domain].policy.periods,
			      .cache_num = e->kind == KP_EV_START ? -1 : 1,
			      .why = e->why,
			      .retry_after_s = e->retry_after,
			      .server_time = e->kind == KP_EV_KEYS_OK || e->kind == KP_EV_INIT_OK ? now : 0};
	kp_step(&u->m, &kp_policy_default, &ev, &a);
	carry_out(u, &a);
}

/* Officers suspend or revoke those whose time has come. */
static void end_some(uint64_t from, uint64_t to)
{
	for (size_t i = 0; i < USERS; i++) {
		struct user *u = &users[i];
		if (u->ends_at < from || u->ends_at >= to)
			continue;
		u->row.state = u->revoked ? KMS_USER_REVOKED : KMS_USER_SUSPENDED;
		u->last_before_end = (uint64_t)u->row.last_period;
	}
}

/* Runs to this moment, officers and clients each at their time. */
static void run_to(uint64_t until)
{
	while (n_heap && heap[0].at < until) {
		struct event e = take();
		if (e.at / 3600 != now / 3600)
			end_some(now - now % 3600, e.at - e.at % 3600);
		now = e.at;
		happen(&e);
	}
	if (until / 3600 != now / 3600)
		end_some(now - now % 3600, until - until % 3600);
	now = until;
}

/* ---- messages ---- */

static uint64_t period_of(const struct user *u, uint64_t t)
{
	uint64_t n = 0;
	assert_int_equal(mcsec_period_number(&domains[u->domain].policy.periods, t, &n), MCSEC_OK);
	return n;
}

/* What must be: 1 valid, -1 must fail, 0 either (the last keys before the end still work to the end of their period).
 */
static int wanted(const struct user *u, uint64_t t)
{
	if (!u->ends_at || u->row.state == KMS_USER_ACTIVE)
		return 1;
	return period_of(u, t) > u->last_before_end ? -1 : 0;
}

static struct mcsec_im_book book_of(const struct user *u)
{
	return (struct mcsec_im_book){.kms = both, .n_kms = DOMAINS, .own = u->real->own, .n_own = u->real->n};
}

/* Made by a's clock at T, opened by b's clock: the verdict of the first step that fails. */
static enum mcsec_err send_real(const struct user *a, const struct mcsec_im_book *book_a, const struct user *b,
				uint64_t t, uint64_t b_now)
{
	uint8_t out[MCSEC_IM_MAX], key[MCSEC_KEY_LEN];
	size_t len;
	struct mcsec_im *im = NULL;
	struct mcsec_fault fault;
	fill(NULL, key, sizeof key);
	struct mcsec_im_make make = {.kind = MCSEC_PCK,
				     .k_id = UINT32_C(0x10000000) | (dice() & 0x0fffffff),
				     .key = key,
				     .time = t,
				     .initiator = a->uri,
				     .initiator_kms = domains[a->domain].uri,
				     .responder = b->uri,
				     .responder_kms = domains[b->domain].uri};
	const char *selves[] = {b->uri};
	struct mcsec_im_expect expect = {
	    .now = b_now, .selves = selves, .n_selves = 1, .initiators = (const char *[]){a->uri}, .n_initiators = 1};
	struct mcsec_im_book book_b = book_of(b);
	enum mcsec_err e = mcsec_im_make(book_a, &make, &rng, out, sizeof out, &len);
	if (!e)
		e = mcsec_im_open(&book_b, &expect, out, len, &im, &fault);
	if (!e)
		assert_memory_equal(im->key, key, sizeof key);
	mcsec_im_free(im);
	return e;
}

/* A suspended user who says that last period's keys are this one's. */
static void forge(const struct user *a, const struct user *b, uint64_t t)
{
	struct mcsec_im_own lie;
	if (!a->real->n)
		return;
	lie = a->real->own[a->real->n - 1];
	lie.period = period_of(a, t);
	struct mcsec_im_book book = {.kms = both, .n_kms = DOMAINS, .own = &lie, .n_own = 1};
	assert_int_equal(send_real(a, &book, b, t, t), MCSEC_E_BAD_SIGNATURE);
	messages.forged++;
}

static void send(const struct user *a, const struct user *b, uint64_t t)
{
	uint64_t b_now = (uint64_t)((int64_t)t - a->skew + b->skew); /* it is on its way for no time at all */
	int want = wanted(a, t) == 1 && wanted(b, t) == 1 ? 1 : wanted(a, t) < 0 || wanted(b, t) < 0 ? -1 : 0;
	int ok = kp_holds(&a->m, period_of(a, t)) && kp_holds(&b->m, period_of(b, t));
	if (a->real && b->real && dice() % 2) { /* every second one: half a minute of work for one core */
		struct mcsec_im_book book = book_of(a);
		enum mcsec_err e = send_real(a, &book, b, t, b_now);
		if ((e == MCSEC_OK) != ok)
			fail_msg("%s to %s at %llu: %s, and the machines say %d", a->uri, b->uri, (unsigned long long)t,
				 mcsec_err_name(e), ok);
		messages.real_ok += ok ? 1 : 0;
		messages.real_refused += ok ? 0 : 1;
		if (wanted(a, t) < 0 && wanted(b, t) == 1)
			forge(a, b, t);
	} else {
		messages.stub_ok += ok ? 1 : 0;
		messages.stub_refused += ok ? 0 : 1;
	}
	if (want && ok != (want > 0))
		fail_msg("%s to %s at %llu: %s", a->uri, b->uri, (unsigned long long)t,
			 ok ? "a message of a suspended user passed" : "a message of a valid user failed");
}

/* Everybody, at this second of the sender's own clock. */
static void all_send(uint64_t t)
{
	for (size_t i = 0; i < USERS; i++) {
		const struct user *a = &users[i], *b = &users[below(USERS)];
		if (a->real)
			b = &users[(i + 1 + below(REAL - 1)) % REAL];
		send(a, b, t);
	}
}

/* The clocks as far apart as may be, and one second more. */
static void at_the_limits(uint64_t t)
{
	for (size_t i = 0; i < 8; i++) {
		const struct user *a = &users[below(REAL)], *b = &users[below(REAL)];
		if (a == b || wanted(a, t) != 1 || wanted(b, t) != 1)
			continue;
		struct mcsec_im_book book = book_of(a);
		assert_int_equal(send_real(a, &book, b, t, t + WINDOW_S), MCSEC_OK);
		assert_int_equal(send_real(a, &book, b, t, t - WINDOW_S), MCSEC_OK);
		assert_int_equal(send_real(a, &book, b, t, t + WINDOW_S + 1), MCSEC_E_BAD_TIME);
		assert_int_equal(send_real(a, &book, b, t, t - WINDOW_S - 1), MCSEC_E_BAD_TIME);
		messages.early_late += 2;
	}
}

/* ---- the year ---- */

static void make_domain(int i, const char *uri, uint64_t offset)
{
	struct domain *d = &domains[i];
	uint8_t kpak[MCSEC_KPAK_LEN], z_pub[MCSEC_ZPUB_LEN];
	*d = (struct domain){
	    .uri = uri,
	    .policy = {.periods = {PERIOD, offset}, .preprovision = 7 * DAY, .max_past = 1, .max_future = 1}};
	assert_int_equal(mcsec_master_generate(&d->master, &rng), MCSEC_OK);
	mcsec_master_public(d->master, kpak, z_pub);
	assert_int_equal(mcsec_kms_new(&d->kms.kms, kpak, z_pub), MCSEC_OK);
	d->kms.uri = uri;
	d->kms.periods = d->policy.periods;
	both[i] = d->kms;
	uint64_t n;
	assert_int_equal(mcsec_period_number(&d->policy.periods, FROM + 100 * DAY, &n), MCSEC_OK);
	d->gone_from = mcsec_period_start(&d->policy.periods, n + 1) - 3 * DAY;
	d->gone_to = d->gone_from + DAY / 2;
}

static void make_users(void)
{
	assert_non_null(users = calloc(USERS, sizeof *users));
	for (size_t i = 0; i < USERS; i++) {
		struct user *u = &users[i];
		u->domain = (int)(i % DOMAINS);
		u->skew = i % 5 == 0 ? SKEW : i % 5 == 1 ? -SKEW : (int64_t)below(2 * SKEW + 1) - SKEW;
		u->row.state = KMS_USER_ACTIVE;
		u->row.last_period = -1;
		snprintf(u->uri, sizeof u->uri, "sip:u%05zu@d%d.example", i, u->domain);
		if (i < REAL)
			assert_non_null(u->real = calloc(1, sizeof *u->real));
		u->revoked = i % REVOKED_EVERY == 7;
		if (u->revoked || i % SUSPENDED_EVERY == 3 || (i < REAL && i % 12 == 5))
			u->ends_at = FROM + (20 + below(320)) * (uint64_t)DAY + below(DAY);
		put((struct event){.at = FROM + below(DAY), .user = (uint32_t)i, .kind = KP_EV_START});
	}
}

static int order(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

/* Every edge of the year, of both domains, and the wrap. */
static size_t edges(uint64_t out[64])
{
	size_t n = 0;
	for (int i = 0; i < DOMAINS; i++) {
		uint64_t p;
		assert_int_equal(mcsec_period_number(&domains[i].policy.periods, FROM + 3 * DAY, &p), MCSEC_OK);
		for (uint64_t at; (at = mcsec_period_start(&domains[i].policy.periods, ++p)) < TO;)
			out[n++] = at;
	}
	out[n++] = WRAP;
	qsort(out, n, sizeof *out, order);
	return n;
}

static double seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void a_year_of_10000_users_loses_no_message_of_a_valid_user_and_passes_none_of_a_suspended_one(void **state)
{
	(void)state;
	uint64_t edge[64];
	double began = seconds();
	make_domain(0, "kms.d0.example", 0);
	make_domain(1, "kms.d1.example", 3 * DAY + 17);
	now = FROM;
	make_users();
	size_t n = edges(edge);
	assert_true(n > 24 && edge[0] < WRAP && edge[n - 1] > WRAP);
	for (size_t i = 0; i < n; i++)
		for (int d = -1; d <= 1; d++) {
			uint64_t t = edge[i] + (uint64_t)(int64_t)d;
			run_to(t);
			all_send(t);
			if (d == 0)
				at_the_limits(t);
		}
	print_message("# %d users, %zu edges, %.1f s: %llu requests, %llu sets, %llu refusals, %llu told revoked;"
		      " messages: %llu opened by the real engine, %llu by the stub; refused %llu, %llu; forged %llu,"
		      " out of the window %llu\n",
		      USERS, n, seconds() - began, (unsigned long long)requests,
		      (unsigned long long)(domains[0].issued + domains[1].issued), (unsigned long long)refused,
		      (unsigned long long)revoked_told, (unsigned long long)messages.real_ok,
		      (unsigned long long)messages.stub_ok, (unsigned long long)messages.real_refused,
		      (unsigned long long)messages.stub_refused, (unsigned long long)messages.forged,
		      (unsigned long long)messages.early_late);
	assert_true(messages.real_ok > 2500 && messages.stub_ok > 500000);
	assert_true(messages.real_refused > 0 && messages.stub_refused > 0 && messages.forged > 0);
	assert_true(messages.early_late > 0 && refused > 0 && revoked_told > 0);
	/* what was issued: a set a user and period, and hardly more */
	assert_true(domains[0].issued + domains[1].issued < (uint64_t)USERS * 20);
}

/* After the year: everybody valid is provided for, everybody revoked who was told holds nothing. */
static void after_the_year_the_valid_are_provided_for_and_the_revoked_hold_nothing(void **state)
{
	(void)state;
	size_t ready = 0, blocked = 0;
	for (size_t i = 0; i < USERS; i++) {
		const struct user *u = &users[i];
		int live = u->row.state == KMS_USER_ACTIVE;
		ready += live && (u->m.state == KP_READY || u->m.state == KP_READY_NEXT);
		blocked += u->row.state == KMS_USER_REVOKED && u->m.state == KP_BLOCKED;
		if (live)
			assert_true(kp_holds(&u->m, period_of(u, now)));
		if (u->row.state == KMS_USER_REVOKED && u->real && u->m.state == KP_BLOCKED)
			assert_int_equal(u->real->n, 0);
	}
	assert_true(ready > USERS * 95 / 100);
	assert_true(blocked > 0);
}

static int tear_down(void **state)
{
	(void)state;
	for (size_t i = 0; users && i < USERS; i++) {
		drop_keys(&users[i], UINT64_MAX);
		free(users[i].real);
	}
	for (int i = 0; i < DOMAINS; i++) {
		mcsec_kms_free(domains[i].kms.kms);
		mcsec_master_free(domains[i].master);
	}
	free(users);
	free(heap);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_year_of_10000_users_loses_no_message_of_a_valid_user_and_passes_none_of_a_suspended_one),
	    cmocka_unit_test(after_the_year_the_valid_are_provided_for_and_the_revoked_hold_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, tear_down);
}
