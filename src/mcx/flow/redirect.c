/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redirect.c - see redirect.h. The order of the initiator's rules is interconnect.md 5.3's: the KRR is of a message of
 * ours, it is signed by somebody trusted, the pair it allows is one we can make, and then the first of the list.
 */
#include "mcx/flow/redirect.h"

#include <stdio.h>
#include <string.h>

#include "mcsec/mikey.h"
#include "sec/base/check.h"
#include "sec/base/text.h"

/* ---- maker ------------------------------------------------------------------------------------------------------- */

static int take(char out[KMS_URI_MAX], struct mcsec_slice s)
{
	if (s.len == 0 || s.len >= KMS_URI_MAX)
		return -1;
	memcpy(out, s.p, s.len);
	out[s.len] = 0;
	return 0;
}

static int take_identity(char out[KMS_URI_MAX], struct mcsec_slice s, int hidden, const char *known)
{
	struct mcsec_slice k = {(const uint8_t *)known, known ? strlen(known) : 0};
	return take(out, hidden ? k : s);
}

static int lists(struct redirect_kmss l, const char *uri)
{
	for (size_t i = 0; i < l.n; i++)
		if (strcmp(l.uri[i], uri) == 0)
			return 1;
	return 0;
}

static void put_list(struct krr_list *out, struct redirect_kmss l)
{
	out->present = 1;
	for (size_t i = 0; i < l.n && out->n < KRR_MAX_LIST; i++)
		if (strlen(l.uri[i]) < KMS_URI_MAX)
			strcpy(out->uri[out->n++], l.uri[i]);
}

/* Whichever of the two is not listed is refused; both listed: the initiator's, whose certificate is not valid at T. */
static void put_refused(struct krr *k, const struct redirect_refusal *r)
{
	if (lists(r->receivers, k->rejected_receiver_kms))
		k->rejected_receiver_kms[0] = 0;
	if (lists(r->initiators, k->rejected_initiator_kms) && k->rejected_receiver_kms[0])
		k->rejected_initiator_kms[0] = 0;
}

struct krr *redirect_make(const struct redirect_refusal *r)
{
	struct mcsec_im_peek peek;
	struct mcsec_fault fault;
	struct krr *k = mcsec_im_peek(r->message.p, r->message.len, &peek, &fault) ? NULL : krr_new();
	if (!k || take_identity(k->initiator_uri, peek.initiator, peek.initiator_hidden, r->initiator) ||
	    take_identity(k->receiver_uri, peek.responder, peek.responder_hidden, r->receiver) ||
	    take(k->rejected_initiator_kms, peek.initiator_kms) || take(k->rejected_receiver_kms, peek.responder_kms) ||
	    strlen(r->processor) >= KMS_URI_MAX) {
		krr_free(k);
		return NULL;
	}
	put_refused(k, r);
	strcpy(k->processor_uri, r->processor);
	snprintf(k->key_id, sizeof k->key_id, "%08x", peek.csb_id);
	k->time = r->now;
	put_list(&k->receiver_kms, r->receivers);
	if (k->rejected_initiator_kms[0])
		put_list(&k->initiator_kms, r->initiators);
	return k;
}

enum mcsec_err redirect_write(struct writer *w, struct krr *k, const struct krr_signer *s, const struct mcsec_rng *rng)
{
	uint8_t r[8];
	char hex[HEX_SIZE(sizeof r)];
	if (rng->fill(rng->ctx, r, sizeof r))
		return MCSEC_E_RANDOM;
	hex_encode(OCTETS(r), hex);
	snprintf(k->id, sizeof k->id, "krr-%s", hex); /* unlike any that is embedded */
	if (s)
		krr_sign(w, k, s);
	else
		krr_write(w, k);
	return w->err;
}

/* ---- initiator --------------------------------------------------------------------------------------------------- */

enum redirect_verdict redirect_judge(const struct krr *k, enum krr_verdict signature, int accept_unsigned,
				     const struct redirect_sent *sent)
{
	char id[16];
	snprintf(id, sizeof id, "%08x", sent->key_id);
	int to_it = !strcmp(k->receiver_uri, sent->receiver[0]) ||
		    (sent->receiver[1] && !strcmp(k->receiver_uri, sent->receiver[1]));
	if (MCX_FAULT(krr.key_id, strcmp(k->key_id, id) != 0) || MCX_FAULT(krr.receiver, !to_it))
		return REDIRECT_UNSOLICITED;
	if (MCX_FAULT(krr.untrusted, signature == KRR_FORGED) ||
	    MCX_FAULT(krr.unsigned, signature == KRR_UNSIGNED && !accept_unsigned))
		return REDIRECT_UNTRUSTED;
	return REDIRECT_OURS;
}

static int in_list(const struct krr_list *l, const char *uri)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->uri[i], uri) == 0)
			return 1;
	return 0;
}

static int was_tried(const struct redirect *r, const char *uri)
{
	for (size_t i = 0; i < r->n_tried; i++)
		if (strcmp(r->tried[i], uri) == 0)
			return 1;
	return 0;
}

static int was_fetched(const struct redirect *r, const char *uri)
{
	for (size_t i = 0; i < r->fetches; i++)
		if (strcmp(r->fetched[i], uri) == 0)
			return 1;
	return 0;
}

/* What ends it before any KMS of the receiver is looked at; NULL: nothing. */
static const char *dead_end(const struct redirect *r, const struct krr *k, const struct redirect_held *held)
{
	if (MCX_FAULT(krr.rounds, r->round >= REDIRECT_ROUNDS))
		return "three redirects led nowhere";
	int own = in_list(&k->initiator_kms, held->own);
	if (MCX_FAULT(krr.own_kms, k->initiator_kms.present ? !own : strcmp(k->rejected_initiator_kms, held->own) == 0))
		return "our own KMS is not accepted there";
	return k->receiver_kms.n ? NULL : "no KMS is accepted there";
}

enum redirect_choice redirect_choose(struct redirect *r, const struct krr *k, const char *first,
				     const struct redirect_held *held, char out[KMS_URI_MAX], const char **why)
{
	if (r->n_tried == 0)
		snprintf(r->tried[r->n_tried++], KMS_URI_MAX, "%s", first);
	*why = dead_end(r, k, held);
	for (size_t i = 0; !*why && i < k->receiver_kms.n; i++) {
		const char *uri = k->receiver_kms.uri[i];
		if (MCX_FAULT(krr.tried, was_tried(r, uri)))
			continue;
		int there = held->certificate(held->ctx, uri);
		int fetch = there == 0 && !was_fetched(r, uri) && r->fetches < REDIRECT_FETCHES;
		if (!fetch && MCX_FAULT(krr.certificate, there != 1))
			continue;
		snprintf(out, KMS_URI_MAX, "%s", uri);
		if (fetch) {
			snprintf(r->fetched[r->fetches++], KMS_URI_MAX, "%s", uri);
			return REDIRECT_FETCH;
		}
		r->round++;
		r->fetches = 0;
		if (r->n_tried < sizeof r->tried / sizeof *r->tried)
			snprintf(r->tried[r->n_tried++], KMS_URI_MAX, "%s", uri);
		return REDIRECT_TRY;
	}
	if (!*why)
		*why = "of the KMSs accepted there none is left that our own lets us use";
	return REDIRECT_END;
}
