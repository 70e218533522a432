/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_auth.c - who asks at /token, /introspect and /revoke (RFC 6749 2.3, RFC 8705 2.1; identity.md 8.2).
 *
 * One method a request. A public client names itself in the form; a confidential one proves itself by the method it is
 * registered for and by no other. Every failure looks the same.
 */
#include <stdlib.h>
#include <strings.h>

#include "idms/client.h"
#include "mcsec/secret.h"
#include "sec/base/text.h"

struct shown {
	char id[CLIENT_ID_MAX], secret[256];
	int basic, post, tls;
};

/* "Basic " base64(form(id) ":" form(secret)) (RFC 6749 2.3.1). 0 read, 1 no Basic header, -1 malformed. */
static int read_basic(const struct http_request *rq, struct shown *w)
{
	unsigned count = 0;
	const char *h = http_request_header(rq, "Authorization", &count);
	uint8_t raw[1024];
	size_t n = 0;
	if (count > 1)
		return -1;
	if (!h || strncasecmp(h, "Basic ", 6) != 0)
		return 1;
	h += 6 + strspn(h + 6, " ");
	int rc = base64_decode(h, strlen(h), raw, sizeof raw, &n) ? -1 : 0;
	const uint8_t *colon = rc ? NULL : memchr(raw, ':', n);
	if (!colon || http_percent_decode((const char *)raw, (size_t)(colon - raw), 1, w->id, sizeof w->id) ||
	    http_percent_decode((const char *)colon + 1, n - (size_t)(colon - raw) - 1, 1, w->secret, sizeof w->secret))
		rc = -1;
	mcsec_wipe(raw, sizeof raw);
	return rc;
}

static int copy(const char *from, char *to, size_t size)
{
	if (strlen(from) >= size)
		return -1;
	strcpy(to, from);
	return 0;
}

static enum client_verdict read_shown(const struct http_request *rq, const struct form *f, struct shown *w)
{
	const char *id = form_get(f, "client_id"), *secret = form_get(f, "client_secret");
	int basic = read_basic(rq, w);
	w->basic = basic <= 0;
	w->post = secret != NULL;
	if (basic < 0)
		return CLIENT_UNKNOWN;
	if (w->basic && w->post)
		return CLIENT_SEVERAL_METHODS;
	if (w->basic)
		return id && strcmp(id, w->id) != 0 ? CLIENT_SEVERAL_METHODS : CLIENT_OK;
	if (!id || copy(id, w->id, sizeof w->id) || (secret && copy(secret, w->secret, sizeof w->secret)))
		return CLIENT_UNKNOWN;
	return CLIENT_OK;
}

static int secret_fits(const struct client *c, const char *secret)
{
	uint8_t hash[HASH_LEN];
	idms_hash(secret, hash);
	return c->has_secret && mcsec_equal(hash, c->secret, sizeof hash);
}

static int certificate_fits(const struct client *c, const struct http_client_cert *cert)
{
	for (size_t i = 0; cert->present && i < cert->n_sans; i++)
		if (strcmp(cert->sans[i].name, c->tls_name) == 0)
			return 1;
	return 0;
}

static int proven(const struct client *c, const struct shown *w, const struct http_request *rq)
{
	switch (c->auth) {
	case CLIENT_AUTH_NONE:
		/* 33.180 B.4.2.4 asks for a secret that a native app cannot keep: such a header proves nothing. */
		return !w->post && (!w->basic || c->legacy_basic);
	case CLIENT_AUTH_BASIC:
		return w->basic && secret_fits(c, w->secret);
	case CLIENT_AUTH_POST:
		return w->post && secret_fits(c, w->secret);
	case CLIENT_AUTH_TLS:
		return !w->basic && !w->post && certificate_fits(c, rq->cert);
	}
	return 0;
}

enum client_verdict client_authenticate(struct idms *s, const struct http_request *rq, const struct form *f,
					struct client *out, int *used_basic)
{
	struct shown w = {0};
	enum client_verdict v = read_shown(rq, f, &w);
	*used_basic = w.basic;
	if (v == CLIENT_OK) {
		pthread_mutex_lock(&s->db_lock);
		enum store_err e = s->store ? client_load(s, w.id, out) : STORE_BUSY;
		pthread_mutex_unlock(&s->db_lock);
		if (e != STORE_ROW)
			v = e == STORE_OK ? CLIENT_UNKNOWN : CLIENT_UNAVAILABLE;
		else if (!out->enabled || !proven(out, &w, rq))
			v = CLIENT_UNKNOWN;
	}
	mcsec_wipe(&w, sizeof w);
	return v;
}
