/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bytes.h - the one reader and the one writer for octets on the wire.
 *
 * Both keep the first error and where it happened; after an error every call is a no-op that yields zero.
 * So a parser reads like the layout table of the specification and checks once, at its end.
 * Neither allocates. A reader never outlives the octets it was given; it does not own them.
 */
#ifndef MCX_BASE_BYTES_H
#define MCX_BASE_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "mcsec/err.h"

struct octets {
	const uint8_t *p;
	size_t len;
};

#define OCTETS(array) ((struct octets){ (array), sizeof(array) })

static inline struct octets octets_of(const char *text)
{
	return (struct octets){ (const uint8_t *)text, strlen(text) };
}

static inline int octets_equal(struct octets a, struct octets b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

struct reader {
	const uint8_t *start, *at, *end;
	enum mcsec_err err;
	size_t err_at; /* first octet of the field at fault */
};

static inline struct reader rd_init(struct octets in)
{
	return (struct reader){ .start = in.p, .at = in.p, .end = in.len ? in.p + in.len : in.p };
}

static inline size_t rd_left(const struct reader *r)
{
	return r->err ? 0 : (size_t)(r->end - r->at);
}

static inline size_t rd_at(const struct reader *r)
{
	return (size_t)(r->at - r->start);
}

/* Record a fault `width` octets back from here; the first one stays. */
static inline void rd_fail(struct reader *r, enum mcsec_err err, size_t width)
{
	if (!r->err) {
		r->err = err;
		r->err_at = rd_at(r) - width;
	}
}

/* A condition the specification sets on what was just read; `width` octets back is where it stood. */
static inline void rd_require(struct reader *r, int holds, enum mcsec_err err, size_t width)
{
	if (!holds)
		rd_fail(r, err, width);
}

static inline struct octets rd_take(struct reader *r, size_t n)
{
	if (rd_left(r) < n) {
		rd_fail(r, MCSEC_E_TRUNCATED, 0);
		return (struct octets){ 0 };
	}
	struct octets o = { r->at, n };
	r->at += n;
	return o;
}

static inline uint64_t rd_be(struct reader *r, size_t n)
{
	struct octets o = rd_take(r, n);
	uint64_t v = 0;
	for (size_t i = 0; i < o.len; i++)
		v = v << 8 | o.p[i];
	return v;
}

static inline uint8_t rd_u8(struct reader *r)
{
	return (uint8_t)rd_be(r, 1);
}

static inline uint16_t rd_u16(struct reader *r)
{
	return (uint16_t)rd_be(r, 2);
}

static inline uint32_t rd_u32(struct reader *r)
{
	return (uint32_t)rd_be(r, 4);
}

static inline uint64_t rd_u64(struct reader *r)
{
	return rd_be(r, 8);
}

static inline enum mcsec_err rd_done(struct reader *r)
{
	if (rd_left(r))
		rd_fail(r, MCSEC_E_TRAILING, 0);
	return r->err;
}

struct writer {
	uint8_t *start, *at, *end;
	enum mcsec_err err;
};

static inline struct writer wr_init(uint8_t *buf, size_t size)
{
	return (struct writer){ .start = buf, .at = buf, .end = buf + size };
}

static inline size_t wr_len(const struct writer *w)
{
	return w->err ? 0 : (size_t)(w->at - w->start);
}

static inline void wr_octets(struct writer *w, struct octets o)
{
	if (w->err)
		return;
	if ((size_t)(w->end - w->at) < o.len) {
		w->err = MCSEC_E_NO_SPACE;
		return;
	}
	if (o.len)
		memcpy(w->at, o.p, o.len);
	w->at += o.len;
}

static inline void wr_text(struct writer *w, const char *text)
{
	wr_octets(w, octets_of(text));
}

/* Room for n octets that the caller fills; NULL (and the writer in error) if there is none. */
static inline uint8_t *wr_reserve(struct writer *w, size_t n)
{
	if (w->err)
		return NULL;
	if ((size_t)(w->end - w->at) < n) {
		w->err = MCSEC_E_NO_SPACE;
		return NULL;
	}
	uint8_t *p = w->at;
	w->at += n;
	return p;
}

static inline void wr_be(struct writer *w, uint64_t v, size_t n)
{
	uint8_t b[8];
	for (size_t i = 0; i < n; i++)
		b[i] = (uint8_t)(v >> 8 * (n - 1 - i));
	wr_octets(w, (struct octets){ b, n });
}

static inline void wr_u8(struct writer *w, uint8_t v)
{
	wr_be(w, v, 1);
}

static inline void wr_u16(struct writer *w, uint16_t v)
{
	wr_be(w, v, 2);
}

static inline void wr_u32(struct writer *w, uint32_t v)
{
	wr_be(w, v, 4);
}

static inline void wr_u64(struct writer *w, uint64_t v)
{
	wr_be(w, v, 8);
}

static inline struct octets wr_result(const struct writer *w)
{
	return (struct octets){ w->start, wr_len(w) };
}

#endif
