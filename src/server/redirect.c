/* SPDX-License-Identifier: Apache-2.0 */
/* redirect.c - see redirect.h. */
#include "server/redirect.h"

#include <stdlib.h>

#include "app/log.h"
#include "mcx/flow/redirect.h"
#include "mcx/flow/warning.h"
#include "net/krr_files.h"
#include "sec/base/check.h"
#include "server/third_party.h"

enum { TOLD_MAX = 1024, TOLD_MS = 60000, T_FIN_MS = 32000 };

/* Clients that were sent a MESSAGE, by contact, until when they are not sent another. */
struct redirect_told {
	struct {
		char contact[DB_URI];
		int64_t until_ms;
	} at[TOLD_MAX];
};

int redirect_start(struct server *s, char *err, size_t err_size)
{
	const char *own = s->cfg->krr_key;
	s->krr_told = calloc(1, sizeof *s->krr_told);
	s->krr_signer = krr_signer_of(*own ? own : s->cfg->tls);
	if (*own && !s->krr_signer) {
		snprintf(err, err_size, "no certificate with its key on P-256 in %s", own);
		return -1;
	}
	if (!s->krr_signer)
		log_warn("server.redirects-unsigned",
			 log_text("detail", "the TLS key is none on P-256, and krr_key is not set"));
	if (!s->krr_told)
		snprintf(err, err_size, "no memory");
	return s->krr_told ? 0 : -1;
}

void redirect_stop(struct server *s)
{
	krr_signer_free(s->krr_signer);
	free(s->krr_told);
}

int redirect_takes(const struct server_config *cfg, const char *initiator_kms)
{
	return MCX_CHECK(krr.initiator_kms, server_lists(&cfg->initiator_kms, initiator_kms, 1));
}

/* ---- the document ------------------------------------------------------------------------------------------------ */

/* Certificates we hold, of which the policy takes uploads; at most REDIRECT_LISTED. */
struct redirect_kmss redirect_initiators(const struct server *s, const struct mcsec_im_book *book,
					 const char *list[REDIRECT_LISTED])
{
	struct redirect_kmss l = {list, 0};
	for (size_t i = 0; i < book->n_kms && l.n < REDIRECT_LISTED; i++)
		if (server_lists(&s->cfg->initiator_kms, book->kms[i].uri, 1))
			list[l.n++] = book->kms[i].uri;
	return l;
}

/* Where the message hides them: the sender by the name its connection or core gave it, and ourselves. */
static struct krr *make(const struct attempt *a)
{
	const struct server *s = a->work.s;
	const struct mcsec_im_book *book = server_book_tables(a->book);
	const char *held[REDIRECT_LISTED], *own[] = {book->n_own ? book->own[0].kms_uri : ""};
	struct redirect_refusal r = {.message = a->body.mikey,
				     .initiator = a->row.impu,
				     .receiver = *s->cfg->mdsi ? s->cfg->mdsi : s->cfg->psi,
				     .processor = s->cfg->psi,
				     .receivers = {own, book->n_own > 0},
				     .initiators = redirect_initiators(s, book, held),
				     .now = db_now()};
	return redirect_make(&r);
}

/* Its text, malloc'ed; NULL: there is none. Takes k over. */
static uint8_t *document(const struct server *s, struct krr *k, size_t *len)
{
	uint8_t *text = k ? malloc(KRR_BOUND) : NULL;
	struct writer w = wr_init(text, text ? KRR_BOUND : 0);
	if (text && redirect_write(&w, k, s->krr_signer, &mcsec_rng_system) != MCSEC_OK) {
		free(text);
		text = NULL;
	}
	krr_free(k);
	*len = wr_len(&w);
	return text;
}

/* ---- its two ways ------------------------------------------------------------------------------------------------ */

void redirect_reply(const struct server *s, struct sip_server_tx *tx, struct krr *k)
{
	struct sip_out with = {.content_type = KRR_MEDIA_TYPE};
	uint8_t *text = document(s, k, &with.body.len);
	with.body.p = text;
	(void)sip_reply(tx, 488, NULL, text ? &with : NULL);
	free(text);
}

void redirect_answer(struct attempt *a, struct sip_server_tx *tx)
{
	redirect_reply(a->work.s, tx, make(a));
}

/* 1: it may be told now, and is noted; a full table of those told of late says no. */
static int may_tell(struct server *s, const char *contact)
{
	int64_t now = sip_loop_now_ms(s->loop);
	size_t place = TOLD_MAX;
	for (size_t i = 0; i < TOLD_MAX; i++) {
		int live = s->krr_told->at[i].until_ms > now;
		if (live && MCX_FAULT(krr.one_a_minute, strcmp(s->krr_told->at[i].contact, contact) == 0))
			return 0;
		if (!live && place == TOLD_MAX)
			place = i;
	}
	if (place == TOLD_MAX)
		return 0;
	db_copy(s->krr_told->at[place].contact, sizeof s->krr_told->at[place].contact, contact);
	s->krr_told->at[place].until_ms = now + TOLD_MS;
	return 1;
}

static void on_answer(void *ctx, struct sip_client_tx *tx, const struct sip_message *rs)
{
	(void)ctx, (void)tx;
	if (rs->status >= 200)
		log_info("krr.message", log_int("status", rs->status));
}

void redirect_message(struct attempt *a)
{
	struct server *s = a->work.s;
	size_t len = 0;
	uint8_t *text = may_tell(s, a->row.contact) ? document(s, make(a), &len) : NULL;
	if (!text)
		return;
	enum mcx_service of = MCX_MCPTT;
	while (of < MCX_SERVICES - 1 && !(a->services >> of & 1))
		of++;
	const struct mcx_service_names *service = &mcx_services[of];
	char asserted[DB_URI + 2], accept[200], route[300];
	snprintf(asserted, sizeof asserted, "<%s>", server_psi(s->cfg, of));
	snprintf(accept, sizeof accept, "*;%s;require;explicit", service->icsi_tag);
	snprintf(route, sizeof route, "<%s>", s->cfg->core_route);
	const struct sip_header h[] = {{"P-Asserted-Identity", asserted},
				       {"P-Asserted-Service", service->icsi},
				       {"Accept-Contact", accept},
				       {"Route", route}};
	struct sip_request rq = {
	    .method = "MESSAGE",
	    .uri = third_party_target(a->row.impu, a->row.contact),
	    .from = server_psi(s->cfg, of),
	    .to = a->row.impu,
	    .route = s->cfg->core_route,
	    .timeout_ms = T_FIN_MS,
	    .with = {
		.n_headers = sizeof h / sizeof *h, .headers = h, .content_type = KRR_MEDIA_TYPE, .body = {text, len}}};
	(void)sip_send(s->port, &rq, on_answer, NULL);
	free(text);
}
