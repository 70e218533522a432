/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explain_sip.c - a SIP message or a multipart body: its headers, its parts, what of it is protected, and with the key
 * whether the signatures hold and what was encrypted (TS 33.180 9.3; TS 24.379 6.6; xml-protection 4 to 8).
 *
 * The verdict is the one a receiver with this key gives. Replay is not judged: a message read twice is still explained.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "mcsec/secret.h"
#include "mcx/xmlsec/xmlsec.h"
#include "sec/base/text.h"
#include "tool/look/explain.h"

enum { HEADERS_MAX = 128, HEADER_VALUE = 1024, PART_NAME = 160 };

/* ---- the key: what `mcx mikey open --show-secrets` prints about the I_MESSAGE that carried it ---- */

int explain_key_read(struct explain_key *k, struct octets file, const char *identity)
{
	json_t *o = json_loadb((const char *)file.p, file.len, 0, NULL);
	const char *key = json_string_value(json_object_get(o, "key")),
		   *id = json_string_value(json_object_get(o, "k_id"));
	const char *initiator = json_string_value(json_object_get(o, "initiator"));
	const char *whose = identity ? identity : initiator;
	uint8_t id_octets[XML_KEY_ID_LEN];
	size_t n_key = 0, n_id = 0;
	int ok = key && id && whose && strlen(whose) < sizeof k->identity &&
		 hex_decode(id, strlen(id), id_octets, sizeof id_octets, &n_id) == MCSEC_OK &&
		 hex_decode(key, strlen(key), k->xpk, sizeof k->xpk, &n_key) == MCSEC_OK && n_id == sizeof id_octets &&
		 n_key == sizeof k->xpk;
	if (ok) {
		struct reader r = rd_init(OCTETS(id_octets));
		k->id = rd_u32(&r);
		strcpy(k->identity, whose);
	}
	if (key)
		mcsec_wipe((char *)(uintptr_t)key, strlen(key));
	json_decref(o);
	return ok;
}

/* ---- headers ---- */

struct headers {
	char content_type[HEADER_VALUE];
	size_t body; /* where it begins */
};

static int line_end(struct octets in, size_t at, size_t *next)
{
	const uint8_t *end = memchr(in.p + at, '\n', in.len - at);
	*next = end ? (size_t)(end - in.p) + 1 : in.len;
	return (int)((end && end > in.p + at && end[-1] == '\r' ? (size_t)(end - in.p) - 1
		      : end                                     ? *next - 1
								: in.len) -
		     at);
}

/* One header, with the lines that continue it; the name in any letters, the short form too. */
static void tell_header(struct explanation *e, struct octets in, size_t at, size_t n, struct headers *h)
{
	char line[HEADER_VALUE + 64], *value;
	size_t len = 0;
	for (size_t i = 0; i < n && len < sizeof line - 1; i++)
		if (in.p[at + i] != '\r' && in.p[at + i] != '\n')
			line[len++] = (char)in.p[at + i];
	line[len] = '\0';
	value = strchr(line, ':');
	if (!value) {
		explain_field(e, at, n, "message", "(no header)", line);
		return;
	}
	*value++ = '\0';
	line[strcspn(line, " \t")] = '\0';
	value += strspn(value, " \t");
	explain_field(e, at, n, "message", line, value);
	if (strcasecmp(line, "Content-Type") == 0 || strcasecmp(line, "c") == 0)
		snprintf(h->content_type, sizeof h->content_type, "%s", value);
}

static int read_headers(struct explanation *e, struct octets in, struct headers *h)
{
	size_t at = 0, next;
	int n = line_end(in, 0, &next);
	char *start = strndup((const char *)in.p, (size_t)n);
	explain_field(e, 0, (size_t)n, "message", "start line", start);
	free(start);
	for (int count = 0; count < HEADERS_MAX; count++) {
		at = next;
		if (at >= in.len) {
			h->body = in.len;
			return 1;
		}
		n = line_end(in, at, &next);
		if (n == 0) {
			h->body = next;
			return 1;
		}
		while (next < in.len && (in.p[next] == ' ' || in.p[next] == '\t')) {
			size_t begin = next;
			n = line_end(in, begin, &next) + (int)(begin - at);
		}
		tell_header(e, in, at, (size_t)n, h);
	}
	explain_wrong(e, "length", at, "RFC 3261 7.3", "more headers than a message may have");
	return 0;
}

/* A body alone begins with its boundary. */
static int boundary_of(struct explanation *e, struct octets in, struct headers *h)
{
	size_t next;
	int n = line_end(in, 0, &next) - 2;
	if (n < 1 || n > MULTIPART_MAX_BOUNDARY) {
		explain_wrong(e, "value", 0, "RFC 2046 5.1.1", "the first line is no boundary");
		return 0;
	}
	snprintf(h->content_type, sizeof h->content_type, "multipart/mixed;boundary=\"%.*s\"", n,
		 (const char *)in.p + 2);
	return 1;
}

/* ---- parts ---- */

static void part_name(char out[PART_NAME], size_t i, const struct body_part *p, const char *state)
{
	snprintf(out, PART_NAME, "part %zu%s: %s", i + 1, state, p->type);
}

static int is_xml(const char *type)
{
	size_t n = strlen(type);
	return n > 4 && strcmp(type + n - 4, "+xml") == 0;
}

static void tell_parts(struct explanation *e, struct octets in, const struct multipart *m)
{
	char part[PART_NAME], root[EXPLAIN_NAME], told[64];
	for (size_t i = 0; i < m->n; i++) {
		const struct body_part *p = &m->parts[i];
		int in_place = p->body.p >= in.p && p->body.p <= in.p + in.len;
		size_t at = in_place ? (size_t)(p->body.p - in.p) : p->at;
		part_name(part, i, p, "");
		snprintf(told, sizeof told, "%zu octets%s", p->body.len, in_place ? "" : ", base64 undone");
		explain_field(e, at, p->body.len, part, "content", told);
		if (p->id[0])
			explain_field(e, at, p->body.len, part, "Content-ID", p->id);
		if (is_xml(p->type))
			explain_xml(e, p->body, part, at, root);
	}
}

static int looks_protected(const struct multipart *m)
{
	for (size_t i = 0; i < m->n; i++)
		if (xml_part_is_signatures(m->parts[i].type) ||
		    memmem(m->parts[i].body.p, m->parts[i].body.len, "EncryptedData", 13) ||
		    memmem(m->parts[i].body.p, m->parts[i].body.len, "alg=128-aes-gcm", 15))
			return 1;
	return 0;
}

static void tell_opened(struct explanation *e, const struct multipart *m, const struct xml_opened *o)
{
	char part[PART_NAME], root[EXPLAIN_NAME];
	for (size_t i = 0; i < m->n; i++) {
		if (!xml_part_covered(m->parts[i].type))
			continue;
		part_name(part, i, &m->parts[i], " opened");
		explain_xml(e, m->parts[i].body, part, 0, root);
	}
	if (o->protected)
		snprintf(e->note, sizeof e->note,
			 "opened with XPK-ID %08x: signatures hold, %zu encrypted items, %u "
			 "sensitive values in clear",
			 o->key_id, o->seen.n, o->seen.clear_sensitive);
	else
		snprintf(e->note, sizeof e->note, "not protected: %u sensitive values in clear",
			 o->seen.clear_sensitive);
}

static void open_parts(struct explanation *e, const struct explain_key *k, struct multipart *m)
{
	struct xml_policy policy = xml_policy_default;
	struct xml_key *key = mcsec_secret_alloc(sizeof *key);
	const struct xml_key *list[] = {key};
	const struct xml_keys keys = {list, 1};
	struct xml_opened opened;
	uint8_t *room = malloc(XML_ARENA_MIN);
	struct writer arena = wr_init(room, room ? XML_ARENA_MIN : 0);
	policy.integrity = looks_protected(m);
	enum mcsec_err err = key && room ? xml_key_derive(key, k->xpk, k->id, k->identity) : MCSEC_E_MEMORY;
	if (!err)
		err = xml_open(&policy, &keys, m, &opened, &arena);
	if (err)
		explain_wrong(e, mcsec_err_name(err), MCSEC_NO_OFFSET, "TS 24.379 6.6", "the parts cannot be opened");
	else if (opened.verdict == XML_BAD_INTEGRITY)
		explain_wrong(e, "integrity", MCSEC_NO_OFFSET, "TS 24.379 6.6.3.3 (403, Warning 139)", opened.why);
	else if (opened.verdict == XML_UNDECRYPTABLE)
		explain_wrong(e, "undecryptable", MCSEC_NO_OFFSET, "TS 24.379 6.6.3.2 (403, Warning 140)", opened.why);
	else
		tell_opened(e, m, &opened);
	mcsec_wipe(room, room ? XML_ARENA_MIN : 0);
	free(room);
	mcsec_secret_free(key);
}

static void explain_body(struct explanation *e, struct octets in, const struct headers *h, const struct explain_key *k)
{
	struct multipart *m = calloc(1, sizeof *m);
	struct octets body = {in.p + h->body, in.len - h->body};
	uint8_t *scratch = malloc(body.len + 1);
	size_t at = 0;
	enum mcsec_err err =
	    m && scratch ? multipart_read(h->content_type, body, scratch, body.len + 1, m, &at) : MCSEC_E_MEMORY;
	if (err) {
		explain_wrong(e, mcsec_err_name(err), h->body + at, "RFC 2046 5.1",
			      "the body does not read as its parts");
	} else {
		tell_parts(e, in, m);
		if (k->identity[0])
			open_parts(e, k, m);
		else if (looks_protected(m))
			snprintf(e->note, sizeof e->note, "protected: --key FILE verifies and opens it");
		else
			snprintf(e->note, sizeof e->note, "nothing of it is protected");
	}
	free(scratch);
	free(m);
}

int explain_is_sip(struct octets in)
{
	size_t next;
	if (!in.len)
		return 0;
	size_t n = (size_t)line_end(in, 0, &next);
	return (n > 2 && in.p[0] == '-' && in.p[1] == '-') || memmem(in.p, n, "SIP/2.0", 7) != NULL;
}

void explain_sip(struct explanation *e, struct octets in, const struct explain_key *k)
{
	struct headers h = {.body = 0};
	e->type = "sip";
	if (!(in.p[0] == '-' ? boundary_of(e, in, &h) : read_headers(e, in, &h)))
		return;
	if (h.body < in.len && h.content_type[0])
		explain_body(e, in, &h, k);
	else
		snprintf(e->note, sizeof e->note, "no body");
}
