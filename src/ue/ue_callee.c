/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ue_callee.c - whose KMS a private call is made for (seed 000 4.7.1; sip.md 6.1 d; kms.md 15.3, 15.4).
 *
 * In this order: what the call itself says; the private call entry of our user profile; PrivateCallKMSURI of a
 * forwarded call; where the configuration asks for it, the lookup at the home KMS; the home KMS. Only a name comes of
 * this: a KMS whose certificate the home KMS did not provision is not called, whoever named it. A lookup that fails is
 * none: calls do not need the KMS (kms.md 15A-5), so what it said before goes on serving.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "sec/base/check.h"
#include "ue/engine.h"

enum { LOOKED_UP_S = 600 };

/* ---- the profile --------------------------------------------------------------------------------------------------
 */

/* Of the service that is wanted; MCX_SERVICES: of either. */
static enum ue_status take_profile(struct ue *u, struct octets xml, enum mcx_service wanted, struct ue_report *r)
{
	int64_t began = ue_clock_ms();
	struct user_profile p;
	size_t at = 0;
	enum mcsec_err e = user_profile_read(xml, &p, &at);
	if (e)
		return ue_report_set(r, UE_PROFILE, began, "no user profile, at octet %zu: %s", at, mcsec_err_name(e));
	if (wanted != MCX_SERVICES && p.service != wanted) {
		user_profile_free(&p);
		return ue_report_set(r, UE_PROFILE, began, "no user profile of %s", mcx_services[wanted].name);
	}
	pthread_mutex_lock(&u->lock);
	struct user_profile old = u->profiles[p.service];
	u->profiles[p.service] = p;
	pthread_mutex_unlock(&u->lock);
	user_profile_free(&old);
	return ue_report_set(r, UE_OK, began, "the user profile of %s is in use", mcx_services[p.service].name);
}

enum ue_status ue_user_profile(struct ue *u, struct octets xml, struct ue_report *r)
{
	memset(r, 0, sizeof *r);
	return take_profile(u, xml, MCX_SERVICES, r);
}

static int open_profile(struct ue *u, const char *path, enum mcx_service service, char *err, size_t err_size)
{
	struct ue_report r = {0};
	uint8_t *text = malloc(USER_PROFILE_MAX + 1);
	FILE *f = text ? fopen(path, "re") : NULL;
	size_t n = f ? fread(text, 1, USER_PROFILE_MAX + 1, f) : 0;
	int readable = f && !ferror(f);
	if (!readable)
		ue_report_set(&r, UE_PROFILE, 0, "%s", strerror(errno));
	else
		take_profile(u, (struct octets){text, n}, service, &r);
	snprintf(err, err_size, "%s: %s", path, r.text);
	if (f)
		fclose(f);
	free(text);
	return r.status ? -1 : 0;
}

int ue_profiles_open(struct ue *u, char *err, size_t err_size)
{
	if (u->c.user_profile && open_profile(u, u->c.user_profile, MCX_MCPTT, err, err_size))
		return -1;
	return u->c.video_profile ? open_profile(u, u->c.video_profile, MCX_MCVIDEO, err, err_size) : 0;
}

void ue_profiles_close(struct ue *u)
{
	for (int i = 0; i < UE_PROFILES; i++)
		user_profile_free(&u->profiles[i]);
}

/* 1: it names a KMS; 0: it says nothing of this user; -1: it is somebody else's. */
static int ask_profile(struct ue *u, const struct ue_call *c, struct ue_callee *out)
{
	pthread_mutex_lock(&u->lock);
	const struct user_profile *p = &u->profiles[c->service];
	int stranger = MCX_FAULT(ue.profile_owner, p->owner[0] && strcmp(p->owner, u->own_id) != 0);
	const char *kms = stranger ? NULL : user_profile_kms(p, c->target);
	if (kms)
		snprintf(out->kms, sizeof out->kms, "%s", kms[0] ? kms : u->c.kms_uri);
	pthread_mutex_unlock(&u->lock);
	out->named = "the user profile";
	return stranger ? -1 : kms != NULL;
}

/* ---- the lookup ---------------------------------------------------------------------------------------------------
 */

struct look_up {
	const char *target;
	int answered;
	char kms[KMS_URI_MAX];
};

/* Of those that serve the target, the first whose certificate we hold; else the first. */
static void look_up(struct ue *u, struct kms_client *c, const struct signin_tokens *t, void *arg)
{
	struct look_up *l = arg;
	char(*found)[KMS_URI_MAX] = calloc(KMS_MAX_LOOKUP, KMS_URI_MAX);
	size_t n = found ? KMS_MAX_LOOKUP : 0, best = 0;
	struct kms_result r;
	l->answered = found && kms_client_lookup(c, t->access, t->mcptt_id, l->target, ue_unix_now(), found, &n, &r);
	while (l->answered && best < n && !ue_kms_is_known(u, found[best]))
		best++;
	if (l->answered && n)
		memcpy(l->kms, found[best < n ? best : 0], sizeof l->kms);
	free(found);
}

/* What was looked up last of this target, if anything. kms_lock held. */
static struct ue_looked_up *remembered(struct ue *u, const char *target)
{
	for (size_t i = 0; i < UE_ABSENT; i++)
		if (strcmp(u->looked_up[i].target, target) == 0)
			return &u->looked_up[i];
	return NULL;
}

static void remember(struct ue *u, const struct look_up *l)
{
	struct ue_looked_up *e = remembered(u, l->target);
	e = e ? e : &u->looked_up[u->n_looked_up++ % UE_ABSENT];
	snprintf(e->target, sizeof e->target, "%s", l->target);
	memcpy(e->kms, l->kms, sizeof e->kms);
	e->until = ue_clock_ms() + (int64_t)LOOKED_UP_S * 1000;
}

/* 1: a KMS was named. */
static int ask_directory(struct ue *u, const struct ue_call *c, struct ue_callee *out)
{
	struct look_up l = {.target = c->target};
	pthread_mutex_lock(&u->kms_lock);
	const struct ue_looked_up *e = remembered(u, c->target);
	int fresh = e && e->until > ue_clock_ms();
	pthread_mutex_unlock(&u->kms_lock);
	if (!fresh)
		ue_ask_home(u, look_up, &l);
	pthread_mutex_lock(&u->kms_lock);
	if (l.answered)
		remember(u, &l);
	e = remembered(u, c->target);
	snprintf(out->kms, sizeof out->kms, "%s", e ? e->kms : "");
	pthread_mutex_unlock(&u->kms_lock);
	out->named = "the home KMS's directory";
	return out->kms[0] != 0;
}

/* ---- */

enum ue_status ue_callee_kms(struct ue *u, const struct ue_call *c, struct ue_callee *out, struct ue_report *r)
{
	const char *said = c->kms_uri;
	*out = (struct ue_callee){.named = "the caller"};
	if (!said) {
		int profile = ask_profile(u, c, out);
		if (profile < 0)
			return ue_report_set(r, UE_PROFILE, ue_clock_ms(), "the user profile is not that of %s",
					     u->own_id);
		if (profile)
			return UE_OK;
		said = c->forwarded_kms;
		out->named = "the forwarded call";
	}
	if (!said && u->c.lookup_kms && ask_directory(u, c, out))
		return UE_OK;
	if (!said) {
		said = u->c.kms_uri;
		out->named = "nobody: it is our own";
	}
	if ((size_t)snprintf(out->kms, sizeof out->kms, "%s", said) >= sizeof out->kms)
		return ue_report_set(r, UE_NO_KMS, ue_clock_ms(), "the KMS URI that %s names is too long", out->named);
	return UE_OK;
}
