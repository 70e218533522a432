/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_xml.c - one mcptt-info of a private call protected, written as a body, read and opened again: what a server and
 * a client each do half of for every request. The keys are derived from the CSK for each message, as both do.
 *
 * There is no peer: the target (below 80 us) is stated as a time.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mcx/xmlsec/xmlsec.h"

#define ALICE "sip:alice@mc.example.org"
#define INFO                                                                                                           \
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n"                                                               \
	"<mcpttinfo xmlns=\"urn:3gpp:ns:mcpttInfo:1.0\"><mcptt-Params><session-type>private</session-type>"            \
	"<mcptt-request-uri type=\"Normal\"><mcpttURI>sip:bob@mc.example.org</mcpttURI></mcptt-request-uri>"           \
	"<mcptt-calling-user-id type=\"Normal\"><mcpttURI>" ALICE "</mcpttURI></mcptt-calling-user-id>"                \
	"<mcptt-client-id type=\"Normal\"><mcpttString>urn:uuid:1</mcpttString></mcptt-client-id>"                     \
	"</mcptt-Params></mcpttinfo>"

enum { ROUNDS = 31, BODY_ROOM = 64 * 1024 };

static const uint8_t csk[16] = {0x5b, 0x2d, 0x9c, 0x41, 0xe0, 0x7f, 0x3a, 0x68,
				0xb1, 0xc4, 0xd2, 0xe9, 0x5f, 0x60, 0x71, 0x83};
static uint8_t sent[BODY_ROOM], scratch[BODY_ROOM], memory[2][XML_ARENA_MIN];

static double now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static size_t protect(void)
{
	struct xml_key key;
	struct writer arena = wr_init(memory[0], sizeof memory[0]), w = wr_init(sent, sizeof sent);
	struct body_out parts[2] = {{TYPE_MCPTT_INFO, NULL, octets_of(INFO), 0}};
	size_t n = 1;
	if (xml_key_derive(&key, csk, 0x2c3d4e5f, ALICE) ||
	    xml_protect(&xml_policy_default, &key, &mcsec_rng_system, "mc.example.org", parts, &n, 2, &arena) ||
	    multipart_write(&w, "mcx-bench", parts, n))
		return 0;
	return (size_t)(w.at - sent);
}

static int open_again(size_t len)
{
	static struct multipart m;
	struct xml_key key;
	const struct xml_key *list[] = {&key};
	const struct xml_keys keys = {list, 1};
	struct writer arena = wr_init(memory[1], sizeof memory[1]);
	struct xml_opened opened;
	if (xml_key_derive(&key, csk, 0x2c3d4e5f, ALICE) ||
	    multipart_read("multipart/mixed;boundary=mcx-bench", (struct octets){sent, len}, scratch, sizeof scratch,
			   &m, NULL) ||
	    xml_open(&xml_policy_default, &keys, &m, &opened, &arena))
		return 0;
	return opened.verdict == XML_PASSED && opened.seen.n == 3 && opened.seen.clear_sensitive == 0;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	double t[ROUNDS];
	int rounds = ROUNDS, calls = 200;
	cpu_set_t core;
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--quick"))
			rounds = calls = 1;
		else if (!strcmp(argv[i], "--op") && i + 1 < argc && !strstr("xml_protect_open", argv[++i]))
			return 0;
	}
	CPU_ZERO(&core);
	CPU_SET(0, &core);
	sched_setaffinity(0, sizeof core, &core);
	for (int r = 0; r < rounds; r++) {
		double begin = now_us();
		for (int c = 0; c < calls; c++)
			if (!open_again(protect())) {
				fprintf(stderr, "bench_xml: what was protected does not open\n");
				return 1;
			}
		t[r] = (now_us() - begin) / calls;
	}
	qsort(t, (size_t)rounds, sizeof *t, by_value);
	double us = t[rounds / 2];
	printf("{\"op\":\"xml_protect_open\",\"impl\":\"mcx\",\"peer\":\"none\",\"sp_asm\":false,\"consttime\":true,"
	       "\"n\":1,"
	       "\"median_us\":%.3f,\"per_s_core\":%.1f,\"ratio\":0}\n",
	       us, 1e6 / us);
	return 0;
}
