/* SPDX-License-Identifier: Apache-2.0 */
/* SIP bodies: the first line is the Content-Type, the rest the body. */
#include "fuzz/fuzz.h"
#include "mcx/doc/multipart.h"

static void reads_back(const struct multipart *m)
{
	static const char boundary[] = "a-boundary-that-no-input-has-0123456789";
	struct body_out parts[MULTIPART_MAX_PARTS];
	size_t room = 4096;
	for (size_t i = 0; i < m->n; i++) {
		parts[i] = (struct body_out){.type = m->parts[i].type,
					     .id = m->parts[i].id[0] ? m->parts[i].id : NULL,
					     .body = m->parts[i].body,
					     .base64 = (int)(i & 1)};
		room += 2 * m->parts[i].body.len + 512;
	}
	uint8_t *text = malloc(room), *scratch = malloc(room);
	struct multipart *again = malloc(sizeof *again);
	char type[128];
	struct writer w = wr_init(text, room);
	HOLDS(text && scratch && again && multipart_type(boundary, type, sizeof type) == MCSEC_OK);
	if (multipart_write(&w, boundary, parts, m->n) == MCSEC_OK && wr_len(&w) <= MULTIPART_MAX_BODY) {
		HOLDS(multipart_read(type, wr_result(&w), scratch, room, again, NULL) == MCSEC_OK);
		HOLDS(again->n == m->n);
		for (size_t i = 0; i < m->n; i++)
			HOLDS(octets_equal(again->parts[i].body, m->parts[i].body) &&
			      strcmp(again->parts[i].type, m->parts[i].type) == 0 &&
			      strcmp(again->parts[i].id, m->parts[i].id) == 0);
	}
	free(again);
	free(scratch);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *line = memchr(data, '\n', size);
	if (!line || line - data > 1000)
		return 0;
	char type[1001];
	size_t n = (size_t)(line - data), at = 0;
	memcpy(type, data, n);
	type[n] = 0;
	struct octets body = {line + 1, size - n - 1};
	uint8_t *scratch = malloc(body.len + 1);
	struct multipart *m = malloc(sizeof *m);
	HOLDS(scratch && m);
	if (multipart_read(type, body, scratch, body.len, m, &at) == MCSEC_OK) {
		HOLDS(m->n > 0 && m->n <= MULTIPART_MAX_PARTS);
		for (size_t i = 0; i < m->n; i++)
			HOLDS(inside(m->parts[i].body, body.p, body.len) ||
			      inside(m->parts[i].body, scratch, body.len));
		reads_back(m);
	} else {
		HOLDS(m->n == 0 && at <= body.len);
	}
	free(m);
	free(scratch);
	return 0;
}
