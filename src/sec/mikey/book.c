/* SPDX-License-Identifier: Apache-2.0 */
/*
 * book.c - finding in the caller's tables: a KMS by its URI, our key set by identity, KMS and period, the UID of an
 * identity, and whether a KMS answers for its domain, which no other may take from it.
 *
 * URIs are compared octet for octet. Only the domain names of KmsDomainList are compared as DNS does: without regard to
 * case, and a subdomain belongs to its parent.
 */
#include <strings.h>

#include "sec/base/check.h"
#include "sec/mikey/message.h"

const struct mcsec_im_kms *book_kms(const struct mcsec_im_book *book, struct octets uri)
{
	for (size_t i = 0; i < book->n_kms; i++)
		if (octets_equal(octets_of(book->kms[i].uri), uri))
			return &book->kms[i];
	return NULL;
}

const struct mcsec_im_own *book_own(const struct mcsec_im_book *book, const char *uri, const char *kms_uri,
				    uint64_t period)
{
	for (size_t i = 0; i < book->n_own; i++) {
		const struct mcsec_im_own *own = &book->own[i];
		if (own->period == period && strcmp(own->uri, uri) == 0 && strcmp(own->kms_uri, kms_uri) == 0)
			return own;
	}
	return NULL;
}

enum mcsec_err book_uid(const struct mcsec_im_kms *kms, const char *uri, uint64_t time, uint8_t uid[MCSEC_UID_LEN])
{
	uint64_t number;
	enum mcsec_err err = mcsec_period_number(&kms->periods, time, &number);
	return err ? err : mcsec_uid(uri, kms->uri, &kms->periods, number, uid);
}

int book_valid(const struct mcsec_im_kms *kms, uint64_t time)
{
	return (!kms->valid_from || time >= kms->valid_from) && (!kms->valid_to || time <= kms->valid_to);
}

/* The host of sip:user@host:port;parameters, or of a bare domain name; empty for a URI without one (tel:). */
static struct octets host_of(const char *uri)
{
	const char *at = strchr(uri, '@'), *colon = strchr(uri, ':'), *host = uri;
	if (at)
		host = at + 1;
	else if (colon && strncasecmp(uri, "tel:", 4) == 0)
		host = uri + strlen(uri);
	else if (colon)
		host = colon + 1;
	while (*host == '/')
		host++;
	return (struct octets){(const uint8_t *)host, strcspn(host, ":;?/")};
}

static int in_domain(struct octets host, const char *domain)
{
	size_t n = strlen(domain);
	if (n == 0 || host.len < n || strncasecmp((const char *)host.p + host.len - n, domain, n) != 0)
		return 0;
	return host.len == n || host.p[host.len - n - 1] == '.';
}

/* Length of the longest domain in its list that holds this host; 0: the certificate names none at all; -1: no domain.
 */
static int longest(const struct mcsec_im_kms *kms, struct octets host)
{
	int best = kms->n_domains ? -1 : 0;
	for (size_t i = 0; i < kms->n_domains; i++)
		if (in_domain(host, kms->domains[i]) && (int)strlen(kms->domains[i]) > best)
			best = (int)strlen(kms->domains[i]);
	return best;
}

static int is_own(const struct mcsec_im_book *book, const struct mcsec_im_kms *kms)
{
	for (size_t i = 0; i < book->n_own; i++)
		if (strcmp(book->own[i].kms_uri, kms->uri) == 0)
			return 1;
	return 0;
}

/*
 * A domain that another certificate names more exactly belongs to that one, and named alike to the KMS that we hold
 * keys of: so no KMS we let in can speak for the users of ours (TS 33.880 7.2.1, impersonation by an external domain).
 */
int book_serves(const struct mcsec_im_book *book, const struct mcsec_im_kms *kms, const char *uri)
{
	struct octets host = host_of(uri);
	int own = is_own(book, kms), mine = longest(kms, host);
	for (size_t i = 0; i < book->n_kms && mine >= 0 && !own; i++) {
		const struct mcsec_im_kms *other = &book->kms[i];
		int theirs = other == kms ? -1 : longest(other, host);
		if (MCX_FAULT(im.kms_other, theirs > mine || (theirs > 0 && theirs == mine && is_own(book, other))))
			return 0;
	}
	return mine >= 0;
}
