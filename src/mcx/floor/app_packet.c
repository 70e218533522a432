/* SPDX-License-Identifier: Apache-2.0 */
/*
 * app_packet.c - see app_packet.h. A value is looked at whole before it is stored, so that a field that is dropped
 * leaves no trace in the message.
 */
#include "mcx/floor/app_packet.h"

#include "sec/base/check.h"
#include "sec/base/text.h"

enum { RTCP_APP = 204, VERSION = 2, PADDING = 0x20, WIDE_LENGTH = 192, LENGTH_AT = 2 };

/* ---- reading ---- */

static void fault(struct reader *r, size_t at)
{
	if (!r->err) /* else it is too short, and that is where */
		r->err_at = at;
	r->err = MCSEC_E_VALUE;
}

enum app_read app_header_read(struct reader *r, struct app_header *out)
{
	size_t size = rd_left(r);
	uint8_t first = rd_u8(r), type = rd_u8(r);
	size_t words = rd_u16(r);
	*out = (struct app_header){.subtype = first & (APP_ACK_BIT | APP_TYPE_BITS), .ssrc = rd_u32(r)};
	out->name = rd_u32(r);
	int version = first >> 6 == VERSION;
	if (MCX_FAULT(floor.version, !version) || (words + 1) * 4 != size) {
		fault(r, version ? LENGTH_AT : 0);
		return APP_READ_BROKEN;
	}
	if (type != RTCP_APP)
		return APP_READ_OTHER;
	if (MCX_FAULT(floor.padding, first & PADDING))
		fault(r, 0);
	return r->err ? APP_READ_BROKEN : APP_READ_OK;
}

static int fits(enum app_kind kind, struct octets value)
{
	switch (kind) {
	case APP_UNKNOWN:
		return 0;
	case APP_BYTE:
	case APP_WORD:
	case APP_PAIR:
		return value.len == 2;
	case APP_SSRC:
	case APP_NAME:
		return value.len == 6;
	case APP_CAUSE:
		return value.len >= 2 && utf8_valid((struct octets){value.p + 2, value.len - 2});
	case APP_TEXT:
		return value.len > 0 && utf8_valid(value);
	case APP_RAW:
		break;
	}
	return 1;
}

static void store(const struct app_field *f, struct octets value, void *message)
{
	uint8_t *at = (uint8_t *)message + f->at, *also = (uint8_t *)message + f->also;
	struct reader r = rd_init(value);
	switch (f->kind) {
	case APP_UNKNOWN:
		break;
	case APP_BYTE:
		*at = rd_u8(&r);
		break;
	case APP_PAIR:
		*at = rd_u8(&r);
		*also = rd_u8(&r);
		break;
	case APP_WORD:
		*(uint16_t *)(void *)at = rd_u16(&r);
		break;
	case APP_SSRC:
	case APP_NAME:
		*(uint32_t *)(void *)at = rd_u32(&r);
		break;
	case APP_CAUSE:
		*(uint16_t *)(void *)at = rd_u16(&r);
		*(struct octets *)(void *)also = rd_take(&r, rd_left(&r));
		break;
	case APP_TEXT:
	case APP_RAW:
		*(struct octets *)(void *)at = value;
		break;
	}
}

/* A field that comes again says nothing new: the first counts. */
static void read_field(struct reader *r, const struct app_field *fields, size_t n, void *message, uint32_t *has)
{
	size_t begin = rd_at(r);
	uint8_t id = rd_u8(r);
	size_t len = id < WIDE_LENGTH ? rd_u8(r) : rd_u16(r);
	struct octets value = rd_take(r, len);
	rd_take(r, (4 - (rd_at(r) - begin) % 4) % 4);
	if (r->err) {
		r->err_at = begin;
		return;
	}
	if (id >= n || !fits(fields[id].kind, value))
		return;
	uint32_t bit = 1u << (fields[id].as ? fields[id].as : id);
	if (*has & bit)
		return;
	store(&fields[id], value, message);
	*has |= bit;
}

enum app_read app_fields_read(struct reader *r, const struct app_field *fields, size_t n, void *message, uint32_t *has)
{
	*has = 0;
	while (rd_left(r))
		read_field(r, fields, n, message, has);
	return MCX_FAULT(floor.overrun, r->err) ? APP_READ_BROKEN : APP_READ_OK;
}

/* ---- writing ---- */

static void write_value(struct writer *w, const struct app_field *f, const void *message)
{
	const uint8_t *at = (const uint8_t *)message + f->at, *also = (const uint8_t *)message + f->also;
	switch (f->kind) {
	case APP_UNKNOWN:
		break;
	case APP_BYTE:
		wr_u8(w, *at);
		wr_u8(w, 0);
		break;
	case APP_PAIR:
		wr_u8(w, *at);
		wr_u8(w, *also);
		break;
	case APP_WORD:
		wr_u16(w, *(const uint16_t *)(const void *)at);
		break;
	case APP_SSRC:
	case APP_NAME:
		wr_u32(w, *(const uint32_t *)(const void *)at);
		wr_u16(w, 0);
		break;
	case APP_CAUSE:
		wr_u16(w, *(const uint16_t *)(const void *)at);
		wr_octets(w, *(const struct octets *)(const void *)also);
		break;
	case APP_TEXT:
	case APP_RAW:
		wr_octets(w, *(const struct octets *)(const void *)at);
		break;
	}
}

static void write_field(struct writer *w, uint8_t id, const struct app_field *f, const void *message)
{
	static const uint8_t zeros[4];
	uint8_t *head = wr_reserve(w, 2);
	uint8_t *value = w->at;
	write_value(w, f, message);
	size_t len = (size_t)(w->at - value);
	if (!head || w->err)
		return;
	if (len > UINT8_MAX) {
		w->err = MCSEC_E_LENGTH;
		return;
	}
	head[0] = id;
	head[1] = (uint8_t)len;
	wr_octets(w, (struct octets){zeros, (4 - (2 + len) % 4) % 4});
}

enum mcsec_err app_packet_write(struct writer *w, const struct app_header *h, const struct app_field *fields,
				const uint8_t *order, uint32_t has, const void *message)
{
	uint8_t *start = w->at;
	wr_u8(w, (uint8_t)(VERSION << 6 | h->subtype));
	wr_u8(w, RTCP_APP);
	uint8_t *length = wr_reserve(w, 2);
	wr_u32(w, h->ssrc);
	wr_u32(w, h->name);
	for (const uint8_t *f = order; *f != APP_END; f++)
		if (has & 1u << *f)
			write_field(w, *f, &fields[*f], message);
	if (w->err)
		return w->err;
	size_t words = (size_t)(w->at - start) / 4 - 1;
	length[0] = (uint8_t)(words >> 8);
	length[1] = (uint8_t)words;
	return MCSEC_OK;
}
