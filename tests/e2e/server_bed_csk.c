/* SPDX-License-Identifier: Apache-2.0 */
/* server_bed_csk.c - see server_bed.h: bodies under a CSK, and what the server has recorded. */
#include "server_bed_parts.h"

#include "unit/test.h"

#include "audit/audit.h"
#include "mcx/flow/suite.h"
#include "mcx/xmlsec/xmlsec.h"

struct bed_csk bed_csk;

void bed_protect(struct ua *u, struct body_out *parts, size_t *n, size_t max)
{
	static uint8_t memory[XML_ARENA_MIN]; /* the parts lie in it until they are sent */
	struct writer arena = wr_init(memory, sizeof memory);
	const struct bed_csk *use = &bed_csk;
	struct xml_key key;
	size_t len = suite_key_len(use->suite ? use->suite : MCSEC_SUITE_AES128);
	assert_int_equal(xml_key_derive_long(&key, use->key ? use->key : u->csk, use->key ? use->id : u->csk_id,
					     use->name ? use->name : u->mcptt_id, len),
			 MCSEC_OK);
	assert_int_equal(xml_protect(&xml_policy_default, &key, &mcsec_rng_system, "ua.test", parts, n, max, &arena),
			 MCSEC_OK);
}

int ua_invite_under(struct ua *u, const struct bed_csk *csk)
{
	bed_csk = *csk;
	int status = ua_invite(u, &(struct inv){0});
	bed_csk = (struct bed_csk){0};
	if (status == 200)
		assert_int_equal(ua_bye(u), 200);
	return status;
}

char *bed_audit_text(void)
{
	char reason[128], *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	assert_int_equal(audit_export(bed.cfg.database, 1, 0, out, reason, sizeof reason), 0);
	fclose(out);
	return text;
}

size_t bed_recorded(const char *type, const char *also)
{
	char quoted[64], *text = bed_audit_text(), *rest = NULL;
	size_t n = 0;
	bed_text(quoted, sizeof quoted, "\"%s\"", type);
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		n += strstr(line, quoted) && (!also || strstr(line, also));
	free(text);
	return n;
}

void bed_wait_recorded(const char *type, const char *also, size_t n)
{
	for (int i = 0; i < 1500 && bed_recorded(type, also) < n; i++)
		pump(10);
	assert_int_equal(bed_recorded(type, also), n);
}

void bed_wait_rows(const char *sql, size_t n)
{
	for (int i = 0; i < 1500 && rows_in_db(sql) != n; i++)
		pump(10);
	assert_int_equal(rows_in_db(sql), n);
}

void bed_wait_csk(uint32_t id, size_t n)
{
	char sql[100];
	bed_text(sql, sizeof sql, "SELECT count(*) FROM bindings WHERE csk_id=%u", id);
	bed_wait_rows(sql, n);
}

/* ---- settings of a running server ---- */

struct setting {
	int64_t *at, value;
};

static void set(void *arg)
{
	const struct setting *s = arg;
	*s->at = s->value;
}

void bed_set(int64_t *setting, int64_t value)
{
	struct setting s = {setting, value};
	if (bed.server)
		server_on_loop(bed.server, set, &s);
	else
		set(&s);
}
