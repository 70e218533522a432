/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record.c - the canonical form of a record and its JSON view (audit.md 2), and the hashes over it (audit.md 3).
 *
 * Fields in the order of the table; a string, a list and a map begin with their length or count in four octets,
 * big-endian; the payload reference is a string of 0 or 32 octets. Nothing is optional: empty is length 0.
 * audit_decode accepts exactly what audit_encode writes, so a record has one form only.
 */
#include <time.h>

#include <openssl/evp.h>

#include "audit/record.h"
#include "sec/base/text.h"

/* ---- write ---- */

static void put(struct writer *w, struct octets o)
{
	wr_u32(w, (uint32_t)o.len);
	wr_octets(w, o);
}

/* Length of the well-formed character at t, 0 if there is none. */
static size_t utf8_step(const char *t)
{
	size_t have = strnlen(t, 4);
	for (size_t n = 1; n <= have; n++)
		if (utf8_valid((struct octets){(const uint8_t *)t, n}))
			return n;
	return 0;
}

static void put_text(struct writer *w, const char *text)
{
	char clean[AUDIT_MAX_TEXT];
	size_t len = 0;
	for (const char *t = text ? text : ""; *t;) {
		size_t n = utf8_step(t);
		if (len + (n ? n : 1) > sizeof clean)
			break;
		if (n)
			memcpy(clean + len, t, n);
		else
			clean[len] = '?';
		len += n ? n : 1;
		t += n ? n : 1;
	}
	put(w, (struct octets){(const uint8_t *)clean, len});
}

static void put_detail(struct writer *w, const struct audit_record *r)
{
	size_t order[AUDIT_MAX_DETAIL], n = 0;
	for (size_t i = 0; i < r->n_detail && i < AUDIT_MAX_DETAIL; i++) {
		size_t at = 0;
		while (at < n && strcmp(r->detail[order[at]].key, r->detail[i].key) < 0)
			at++;
		if (at < n && strcmp(r->detail[order[at]].key, r->detail[i].key) == 0)
			continue;
		memmove(order + at + 1, order + at, (n - at) * sizeof *order);
		order[at] = i;
		n++;
	}
	wr_u32(w, (uint32_t)n);
	for (size_t i = 0; i < n; i++) {
		put_text(w, r->detail[order[i]].key);
		put_text(w, r->detail[order[i]].value);
	}
}

void audit_encode(struct writer *w, const char *node, uint64_t seq, uint64_t time_ns, const struct audit_record *r)
{
	wr_u8(w, AUDIT_VERSION);
	put_text(w, node);
	wr_u64(w, seq);
	wr_u64(w, time_ns);
	wr_u8(w, (uint8_t)r->clock);
	wr_u8(w, (uint8_t)r->class_);
	put_text(w, r->type);
	wr_u8(w, (uint8_t)r->outcome);
	put_text(w, r->actor);
	put_text(w, r->target);
	put_text(w, r->call_id);
	size_t n = r->n_key_ids < AUDIT_MAX_KEY_IDS ? r->n_key_ids : AUDIT_MAX_KEY_IDS;
	wr_u32(w, (uint32_t)n);
	for (size_t i = 0; i < n; i++)
		wr_u32(w, r->key_ids[i]);
	put_text(w, r->kms_initiator);
	put_text(w, r->kms_responder);
	put(w, (struct octets){r->payload_sha256, r->payload_sha256 ? AUDIT_HASH : 0});
	put_text(w, r->reason);
	put_detail(w, r);
}

/* ---- read ---- */

static struct octets get(struct reader *r)
{
	uint32_t n = rd_u32(r);
	return rd_take(r, n);
}

static struct octets get_text(struct reader *r)
{
	struct octets o = get(r);
	rd_require(r, o.len <= AUDIT_MAX_TEXT, MCSEC_E_LENGTH, o.len);
	rd_require(r, utf8_valid(o), MCSEC_E_ENCODING, o.len);
	return o;
}

static int octets_order(struct octets a, struct octets b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int c = n ? memcmp(a.p, b.p, n) : 0;
	return c ? c : (a.len > b.len) - (a.len < b.len);
}

static void get_detail(struct reader *r, struct audit_view *v)
{
	v->n_detail = rd_u32(r);
	rd_require(r, v->n_detail <= AUDIT_MAX_DETAIL, MCSEC_E_VALUE, 4);
	const uint8_t *start = r->at;
	struct octets before = {0};
	for (uint32_t i = 0; i < v->n_detail && !r->err; i++) {
		struct octets key = get_text(r);
		rd_require(r, i == 0 || octets_order(before, key) < 0, MCSEC_E_VALUE, key.len);
		get_text(r);
		before = key;
	}
	v->detail = (struct octets){start, r->err ? 0 : (size_t)(r->at - start)};
}

enum mcsec_err audit_decode(struct octets in, struct audit_view *v)
{
	struct reader r = rd_init(in);
	memset(v, 0, sizeof *v);
	rd_require(&r, rd_u8(&r) == AUDIT_VERSION, MCSEC_E_VALUE, 1);
	v->node = get_text(&r);
	v->seq = rd_u64(&r);
	v->time_ns = rd_u64(&r);
	v->clock = rd_u8(&r);
	rd_require(&r, v->clock <= AUDIT_CLOCK_PTP, MCSEC_E_VALUE, 1);
	v->class_ = rd_u8(&r);
	rd_require(&r, v->class_ && strchr("ABCDESMXKT", v->class_), MCSEC_E_VALUE, 1);
	v->type = get_text(&r);
	v->outcome = rd_u8(&r);
	rd_require(&r, v->outcome <= AUDIT_ERROR, MCSEC_E_VALUE, 1);
	v->actor = get_text(&r);
	v->target = get_text(&r);
	v->call_id = get_text(&r);
	v->n_key_ids = rd_u32(&r);
	rd_require(&r, v->n_key_ids <= AUDIT_MAX_KEY_IDS, MCSEC_E_VALUE, 4);
	v->key_ids = rd_take(&r, r.err ? 0 : 4 * (size_t)v->n_key_ids);
	v->kms_initiator = get_text(&r);
	v->kms_responder = get_text(&r);
	v->payload = get(&r);
	rd_require(&r, v->payload.len == 0 || v->payload.len == AUDIT_HASH, MCSEC_E_LENGTH, v->payload.len);
	v->reason = get_text(&r);
	get_detail(&r, v);
	return rd_done(&r);
}

/* ---- the JSON view ---- */

static void print_text(FILE *out, struct octets o)
{
	putc('"', out);
	for (size_t i = 0; i < o.len; i++) {
		uint8_t c = o.p[i];
		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			fprintf(out, "\\u%04x", c);
		else
			putc(c, out);
	}
	putc('"', out);
}

static void print_field(FILE *out, const char *name, struct octets value)
{
	fprintf(out, ",\"%s\":", name);
	print_text(out, value);
}

static void print_hex(FILE *out, const char *name, struct octets value)
{
	fprintf(out, ",\"%s\":\"", name);
	for (size_t i = 0; i < value.len; i++)
		fprintf(out, "%02x", value.p[i]);
	putc('"', out);
}

static void print_time(FILE *out, uint64_t ns)
{
	time_t s = (time_t)(ns / 1000000000);
	struct tm tm;
	char text[32] = "";
	if (gmtime_r(&s, &tm))
		strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
	fprintf(out, ",\"time\":\"%s.%09uZ\"", text, (unsigned)(ns % 1000000000));
}

static void print_detail(FILE *out, const struct audit_view *v)
{
	struct reader r = rd_init(v->detail);
	fputs(",\"detail\":{", out);
	for (uint32_t i = 0; i < v->n_detail; i++) {
		if (i)
			putc(',', out);
		print_text(out, get(&r));
		putc(':', out);
		print_text(out, get(&r));
	}
	putc('}', out);
}

void audit_print(FILE *out, const struct audit_view *v, const uint8_t chain[AUDIT_HASH])
{
	static const char *const clocks[] = {"unsynchronised", "ntp", "ptp"};
	static const char *const outcomes[] = {"ok", "refused", "error"};
	fprintf(out, "{\"version\":%d", AUDIT_VERSION);
	print_field(out, "node", v->node);
	fprintf(out, ",\"seq\":%llu", (unsigned long long)v->seq);
	print_time(out, v->time_ns);
	fprintf(out, ",\"clock\":\"%s\",\"class\":\"%c\"", clocks[v->clock], v->class_);
	print_field(out, "type", v->type);
	fprintf(out, ",\"outcome\":\"%s\"", outcomes[v->outcome]);
	print_field(out, "actor", v->actor);
	print_field(out, "target", v->target);
	print_field(out, "call_id", v->call_id);
	fputs(",\"key_ids\":[", out);
	struct reader r = rd_init(v->key_ids);
	for (uint32_t i = 0; i < v->n_key_ids; i++)
		fprintf(out, "%s\"%08x\"", i ? "," : "", rd_u32(&r));
	putc(']', out);
	print_field(out, "kms_initiator", v->kms_initiator);
	print_field(out, "kms_responder", v->kms_responder);
	print_hex(out, "payload_sha256", v->payload);
	print_field(out, "reason", v->reason);
	print_detail(out, v);
	if (chain)
		print_hex(out, "chain", (struct octets){chain, AUDIT_HASH});
	fputs("}\n", out);
}

/* ---- the chain ---- */

/* SHA-256(tag | a | b). Only lack of memory makes libcrypto fail here: then there is no record. */
static enum mcsec_err hash(const char *tag, size_t tag_len, struct octets a, struct octets b, uint8_t out[AUDIT_HASH])
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	int ok = c && EVP_DigestInit_ex(c, EVP_sha256(), NULL) && EVP_DigestUpdate(c, tag, tag_len) &&
		 EVP_DigestUpdate(c, a.p, a.len) && EVP_DigestUpdate(c, b.p, b.len) && EVP_DigestFinal_ex(c, out, NULL);
	EVP_MD_CTX_free(c);
	return ok ? MCSEC_OK : MCSEC_E_CRYPTO;
}

enum mcsec_err audit_chain_start(const char *node, uint8_t chain[AUDIT_HASH])
{
	return hash("mcx-audit-1", 11, octets_of(node), (struct octets){0}, chain);
}

enum mcsec_err audit_chain_next(uint8_t chain[AUDIT_HASH], struct octets record)
{
	uint8_t leaf[AUDIT_HASH];
	enum mcsec_err e = hash("\0", 1, record, (struct octets){0}, leaf);
	if (!e)
		e = hash("\2", 1, (struct octets){chain, AUDIT_HASH}, OCTETS(leaf), chain);
	return e;
}
