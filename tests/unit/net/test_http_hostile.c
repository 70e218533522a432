/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTPS server against peers that want to keep others away: silent connections, too many of them, from one address
 * and from many, no descriptor left; and what its own refusals say about being kept.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include "lab.h"
#include "net/http.h"
#include "net/spare.h"

static struct lab lab;

static void say_who(void *ctx, const struct http_request *rq, struct http_response *rs)
{
	(void)ctx;
	http_response_text(rs, 200, "text/plain", rq->cert->present ? rq->cert->common_name : "nobody");
}

static struct http_server *start(struct http_server_options o)
{
	char err[256] = "";
	o.address = "127.0.0.1";
	o.cert_file = lab_path(&lab, "server.pem");
	o.key_file = lab_path(&lab, "server.key");
	o.client_ca_file = lab_path(&lab, "ca.pem");
	o.max_body = 1000;
	o.threads = 2;
	o.handler = say_who;
	struct http_server *s = http_server_start(&o, err, sizeof err);
	if (!s)
		fail_msg("%s", err);
	return s;
}

/* A TCP connection from one of this machine's many addresses; nothing is said on it. */
static int dial(struct http_server *s, const char *source)
{
	struct sockaddr_in own = {.sin_family = AF_INET}, to = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	inet_pton(AF_INET, source, &own.sin_addr);
	inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
	to.sin_port = htons(http_server_port(s));
	assert_int_equal(bind(fd, (struct sockaddr *)&own, sizeof own), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	struct timeval patience = {.tv_sec = 10};
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	return fd;
}

/* The whole answer to one request over a connection that is there; 0 if there is none. */
static int exchange(int fd, const char *request, char *text, size_t size)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(ctx);
	int n = -1;
	SSL_set_fd(ssl, fd);
	if (SSL_connect(ssl) == 1 && SSL_write(ssl, request, (int)strlen(request)) > 0)
		n = SSL_read(ssl, text, (int)size - 1);
	text[n > 0 ? n : 0] = 0;
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	return n > 12 && strncmp(text, "HTTP/1.1 ", 9) == 0 ? atoi(text + 9) : 0;
}

static int served(struct http_server *s, const char *source)
{
	char text[2000];
	int fd = dial(s, source), status = exchange(fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", text, sizeof text);
	close(fd);
	return status == 200;
}

static int is_closed(int fd)
{
	char octet;
	ssize_t n = recv(fd, &octet, 1, MSG_DONTWAIT);
	return n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK);
}

static int closes(int fd)
{
	for (int i = 0; i < 1500; i++) {
		if (is_closed(fd))
			return 1;
		usleep(10000);
	}
	return 0;
}

static void refusals_made_before_any_handler_are_not_to_be_stored(void **state)
{
	(void)state;
	static const struct {
		const char *request;
		int status;
	} cases[] = {
	    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n", 413},
	    {"GET nonsense HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	    {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
	    {"ABCDEFGHIJKLMNOPQRSTUVWXYZ / HTTP/1.1\r\nHost: a\r\n\r\n", 501},
	};
	struct http_server *s = start((struct http_server_options){0});
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char text[2000];
		int fd = dial(s, "127.0.0.1");
		assert_int_equal(exchange(fd, cases[i].request, text, sizeof text), cases[i].status);
		assert_non_null(strstr(text, "Cache-Control: no-store\r\n"));
		close(fd);
	}
	http_server_stop(s);
}

/* ---- a certificate revoked while its connection is open ---- */

static void write_crl(const char *cert, const char *crl)
{
	X509_CRL *list = X509_CRL_new();
	FILE *f = fopen(lab_path(&lab, cert), "r");
	X509 *x = f ? PEM_read_X509(f, NULL, NULL, NULL) : NULL;
	assert_non_null(x);
	fclose(f);
	ASN1_TIME *now = X509_gmtime_adj(NULL, -60), *next = X509_gmtime_adj(NULL, 3600);
	X509_CRL_set_version(list, 1);
	X509_CRL_set_issuer_name(list, X509_get_subject_name(lab.ca));
	X509_CRL_set1_lastUpdate(list, now);
	X509_CRL_set1_nextUpdate(list, next);
	if (crl[0] == 'r') { /* "revoked.crl"; any other name makes an empty list */
		X509_REVOKED *r = X509_REVOKED_new();
		X509_REVOKED_set_serialNumber(r, X509_get_serialNumber(x));
		X509_REVOKED_set_revocationDate(r, now);
		X509_CRL_add0_revoked(list, r);
	}
	X509_CRL_sort(list);
	assert_true(X509_CRL_sign(list, lab.ca_key, EVP_sha256()));
	f = fopen(lab_path(&lab, crl), "w");
	assert_non_null(f);
	assert_true(PEM_write_X509_CRL(f, list));
	fclose(f);
	ASN1_TIME_free(now);
	ASN1_TIME_free(next);
	X509_free(x);
	X509_CRL_free(list);
}

/* Header and body come in records of their own. */
static int whole(const char *text)
{
	const char *length = strstr(text, "Content-Length: "), *body = strstr(text, "\r\n\r\n");
	return length && body && strlen(body + 4) >= (size_t)atoi(length + 16);
}

static int ask_on(SSL *ssl, char *text, size_t size)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
	size_t got = 0;
	text[0] = 0;
	if (SSL_write(ssl, request, (int)strlen(request)) <= 0)
		return 0;
	while (!whole(text)) {
		int n = SSL_read(ssl, text + got, (int)(size - 1 - got));
		if (n <= 0)
			return 0;
		got += (size_t)n;
		text[got] = 0;
	}
	return 1;
}

static void a_certificate_revoked_while_its_connection_is_open_counts_as_none_from_then_on(void **state)
{
	(void)state;
	char text[2000];
	int revoked_seen = 0;
	write_crl("admin.pem", "live.crl");
	write_crl("admin.pem", "revoked.crl");
	struct http_server *s =
	    start((struct http_server_options){.client_crl_file = lab_path(&lab, "live.crl"), .idle_timeout_s = 60});
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	assert_true(SSL_CTX_use_certificate_file(ctx, lab_path(&lab, "admin.pem"), SSL_FILETYPE_PEM));
	assert_true(SSL_CTX_use_PrivateKey_file(ctx, lab_path(&lab, "admin.key"), SSL_FILETYPE_PEM));
	int fd = dial(s, "127.0.0.1");
	SSL *ssl = SSL_new(ctx);
	SSL_set_fd(ssl, fd);
	assert_int_equal(SSL_connect(ssl), 1);
	for (int i = 0; i < 3; i++) {
		assert_true(ask_on(ssl, text, sizeof text));
		assert_non_null(strstr(text, "Olga"));
	}
	assert_int_equal(rename(lab_path(&lab, "revoked.crl"), lab_path(&lab, "live.crl")), 0);
	for (int i = 0; i < 300 && !revoked_seen; i++) {
		assert_true(ask_on(ssl, text, sizeof text)); /* still the same connection */
		revoked_seen = strstr(text, "nobody") != NULL;
		usleep(100000);
	}
	assert_true(revoked_seen);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	close(fd);
	http_server_stop(s);
}

/* ---- places ---- */

static void one_address_gets_its_share_and_another_is_still_served(void **state)
{
	(void)state;
	enum { SHARE = 8 };
	int fd[SHARE + 1];
	struct http_server *s = start((struct http_server_options){.max_per_peer = SHARE, .new_per_peer = 1000});
	for (int i = 0; i < SHARE; i++)
		fd[i] = dial(s, "127.0.0.2");
	usleep(100000);
	fd[SHARE] = dial(s, "127.0.0.2");
	assert_true(closes(fd[SHARE]));
	assert_true(served(s, "127.0.0.1"));
	for (int i = 0; i <= SHARE; i++)
		close(fd[i]);
	http_server_stop(s);
}

static void one_address_gets_so_many_new_connections_a_second(void **state)
{
	(void)state;
	enum { TRIES = 60 };
	int fd[TRIES], refused = 0;
	struct http_server *s = start((struct http_server_options){.new_per_peer = 2});
	for (int i = 0; i < TRIES; i++)
		fd[i] = dial(s, "127.0.0.2");
	for (int tries = 0; tries < 500 && !refused; tries++) {
		for (int i = 0; i < TRIES; i++)
			refused += is_closed(fd[i]);
		usleep(10000);
	}
	assert_true(refused > 0);
	assert_true(served(s, "127.0.0.1"));
	for (int i = 0; i < TRIES; i++)
		close(fd[i]);
	http_server_stop(s);
}

static void k5_silent_connections_from_many_addresses_make_room_for_who_asks(void **state)
{
	(void)state;
	enum { PLACES = 40, SILENT = 120 };
	int fd[SILENT], gone = 0;
	struct http_server *s = start((struct http_server_options){
	    .max_connections = PLACES, .new_per_peer = 1000, .idle_timeout_s = 300, .request_timeout_s = 300});
	for (int i = 0; i < SILENT; i++) {
		char source[24];
		snprintf(source, sizeof source, "127.0.1.%d", i + 1);
		fd[i] = dial(s, source);
		if (i % 20 == 19)
			assert_true(served(s, "127.0.0.1"));
	}
	for (int i = 0; i < SILENT; i++)
		gone += is_closed(fd[i]);
	assert_true(gone >= SILENT - PLACES);
	for (int i = 0; i < SILENT; i++)
		close(fd[i]);
	http_server_stop(s);
}

/* ---- descriptors ---- */

static int told;

static void on_starved(void)
{
	told++;
}

static double cpu_s(void)
{
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void without_a_descriptor_the_server_does_not_spin_and_recovers_by_itself(void **state)
{
	(void)state;
	enum { EATEN = 4096, WAITING = 5 };
	static int eaten[EATEN];
	int fd[WAITING], n = 0;
	struct rlimit before, small;
	struct sockaddr_in to = {.sin_family = AF_INET};
	struct http_server *s = start((struct http_server_options){.idle_timeout_s = 2});
	assert_true(served(s, "127.0.0.1"));
	told = 0;
	spare_observe(on_starved);
	getrlimit(RLIMIT_NOFILE, &before);
	for (int i = 0; i < WAITING; i++)
		fd[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	small = (struct rlimit){(rlim_t)fd[WAITING - 1] + 20, before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &small), 0);
	while (n < EATEN && (eaten[n] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
		n++;
	inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
	to.sin_port = htons(http_server_port(s));
	double cpu = cpu_s();
	for (int i = 0; i < WAITING; i++)
		assert_int_equal(connect(fd[i], (struct sockaddr *)&to, sizeof to), 0);
	for (int i = 0; i < WAITING; i++)
		assert_true(closes(fd[i]));
	sleep(2);
	cpu = cpu_s() - cpu;
	print_message("# two seconds without a descriptor cost %.3f s of processor time\n", cpu);
	assert_true(cpu < 0.5);
	assert_true(told >= WAITING - 1); /* the one served before may have left its place to one of them */
	while (n > 0)
		close(eaten[--n]);
	setrlimit(RLIMIT_NOFILE, &before);
	assert_true(served(s, "127.0.0.1"));
	spare_observe(NULL);
	for (int i = 0; i < WAITING; i++)
		close(fd[i]);
	http_server_stop(s);
}

static int set_up(void **state)
{
	(void)state;
	lab_open(&lab);
	lab_cert(&lab, &(struct lab_cert){.name = "server", .cn = "server", .san = "IP:127.0.0.1"});
	lab_cert(&lab, &(struct lab_cert){.name = "admin", .cn = "Olga", .ou = "officer"});
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	lab_close(&lab);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(refusals_made_before_any_handler_are_not_to_be_stored),
	    cmocka_unit_test(a_certificate_revoked_while_its_connection_is_open_counts_as_none_from_then_on),
	    cmocka_unit_test(one_address_gets_its_share_and_another_is_still_served),
	    cmocka_unit_test(one_address_gets_so_many_new_connections_a_second),
	    cmocka_unit_test(k5_silent_connections_from_many_addresses_make_room_for_who_asks),
	    cmocka_unit_test(without_a_descriptor_the_server_does_not_spin_and_recovers_by_itself),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("http_hostile", tests, set_up, tear_down);
}
