/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Odd and broken SIP at the server's TCP and UDP listeners, in the manner of RFC 4475 (named after its messages) and
 * RFC 5118, and more of our own (torture_rows.h). After each the next good request is served, and nothing was
 * registered or called.
 */
#include <poll.h>

#include "e2e/server_bed.h"
#include "e2e/torture_rows.h"

static int counter;

enum { LONG_WORD = 300, LONG_LINE = 8192 };
/* How long silence is waited for where it is right too; and an answer that must come, on a machine under load. */
enum { SILENCE_MS = 150, PATIENCE_MS = 10000 };

/* Octets of what stands behind the head, marks filled in. */
static size_t body_len(const char *text)
{
	const char *body = strstr(text, "\r\n\r\n") + 4;
	return strlen(body) + (strstr(body, "$K") ? LONG_LINE - 2 : 0);
}

/* The row's text with its marks filled in. */
static char *fill(const char *text, unsigned port)
{
	char *out = NULL, id[16];
	size_t len = 0;
	size_t body = body_len(text);
	FILE *f = open_memstream(&out, &len);
	snprintf(id, sizeof id, "t%d", ++counter);
	for (; *text; text++) {
		if (text[0] != '$')
			fputc(*text, f);
		else if (*++text == 'P')
			fprintf(f, "%u", port);
		else if (*text == 'N')
			fprintf(f, "%zu", body);
		else if (*text == 'L' || *text == 'K')
			for (int i = 0; i < (*text == 'L' ? LONG_WORD : LONG_LINE); i++)
				fputc('a', f);
		else
			fputs(id, f);
	}
	fclose(f);
	return out;
}

/* Status of the answer within ms, NONE without. */
static int answer(int fd, int ms)
{
	char buf[4096];
	struct pollfd p = {fd, POLLIN, 0};
	for (int i = 0; i < 3 && poll(&p, 1, ms) == 1; i++) {
		ssize_t n = recv(fd, buf, sizeof buf - 1, 0);
		if (n <= 0)
			return NONE;
		buf[n] = 0;
		int status = strncmp(buf, "SIP/2.0 ", 8) == 0 ? atoi(buf + 8) : 0;
		if (status >= 200)
			return status;
	}
	return NONE;
}

static int send_one(int type, const char *text, int ms)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_port = htons(bed.server->sip_number),
				.sin_addr.s_addr = htonl(INADDR_LOOPBACK)},
			   own;
	socklen_t len = sizeof own;
	int fd = socket(AF_INET, type, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
	getsockname(fd, (struct sockaddr *)&own, &len);
	char *message = fill(text, ntohs(own.sin_port));
	char *tcp;
	while (type == SOCK_DGRAM && (tcp = strstr(message, "SIP/2.0/TCP")))
		memcpy(tcp + 8, "UDP", 3);
	assert_true(send(fd, message, strlen(message), 0) > 0);
	int status = answer(fd, ms);
	free(message);
	close(fd);
	return status;
}

static void still_serves(const char *after)
{
	if (send_one(SOCK_STREAM, OPT(""), PATIENCE_MS) != 200)
		fail_msg("after %s the next request is not served", after);
}

/* One row: the answer, the next good request, and that nothing came of it. */
static void row_is_answered(const struct row *r, int type)
{
	int got = NONE, right = 0, silent = 0;
	for (size_t k = 0; k < 4 && r->answers[k]; k++)
		silent |= r->answers[k] == NONE;
	/* a datagram may be lost while the server reads what the test before sent: then again, as a client would */
	for (int tries = type == SOCK_DGRAM ? 3 : 1; tries-- && !right && got == NONE;) {
		got = send_one(type, r->message, silent ? SILENCE_MS : PATIENCE_MS);
		for (size_t k = 0; k < 4 && r->answers[k]; k++)
			right |= got == r->answers[k];
	}
	if (!right)
		fail_msg("answer %d", got);
	still_serves(r->name);
	assert_int_equal(bindings_in_db(), 0);
	assert_int_equal(rows_in_db("SELECT count(*) FROM calls"), 0);
}

static void row_over_tcp(void **state)
{
	row_is_answered(*state, SOCK_STREAM);
}

static void row_over_udp(void **state)
{
	row_is_answered(*state, SOCK_DGRAM);
}

static void rfc4475_clerr_a_body_shorter_than_its_length_waits_and_hurts_nobody(void **state)
{
	(void)state;
	const char *m = "MESSAGE sip:mcptt@a.test SIP/2.0\r\n" VIA("TCP") REST
	    "CSeq: 1 MESSAGE\r\nContent-Type: text/plain\r\nContent-Length: 9999\r\n\r\nshort";
	assert_int_equal(send_one(SOCK_STREAM, m, SILENCE_MS), NONE);
	int udp = send_one(SOCK_DGRAM, m, SILENCE_MS);
	assert_true(udp == 400 || udp == NONE || udp == 404);
	still_serves("clerr");
}

static void every_prefix_and_every_flipped_octet_of_a_request_is_survived(void **state)
{
	(void)state;
	const char *good = OPT(
	    "Contact: <sip:alice@127.0.0.1>;+g.3gpp.mcptt;expires=600\r\nAccept-Contact: *;+g.3gpp.mcptt;require\r\n");
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_port = htons(bed.server->sip_number),
				.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
	char *m = fill(good, 9);
	size_t len = strlen(m);
	for (size_t i = 1; i < len; i++) {
		(void)!send(fd, m, i, 0);
		m[i] ^= (char)(1 << (i % 8));
		(void)!send(fd, m, len, 0);
		m[i] ^= (char)(1 << (i % 8));
	}
	free(m);
	close(fd);
	still_serves("mutations");
}

static int set_up(void **state)
{
	(void)state;
	bed_begin();
	bed.cfg.sip_port = bed_free_port(); /* one number for TCP and UDP */
	bed_start();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	bed_stop();
	bed_end();
	return 0;
}

int main(void)
{
	enum { ROWS = sizeof rows / sizeof *rows };
	static char names[2 * ROWS][128];
	struct CMUnitTest tests[2 * ROWS + 2] = {
	    cmocka_unit_test(rfc4475_clerr_a_body_shorter_than_its_length_waits_and_hurts_nobody),
	    cmocka_unit_test(every_prefix_and_every_flipped_octet_of_a_request_is_survived),
	};
	for (size_t i = 0; i < 2 * ROWS; i++) {
		const struct row *r = &rows[i / 2];
		snprintf(names[i], sizeof names[i], "%s_%s", r->name, i % 2 ? "over_udp" : "over_tcp");
		tests[i + 2] = (struct CMUnitTest){.name = names[i],
						   .test_func = i % 2 ? row_over_udp : row_over_tcp,
						   .initial_state = (void *)(uintptr_t)r};
	}
	return cmocka_run_group_tests_name("server_torture", tests, set_up, tear_down);
}
