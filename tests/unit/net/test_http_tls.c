/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS of the HTTPS server and client: versions, suites, names, client certificates, renewal without a restart.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>

#include "http_bed.h"

static void tls_03_a_client_certificate_is_read_when_it_verifies(void **state)
{
	(void)state;
	expect_text("admin", &get, "/", "GET|/||0|-*0|127.0.0.1|1|Olga|officer|sip:mdsi@a.test");
}

static void tls_03_an_expired_foreign_or_server_certificate_counts_as_none(void **state)
{
	static const char *const bad[] = {"stale", "foreign", "servers-only"};
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct http_answer a;
		ask(server, "127.0.0.1", bad[i], &get, "/", &a);
		if (a.status)
			assert_non_null(strstr((const char *)a.body, "|0|||"));
		http_answer_free(&a);
	}
}

/* What a client says to a server that shows certificate `name`, reached as `host`. */
static int status_with(const char *name, const char *host)
{
	char err[256], cert[80], key[80];
	snprintf(cert, sizeof cert, "%s.pem", name);
	snprintf(key, sizeof key, "%s.key", name);
	struct http_server_options o = options();
	o.cert_file = lab_path(&lab, cert);
	o.key_file = lab_path(&lab, key);
	struct http_server *s = http_server_start(&o, err, sizeof err);
	assert_non_null(s);
	struct http_answer a;
	ask(s, host, NULL, &get, "/", &a);
	int status = a.status;
	http_answer_free(&a);
	http_server_stop(s);
	return status;
}

static void tls_04_the_client_demands_the_servers_name_in_its_certificate(void **state)
{
	(void)state;
	assert_int_equal(status_with("server", "idms.test"), 200);
	assert_int_equal(status_with("server", "127.0.0.1"), 200);
	assert_int_equal(status_with("other", "idms.test"), 0);   /* the common name fits, the alternative name not */
	assert_int_equal(status_with("cn-only", "127.0.0.1"), 0); /* an address in the common name only */
	assert_int_equal(status_with("wild", "a.b.test"), 0);     /* a wildcard is one label */
	assert_int_equal(status_with("old", "127.0.0.1"), 0);
	assert_int_equal(status_with("foreign", "127.0.0.1"), 0);
}

static void tls_01_only_tls_1_2_and_1_3_are_spoken(void **state)
{
	static const int versions[] = {TLS1_VERSION, TLS1_1_VERSION, TLS1_2_VERSION, TLS1_3_VERSION};
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
		SSL_CTX_set_security_level(ctx, 0);
		SSL_CTX_set_min_proto_version(ctx, versions[i]);
		SSL_CTX_set_max_proto_version(ctx, versions[i]);
		SSL *ssl = raw_connect(ctx, server);
		assert_int_equal(ssl != NULL, versions[i] >= TLS1_2_VERSION);
		if (ssl)
			raw_close(ssl);
		SSL_CTX_free(ctx);
	}
}

static void tls_02_only_ecdhe_with_aead_is_spoken(void **state)
{
	static const struct {
		const char *suites;
		int taken;
	} cases[] = {{"ECDHE-ECDSA-AES128-GCM-SHA256", 1},
		     {"ECDHE-ECDSA-CHACHA20-POLY1305", 1},
		     {"ECDHE-ECDSA-AES128-SHA256", 0},
		     {"ECDHE-ECDSA-AES256-SHA", 0},
		     {"AES128-GCM-SHA256", 0},
		     {"DHE-RSA-AES128-GCM-SHA256", 0},
		     {"aNULL:eNULL", 0}};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
		SSL_CTX_set_security_level(ctx, 0);
		SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
		assert_true(SSL_CTX_set_cipher_list(ctx, cases[i].suites));
		SSL *ssl = raw_connect(ctx, server);
		assert_int_equal(ssl != NULL, cases[i].taken);
		if (ssl)
			raw_close(ssl);
		SSL_CTX_free(ctx);
	}
}

static void tls_05_no_renegotiation_no_ticket_no_compression(void **state)
{
	(void)state;
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
	SSL *ssl = raw_connect(ctx, server);
	char b;
	assert_non_null(ssl);
	assert_null(SSL_get_current_compression(ssl));
	assert_false(SSL_SESSION_has_ticket(SSL_get_session(ssl)));
	SSL_renegotiate(ssl);
	int again = SSL_do_handshake(ssl) == 1 && SSL_read(ssl, &b, 1) > 0;
	assert_false(again);
	raw_close(ssl);
	SSL_CTX_free(ctx);
}

struct tls_news {
	_Atomic int good, bad;
	char why[256];
};

static void take_tls_news(void *ctx, const char *error)
{
	struct tls_news *n = ctx;
	if (!error) {
		n->good++;
		return;
	}
	snprintf(n->why, sizeof n->why, "%s", error);
	n->bad++;
}

static void tls_08_a_renewed_certificate_is_taken_up_without_a_restart(void **state)
{
	(void)state;
	char err[256], command[300];
	lab_cert(&lab, &(struct lab_cert){.name = "live", .cn = "live", .san = "DNS:before.test"});
	struct http_server_options o = options();
	o.cert_file = lab_path(&lab, "live.pem");
	o.key_file = lab_path(&lab, "live.key");
	static struct tls_news news;
	o.ctx = &news;
	o.tls_said = take_tls_news;
	struct http_server *s = http_server_start(&o, err, sizeof err);
	struct http_answer a;
	assert_true(http_server_cert_ends(s) > time(NULL));
	ask(s, "after.test", NULL, &get, "/", &a);
	assert_int_equal(a.status, 0);
	/* a file that does not load: the old one serves on, and it is said once */
	snprintf(command, sizeof command, "cp %s/live.pem %s/live.bak && echo broken > %s/live.pem", lab.dir, lab.dir,
		 lab.dir);
	assert_int_equal(system(command), 0);
	for (int i = 0; i < 600 && !news.bad; i++)
		usleep(50000);
	assert_int_equal(news.bad, 1);
	assert_non_null(strstr(news.why, "live.pem"));
	http_answer_free(&a);
	ask(s, "before.test", NULL, &get, "/", &a);
	assert_int_equal(a.status, 200);
	lab_cert(&lab, &(struct lab_cert){.name = "renewed", .cn = "live", .san = "DNS:after.test"});
	snprintf(command, sizeof command, "cp %s/renewed.pem %s/live.pem && cp %s/renewed.key %s/live.key", lab.dir,
		 lab.dir, lab.dir, lab.dir);
	assert_int_equal(system(command), 0);
	a.status = 0;
	for (int i = 0; i < 600 && a.status != 200; i++) {
		usleep(50000);
		http_answer_free(&a);
		ask(s, "after.test", NULL, &get, "/", &a);
	}
	assert_int_equal(a.status, 200);
	http_answer_free(&a);
	http_server_stop(s);
}

/* A pipe nobody writes to, a device, a file of 1 MiB and one octet: for the certificate, the key, the authorities and
 * the revocation list. */
static void a_file_that_never_ends_is_refused_with_the_reason(void **state)
{
	(void)state;
	static const struct {
		const char *name, *says;
	} cases[] = {{"pipe", "not a regular file"}, {"zero", "not a regular file"}, {"large", "larger than 1 MiB"}};
	assert_int_equal(mkfifo(lab_path(&lab, "pipe"), 0600), 0);
	assert_int_equal(symlink("/dev/zero", lab_path(&lab, "zero")), 0);
	int fd = open(lab_path(&lab, "large"), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(fd, (1 << 20) + 1), 0);
	close(fd);
	for (size_t i = 0; i < 4 * sizeof cases / sizeof *cases; i++) {
		char err[256] = "", want[256];
		const char *file = lab_path(&lab, cases[i / 4].name);
		struct http_server_options o = options();
		const char **const place[] = {&o.cert_file, &o.key_file, &o.client_ca_file, &o.client_crl_file};
		*place[i % 4] = file;
		snprintf(want, sizeof want, "%s: %s", file, cases[i / 4].says);
		assert_null(http_server_start(&o, err, sizeof err));
		assert_string_equal(err, want);
	}
}

static int status_at(const struct http_server *s, const char *host, char *said, size_t size)
{
	char url[80];
	struct http_answer a;
	struct http_client *c = http_client_new(
	    &(struct http_client_options){.ca_file = lab_path(&lab, "ca.pem"), .max_body = 4096, .timeout_ms = 5000});
	snprintf(url, sizeof url, "https://%s:%u/", host, http_server_port(s));
	http_client_do(c, &(struct http_call){.method = "GET", .url = url}, &a);
	snprintf(said, size, "%s", a.body ? (const char *)a.body : a.error);
	int status = a.status;
	http_answer_free(&a);
	http_client_free(c);
	return status;
}

static void tls_04_an_ipv6_address_is_served_and_its_name_demanded(void **state)
{
	(void)state;
	char err[256] = "", said[1024];
	struct http_server_options o = options();
	o.address = "::1";
	struct http_server *wrong = http_server_start(&o, err, sizeof err);
	o.cert_file = lab_path(&lab, "six.pem");
	o.key_file = lab_path(&lab, "six.key");
	struct http_server *right = wrong ? http_server_start(&o, err, sizeof err) : NULL;
	if (!right) {
		skip(); /* a machine without IPv6 */
		return;
	}
	assert_int_equal(status_at(right, "[::1]", said, sizeof said), 200);
	assert_non_null(strstr(said, "|::1|"));
	assert_int_equal(status_at(wrong, "[::1]", said, sizeof said), 0);
	http_server_stop(right);
	http_server_stop(wrong);
}

static void tls_09_a_server_without_certificate_or_with_a_strange_key_does_not_start(void **state)
{
	(void)state;
	char err[256] = "";
	struct http_server_options o = options();
	o.cert_file = NULL;
	assert_null(http_server_start(&o, err, sizeof err));
	assert_non_null(strstr(err, "no plain HTTP"));
	o = options();
	o.key_file = lab_path(&lab, "other.key");
	assert_null(http_server_start(&o, err, sizeof err));
	assert_non_null(strstr(err, "does not belong"));
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(tls_03_a_client_certificate_is_read_when_it_verifies),
	    cmocka_unit_test(tls_03_an_expired_foreign_or_server_certificate_counts_as_none),
	    cmocka_unit_test(tls_04_the_client_demands_the_servers_name_in_its_certificate),
	    cmocka_unit_test(tls_01_only_tls_1_2_and_1_3_are_spoken),
	    cmocka_unit_test(tls_02_only_ecdhe_with_aead_is_spoken),
	    cmocka_unit_test(tls_05_no_renegotiation_no_ticket_no_compression),
	    cmocka_unit_test(tls_08_a_renewed_certificate_is_taken_up_without_a_restart),
	    cmocka_unit_test(tls_04_an_ipv6_address_is_served_and_its_name_demanded),
	    cmocka_unit_test(a_file_that_never_ends_is_refused_with_the_reason),
	    cmocka_unit_test(tls_09_a_server_without_certificate_or_with_a_strange_key_does_not_start),
	};
	return cmocka_run_group_tests(tests, bed_set_up, bed_tear_down);
}
