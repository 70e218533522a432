/* SPDX-License-Identifier: Apache-2.0 */
/* mikey_mutate.c - a message as a list of payloads, changed and put together again (mikey_mutate.h). */
#include "mikey_mutate.h"

#include <string.h>

enum { PARTS = 40, SIGN = 4, T = 5, SP = 10, RAND = 11, IDR = 14, GEN = 21, SAKKE = 26, SIGN_LEN = 131, ROOM = 8192 };

struct part {
	uint8_t code;
	size_t len;
	uint8_t octets[2048];
};

struct parts {
	size_t n;
	struct part part[PARTS]; /* [0] is HDR, the last is SIGN */
};

static uint64_t draw(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	return *s ^= *s << 17;
}

static size_t below(uint64_t *s, size_t n)
{
	return n ? (size_t)(draw(s) % n) : 0;
}

/* Where a payload's length field stands and how wide it is; 0 wide: its size is fixed. */
static void length_field(uint8_t code, size_t *at, size_t *width, size_t *fixed)
{
	*width = code == RAND ? 1 : code == T ? 0 : 2;
	*at = code == RAND ? 1 : code == GEN ? 2 : 3;
	*fixed = code == T ? 10 : *at + *width;
}

static size_t payload_len(uint8_t code, const uint8_t *p, size_t left)
{
	size_t at, width, n;
	if (code == SIGN)
		return left;
	if (code != T && code != SP && code != RAND && code != IDR && code != GEN && code != SAKKE)
		return 0;
	length_field(code, &at, &width, &n);
	if (left < n)
		return 0;
	if (width == 1)
		n += p[at];
	else if (width == 2)
		n += (size_t)p[at] << 8 | p[at + 1];
	return n <= left ? n : 0;
}

/* 10 octets and the GENERIC-ID entries, which have no length of their own. */
static size_t header_len(const uint8_t *m, size_t len)
{
	size_t at = 10;
	if (len < 10 || m[9] > 2)
		return 0;
	for (unsigned i = 0; i < m[8] && m[9] != 1; i++) {
		if (m[9] == 0) {
			at += 9;
			continue;
		}
		if (at + 3 > len)
			return 0;
		at += 3u + (m[at + 2] & 0x7f);
		if (at + 2 > len)
			return 0;
		at += 2 + ((size_t)m[at] << 8 | m[at + 1]);
		if (at + 1 > len)
			return 0;
		at += 1u + m[at];
	}
	return at <= len ? at : 0;
}

static int part_put(struct parts *ps, uint8_t code, const uint8_t *p, size_t len)
{
	if (ps->n == PARTS || len == 0 || len > sizeof ps->part->octets)
		return 0;
	struct part *part = &ps->part[ps->n++];
	part->code = code;
	part->len = len;
	memcpy(part->octets, p, len);
	return 1;
}

static int cut(struct parts *ps, const uint8_t *m, size_t len)
{
	size_t at = header_len(m, len);
	uint8_t code = at ? m[2] : 0;
	ps->n = 0;
	if (!at || !part_put(ps, 0, m, at))
		return 0;
	while (code) {
		size_t n = payload_len(code, m + at, len - at);
		if (!part_put(ps, code, m + at, n))
			return 0;
		if (code == SIGN)
			return 1;
		code = m[at];
		at += n;
	}
	return 0;
}

static size_t join(const struct parts *ps, uint8_t *m, size_t max)
{
	uint8_t *next = m + 2;
	size_t at = 0;
	for (size_t i = 0; i < ps->n; i++) {
		const struct part *p = &ps->part[i];
		if (at + p->len > max)
			break;
		if (i)
			*next = p->code;
		memcpy(m + at, p->octets, p->len);
		if (i)
			next = m + at;
		at += p->len;
	}
	return at;
}

/* The length field says what is there. */
static void refit(struct part *p)
{
	size_t at, width, fixed;
	length_field(p->code, &at, &width, &fixed);
	if (!p->code || p->code == SIGN || p->len < fixed)
		return;
	size_t n = p->len - fixed;
	if (width == 2)
		p->octets[at] = (uint8_t)(n >> 8);
	if (width)
		p->octets[at + width - 1] = (uint8_t)n;
}

static void edit(struct part *p, uint64_t *s)
{
	static const uint8_t nasty[] = {0, 1, 2, 0x7f, 0x80, 0xff, 0x20, 0x10};
	size_t i = below(s, p->len);
	switch (below(s, 4)) {
	case 0:
		p->octets[i] ^= (uint8_t)(1u << below(s, 8));
		break;
	case 1:
		p->octets[i] = nasty[below(s, sizeof nasty)];
		break;
	case 2: /* one octet more, lengths fitting */
		if (p->len < sizeof p->octets && p->code && p->code != SIGN) {
			memmove(p->octets + i + 1, p->octets + i, p->len - i);
			p->len++;
			refit(p);
		}
		break;
	default: /* one less */
		if (p->len > 6 && p->code && p->code != SIGN) {
			memmove(p->octets + i, p->octets + i + 1, p->len - i - 1);
			p->len--;
			refit(p);
		}
	}
}

static void extension(struct parts *ps, uint64_t *s)
{
	static const uint8_t types[] = {0, 6, 7, 241, 255};
	uint8_t octets[64] = {0, types[below(s, sizeof types)], 0, (uint8_t)below(s, 60)};
	for (size_t i = 4; i < 4u + octets[3]; i++)
		octets[i] = (uint8_t)draw(s);
	struct part last = ps->part[ps->n - 1];
	ps->n--;
	(void)part_put(ps, GEN, octets, 4u + octets[3]);
	(void)part_put(ps, SIGN, last.octets, last.len);
}

static void change(struct parts *ps, uint64_t *s)
{
	size_t i = 1 + below(s, ps->n - 2), k = 1 + below(s, ps->n - 2); /* neither HDR nor SIGN */
	struct part swap = ps->part[i];
	switch (below(s, 12)) {
	case 0: /* twice */
		if (ps->n < PARTS) {
			memmove(&ps->part[i + 1], &ps->part[i], (ps->n - i) * sizeof swap);
			ps->n++;
		}
		break;
	case 1: /* gone */
		memmove(&ps->part[i], &ps->part[i + 1], (ps->n - i - 1) * sizeof swap);
		ps->n--;
		break;
	case 2:
	case 3:
	case 4:
	case 5: /* in another place: still a good message */
		ps->part[i] = ps->part[k];
		ps->part[k] = swap;
		break;
	case 6:
	case 7:
		extension(ps, s);
		break;
	case 8: /* octets of its value that no length depends on */
	case 9:
		if (ps->part[i].code == RAND || ps->part[i].code == SAKKE)
			ps->part[i].octets[ps->part[i].len - 1 - below(s, 16)] ^= (uint8_t)draw(s);
		break;
	case 10:
		edit(&ps->part[0], s);
		break;
	default:
		edit(&ps->part[i], s);
	}
}

size_t mikey_mutate(uint8_t *msg, size_t len, size_t max, uint64_t seed)
{
	static struct parts ps;
	uint64_t s = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
	draw(&s);
	if (max > ROOM)
		max = ROOM;
	if (below(&s, 8) != 0 && cut(&ps, msg, len) && ps.n > 3) {
		for (size_t n = 1 + below(&s, 2); n && ps.n > 3; n--)
			change(&ps, &s);
		return join(&ps, msg, max);
	}
	if (len && below(&s, 4) == 0)
		return below(&s, len + 1);
	for (size_t n = 1 + below(&s, 4); n && len; n--)
		msg[below(&s, len)] = (uint8_t)draw(&s);
	return len;
}
