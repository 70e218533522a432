/* SPDX-License-Identifier: Apache-2.0 */
/* The shared part of admin listeners: who may do what, and what the health pages answer. */
#include "unit/test.h"

#include <jansson.h>

#include "app/admin.h"

static struct metric metrics[] = {{"mcx_test_total", "Things counted", NULL, METRIC_COUNTER, 7}};
static const char *missing;

static const char *not_ready(void *ctx)
{
	(void)ctx;
	return missing;
}

static const struct admin_health health = {.not_ready = not_ready, .metrics = metrics, .n_metrics = 1};

static struct http_client_cert cert_with(const char *ou)
{
	struct http_client_cert c = {.present = ou != NULL};
	snprintf(c.org_unit, sizeof c.org_unit, "%s", ou ? ou : "officer"); /* not verified: its OU must not count */
	return c;
}

/* The status, with the body kept in text; 0 if the path is none of the health pages. */
static int ask(const char *method, const char *path, const char *ou, char *text, size_t size)
{
	struct http_client_cert cert = cert_with(ou);
	struct http_request rq = {.method = method, .path = path, .query = "", .cert = &cert};
	struct http_response rs = {0};
	if (!admin_health(&health, &rq, &rs))
		return 0;
	snprintf(text, size, "%.*s", (int)rs.body_len, rs.body ? (const char *)rs.body : "");
	int status = rs.status;
	http_response_clear(&rs);
	return status;
}

static void the_role_is_the_certificates_ou(void **state)
{
	(void)state;
	static const struct {
		const char *ou;
		unsigned role;
	} rows[] = {{"officer", ADMIN_OFFICER},
		    {"user-admin", ADMIN_USER_ADMIN},
		    {"auditor", ADMIN_AUDITOR},
		    {"backup", ADMIN_BACKUP},
		    {"Officer", 0},
		    {"", 0},
		    {"officer ", 0},
		    {NULL, 0}};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct http_client_cert c = cert_with(rows[i].ou);
		assert_int_equal(admin_role_of(&c), rows[i].role);
	}
	assert_int_equal(admin_role_of(NULL), 0);
}

static void without_a_fitting_role_the_answer_is_403(void **state)
{
	(void)state;
	static const struct {
		const char *ou;
		const char *error;
	} rows[] = {{"auditor", "role"}, {"nobody", "role"}, {NULL, "no-certificate"}};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct http_client_cert c = cert_with(rows[i].ou);
		struct http_request rq = {.method = "PUT", .path = "/x", .cert = &c};
		struct http_response rs = {0};
		assert_int_equal(admin_allow(&rq, ADMIN_OFFICER | ADMIN_USER_ADMIN, &rs), 0);
		assert_int_equal(rs.status, 403);
		json_t *j = json_loadb((const char *)rs.body, rs.body_len, 0, NULL);
		assert_string_equal(json_string_value(json_object_get(j, "error")), rows[i].error);
		json_decref(j);
		http_response_clear(&rs);
	}
	struct http_client_cert c = cert_with("user-admin");
	struct http_request rq = {.method = "PUT", .path = "/x", .cert = &c};
	struct http_response rs = {0};
	assert_int_equal(admin_allow(&rq, ADMIN_OFFICER | ADMIN_USER_ADMIN, &rs), 1);
	assert_int_equal(rs.status, 0);
}

static void an_error_is_one_json_object(void **state)
{
	(void)state;
	struct http_response rs = {0};
	admin_error(&rs, 409, "taken", "the name \"x\"\\\n is taken");
	assert_int_equal(rs.status, 409);
	json_t *j = json_loadb((const char *)rs.body, rs.body_len, 0, NULL);
	assert_string_equal(json_string_value(json_object_get(j, "detail")), "the name x is taken");
	json_decref(j);
	http_response_clear(&rs);
}

static void health_and_metrics_answer_to_every_role(void **state)
{
	(void)state;
	static const char *const roles[] = {"officer", "user-admin", "auditor", "backup"};
	char text[512];
	missing = NULL;
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(ask("GET", "/healthz", roles[i], text, sizeof text), 200);
		assert_int_equal(ask("GET", "/readyz", roles[i], text, sizeof text), 200);
		assert_int_equal(ask("GET", "/metrics", roles[i], text, sizeof text), 200);
		assert_non_null(strstr(text, "mcx_test_total 7\n"));
	}
	assert_int_equal(ask("GET", "/metrics", NULL, text, sizeof text), 403);
	assert_int_equal(ask("POST", "/healthz", "auditor", text, sizeof text), 405);
	assert_int_equal(ask("GET", "/metrics/", "auditor", text, sizeof text), 0);
}

static void readiness_names_what_is_missing(void **state)
{
	(void)state;
	char text[512];
	missing = "sealed";
	assert_int_equal(ask("GET", "/readyz", "auditor", text, sizeof text), 503);
	assert_non_null(strstr(text, "\"error\":\"sealed\""));
	assert_int_equal(ask("GET", "/healthz", "auditor", text, sizeof text), 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_role_is_the_certificates_ou),
	    cmocka_unit_test(without_a_fitting_role_the_answer_is_403),
	    cmocka_unit_test(an_error_is_one_json_object),
	    cmocka_unit_test(health_and_metrics_answer_to_every_role),
	    cmocka_unit_test(readiness_names_what_is_missing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
