/* SPDX-License-Identifier: Apache-2.0 */
/*
 * users.c - users as a list of admin calls per act: one table for each of add, suspend, resume and remove.
 */
#include "tool/domain/users.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mcsec/rng.h"
#include "mcsec/secret.h"
#include "sec/base/text.h"
#include "tool/domain/admin_client.h"
#include "tool/domain/core.h"
#include "ue/signin.h"

/* ---- one call of an act ---- */

struct step {
	enum admin_at at;
	const char *method;
	const char *path; /* with one %s for the identity */
	enum whom { MC_ID, MCPTT_ID, EVERY_SERVICE_ID } whom;
	int fine; /* a status that is as good as success; 0 none */
	json_t *(*body)(const struct user *u);
};

static json_t *account_json(const struct user *u, int enabled)
{
	json_t *services = json_object();
	const struct {
		const char *key, *id;
	} rows[] = {{"ptt", u->mcptt}, {"video", u->mcvideo}, {"data", u->mcdata}};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (rows[i].id[0])
			json_object_set_new(services, rows[i].key, json_string(rows[i].id));
	return json_pack("{s:s, s:b, s:o}", "display", u->name, "enabled", enabled, "services", services);
}

static json_t *enabled_account(const struct user *u)
{
	return account_json(u, 1);
}

static json_t *disabled_account(const struct user *u)
{
	return account_json(u, 0);
}

static json_t *password_json(const struct user *u)
{
	return json_pack("{s:s}", "password", u->password);
}

static json_t *empty_json(const struct user *u)
{
	(void)u;
	return json_object();
}

static json_t *active_json(const struct user *u)
{
	(void)u;
	return json_pack("{s:s}", "state", "active");
}

static json_t *suspended_json(const struct user *u)
{
	(void)u;
	return json_pack("{s:s}", "state", "suspended");
}

static json_t *revoked_json(const struct user *u)
{
	(void)u;
	return json_pack("{s:s}", "state", "revoked");
}

static json_t *profile_json(const struct user *u)
{
	(void)u;
	return json_pack("{s:s, s:b}", "answer-mode", "manual", "private-call", 1);
}

static const struct step add_steps[] = {
    {ADMIN_AT_KMS, "PUT", "users/%s", EVERY_SERVICE_ID, 0, active_json},
    {ADMIN_AT_SERVER, "PUT", "users/%s", MCPTT_ID, 0, profile_json},
    {ADMIN_AT_IDMS, "PUT", "users/%s", MC_ID, 0, enabled_account},
    {ADMIN_AT_IDMS, "POST", "users/%s/password", MC_ID, 0, password_json},
};
static const struct step suspend_steps[] = {
    {ADMIN_AT_IDMS, "PUT", "users/%s", MC_ID, 0, disabled_account},
    {ADMIN_AT_IDMS, "POST", "users/%s/cut", MC_ID, 0, empty_json},
    {ADMIN_AT_KMS, "PUT", "users/%s", EVERY_SERVICE_ID, 0, suspended_json},
};
static const struct step resume_steps[] = {
    {ADMIN_AT_KMS, "PUT", "users/%s", EVERY_SERVICE_ID, 0, active_json},
    {ADMIN_AT_IDMS, "PUT", "users/%s", MC_ID, 0, enabled_account},
};
static const struct step remove_steps[] = {
    {ADMIN_AT_IDMS, "POST", "users/%s/cut", MC_ID, 404, empty_json},
    {ADMIN_AT_IDMS, "DELETE", "users/%s", MC_ID, 404, NULL},
    {ADMIN_AT_KMS, "PUT", "users/%s", EVERY_SERVICE_ID, 0, revoked_json},
};

size_t user_identities(const struct user *u, const char *out[USER_IDENTITIES])
{
	const char *const all[USER_IDENTITIES] = {u->mcptt, u->mcvideo, u->mcdata};
	size_t n = 0;
	for (size_t i = 0; i < USER_IDENTITIES; i++) {
		size_t j = 0;
		while (j < n && strcmp(out[j], all[i]) != 0)
			j++;
		if (all[i][0] && j == n)
			out[n++] = all[i];
	}
	return n;
}

static enum user_err take_step(struct admin_client *c, const struct step *s, const struct user *u, const char *identity,
			       char *err, size_t err_size)
{
	char id[3 * DOMAIN_TEXT];
	struct admin_answer a;
	enum user_err rc = USER_OK;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* the table's literals, each with one %s */
	int status =
	    admin_call(c, s->at, s->method, s->body ? s->body(u) : NULL, &a, s->path, admin_segment(identity, id));
#pragma GCC diagnostic pop
	if ((status < 200 || status > 299) && !(s->fine && status == s->fine)) {
		rc = status ? USER_REFUSED : USER_UNREACHABLE;
		snprintf(err, err_size, "%s", a.error);
	}
	admin_answer_free(&a);
	return rc;
}

static enum user_err take_steps(struct domain *d, const struct user *u, const struct step *steps, size_t n, char *err,
				size_t err_size)
{
	struct admin_client *c = admin_client_new(d, "user-admin", err, err_size);
	enum user_err rc = c ? USER_OK : USER_FILE;
	for (size_t i = 0; rc == USER_OK && i < n; i++) {
		const char *service[USER_IDENTITIES];
		size_t m = user_identities(u, service);
		if (steps[i].whom != EVERY_SERVICE_ID) {
			service[0] = steps[i].whom == MC_ID ? u->mc_id : u->mcptt;
			m = 1;
		}
		for (size_t j = 0; rc == USER_OK && j < m; j++)
			rc = take_step(c, &steps[i], u, service[j], err, err_size);
	}
	admin_client_free(c);
	return rc;
}

/* ---- the local record ---- */

static enum user_err bad(char *err, size_t err_size, const char *what, const char *why)
{
	snprintf(err, err_size, "%s: %s", what, why);
	return USER_BAD;
}

static int name_is_good(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
	return n > 0 && n < 33 && !name[n] && name[0] != '.' && name[0] != '-';
}

static int identity_is_good(const char *id)
{
	int uri = strncmp(id, "sip:", 4) == 0 || strncmp(id, "tel:", 4) == 0;
	for (const char *p = id; *p; p++)
		if ((unsigned char)*p <= 0x20 || (unsigned char)*p >= 0x7f || strchr("<>\"\\", *p))
			return 0;
	return uri && strlen(id) > 5 && strlen(id) < DOMAIN_TEXT - 1;
}

/* Kept from before, unless it would show what is to be hidden. */
static enum user_err settle_impu(const struct domain *d, struct user *u, char *err, size_t err_size)
{
	struct user before;
	uint8_t raw[6];
	char hex[HEX_SIZE(sizeof raw)], none[600];
	int known = user_load(d, u->name, &before, none, sizeof none) == USER_OK;
	if (known && (!d->identity_hiding || strcmp(before.impu, u->mcptt) != 0)) {
		snprintf(u->impu, sizeof u->impu, "%s", before.impu);
	} else if (!d->identity_hiding) {
		snprintf(u->impu, sizeof u->impu, "%s", u->mcptt);
	} else if (mcsec_rng_system.fill(mcsec_rng_system.ctx, raw, sizeof raw)) {
		snprintf(err, err_size, "the random source failed");
		return USER_FILE;
	} else {
		hex_encode(OCTETS(raw), hex);
		snprintf(u->impu, sizeof u->impu, "sip:line-%s@%s", hex, d->zone);
	}
	return USER_OK;
}

enum user_err user_fill_in(const struct domain *d, struct user *u, const char *services, char *err, size_t err_size)
{
	const struct {
		const char *name;
		char *id;
	} rows[] = {{"ptt", u->mcptt}, {"video", u->mcvideo}, {"data", u->mcdata}};
	if (!name_is_good(u->name))
		return bad(err, err_size, u->name, "a user's name is 1 to 32 letters, digits, '.', '_' or '-'");
	char list[64];
	snprintf(list, sizeof list, ",%s,", services && *services ? services : "ptt");
	size_t known = 1;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char one[16];
		snprintf(one, sizeof one, ",%s,", rows[i].name);
		int wanted = strstr(list, one) != NULL;
		known += wanted ? strlen(rows[i].name) + 1 : 0;
		if (wanted && !rows[i].id[0])
			snprintf(rows[i].id, DOMAIN_TEXT, "sip:%s@%s", u->name, d->zone);
		if (rows[i].id[0] && !identity_is_good(rows[i].id))
			return bad(err, err_size, rows[i].id, "is not a sip: or tel: URI");
	}
	if (known != strlen(list) || !u->mcptt[0])
		return bad(err, err_size, list, "services are ptt (always), video and data, separated by commas");
	if (!u->mc_id[0])
		snprintf(u->mc_id, sizeof u->mc_id, "%s", u->mcptt);
	if (!identity_is_good(u->mc_id))
		return bad(err, err_size, u->mc_id, "is not a sip: or tel: URI");
	if (u->impu[0])
		return identity_is_good(u->impu) ? USER_OK : bad(err, err_size, u->impu, "is not a sip: or tel: URI");
	return settle_impu(d, u, err, err_size);
}

json_t *user_json(const struct user *u)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "name", u->name, "mc_id", u->mc_id, "impu", u->impu,
			 "mcptt", u->mcptt, "mcvideo", u->mcvideo, "mcdata", u->mcdata, "state", u->state);
}

static enum user_err keep(const struct domain *d, struct user *u, const char *state, char *err, size_t err_size)
{
	char path[PATH_MAX];
	snprintf(u->state, sizeof u->state, "%s", state);
	json_t *j = user_json(u);
	char *text = j ? json_dumps(j, JSON_INDENT(2)) : NULL;
	int rc = text ? domain_write_file(domain_path(d, path, "ue/%s/user.json", u->name), text, err, err_size) : -1;
	free(text);
	json_decref(j);
	if (rc == 0)
		rc = core_credentials(d, err, err_size);
	return rc ? USER_FILE : USER_OK;
}

enum user_err user_load(const struct domain *d, const char *name, struct user *u, char *err, size_t err_size)
{
	char path[PATH_MAX];
	memset(u, 0, sizeof *u);
	if (!name_is_good(name))
		return bad(err, err_size, name, "is not a user's name");
	json_t *j = json_load_file(domain_path(d, path, "ue/%s/user.json", name), 0, NULL);
	const struct {
		const char *key;
		char *to;
		size_t size;
	} rows[] = {{"name", u->name, sizeof u->name},          {"mc_id", u->mc_id, sizeof u->mc_id},
		    {"impu", u->impu, sizeof u->impu},          {"mcptt", u->mcptt, sizeof u->mcptt},
		    {"mcvideo", u->mcvideo, sizeof u->mcvideo}, {"mcdata", u->mcdata, sizeof u->mcdata},
		    {"state", u->state, sizeof u->state}};
	for (size_t i = 0; j && i < sizeof rows / sizeof *rows; i++) {
		const char *v = json_string_value(json_object_get(j, rows[i].key));
		snprintf(rows[i].to, rows[i].size, "%s", v ? v : "");
	}
	json_decref(j);
	if (!u->impu[0]) /* of an earlier version */
		memcpy(u->impu, u->mcptt, sizeof u->impu);
	return strcmp(u->name, name) == 0 && u->mc_id[0] ? USER_OK
							 : bad(err, err_size, name, "there is no such user here");
}

char *user_password(const struct domain *d, const char *name)
{
	char path[PATH_MAX];
	return domain_read_file(domain_path(d, path, "ue/%s/password", name));
}

/* NOLINTNEXTLINE(misc-no-recursion): once; the password is there the second time */
static enum user_err settle_password(const struct domain *d, struct user *u, char *err, size_t err_size)
{
	char path[PATH_MAX];
	uint8_t raw[16];
	if (u->password[0])
		return domain_write_file(domain_path(d, path, "ue/%s/password", u->name), u->password, err, err_size)
			   ? USER_FILE
			   : USER_OK;
	char *kept = user_password(d, u->name);
	if (kept) {
		snprintf(u->password, sizeof u->password, "%s", kept);
		mcsec_wipe(kept, strlen(kept));
		free(kept);
		return USER_OK;
	}
	if (mcsec_rng_system.fill(mcsec_rng_system.ctx, raw, sizeof raw)) {
		snprintf(err, err_size, "the random source failed");
		return USER_FILE;
	}
	base64url_encode(OCTETS(raw), u->password);
	mcsec_wipe(raw, sizeof raw);
	return settle_password(d, u, err, err_size);
}

/* ---- acts ---- */

/* Every registration the user has at the MC server: its CSKs are wiped and its calls end. */
static enum user_err end_registrations(struct domain *d, const struct user *u, char *err, size_t err_size)
{
	struct admin_client *c = admin_client_new(d, "user-admin", err, err_size);
	struct admin_answer list, a;
	json_t *binding;
	size_t i;
	if (!c)
		return USER_FILE;
	int status = admin_call(c, ADMIN_AT_SERVER, "GET", NULL, &list, "bindings");
	enum user_err rc = status == 200 ? USER_OK : status ? USER_REFUSED : USER_UNREACHABLE;
	if (rc != USER_OK)
		snprintf(err, err_size, "%s", list.error);
	json_array_foreach(json_object_get(list.body, "bindings"), i, binding)
	{
		const char *id = json_string_value(json_object_get(binding, "mcptt_id"));
		if (rc != USER_OK || !id || strcmp(id, u->mcptt) != 0)
			continue;
		status = admin_call(c, ADMIN_AT_SERVER, "DELETE", NULL, &a, "bindings/%lld",
				    (long long)json_integer_value(json_object_get(binding, "id")));
		if ((status < 200 || status > 299) && status != 404) { /* 404: it ended by itself meanwhile */
			rc = USER_REFUSED;
			snprintf(err, err_size, "%s", a.error);
		}
		admin_answer_free(&a);
	}
	admin_answer_free(&list);
	admin_client_free(c);
	return rc;
}

/* The client program that users of this domain sign in with; the same each time (identity.md 6, TS 24.482 6.2). */
static enum user_err register_client(struct domain *d, char *err, size_t err_size)
{
	struct admin_client *c = admin_client_new(d, "officer", err, err_size);
	struct admin_answer a;
	if (!c)
		return USER_FILE;
	json_t *client =
	    json_pack("{s:s, s:s, s:s, s:[s], s:[s, s], s:b, s:b}", "name", "mcx client", "type", "native",
		      "token_endpoint_auth_method", "none", "redirect_uris", SIGNIN_REDIRECT_URI, "grant_types",
		      "authorization_code", "refresh_token", "headless_login", 1, "require_pkce", 1);
	int status = admin_call(c, ADMIN_AT_IDMS, "PUT", client, &a, "clients/%s", SIGNIN_CLIENT_ID);
	snprintf(err, err_size, "%s", a.error);
	admin_answer_free(&a);
	admin_client_free(c);
	return status >= 200 && status <= 299 ? USER_OK : status ? USER_REFUSED : USER_UNREACHABLE;
}

#define TAKE(steps) take_steps(d, u, steps, sizeof(steps) / sizeof *(steps), err, err_size)

/* The device's certificate names the SIP identity: with another one it is made anew. */
static int forget_device(const struct domain *d, const struct user *u, char *err, size_t err_size)
{
	struct user before;
	char path[PATH_MAX], none[600];
	if (user_load(d, u->name, &before, none, sizeof none) != USER_OK || strcmp(before.impu, u->impu) == 0 ||
	    unlink(domain_path(d, path, "ue/%s/tls/agent.pem", u->name)) == 0 || errno == ENOENT)
		return 0;
	snprintf(err, err_size, "%.300s: %s", path, strerror(errno));
	return -1;
}

enum user_err user_add(struct domain *d, struct user *u, char *err, size_t err_size)
{
	if (forget_device(d, u, err, err_size) || domain_device(d, u->name, u->impu, err, err_size))
		return USER_FILE;
	enum user_err rc = settle_password(d, u, err, err_size);
	if (rc == USER_OK)
		rc = register_client(d, err, err_size);
	if (rc == USER_OK)
		rc = TAKE(add_steps);
	mcsec_wipe(u->password, sizeof u->password);
	return rc == USER_OK ? keep(d, u, "active", err, err_size) : rc;
}

enum user_err user_suspend(struct domain *d, struct user *u, char *err, size_t err_size)
{
	enum user_err rc = TAKE(suspend_steps);
	if (rc == USER_OK)
		rc = end_registrations(d, u, err, err_size);
	return rc == USER_OK ? keep(d, u, "suspended", err, err_size) : rc;
}

/* For a device that is lost: its keys are to be wiped wherever it shows up, its rights end now. */
static const struct step lost_at_idms[] = {
    {ADMIN_AT_IDMS, "PUT", "users/%s", MC_ID, 0, disabled_account},
    {ADMIN_AT_IDMS, "POST", "users/%s/cut", MC_ID, 0, empty_json},
};
static const struct step lost_at_kms[] = {
    {ADMIN_AT_KMS, "PUT", "users/%s", EVERY_SERVICE_ID, 0, revoked_json},
    {ADMIN_AT_KMS, "POST", "transportkeys/%s/withdraw", EVERY_SERVICE_ID, 409, NULL}, /* 409: protect is off */
};

enum user_err user_lost_at(struct domain *d, struct user *u, enum admin_at at, char *err, size_t err_size)
{
	switch (at) {
	case ADMIN_AT_IDMS:
		return TAKE(lost_at_idms);
	case ADMIN_AT_KMS:
		return TAKE(lost_at_kms);
	default:
		return end_registrations(d, u, err, err_size);
	}
}

enum user_err user_mark_lost(struct domain *d, struct user *u, char *err, size_t err_size)
{
	return keep(d, u, "lost", err, err_size);
}

enum user_err user_resume(struct domain *d, struct user *u, char *err, size_t err_size)
{
	enum user_err rc = TAKE(resume_steps);
	return rc == USER_OK ? keep(d, u, "active", err, err_size) : rc;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st, (void)kind, (void)at;
	return remove(path);
}

enum user_err user_remove(struct domain *d, struct user *u, char *err, size_t err_size)
{
	char path[PATH_MAX];
	enum user_err rc = TAKE(remove_steps);
	if (rc == USER_OK)
		rc = end_registrations(d, u, err, err_size);
	if (rc != USER_OK)
		return rc;
	domain_path(d, path, "ue/%s", u->name);
	if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0 && access(path, F_OK) == 0) {
		snprintf(err, err_size, "%s: cannot be removed", path);
		return USER_FILE;
	}
	return core_credentials(d, err, err_size) ? USER_FILE : USER_OK;
}
