/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client.h - a user's client in a local domain: the engine's configuration from the domain's folder.
 */
#ifndef MCX_TOOL_CLIENT_H
#define MCX_TOOL_CLIENT_H

#include "tool/domain/users.h"
#include "ue/ue.h"

/* What the configuration points into. */
struct client_texts {
	char dir[PATH_MAX], ca[PATH_MAX], tls[PATH_MAX], resolv[PATH_MAX], profile[PATH_MAX], video_profile[PATH_MAX];
	char idms[DOMAIN_TEXT], kms[DOMAIN_TEXT], kms_uri[DOMAIN_TEXT], psi[DOMAIN_TEXT], route[DOMAIN_TEXT];
	char resolve[1024];
	char sip_user[DOMAIN_TEXT], sip_password[64]; /* for a SIP core; the latter a secret */
};

/* Everything but events and hooks. Both t and u must live until ue_new returned; then client_forget. */
void client_config(const struct domain *d, const struct user *u, struct client_texts *t, struct ue_config *c);
void client_forget(struct client_texts *t);
/* Signs in with the password in DIR/ue/NAME/password. */
enum ue_status client_sign_in(const struct domain *d, const struct user *u, struct ue *ue, struct ue_report *r);

/* The recorded announcement: the installed one, or the one in the source tree. */
const char *client_speech(void);
/* Likewise the recorded clip of H.264, and its pictures a second. */
enum { CLIENT_CLIP_FPS = 10 };
const char *client_clip(void);

#endif
