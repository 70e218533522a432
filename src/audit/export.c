/* SPDX-License-Identifier: Apache-2.0 */
/*
 * export.c - records out of a database, one a line, without judging them: JSON, or syslog messages of RFC 5424.
 *
 * A syslog line is "<PRI>1 TIME NODE mcxsec - TYPE [mcx@32473 ...] TYPE": facility 13 (log audit), everything in the
 * structured data, whose values are escaped as RFC 5424 6.3.3 says. 32473 is the enterprise number for documentation
 * (RFC 5612): a collector maps it.
 */
#include "audit/record.h"

#include <time.h>

enum { FACILITY_AUDIT = 13, NAME_MAX_32 = 32, HOST_MAX_255 = 255 };

/* PRINTUSASCII of at most `max` characters, "-" for nothing (RFC 5424 6). */
static void put_name(FILE *out, struct octets o, size_t max)
{
	if (o.len == 0)
		putc('-', out);
	for (size_t i = 0; i < o.len && i < max; i++) {
		int plain = o.p[i] > 0x20 && o.p[i] < 0x7f && !strchr("=]\"", o.p[i]);
		putc(plain ? o.p[i] : '?', out);
	}
}

static void put_value(FILE *out, struct octets o)
{
	putc('"', out);
	for (size_t i = 0; i < o.len; i++) {
		uint8_t c = o.p[i];
		if (c == '"' || c == '\\' || c == ']')
			putc('\\', out);
		if (c < 0x20 || c == 0x7f)
			putc('?', out); /* a line feed would end the message */
		else
			putc(c, out);
	}
	putc('"', out);
}

static void put_param(FILE *out, const char *name, struct octets value)
{
	if (value.len == 0)
		return;
	fprintf(out, " %s=", name);
	put_value(out, value);
}

static void put_time(FILE *out, uint64_t ns)
{
	time_t s = (time_t)(ns / 1000000000);
	struct tm tm;
	char text[32] = "";
	if (gmtime_r(&s, &tm))
		strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
	fprintf(out, "%s.%06uZ", text, (unsigned)(ns % 1000000000 / 1000));
}

static void put_details(FILE *out, const struct audit_view *v)
{
	struct reader r = rd_init(v->detail);
	for (uint32_t i = 0; i < v->n_detail; i++) {
		struct octets key = rd_take(&r, rd_u32(&r));
		struct octets value = rd_take(&r, rd_u32(&r));
		fputs(" d.", out);
		put_name(out, key, NAME_MAX_32 - 2);
		putc('=', out);
		put_value(out, value);
	}
}

void audit_print_syslog(FILE *out, const struct audit_view *v, const uint8_t chain[AUDIT_HASH])
{
	static const int severities[] = {[AUDIT_OK] = 6, [AUDIT_REFUSED] = 4, [AUDIT_ERROR] = 3};
	static const char *const outcomes[] = {"ok", "refused", "error"};
	char text[2 * AUDIT_HASH + 1] = "";
	fprintf(out, "<%d>1 ", FACILITY_AUDIT * 8 + severities[v->outcome]);
	put_time(out, v->time_ns);
	putc(' ', out);
	put_name(out, v->node, HOST_MAX_255);
	fputs(" mcxsec - ", out);
	put_name(out, v->type, NAME_MAX_32);
	fprintf(out, " [mcx@32473 seq=\"%llu\" class=\"%c\" outcome=\"%s\"", (unsigned long long)v->seq, v->class_,
		outcomes[v->outcome]);
	put_param(out, "actor", v->actor);
	put_param(out, "target", v->target);
	put_param(out, "call_id", v->call_id);
	put_param(out, "kms_initiator", v->kms_initiator);
	put_param(out, "kms_responder", v->kms_responder);
	put_param(out, "reason", v->reason);
	put_details(out, v);
	for (size_t i = 0; chain && i < AUDIT_HASH; i++)
		snprintf(text + 2 * i, 3, "%02x", chain[i]);
	put_param(out, "chain", octets_of(text));
	fputs("] ", out);
	put_name(out, v->type, AUDIT_MAX_TEXT);
	putc('\n', out);
}

static int unreadable(char *reason, size_t size, const char *why)
{
	snprintf(reason, size, "%s", why);
	return -1;
}

static void put_record(enum audit_format format, FILE *out, int64_t seq, struct octets record, struct octets chain)
{
	struct audit_view v;
	const uint8_t *c = chain.len == AUDIT_HASH ? chain.p : NULL;
	int unreadable_record = audit_decode(record, &v) != MCSEC_OK;
	if (format == AUDIT_JSON && unreadable_record)
		fprintf(out, "{\"seq\":%lld,\"error\":\"cannot be read\"}\n", (long long)seq);
	else if (format == AUDIT_JSON)
		audit_print(out, &v, c);
	else if (unreadable_record)
		fprintf(out, "<%d>1 - - mcxsec - - [mcx@32473 seq=\"%lld\"] cannot be read\n", FACILITY_AUDIT * 8 + 3,
			(long long)seq);
	else
		audit_print_syslog(out, &v, c);
}

int audit_export_as(enum audit_format format, const char *db_path, uint64_t from, uint64_t to, FILE *out, char *reason,
		    size_t reason_size)
{
	struct store *s;
	struct store_options o = {.path = db_path, .read_only = 1};
	if (store_open(&s, &o, reason, reason_size))
		return -1;
	struct store_stmt *st =
	    store_sql(s, "SELECT seq, record, chain FROM audit WHERE seq>=? AND seq<=? ORDER BY seq");
	store_bind_int(st, 1, (int64_t)from);
	store_bind_int(st, 2, to ? (int64_t)to : INT64_MAX);
	enum store_err e;
	while ((e = store_step(st)) == STORE_ROW)
		put_record(format, out, store_int(st, 0), store_blob(st, 1), store_blob(st, 2));
	int r = e ? unreadable(reason, reason_size, store_error_text(s)) : 0;
	if (!r && (fflush(out) || ferror(out)))
		r = unreadable(reason, reason_size, "cannot be written");
	store_close(s);
	return r;
}

int audit_export(const char *db_path, uint64_t from, uint64_t to, FILE *out, char *reason, size_t reason_size)
{
	return audit_export_as(AUDIT_JSON, db_path, from, to, out, reason, reason_size);
}
