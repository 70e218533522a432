/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire_rows.h - good requests whose Content-Length lies, and good ones in a flood of headers (RFC
 * 3261 7.3, 18.3, 20.14, 21.4.11; RFC 4475 3.1.2.1 and 3.3.9): what is said about the message, and the status that
 * comes back.
 */
#ifndef TEST_WIRE_ROWS_H
#define TEST_WIRE_ROWS_H

#include <stdio.h>
#include <stdlib.h>

#include "e2e/hostile_peer.h"

enum { WAITS = 0, ENDED = -1 }; /* for the rest of it; the connection, for nobody could tell whom to answer */

static const struct wire_row {
	const char *name, *length;
	const char *before, *each, *after; /* headers: `each` comes n times */
	size_t n;
	int answer;
	int of_register; /* nothing reads it elsewhere */
} wire_rows[] = {
    {.name = "a_length_of_half_the_body", .length = "1000", .answer = 400},
    {.name = "a_length_beyond_the_body", .length = "60000", .answer = WAITS},
    {.name = "a_negative_length", .length = "-1", .answer = 400},
    {.name = "a_length_beyond_32_bits", .length = "4294967296", .answer = 400},
    {.name = "a_length_beyond_64_bits", .length = "99999999999999999999", .answer = 400},
    {.name = "a_length_in_hexadecimal", .length = "0x400", .answer = 400},
    {.name = "a_length_of_two_numbers", .length = "10 20", .answer = 400},
    {.name = "an_empty_length", .length = "", .answer = 400},
    {.name = "two_lengths", .each = "Content-Length: 10\r\n", .n = 1, .answer = 400},
    {.name = "two_lengths_one_of_them_compact", .each = "l: 0\r\n", .n = 1, .answer = 400},
    {.name = "two_content_types", .each = "Content-Type: application/mikey\r\n", .n = 1, .answer = 400},
    {.name = "a_hundred_headers", .each = "X-Flood: 1\r\n", .n = 100, .answer = 400},
    {.name = "a_hundred_vias", .each = "Via: SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bKv\r\n", .n = 100, .answer = 400},
    {.name = "a_hundred_routes", .each = "Route: <sip:a.test;lr>\r\n", .n = 100, .answer = 400},
    {.name = "five_contacts", .each = "Contact: <sip:a@127.0.0.1>\r\n", .n = 5, .answer = 400},
    {.name = "a_contact_of_5000_parameters",
     .before = "Contact: <sip:a@127.0.0.1>",
     .each = ";a=b",
     .after = "\r\n",
     .n = 5000,
     .answer = 400,
     .of_register = 1},
    {.name = "headers_of_84_kib", .each = "X-Flood: 1\r\n", .n = 7000, .answer = ENDED},
    {.name = "headers_of_a_mebibyte", .each = "X-Flood: 12345\r\n", .n = 65536, .answer = ENDED},
    {.name = "a_header_of_a_mebibyte",
     .before = "X-Flood: ",
     .each = "0123456789abcdef",
     .after = "\r\n",
     .n = 65536,
     .answer = ENDED},
    {.name = "a_header_of_5000_lines_that_hurts_nobody",
     .before = "X-Flood: a\r\n",
     .each = " b\r\n",
     .n = 5000,
     .answer = 200},
    {.name = "a_header_of_60000_octets_that_hurts_nobody",
     .before = "X-Flood: ",
     .each = "0123456789",
     .after = "\r\n",
     .n = 6000,
     .answer = 200},
};
enum { WIRE_ROWS = sizeof wire_rows / sizeof *wire_rows };

static inline const char *wire_name(const struct wire_row *r, const char *method, char *out, size_t size)
{
	if (r->answer > 0)
		snprintf(out, size, "%s_in_a%s_is_%d", r->name, method, r->answer);
	else
		snprintf(out, size, "%s_in_a%s_%s", r->name, method,
			 r->answer == WAITS ? "waits_for_the_rest" : "ends_the_connection");
	return out;
}

/* The request as the row has it, and what comes back. */
static inline int wire_say(struct peer *p, const struct said *as_it_should_be, const struct wire_row *r)
{
	struct said s = *as_it_should_be;
	char *headers = NULL;
	size_t n;
	FILE *f = open_memstream(&headers, &n);
	fprintf(f, "%s%s", s.headers, r->before ? r->before : "");
	for (size_t i = 0; i < r->n; i++)
		fputs(r->each, f);
	fputs(r->after ? r->after : "", f);
	fclose(f);
	s.headers = headers;
	s.length = r->length;
	uint8_t *octets = peer_request(p, &s, &n);
	(void)peer_say(p, octets, n);
	free(octets);
	free(headers);
	return peer_hear(p, r->answer == WAITS ? 200 : 20000);
}

#endif
