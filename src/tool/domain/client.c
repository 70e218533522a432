/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client.c - where a local domain's services are, as a client needs to know it.
 */
#include "tool/domain/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mcsec/secret.h"
#include "tool/domain/core.h"

/* Behind a core the next hop is the core, and one shows it who one is. */
static void behind_core(const struct domain *d, const struct user *u, struct client_texts *t, struct ue_config *c)
{
	const char *name = strchr(u->impu, ':');
	char *password = core_password(d, u->name), host[DOMAIN_TEXT];
	snprintf(t->route, sizeof t->route, "sip:%s:%u;transport=tls", core_host(d, host), d->core);
	snprintf(t->sip_user, sizeof t->sip_user, "%.*s", name ? (int)strcspn(name + 1, "@") : 0, name ? name + 1 : "");
	snprintf(t->sip_password, sizeof t->sip_password, "%s", password ? password : "");
	c->sip_user = t->sip_user;
	c->sip_password = t->sip_password;
	if (password)
		mcsec_wipe(password, strlen(password));
	free(password);
}

void client_forget(struct client_texts *t)
{
	mcsec_wipe(t->sip_password, sizeof t->sip_password);
}

/* NULL where there is no such file. */
static const char *where_it_is(const char *path)
{
	return access(path, F_OK) == 0 ? path : NULL;
}

void client_config(const struct domain *d, const struct user *u, struct client_texts *t, struct ue_config *c)
{
	snprintf(t->idms, sizeof t->idms, "https://idms.%s:%u", d->zone, d->idms);
	snprintf(t->kms, sizeof t->kms, "https://kms.%s:%u", d->zone, d->kms);
	snprintf(t->kms_uri, sizeof t->kms_uri, "kms.%s", d->zone);
	snprintf(t->psi, sizeof t->psi, "sip:mcptt@%s", d->zone);
	snprintf(t->route, sizeof t->route, "sip:sip.%s:%u;transport=tls", d->zone, d->sips);
	domain_resolve(d, t->resolve, sizeof t->resolve);
	*c = (struct ue_config){
	    .dir = domain_path(d, t->dir, "ue/%s/client", u->name),
	    .user = u->mc_id,
	    .impu = u->impu,
	    .idms_url = t->idms,
	    .kms_url = t->kms,
	    .kms_uri = t->kms_uri,
	    .ca_file = domain_path(d, t->ca, "ca/domain.pem"),
	    .resolve = t->resolve,
	    .sip_psi = t->psi,
	    .sip_route = t->route,
	    .sip_address = "127.0.0.1",
	    .tls_dir = domain_path(d, t->tls, "ue/%s/tls", u->name),
	    .resolv_conf = domain_path(d, t->resolv, "dns/resolv.conf"),
	};
	c->user_profile = where_it_is(domain_path(d, t->profile, "ue/%s/mcptt-user-profile.xml", u->name));
	c->video_profile = where_it_is(domain_path(d, t->video_profile, "ue/%s/mcvideo-user-profile.xml", u->name));
	c->hide_identities = d->identity_hiding;
	c->sakke_to_self = d->sakke_to_self;
	if (d->has_core)
		behind_core(d, u, t, c);
}

enum ue_status client_sign_in(const struct domain *d, const struct user *u, struct ue *ue, struct ue_report *r)
{
	char *password = user_password(d, u->name);
	if (!password) {
		*r = (struct ue_report){.status = UE_STORE};
		snprintf(r->text, sizeof r->text, "ue/%s/password cannot be read", u->name);
		return UE_STORE;
	}
	enum ue_status s = ue_sign_in(ue, password, r);
	mcsec_wipe(password, strlen(password));
	free(password);
	return s;
}

const char *client_speech(void)
{
	return access(MCX_SPEECH_INSTALLED, R_OK) == 0 ? MCX_SPEECH_INSTALLED : MCX_SPEECH_SOURCE;
}

const char *client_clip(void)
{
	return access(MCX_CLIP_INSTALLED, R_OK) == 0 ? MCX_CLIP_INSTALLED : MCX_CLIP_SOURCE;
}
