/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explain_kms.c - a document of the KMS interface element by element (TS 33.180 annex D).
 *
 * A small scanner finds elements and their texts with octet offsets, which the XML library does not keep; it shows and
 * decides nothing. Whether the document is good is said by the reader that clients and the KMS use.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mcsec/mikey.h"
#include "mcx/doc/kms_doc.h"
#include "tool/look/explain.h"

enum { NAME_MAX_LEN = 64, DEPTH_MAX = KMS_MAX_DEPTH };

static const char *const secret_elements[] = {"UserDecryptKey", "UserSigningKeySSK"};

struct element {
	char name[NAME_MAX_LEN]; /* local name */
	size_t at, end;          /* the start tag: offset of '<', offset behind '>' */
};

struct scan {
	const char *text;
	size_t len, at;
	struct element open[DEPTH_MAX];
	size_t depth;
	char root[NAME_MAX_LEN];
	const struct kms_fault *fault; /* look for this element on this line ... */
	size_t fault_at;               /* ... and keep where it begins */
};

static size_t find(const struct scan *s, size_t from, const char *what)
{
	size_t n = strlen(what);
	for (size_t i = from; i + n <= s->len; i++)
		if (memcmp(s->text + i, what, n) == 0)
			return i;
	return SIZE_MAX;
}

static int starts(const struct scan *s, size_t at, const char *what)
{
	size_t n = strlen(what);
	return at + n <= s->len && memcmp(s->text + at, what, n) == 0;
}

/* The '>' that ends the tag at `at`, quotes respected. */
static size_t tag_end(const struct scan *s, size_t at)
{
	char quote = 0;
	for (size_t i = at; i < s->len; i++) {
		char ch = s->text[i];
		if (quote)
			quote = ch == quote ? 0 : quote;
		else if (ch == '"' || ch == '\'')
			quote = ch;
		else if (ch == '>')
			return i;
	}
	return SIZE_MAX;
}

static void local_name(const struct scan *s, size_t at, char out[NAME_MAX_LEN])
{
	size_t n = 0;
	for (; at < s->len && !strchr(" \t\r\n/>", s->text[at]); at++) {
		if (s->text[at] == ':')
			n = 0;
		else if (n < NAME_MAX_LEN - 1)
			out[n++] = s->text[at];
	}
	out[n] = '\0';
}

static unsigned line_of(const struct scan *s, size_t at)
{
	unsigned line = 1;
	for (size_t i = 0; i < at && i < s->len; i++)
		line += s->text[i] == '\n';
	return line;
}

static int is_secret(const char *name)
{
	for (size_t i = 0; i < sizeof secret_elements / sizeof *secret_elements; i++)
		if (strcmp(name, secret_elements[i]) == 0)
			return 1;
	return 0;
}

static void tell_element(struct scan *s, struct explanation *e, const struct element *el, size_t text_end, int has_text)
{
	char field[2 * DEPTH_MAX + NAME_MAX_LEN], hidden[64];
	struct octets text = {(const uint8_t *)s->text + el->end, text_end - el->end};
	snprintf(field, sizeof field, "%*s%s", (int)(2 * s->depth), "", el->name);
	if (s->fault && s->fault_at == MCSEC_NO_OFFSET && strcmp(el->name, s->fault->element) == 0 &&
	    line_of(s, el->end) >= s->fault->line)
		s->fault_at = el->at;
	if (!e)
		return;
	if (has_text && is_secret(el->name) && !e->show_secrets) {
		snprintf(hidden, sizeof hidden, "(secret, %zu characters)", text.len);
		explain_field(e, el->at, text_end - el->at, s->root, field, hidden);
		return;
	}
	char *value = has_text ? strndup((const char *)text.p, text.len) : NULL;
	explain_field(e, el->at, text_end - el->at, s->root, field, value);
	free(value);
}

/* One step: past a comment, an instruction, an end tag, or a start tag with the text behind it. 0 at the end. */
static int step(struct scan *s, struct explanation *e)
{
	size_t at = find(s, s->at, "<");
	if (at == SIZE_MAX)
		return 0;
	if (starts(s, at, "<!--")) {
		size_t end = find(s, at, "-->");
		s->at = end == SIZE_MAX ? s->len : end + 3;
		return 1;
	}
	size_t end = tag_end(s, at);
	if (end == SIZE_MAX)
		return 0;
	s->at = end + 1;
	if (starts(s, at, "<?") || starts(s, at, "<!"))
		return 1;
	if (starts(s, at, "</")) {
		s->depth -= s->depth > 0;
		return 1;
	}
	struct element el = {.at = at, .end = end + 1};
	local_name(s, at + 1, el.name);
	if (s->depth == 0 && !s->root[0])
		memcpy(s->root, el.name, sizeof s->root);
	size_t next = find(s, el.end, "<");
	int empty = s->text[end - 1] == '/';
	int has_text = !empty && next != SIZE_MAX && starts(s, next, "</");
	tell_element(s, e, &el, has_text ? next : el.end, has_text);
	if (!empty && s->depth < DEPTH_MAX)
		s->depth++;
	return 1;
}

static size_t offset_of(struct octets xml, const struct kms_fault *f)
{
	struct scan s = {.text = (const char *)xml.p, .len = xml.len, .fault = f, .fault_at = MCSEC_NO_OFFSET};
	if (f->line && f->element[0])
		while (step(&s, NULL))
			;
	return s.fault_at;
}

static void wrong(struct explanation *e, struct octets xml, enum mcsec_err err, const struct kms_fault *f)
{
	char detail[sizeof e->detail];
	snprintf(detail, sizeof detail, "%s%s%s", f->element, f->element[0] ? ": " : "", f->detail);
	explain_wrong(e, mcsec_err_name(err), offset_of(xml, f), "TS 33.180 D.3", detail);
}

/* What a client would say to the certificates and key sets of a good document. */
static void judge_parts(struct explanation *e, struct octets xml, const struct kms_response *doc)
{
	struct kms_fault f;
	for (size_t i = 0; i < doc->n_certs && !e->error[0]; i++) {
		const struct kms_certificate *c = &doc->certs[i];
		enum mcsec_err err = kms_certificate_check(c, c->role, c->kms_uri, "", e->now, NULL, &f);
		if (err)
			wrong(e, xml, err, &f);
	}
	for (size_t i = 0; i < doc->n_sets && !e->error[0]; i++)
		if (doc->sets[i].revoked)
			explain_wrong(e, "revoked", MCSEC_NO_OFFSET, "TS 33.180 D.3.4", "the key set is revoked");
	if (doc->error.code)
		snprintf(e->note, sizeof e->note, "the KMS tells an error: %lld %.100s", (long long)doc->error.code,
			 doc->error.msg);
	else if (doc->n_sets)
		snprintf(e->note, sizeof e->note, "keys are checked against their certificate by `mcx mikey open`");
}

void explain_kms(struct explanation *e, struct octets xml)
{
	struct scan s = {.text = (const char *)xml.p, .len = xml.len};
	struct kms_fault f;
	e->type = "kms";
	while (step(&s, e))
		;
	if (strcmp(s.root, "KmsRequest") == 0 || strcmp(s.root, "SignedKmsRequest") == 0) {
		struct kms_request *request = calloc(1, sizeof *request);
		enum mcsec_err err = request ? kms_request_read(request, xml, &f) : MCSEC_OK;
		if (err)
			wrong(e, xml, err, &f);
		free(request);
		return;
	}
	struct kms_response *doc = calloc(1, sizeof *doc);
	if (!doc)
		return;
	enum mcsec_err err = kms_response_read(doc, KMS_ROOT_RESPONSE | KMS_ROOT_PART, xml, &f);
	if (err) {
		wrong(e, xml, err, &f);
	} else {
		judge_parts(e, xml, doc);
		kms_response_free(doc);
	}
	free(doc);
}
