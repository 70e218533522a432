/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_audit.c - `mcx audit verify|export`: the daemons' tamper-evident records, read offline (audit.md 3 item 6).
 *
 * The databases are opened read-only, so a running domain may be asked. Signed checkpoints are taken from beside the
 * database unless a copy kept elsewhere is named: only such a copy proves anything about a host one does not trust.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "audit/audit.h"
#include "sec/base/text.h"
#include "tool/commands.h"
#include "tool/domain/domain.h"

struct options {
	const char *dir, *db, *points, *key, *anchor, *format, *from, *to;
	int json;
};

/* One record: whose, and where it lies. */
struct place {
	const char *name;
	char db[PATH_MAX], points[PATH_MAX], key[PATH_MAX];
};

enum { PLACES = 5 };
static const char *const daemons[PLACES] = {"idms", "kms", "server", "gms", "console"};

static int is_there(const char *path)
{
	return access(path, F_OK) == 0;
}

/* The place that --db names, or those of the domain's installed daemons; `only` chooses one of them. */
static size_t find_places(const struct options *o, const char *only, struct place out[PLACES], char *err, size_t size)
{
	struct domain d;
	size_t n = 0;
	if (o->db) {
		out[0] = (struct place){.name = o->db};
		snprintf(out[0].db, sizeof out[0].db, "%s", o->db);
		return 1;
	}
	if (domain_open(&d, o->dir, 0, err, size))
		return 0;
	for (size_t i = 0; i < PLACES; i++) {
		struct place *p = &out[n];
		if (only && strcmp(only, daemons[i]) != 0)
			continue;
		p->name = daemons[i];
		domain_path(&d, p->db, "%s/db", daemons[i]);
		domain_path(&d, p->points, "%s/audit.checkpoints", daemons[i]);
		domain_path(&d, p->key, "%s/audit.key.pub", daemons[i]);
		n += is_there(p->db) ? 1 : 0;
	}
	if (!n)
		snprintf(err, size, "%s: no record of %s here", o->dir, only ? only : "any daemon");
	return n;
}

/* "SEQ:HEX", as verify prints it. */
static int read_anchor(const char *text, struct audit_anchor *out)
{
	char *end;
	size_t n = 0;
	out->seq = strtoull(text, &end, 10);
	return *end == ':' && strlen(end + 1) == 2 * AUDIT_HASH &&
		       !hex_decode(end + 1, 2 * AUDIT_HASH, out->chain, AUDIT_HASH, &n)
		   ? 0
		   : -1;
}

/* ---- verify ---- */

static void print_finding(const struct options *o, const struct place *p, int rc, const struct audit_finding *f,
			  int with_points)
{
	static const char *const verdicts[] = {"unreadable", "intact", "fault"};
	char chain[HEX_SIZE(AUDIT_HASH)] = "";
	if (rc == 0)
		hex_encode(OCTETS(f->head.chain), chain);
	if (o->json) {
		json_t *j =
		    json_pack("{s:s, s:s, s:I, s:I, s:s, s:I, s:I, s:s, s:b}", "record", p->name, "verdict",
			      verdicts[rc + 1], "records", (json_int_t)f->records, "bad_seq", (json_int_t)f->bad_seq,
			      "reason", f->reason, "checkpoints", (json_int_t)f->checkpoints, "checkpointed",
			      (json_int_t)f->checkpointed, "chain", chain, "checkpoints_read", with_points);
		json_dumpf(j, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(j);
		return;
	}
	if (rc == 0)
		printf("%s: intact: %llu records, %llu checkpoints cover %llu; anchor %llu:%s\n", p->name,
		       (unsigned long long)f->records, (unsigned long long)f->checkpoints,
		       (unsigned long long)f->checkpointed, (unsigned long long)f->head.seq, chain);
	else if (f->bad_seq)
		printf("%s: FAULT at record %llu: %s\n", p->name, (unsigned long long)f->bad_seq, f->reason);
	else
		printf("%s: %s: %s\n", p->name, rc > 0 ? "FAULT" : "cannot be read", f->reason);
}

static int verify_one(const struct options *o, const struct place *p, const struct audit_anchor *anchor)
{
	struct audit_finding f;
	const char *points = o->points ? o->points : p->points, *key = o->key ? o->key : p->key;
	int with_points = o->points || (is_there(points) && is_there(key));
	int rc = with_points ? audit_verify_points(p->db, points, key, anchor, &f) : audit_verify(p->db, anchor, &f);
	print_finding(o, p, rc, &f, with_points);
	return rc == 0 ? TOOL_OK : rc > 0 ? TOOL_REFUSED : TOOL_CONFIG;
}

static int verify(const struct tool_command *c, const struct options *o, const char *only)
{
	struct place places[PLACES];
	struct audit_anchor anchor;
	char err[600];
	size_t n = find_places(o, only, places, err, sizeof err);
	int code = TOOL_OK;
	if (!n)
		return tool_fail(c, TOOL_CONFIG, NULL, "%s", err);
	if (o->anchor && read_anchor(o->anchor, &anchor))
		return tool_fail(c, TOOL_USAGE, NULL, "an anchor is SEQ:HEX, as verify prints it");
	if (n > 1 && (o->points || o->anchor))
		return tool_fail(c, TOOL_USAGE, NULL, "--checkpoints and --anchor are of one record: name the daemon");
	for (size_t i = 0; i < n; i++) {
		int one = verify_one(o, &places[i], o->anchor ? &anchor : NULL);
		code = code == TOOL_OK || one == TOOL_REFUSED ? one : code;
	}
	return code;
}

/* ---- export ---- */

static int export(const struct tool_command *c, const struct options *o, const char *only)
{
	struct place places[PLACES];
	char err[600];
	int syslog = o->format && strcmp(o->format, "syslog") == 0;
	char *end = NULL, *end2 = NULL;
	uint64_t from = o->from ? strtoull(o->from, &end, 10) : 0, to = o->to ? strtoull(o->to, &end2, 10) : 0;
	if ((o->format && !syslog && strcmp(o->format, "json") != 0) || (end && *end) || (end2 && *end2))
		return tool_fail(c, TOOL_USAGE, "--help says more", "--format is json or syslog, numbers are decimal");
	size_t n = find_places(o, only, places, err, sizeof err);
	if (!n)
		return tool_fail(c, TOOL_CONFIG, NULL, "%s", err);
	for (size_t i = 0; i < n; i++)
		if (audit_export_as(syslog ? AUDIT_SYSLOG : AUDIT_JSON, places[i].db, from, to, stdout, err,
				    sizeof err))
			return tool_fail(c, TOOL_CONFIG, NULL, "%s: %s", places[i].name, err);
	return TOOL_OK;
}

int cmd_audit(const struct tool_command *c, int argc, char **argv)
{
	struct options o = {.dir = "run"};
	const struct tool_option table[] = {
	    {"dir", "DIR", NULL, &o.dir, "the domain's folder (default ./run)"},
	    {"db", "FILE", NULL, &o.db, "one database instead of a domain"},
	    {"checkpoints", "FILE", NULL, &o.points,
	     "signed checkpoints kept elsewhere (default: beside the database)"},
	    {"key", "FILE", NULL, &o.key, "public key of the checkpoints (PEM)"},
	    {"anchor", "SEQ:HEX", NULL, &o.anchor, "the record must pass through here"},
	    {"format", "json|syslog", NULL, &o.format, "of export (default json)"},
	    {"from", "N", NULL, &o.from, "first record to export"},
	    {"to", "N", NULL, &o.to, "last record to export"},
	    {"json", NULL, &o.json, NULL, "print JSON, one object a line"},
	};
	int rc = tool_parse(c, table, sizeof table / sizeof *table, &argc, argv, 1, 2);
	if (rc >= 0)
		return rc;
	const char *only = argc > 1 ? argv[1] : NULL;
	if (o.points && !o.key && o.db)
		return tool_fail(c, TOOL_USAGE, NULL, "--checkpoints needs the --key they are signed with");
	if (strcmp(argv[0], "verify") == 0)
		return verify(c, &o, only);
	if (strcmp(argv[0], "export") == 0)
		return export(c, &o, only);
	return tool_fail(c, TOOL_USAGE, "--help says more", "verify or export, not '%s'", argv[0]);
}
