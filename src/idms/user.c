/* SPDX-License-Identifier: Apache-2.0 */
/* user.c - see user.h. */
#include "idms/user.h"

#include <stdio.h>

void user_fold(const char *mc_id, char *out)
{
	size_t n = 0;
	for (; mc_id[n] && n < MC_ID_MAX - 1; n++)
		out[n] = (char)(mc_id[n] >= 'A' && mc_id[n] <= 'Z' ? mc_id[n] + 32 : mc_id[n]);
	out[n] = 0;
}

const char *user_service_id_refusal(const char *uri)
{
	if (strncmp(uri, "sip:", 4) != 0 && strncmp(uri, "tel:", 4) != 0)
		return "an MC service ID is a sip: or tel: URI";
	if (strlen(uri) < 6 || strlen(uri) >= MC_ID_MAX)
		return "an MC service ID has 6 to 255 octets";
	for (const char *c = uri; *c; c++)
		if ((unsigned char)*c <= 0x20 || *c == 0x7f || strchr("<>\"?", *c))
			return "an MC service ID has no blanks, quotes or URI headers";
	return NULL;
}

static void copy(char *out, size_t size, const char *text)
{
	snprintf(out, size, "%s", text);
}

static enum store_err load_services(struct idms *s, struct user *u)
{
	struct store_stmt *st = store_sql(s->store, "SELECT service, mc_service_id FROM user_service WHERE sub = ?");
	store_bind_text(st, 1, u->sub);
	enum store_err e;
	while ((e = store_step(st)) == STORE_ROW)
		for (int i = 0; i < SERVICES; i++)
			if (strcmp(store_text(st, 0), service_name((enum service)i)) == 0)
				copy(u->service_id[i], sizeof u->service_id[i], store_text(st, 1));
	store_reset(st);
	return e ? e : STORE_ROW;
}

#define COLUMNS "SELECT sub, mc_id, display, enabled, scopes, password, fail_count, fail_since FROM user WHERE "

static enum store_err load(struct idms *s, const char *sql, const char *key, struct user *u)
{
	struct store_stmt *st = store_sql(s->store, sql);
	*u = (struct user){0};
	store_bind_text(st, 1, key);
	enum store_err e = store_step(st);
	if (e == STORE_ROW) {
		copy(u->sub, sizeof u->sub, store_text(st, 0));
		copy(u->mc_id, sizeof u->mc_id, store_text(st, 1));
		copy(u->display, sizeof u->display, store_text(st, 2));
		u->enabled = store_int(st, 3) != 0;
		copy(u->scopes, sizeof u->scopes, store_text(st, 4));
		copy(u->password, sizeof u->password, store_text(st, 5));
		u->fail_count = store_int(st, 6);
		u->fail_since = store_int(st, 7);
	}
	store_reset(st);
	return e == STORE_ROW ? load_services(s, u) : e;
}

enum store_err user_by_name(struct idms *s, const char *mc_id, struct user *u)
{
	char folded[MC_ID_MAX];
	user_fold(mc_id, folded);
	return load(s, COLUMNS "folded = ?", folded, u);
}

enum store_err user_by_sub(struct idms *s, const char *sub, struct user *u)
{
	return load(s, COLUMNS "sub = ?", sub, u);
}

static enum store_err step_and_reset(struct store_stmt *st)
{
	enum store_err e = store_step(st);
	store_reset(st);
	return e;
}

static enum store_err store_account(struct idms *s, const struct user *u)
{
	char folded[MC_ID_MAX];
	user_fold(u->mc_id, folded);
	struct store_stmt *st = store_sql(
	    s->store, "INSERT INTO user (sub, mc_id, folded, display, enabled, scopes, password, created, changed)"
		      " VALUES (?1, ?2, ?3, ?4, ?5, ?6, '', ?7, ?7) ON CONFLICT (sub) DO UPDATE SET"
		      " mc_id = excluded.mc_id, display = excluded.display, enabled = excluded.enabled,"
		      " scopes = excluded.scopes, changed = excluded.changed");
	store_bind_text(st, 1, u->sub);
	store_bind_text(st, 2, u->mc_id);
	store_bind_text(st, 3, folded);
	store_bind_text(st, 4, u->display);
	store_bind_int(st, 5, u->enabled);
	store_bind_text(st, 6, u->scopes);
	store_bind_int(st, 7, idms_now(s));
	return step_and_reset(st);
}

static enum store_err store_services(struct idms *s, const struct user *u)
{
	struct store_stmt *st = store_sql(s->store, "DELETE FROM user_service WHERE sub = ?");
	store_bind_text(st, 1, u->sub);
	enum store_err e = step_and_reset(st);
	for (int i = 0; i < SERVICES && !e; i++) {
		if (!u->service_id[i][0])
			continue;
		st = store_sql(s->store, "INSERT INTO user_service (sub, service, mc_service_id) VALUES (?, ?, ?)");
		store_bind_text(st, 1, u->sub);
		store_bind_text(st, 2, service_name((enum service)i));
		store_bind_text(st, 3, u->service_id[i]);
		e = step_and_reset(st);
	}
	return e;
}

enum store_err user_store(struct idms *s, struct user *u, int *created)
{
	struct user old;
	enum store_err e = user_by_name(s, u->mc_id, &old);
	if (e != STORE_ROW && e != STORE_OK)
		return e;
	*created = e == STORE_OK;
	if (*created && idms_opaque_id("u-", u->sub))
		return STORE_BROKEN;
	if (!*created)
		strcpy(u->sub, old.sub);
	e = store_account(s, u);
	return e ? e : store_services(s, u);
}

enum store_err user_set_password(struct idms *s, const char *sub, const char *phc)
{
	struct store_stmt *st = store_sql(s->store, "UPDATE user SET password = ?2, fail_count = 0, changed = ?3"
						    " WHERE sub = ?1");
	store_bind_text(st, 1, sub);
	store_bind_text(st, 2, phc);
	store_bind_int(st, 3, idms_now(s));
	return step_and_reset(st);
}

enum store_err user_count_failure(struct idms *s, const char *sub)
{
	struct store_stmt *st = store_sql(s->store, "UPDATE user SET fail_count = fail_count + 1, fail_since = ?2"
						    " WHERE sub = ?1");
	store_bind_text(st, 1, sub);
	store_bind_int(st, 2, idms_now(s));
	return step_and_reset(st);
}

enum store_err user_clear_failures(struct idms *s, const char *sub)
{
	struct store_stmt *st = store_sql(s->store, "UPDATE user SET fail_count = 0 WHERE sub = ? AND fail_count <> 0");
	store_bind_text(st, 1, sub);
	return step_and_reset(st);
}

enum store_err user_remove(struct idms *s, const char *sub)
{
	struct store_stmt *st = store_sql(s->store, "DELETE FROM user WHERE sub = ?");
	store_bind_text(st, 1, sub);
	return step_and_reset(st);
}

struct scope_limits user_limits(const struct user *u, const char *client_scopes)
{
	struct scope_limits l = {.user = u->scopes, .client = client_scopes};
	for (int i = 0; i < SERVICES; i++)
		l.service[i] = u->service_id[i][0] != 0;
	return l;
}
