/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_server_keys.c - the server's own identity keys against a KMS that fails, stalls, revokes and repeats itself
 * (keys.h; kms.md 8.2, 15A row 14): what jobs hold stays whole, what is revoked is gone, nobody keeps the server away.
 *
 * The KMS client is played here: a round asks for what `kms` says, and the log is read to see what an operator sees.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "app/log.h"
#include "mcsec/secret.h"
#include "net/kms_client.h"
#include "server/keys.h"
#include "unit/test.h"

#define PSI  "sip:mcptt@a.test"
#define MDSI "sip:mdsi@a.test"

enum { PERIOD = 100000, PATIENCE_S = 60 };

/* ---- the KMS ---- */

static struct kms {
	enum kms_outcome init, now, next; /* of the requests */
	unsigned retry_after_s;
	int ends_soon;          /* less than a quarter of the period is left */
	int generous;           /* keys of the next period come with those of this one */
	int none;               /* no client can be made */
	enum kms_outcome cache; /* of the certificates of other domains: their number, how many, one more is revoked */
	int64_t cache_num;
	size_t others;
	int revoked_one;
	const char *suites, *minimum;
} kms;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of kms and said */
static char said[4096];                                  /* the events of the log */
static _Atomic unsigned rounds;
static char asked_uri[256];
static _Atomic unsigned caches;      /* asked for */
static _Atomic int64_t known_before; /* the number told in the last one */

struct kms_client {
	struct kms kms;
};

const char *kms_outcome_name(enum kms_outcome o)
{
	return o == KMS_REVOKED ? "revoked" : o == KMS_LATER ? "later" : o == KMS_DONE ? "done" : "unreachable";
}

struct kms_client *kms_client_new(const struct kms_client_options *o)
{
	struct kms_client *c = calloc(1, sizeof *c);
	pthread_mutex_lock(&lock);
	c->kms = kms;
	snprintf(asked_uri, sizeof asked_uri, "%s", o->kms_uri);
	pthread_mutex_unlock(&lock);
	rounds++;
	if (!c->kms.none)
		return c;
	free(c);
	return NULL;
}

void kms_client_free(struct kms_client *c)
{
	free(c);
}

void kms_domain_free(struct kms_domain *d)
{
	(void)d;
}

void kms_keys_free(struct kms_keys *k, size_t n)
{
	for (size_t i = 0; i < n; i++)
		mcsec_secret_free(k[i].set.secret);
}

static int end_with(enum kms_outcome o, const struct kms_client *c, struct kms_result *r)
{
	*r = (struct kms_result){.outcome = o, .retry_after_s = c->kms.retry_after_s, .kms_time = KMS_NO_TIME};
	return o == KMS_DONE;
}

int kms_client_init(struct kms_client *c, const char *token, const char *user_uri, int64_t now, struct kms_domain *home,
		    struct kms_result *r)
{
	assert_null(token);
	assert_string_equal(user_uri, PSI);
	uint64_t time = (uint64_t)now + MCSEC_NTP_UNIX, into = c->kms.ends_soon ? PERIOD - PERIOD / 8 : PERIOD / 2;
	home->cert.periods = (struct mcsec_periods){PERIOD, (time - into) % PERIOD};
	home->cert.valid_from = now - 10;
	home->cert.valid_to = KMS_NO_TIME;
	home->cert.n_domains = 1;
	snprintf(home->cert.domains[0], sizeof home->cert.domains[0], "a.test");
	snprintf(home->suites, sizeof home->suites, "%s", c->kms.suites ? c->kms.suites : "");
	snprintf(home->suites_minimum, sizeof home->suites_minimum, "%s", c->kms.minimum ? c->kms.minimum : "");
	return end_with(c->kms.init, c, r);
}

int kms_client_keyprov(struct kms_client *c, const char *token, const char *user_uri, const char *for_uri, int64_t at,
		       int64_t now, const struct kms_domain *home, const char *const *mine, size_t n_mine,
		       struct kms_keys *out, size_t *n, struct kms_result *r)
{
	uint64_t period;
	(void)token;
	assert_string_equal(user_uri, for_uri);
	assert_int_equal(n_mine, 1);
	assert_string_equal(mine[0], for_uri);
	assert_int_equal(mcsec_period_number(&home->cert.periods, (uint64_t)at + MCSEC_NTP_UNIX, &period), MCSEC_OK);
	size_t sets = at <= now && c->kms.generous ? 2 : 1;
	enum kms_outcome o = at > now ? c->kms.next : c->kms.now;
	for (*n = 0; o == KMS_DONE && *n < sets; ++*n) {
		struct kms_key_set *s = &out[*n].set;
		snprintf(s->user_uri, sizeof s->user_uri, "%s", for_uri);
		s->period_no = period + *n;
		s->secret = mcsec_secret_alloc(sizeof *s->secret);
	}
	return end_with(o, c, r);
}

int kms_client_certcache(struct kms_client *c, const char *token, const char *user_uri, int64_t known, int64_t now,
			 struct kms_domain *out, size_t *n, int64_t *num, struct kms_result *r)
{
	static int some_kms;
	(void)token, (void)user_uri, (void)now;
	size_t all = known == c->kms.cache_num ? 0 : c->kms.others + (c->kms.revoked_one != 0);
	assert_true(all <= *n);
	for (size_t i = 0; i < all; i++) {
		snprintf(out[i].cert.kms_uri, sizeof out[i].cert.kms_uri, "kms.%zu.test", i);
		out[i].cert.n_domains = 1;
		snprintf(out[i].cert.domains[0], sizeof out[i].cert.domains[0], "%zu.test", i);
		out[i].cert.valid_from = out[i].cert.valid_to = KMS_NO_TIME;
		out[i].kms = i < c->kms.others ? (struct mcsec_kms *)(void *)&some_kms : NULL;
	}
	*n = all;
	*num = c->kms.cache_num;
	known_before = known;
	caches++;
	return end_with(c->kms.cache, c, r);
}

void __wrap_log_write(enum log_level level, const char *event, const struct log_field *fields, size_t n);
void __wrap_log_write(enum log_level level, const char *event, const struct log_field *fields, size_t n)
{
	pthread_mutex_lock(&lock);
	size_t at = strlen(said);
	at += (size_t)snprintf(said + at, sizeof said - at, "%d %s", (int)level, event);
	for (size_t i = 0; i < n && at < sizeof said; i++)
		if (fields[i].key && fields[i].text)
			at += (size_t)snprintf(said + at, sizeof said - at, " %s=%s", fields[i].key, fields[i].text);
		else if (fields[i].key)
			at += (size_t)snprintf(said + at, sizeof said - at, " %s=%lld", fields[i].key,
					       (long long)fields[i].number);
	if (at < sizeof said - 1)
		strcat(said, "\n");
	pthread_mutex_unlock(&lock);
}

/* ---- the server's side ---- */

static struct server_config cfg;
static struct server_keys *keys;

/* The KMS is so from the next round on. */
static void kms_turns(struct kms is)
{
	pthread_mutex_lock(&lock);
	kms = is;
	pthread_mutex_unlock(&lock);
}

static void forget_log(void)
{
	pthread_mutex_lock(&lock);
	said[0] = 0;
	pthread_mutex_unlock(&lock);
}

static int logged(const char *text)
{
	pthread_mutex_lock(&lock);
	int yes = strstr(said, text) != NULL;
	pthread_mutex_unlock(&lock);
	return yes;
}

/* A nap; 0 when the patience is over. */
static int still_patient(const struct timespec *began)
{
	struct timespec now;
	usleep(1000);
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec - began->tv_sec < PATIENCE_S;
}

static void wait_log(const char *text)
{
	struct timespec began;
	clock_gettime(CLOCK_MONOTONIC, &began);
	while (!logged(text))
		if (!still_patient(&began))
			fail_msg("never logged: %s; but %s", text, said);
}

/* The book that is (not) `other`, held for the caller. */
static struct server_book *wait_book(const struct server_book *other, int wanted)
{
	struct timespec began;
	clock_gettime(CLOCK_MONOTONIC, &began);
	for (;;) {
		struct server_book *b = server_keys_book(keys);
		if ((b != NULL) == wanted && (!b || b != other))
			return b;
		server_book_release(b);
		if (!still_patient(&began))
			fail_msg("no such book: %s", said);
	}
}

static void wait_no_secret(void)
{
	struct timespec began;
	clock_gettime(CLOCK_MONOTONIC, &began);
	while (mcsec_secret_in_use())
		if (!still_patient(&began))
			fail_msg("%zu secrets are left", mcsec_secret_in_use());
}

/* The next round begins now. */
static void again(struct kms is)
{
	forget_log();
	kms_turns(is);
	server_keys_renew(keys);
}

static void begin(struct kms is)
{
	forget_log();
	kms_turns(is);
	keys = server_keys_start(&cfg);
	assert_non_null(keys);
}

static void end(void)
{
	server_keys_stop(keys);
	keys = NULL;
	assert_int_equal(mcsec_secret_in_use(), 0);
}

static size_t sets_of(const struct server_book *b, const char *uri)
{
	const struct mcsec_im_book *t = server_book_tables(b);
	size_t n = 0;
	for (size_t i = 0; i < t->n_own; i++)
		n += strcmp(t->own[i].uri, uri) == 0;
	return n;
}

/* ---- */

static void the_keys_of_every_identity_are_there_after_a_round(void **state)
{
	(void)state;
	begin((struct kms){0});
	struct server_book *b = wait_book(NULL, 1);
	const struct mcsec_im_book *t = server_book_tables(b);
	assert_int_equal(t->n_own, 2);
	assert_int_equal(sets_of(b, PSI) + 2 * sets_of(b, MDSI), 3);
	assert_int_equal(t->n_kms, 1);
	assert_string_equal(t->kms[0].domains[0], "a.test");
	assert_true(t->kms[0].valid_from > MCSEC_NTP_UNIX);
	assert_int_equal(t->kms[0].valid_to, 0);
	assert_true(suite_listed(server_book_suites(b), MCSEC_SUITE_AES128));
	assert_string_equal(asked_uri, "kms.a.test"); /* the host of the address, where no URI is configured */
	server_book_release(b);
	server_book_release(NULL);
	end();
	snprintf(cfg.kms_uri, sizeof cfg.kms_uri, "kms.other.test");
	begin((struct kms){0});
	server_book_release(wait_book(NULL, 1));
	assert_string_equal(asked_uri, "kms.other.test");
	cfg.kms_uri[0] = 0;
	end();
}

static void near_the_end_of_a_period_the_next_keys_are_there_once(void **state)
{
	(void)state;
	begin((struct kms){.ends_soon = 1});
	struct server_book *b = wait_book(NULL, 1);
	assert_int_equal(sets_of(b, PSI), 2);
	again((struct kms){.ends_soon = 1, .generous = 1}); /* the KMS gives them twice */
	struct server_book *second = wait_book(b, 1);
	assert_int_equal(sets_of(second, PSI), 2);
	assert_int_equal(sets_of(second, MDSI), 2);
	server_book_release(second);
	server_book_release(b);
	end();
}

static void keys_of_the_next_period_that_cannot_be_had_yet_hold_nothing_up(void **state)
{
	(void)state;
	begin((struct kms){.ends_soon = 1, .next = KMS_REJECTED});
	struct server_book *b = wait_book(NULL, 1);
	assert_int_equal(sets_of(b, PSI), 1);
	server_book_release(b);
	end();
}

static void a_kms_that_fails_takes_nothing_away_and_is_asked_again(void **state)
{
	(void)state;
	static const struct kms failing[] = {
	    {.init = KMS_UNREACHABLE}, {.now = KMS_LATER}, {.none = 1}, {.init = KMS_BAD_ANSWER}};
	begin((struct kms){0});
	struct server_book *b = wait_book(NULL, 1);
	for (size_t i = 0; i < sizeof failing / sizeof *failing; i++) {
		again(failing[i]);
		wait_log("server.keys-failed");
		struct server_book *same = server_keys_book(keys);
		assert_ptr_equal(same, b);
		server_book_release(same);
	}
	again((struct kms){0});
	struct server_book *fresh = wait_book(b, 1);
	assert_int_equal(server_book_tables(b)->n_own, 2); /* a job that holds the old one goes on */
	server_book_release(fresh);
	server_book_release(b);
	end();
}

static void before_the_first_keys_there_is_no_book_and_the_kms_is_asked_until_it_gives_them(void **state)
{
	(void)state;
	begin((struct kms){.init = KMS_UNREACHABLE});
	wait_log("outcome=unreachable");
	assert_null(server_keys_book(keys));
	unsigned n = rounds;
	kms_turns((struct kms){0}); /* nobody says so: the first wait is a second */
	server_book_release(wait_book(NULL, 1));
	assert_true(rounds > n);
	end();
}

static void mcx_sec_115_revoked_keys_are_wiped_and_come_back_only_from_the_kms(void **state)
{
	(void)state;
	static const struct kms revoking[] = {
	    {.init = KMS_REVOKED}, {.now = KMS_REVOKED}, {.ends_soon = 1, .next = KMS_REVOKED}};
	begin((struct kms){0});
	for (size_t i = 0; i < sizeof revoking / sizeof *revoking; i++) {
		server_book_release(wait_book(NULL, 1));
		again(revoking[i]);
		(void)wait_book(NULL, 0);
		assert_true(logged("1 server.keys-revoked outcome=revoked"));
		wait_no_secret();
		again((struct kms){0});
	}
	end();
}

static void however_long_the_kms_asks_to_wait_it_is_asked_within_the_hour(void **state)
{
	(void)state;
	static const struct {
		unsigned asked;
		const char *said;
	} rows[] = {{UINT32_MAX, "again_s=3600\n"}, {3601, "again_s=3600\n"}, {77, "again_s=77\n"}, {0, "again_s="}};
	begin((struct kms){0});
	server_book_release(wait_book(NULL, 1));
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		again((struct kms){.init = KMS_LATER, .retry_after_s = rows[i].asked});
		wait_log(rows[i].said);
	}
	end();
}

static void waits_double_up_to_a_minute_and_begin_anew_after_a_success(void **state)
{
	(void)state;
	begin((struct kms){0});
	server_book_release(wait_book(NULL, 1));
	for (int turn = 0; turn < 2; turn++) {
		static const char *const waits[] = {"=1\n", "=2\n", "=4\n", "=8\n", "=16\n", "=32\n", "=60\n"};
		const char *at = said;
		again((struct kms){.init = KMS_UNREACHABLE});
		for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
			wait_log(waits[i]);
			server_keys_renew(keys); /* or it takes two minutes */
		}
		kms_turns((struct kms){0});
		server_keys_renew(keys);
		wait_log("server.keys sets=2");
		for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
			const char *next = strstr(at, waits[i]);
			assert_non_null(next);
			at = next;
		}
	}
	end();
}

static void where_no_suite_is_common_nothing_is_allowed_and_the_log_says_so(void **state)
{
	(void)state;
	static const struct kms rows[] = {{.suites = "0505", .minimum = "0505"}, {.suites = "no suite"}};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		begin(rows[i]);
		struct server_book *b = wait_book(NULL, 1);
		assert_int_equal(server_book_suites(b)->n, 0);
		assert_true(logged("0 server.no-suite own=0101"));
		server_book_release(b);
		end();
	}
}

static int set_up(void **state)
{
	(void)state;
	snprintf(cfg.kms, sizeof cfg.kms, "https://kms.a.test:8443");
	snprintf(cfg.psi, sizeof cfg.psi, PSI);
	snprintf(cfg.mdsi, sizeof cfg.mdsi, MDSI);
	snprintf(cfg.suites, sizeof cfg.suites, "0101");
	return 0;
}

/* ---- other domains ---- */

static void the_certificates_of_other_domains_are_in_the_book_until_their_number_changes(void **state)
{
	(void)state;
	cfg.external_kms = 1;
	begin((struct kms){.cache_num = 7, .others = 2, .revoked_one = 1});
	struct server_book *b = wait_book(NULL, 1), *later;
	const struct mcsec_im_book *t = server_book_tables(b);
	assert_int_equal(known_before, -1);
	assert_int_equal(t->n_kms, 3); /* the revoked one is not among them */
	assert_string_equal(t->kms[0].domains[0], "a.test");
	assert_string_equal(t->kms[1].uri, "kms.0.test");
	assert_string_equal(t->kms[2].domains[0], "1.test");
	assert_int_equal(t->kms[2].n_domains, 1);
	again((struct kms){.cache_num = 7, .others = 2}); /* the same set: it is not sent again */
	later = wait_book(b, 1);
	assert_int_equal(known_before, 7);
	assert_int_equal(server_book_tables(later)->n_kms, 3);
	again((struct kms){.cache_num = 8, .others = 1});
	server_book_release(b);
	b = wait_book(later, 1);
	assert_int_equal(server_book_tables(b)->n_kms, 2);
	assert_int_equal(server_book_tables(later)->n_kms, 3); /* a job that holds the old one goes on */
	server_book_release(later);
	server_book_release(b);
	end();
	cfg.external_kms = 0;
}

static void certificates_that_cannot_be_had_leave_our_keys_and_those_we_have(void **state)
{
	(void)state;
	cfg.external_kms = 1;
	begin((struct kms){.cache = KMS_REFUSED, .cache_num = 3, .others = 1});
	wait_log("server.certificates-failed");
	struct server_book *b = wait_book(NULL, 1), *later;
	assert_int_equal(server_book_tables(b)->n_kms, 1);
	again((struct kms){.cache_num = 3, .others = 1});
	later = wait_book(b, 1);
	assert_int_equal(server_book_tables(later)->n_kms, 2);
	server_book_release(b);
	again((struct kms){.cache = KMS_LATER, .cache_num = 9});
	b = wait_book(later, 1);
	assert_int_equal(server_book_tables(b)->n_kms, 2);
	assert_string_equal(server_book_tables(b)->kms[1].uri, "kms.0.test");
	server_book_release(later);
	server_book_release(b);
	end();
	cfg.external_kms = 0;
}

static void with_external_kms_off_nobody_asks_for_other_domains(void **state)
{
	(void)state;
	unsigned before = caches;
	begin((struct kms){.cache_num = 3, .others = 1});
	struct server_book *b = wait_book(NULL, 1);
	assert_int_equal(server_book_tables(b)->n_kms, 1);
	assert_int_equal(caches, before);
	server_book_release(b);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_certificates_of_other_domains_are_in_the_book_until_their_number_changes),
	    cmocka_unit_test(certificates_that_cannot_be_had_leave_our_keys_and_those_we_have),
	    cmocka_unit_test(with_external_kms_off_nobody_asks_for_other_domains),
	    cmocka_unit_test(the_keys_of_every_identity_are_there_after_a_round),
	    cmocka_unit_test(near_the_end_of_a_period_the_next_keys_are_there_once),
	    cmocka_unit_test(keys_of_the_next_period_that_cannot_be_had_yet_hold_nothing_up),
	    cmocka_unit_test(a_kms_that_fails_takes_nothing_away_and_is_asked_again),
	    cmocka_unit_test(before_the_first_keys_there_is_no_book_and_the_kms_is_asked_until_it_gives_them),
	    cmocka_unit_test(mcx_sec_115_revoked_keys_are_wiped_and_come_back_only_from_the_kms),
	    cmocka_unit_test(however_long_the_kms_asks_to_wait_it_is_asked_within_the_hour),
	    cmocka_unit_test(waits_double_up_to_a_minute_and_begin_anew_after_a_success),
	    cmocka_unit_test(where_no_suite_is_common_nothing_is_allowed_and_the_log_says_so),
	};
	return cmocka_run_group_tests_name("server_keys", tests, set_up, NULL);
}
