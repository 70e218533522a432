/* SPDX-License-Identifier: Apache-2.0 */
/* wire.c - the reader that can tell what it read and what was wrong, and the chain of next-payload octets. */
#include "sec/mikey/wire/wire.h"

#include "sec/base/check.h"

#define CLAUSE_MESSAGE "RFC 3830 6"

struct mikey_in mikey_in_of(struct octets msg)
{
	return (struct mikey_in){.r = rd_init(msg), .clause = CLAUSE_MESSAGE, .detail = ""};
}

void mikey_enter(struct mikey_in *in, const char *name, const char *clause)
{
	if (in->r.err)
		return;
	in->clause = clause;
	if (in->field)
		in->field(in->field_ctx, rd_at(&in->r), 0, name);
}

/* The reader says when a field runs past the end; name that fault once. */
static void note_end(struct mikey_in *in)
{
	if (in->r.err && !in->code) {
		in->code = MCSEC_E_MALFORMED;
		in->detail = "a field runs past the end";
	}
}

static uint64_t be(struct mikey_in *in, size_t n, const char *name)
{
	size_t at = rd_at(&in->r);
	uint64_t v = rd_be(&in->r, n);
	note_end(in);
	if (!in->r.err && in->field)
		in->field(in->field_ctx, at, n, name);
	return v;
}

uint8_t mikey_u8(struct mikey_in *in, const char *name)
{
	return (uint8_t)be(in, 1, name);
}

uint16_t mikey_u16(struct mikey_in *in, const char *name)
{
	return (uint16_t)be(in, 2, name);
}

uint32_t mikey_u32(struct mikey_in *in, const char *name)
{
	return (uint32_t)be(in, 4, name);
}

uint64_t mikey_u64(struct mikey_in *in, const char *name)
{
	return be(in, 8, name);
}

struct octets mikey_take(struct mikey_in *in, size_t n, const char *name)
{
	size_t at = rd_at(&in->r);
	struct octets o = rd_take(&in->r, n);
	note_end(in);
	if (!in->r.err && in->field && n)
		in->field(in->field_ctx, at, n, name);
	return o;
}

void mikey_tell(struct mikey_in *in, struct octets o, const char *name)
{
	if (!in->r.err && in->field && o.len)
		in->field(in->field_ctx, (size_t)(o.p - in->r.start), o.len, name);
}

/* The sentence is the check's name too (check.h). */
static void fail(struct mikey_in *in, size_t width, enum mcsec_err code, const char *detail)
{
	if (in->r.err || !MCX_FAULT_NAMED(detail, 1))
		return;
	rd_fail(&in->r, MCSEC_E_VALUE, width);
	in->code = code;
	in->detail = detail;
}

void mikey_require(struct mikey_in *in, int holds, size_t width, const char *detail)
{
	if (!holds)
		fail(in, width, MCSEC_E_MALFORMED, detail);
}

void mikey_support(struct mikey_in *in, int holds, size_t width, const char *detail)
{
	if (!holds)
		fail(in, width, MCSEC_E_UNSUPPORTED, detail);
}

void mikey_lacks(struct mikey_in *in, int present, const char *detail)
{
	if (present || in->r.err)
		return;
	fail(in, 0, MCSEC_E_MALFORMED, detail);
	if (in->r.err)
		in->r.err_at = MCSEC_NO_OFFSET;
}

struct mikey_in mikey_within(struct mikey_in *in, size_t n)
{
	struct mikey_in inner = *in;
	if (rd_left(&in->r) < n) {
		rd_fail(&in->r, MCSEC_E_TRUNCATED, 0);
		note_end(in);
		inner = *in;
	}
	if (!inner.r.err)
		inner.r.end = inner.r.at + n;
	return inner;
}

void mikey_leave(struct mikey_in *in, struct mikey_in *inner)
{
	if (in->r.err)
		return;
	if (rd_left(&inner->r))
		fail(inner, 0, MCSEC_E_MALFORMED, "octets are left over after the last field");
	in->r.at = inner->r.at;
	in->r.err = inner->r.err;
	in->r.err_at = inner->r.err_at;
	in->code = inner->code;
	in->detail = inner->detail;
	in->clause = inner->r.err ? inner->clause : in->clause;
}

enum mcsec_err mikey_fault(const struct mikey_in *in, struct mcsec_fault *fault)
{
	if (!in->r.err) {
		*fault = (struct mcsec_fault){.clause = "", .detail = ""};
		return MCSEC_OK;
	}
	*fault = (struct mcsec_fault){in->code, in->r.err_at, in->clause, in->detail};
	return in->code;
}

void mikey_begin(struct mikey_out *out, enum mikey_payload code)
{
	if (out->next)
		*out->next = (uint8_t)code;
	if (code == MIKEY_SIGN) /* the last payload has no next-payload octet */
		return;
	out->next = wr_reserve(&out->w, 1);
	if (out->next)
		*out->next = MIKEY_LAST;
}
