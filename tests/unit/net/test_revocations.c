/* SPDX-License-Identifier: Apache-2.0 */
/* test_revocations.c - the list of tokens taken back: what it stops, what it lets through, and how it is kept
 * (identity.md 11). */
#include "unit/net/lab.h"

#include "net/revocations.h"

static struct token_claims token(const char *jti, const char *sid, const char *sub, int64_t iat)
{
	struct token_claims c = {.iat = iat};
	snprintf(c.jti, sizeof c.jti, "%s", jti);
	snprintf(c.sid, sizeof c.sid, "%s", sid);
	snprintf(c.subject, sizeof c.subject, "%s", sub);
	return c;
}

static int has(const struct revoked_list *l, const char *jti, const char *sid, const char *sub, int64_t iat,
	       int64_t now)
{
	struct token_claims c = token(jti, sid, sub, iat);
	return revoked_list_has(l, &c, now);
}

static const char page[] = "{\"next\":7,\"revoked\":[{\"kind\":\"jti\",\"value\":\"at-1\",\"at\":100,\"until\":500},"
			   "{\"kind\":\"sid\",\"value\":\"s-1\",\"at\":100,\"until\":500},"
			   "{\"kind\":\"sub\",\"value\":\"u-1\",\"at\":100,\"until\":500},"
			   "{\"kind\":\"moon\",\"value\":\"x\",\"at\":100,\"until\":500}]}";

static void a_token_its_session_or_its_account_is_stopped_and_no_other(void **state)
{
	(void)state;
	int64_t next = 0;
	struct revoked_list *l = revoked_list_new();
	assert_int_equal(revoked_list_take(l, octets_of(page), 100, &next), 4);
	assert_int_equal(next, 7);
	assert_int_equal(revoked_list_count(l), 3);
	assert_true(has(l, "at-1", "s-9", "u-9", 90, 200));
	assert_true(has(l, "at-2", "s-1", "u-9", 90, 200));
	assert_true(has(l, "at-2", "s-9", "u-1", 100, 200));
	assert_false(has(l, "at-2", "s-9", "u-9", 90, 200));
	assert_false(has(l, "", "", "", 90, 200));
	assert_false(has(l, "s-1", "at-1", "at-1", 90, 200)); /* kinds do not mix */
	revoked_list_free(l);
}

static void a_newer_token_of_a_cut_account_counts(void **state)
{
	(void)state;
	int64_t next;
	struct revoked_list *l = revoked_list_new();
	revoked_list_take(l, octets_of(page), 100, &next);
	assert_false(has(l, "at-2", "s-1", "u-1", 101, 200));
	assert_true(has(l, "at-1", "s-1", "u-1", 101, 200)); /* a token identifier is one token */
	revoked_list_free(l);
}

static void an_entry_ends_when_no_token_can_be_alive(void **state)
{
	(void)state;
	int64_t next;
	struct revoked_list *l = revoked_list_new();
	revoked_list_take(l, octets_of(page), 100, &next);
	assert_true(has(l, "at-1", "", "", 90, 499));
	assert_false(has(l, "at-1", "", "", 90, 500));
	assert_int_equal(revoked_list_take(l, octets_of("{\"next\":8,\"revoked\":[]}"), 500, &next), 0);
	assert_int_equal(revoked_list_count(l), 0);
	revoked_list_free(l);
}

static void what_is_no_list_is_refused_and_next_stays(void **state)
{
	(void)state;
	static const char *const bad[] = {"",
					  "[]",
					  "{}",
					  "{\"next\":1}",
					  "{\"revoked\":[]}",
					  "{\"next\":\"1\",\"revoked\":[]}",
					  "{\"next\":1,\"revoked\":[{\"kind\":\"jti\"}]}",
					  "{\"next\":1,\"revoked\":[7]}",
					  "{\"next\":1,\"revoked\":[]"};
	struct revoked_list *l = revoked_list_new();
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		int64_t next = 3;
		assert_int_equal(revoked_list_take(l, octets_of(bad[i]), 100, &next), -1);
		assert_int_equal(next, 3);
	}
	revoked_list_free(l);
}

static void many_entries_are_each_found(void **state)
{
	(void)state;
	struct revoked_list *l = revoked_list_new();
	for (int i = 0; i < 20000; i++) {
		char text[160];
		int64_t next;
		snprintf(text, sizeof text,
			 "{\"next\":%d,\"revoked\":[{\"kind\":\"jti\",\"value\":\"t%d\",\"at\":1,\"until\":900}]}", i,
			 i);
		if (i % 5 == 0) /* each page looks at all entries: once in five is enough here */
			assert_int_equal(revoked_list_take(l, octets_of(text), 100, &next), 1);
	}
	assert_int_equal(revoked_list_count(l), 4000);
	for (int i = 0; i < 20000; i++) {
		char jti[16];
		snprintf(jti, sizeof jti, "t%d", i);
		assert_int_equal(has(l, jti, "", "", 1, 100), i % 5 == 0);
	}
	revoked_list_free(l);
}

/* An account that is cut twice is cut by the later one; neither shortens what the other says. */
static void an_entry_that_comes_again_holds_for_the_later_of_both(void **state)
{
	(void)state;
	static const int64_t times[][2] = {{50, 500}, {90, 400}, {70, 600}}; /* at, until */
	struct revoked_list *l = revoked_list_new();
	for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
		char text[160];
		int64_t next;
		snprintf(text, sizeof text,
			 "{\"next\":1,\"revoked\":[{\"kind\":\"sub\",\"value\":\"u\",\"at\":%lld,\"until\":%lld}]}",
			 (long long)times[i][0], (long long)times[i][1]);
		assert_int_equal(revoked_list_take(l, octets_of(text), 100, &next), 1);
		assert_int_equal(revoked_list_count(l), 1);
	}
	assert_true(has(l, "", "", "u", 90, 599));
	assert_false(has(l, "", "", "u", 91, 599));
	assert_false(has(l, "", "", "u", 90, 600));
	revoked_list_free(l);
}

/* ---- over HTTPS ---- */

struct issuer {
	struct lab lab;
	struct http_server *server;
	_Atomic int asked, fail, failures, recoveries;
};

static void answer(void *ctx, const struct http_request *rq, struct http_response *rs)
{
	struct issuer *s = ctx;
	s->asked++;
	if (s->fail || !rq->cert->present)
		rs->status = 403;
	else if (strcmp(rq->query, "since=0") == 0)
		http_response_text(rs, 200, "application/json",
				   "{\"next\":7,\"revoked\":[{\"kind\":\"jti\",\"value\":\"at-1\",\"at\":1,"
				   "\"until\":99999999999}]}");
	else if (strcmp(rq->query, "since=7") == 0)
		http_response_text(rs, 200, "application/json",
				   "{\"next\":8,\"revoked\":[{\"kind\":\"jti\",\"value\":\"at-2\",\"at\":1,"
				   "\"until\":99999999999}]}");
	else
		http_response_text(rs, 200, "application/json", "{\"next\":8,\"revoked\":[]}");
}

static void said(void *ctx, const char *error)
{
	struct issuer *s = ctx;
	if (error)
		s->failures++;
	else
		s->recoveries++;
}

static void wait_until(struct revocations *r, const char *jti)
{
	struct token_claims c = token(jti, "", "", 1);
	for (int i = 0; i < 600 && !revocations_has(r, &c); i++)
		usleep(50000);
	assert_true(revocations_has(r, &c));
}

static void the_list_is_asked_for_page_by_page_and_an_outage_is_said_once(void **state)
{
	(void)state;
	static struct issuer s;
	char err[256], url[128], resolve[128];
	lab_open(&s.lab);
	lab_cert(&s.lab, &(struct lab_cert){.name = "idms", .cn = "idms", .san = "DNS:idms.test"});
	lab_cert(&s.lab, &(struct lab_cert){.name = "kms", .cn = "kms"});
	char ca[256], cert[256], key[256], tls[256], tls_key[256];
	snprintf(ca, sizeof ca, "%s", lab_path(&s.lab, "ca.pem"));
	snprintf(cert, sizeof cert, "%s", lab_path(&s.lab, "kms.pem"));
	snprintf(key, sizeof key, "%s", lab_path(&s.lab, "kms.key"));
	snprintf(tls, sizeof tls, "%s", lab_path(&s.lab, "idms.pem"));
	snprintf(tls_key, sizeof tls_key, "%s", lab_path(&s.lab, "idms.key"));
	struct http_server_options o = {.address = "127.0.0.1",
					.cert_file = tls,
					.key_file = tls_key,
					.client_ca_file = ca,
					.max_body = 1024,
					.threads = 1,
					.handler = answer,
					.ctx = &s};
	s.fail = 1;
	s.server = http_server_start(&o, err, sizeof err);
	assert_non_null(s.server);
	snprintf(url, sizeof url, "https://idms.test:%u/admin/v1/revoked", http_server_port(s.server));
	snprintf(resolve, sizeof resolve, "idms.test:%u:127.0.0.1", http_server_port(s.server));
	struct revocations_options ro = {
	    .url = url,
	    .http = {.ca_file = ca, .cert_file = cert, .key_file = key, .resolve = resolve},
	    .every_s = 1,
	    .said = said,
	    .ctx = &s};
	struct revocations *r = revocations_start(&ro);
	assert_non_null(r);
	for (int i = 0; i < 600 && s.asked < 2; i++)
		usleep(50000);
	assert_int_equal(revocations_age(r), -1);
	s.fail = 0;
	wait_until(r, "at-1");
	wait_until(r, "at-2");
	assert_true(revocations_age(r) >= 0);
	assert_int_equal(s.failures, 1);
	assert_int_equal(s.recoveries, 1);
	http_server_stop(s.server);
	wait_until(r, "at-1"); /* what is known goes on counting */
	revocations_stop(r);
	lab_close(&s.lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_token_its_session_or_its_account_is_stopped_and_no_other),
	    cmocka_unit_test(a_newer_token_of_a_cut_account_counts),
	    cmocka_unit_test(an_entry_ends_when_no_token_can_be_alive),
	    cmocka_unit_test(what_is_no_list_is_refused_and_next_stays),
	    cmocka_unit_test(an_entry_that_comes_again_holds_for_the_later_of_both),
	    cmocka_unit_test(many_entries_are_each_found),
	    cmocka_unit_test(the_list_is_asked_for_page_by_page_and_an_outage_is_said_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
