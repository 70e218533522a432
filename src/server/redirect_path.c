/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redirect_path.c - the redirect of a server on the path of a call (see redirect.h; seed 003 7.2.1.3.2 steps 2, 3).
 *
 * What is offered to the caller is what the callee has and we hold a certificate of: with nothing in common the list is
 * empty, and the call cannot be. The server never opens the call's key: it looks at the KMSs that the message names.
 */
#include "server/redirect.h"

#include <stdlib.h>

#include "mcx/flow/redirect.h"
#include "sec/base/check.h"

enum { DOMAINS_MAX = 8 };

/* The callee's KMSs, preferred first, as far as they are known. */
struct domains {
	size_t n;
	const char *uri[DOMAINS_MAX];
	char text[DB_URI]; /* the operator's, cut into words */
};

static void add(struct domains *d, const char *uri)
{
	for (size_t i = 0; i < d->n; i++)
		if (strcmp(d->uri[i], uri) == 0)
			return;
	if (*uri && d->n < DOMAINS_MAX)
		d->uri[d->n++] = uri;
}

static void look_up(const struct call *c, struct domains *d)
{
	const struct db_user *u = users_find(c->s->bindings, c->row.callee);
	char *rest = NULL;
	d->n = 0;
	db_copy(d->text, sizeof d->text, u ? u->kms_uri : "");
	for (char *word = strtok_r(d->text, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
		add(d, word);
	if (d->n)
		return;
	for (struct binding *b = NULL; (b = bindings_of_user(c->s->bindings, c->row.callee, b));)
		if (b->row.has_csk && b->row.expires > db_now())
			add(d, b->row.kms_uri);
}

static int lists(const char *const *list, size_t n, const char *uri)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i], uri) == 0)
			return 1;
	return 0;
}

int redirect_refuses(const struct call *c)
{
	struct domains d;
	look_up(c, &d);
	return (d.n && !lists(d.uri, d.n, c->row.kms_responder)) || !redirect_takes(c->s->cfg, c->row.kms_initiator);
}

/* Of the callee's KMSs those whose certificate we hold. */
static void keep_held(struct domains *d, const struct mcsec_im_book *book)
{
	size_t kept = 0;
	for (size_t i = 0; i < d->n; i++) {
		size_t k = 0;
		while (k < book->n_kms && strcmp(book->kms[k].uri, d->uri[i]) != 0)
			k++;
		if (k < book->n_kms)
			d->uri[kept++] = d->uri[i];
	}
	d->n = kept;
}

static struct krr *make(const struct call *c, const struct mcsec_im_book *book)
{
	struct domains d;
	const char *held[REDIRECT_LISTED];
	uint8_t message[MCSEC_IM_MAX];
	struct sdp *sdp = malloc(sizeof *sdp);
	struct redirect_refusal r = {.message = {message, 0},
				     .initiator = c->row.caller,
				     .receiver = c->row.callee,
				     .processor = server_psi(c->s->cfg, c->service),
				     .initiators = redirect_initiators(c->s, book, held),
				     .now = db_now()};
	look_up(c, &d);
	if (d.n == 0) /* it is the caller's KMS that is not let in: that of the callee stays as it was */
		add(&d, c->row.kms_responder);
	keep_held(&d, book);
	r.receivers = (struct redirect_kmss){d.uri, d.n};
	int read = sdp && sdp_read(octets_of(c->offer), sdp, NULL) == MCSEC_OK &&
		   media_message(sdp, message, &r.message.len) == 0;
	free(sdp);
	return read ? redirect_make(&r) : NULL;
}

void redirect_call(const struct call *c, struct sip_server_tx *tx)
{
	struct server_book *book = server_keys_book(c->s->keys);
	redirect_reply(c->s, tx, book ? make(c, server_book_tables(book)) : NULL);
	server_book_release(book);
}
