/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sip_stateless.c - answers without a transaction (RFC 3261 8.2.7).
 *
 * A transaction over UDP lives 32 s after its answer, one of a refused INVITE until the ACK comes: some 12 KB each that
 * whoever sends datagrams could make us keep. A stateless server keeps nothing and answers every copy of a request
 * alike; that includes the To tag, which is therefore computed from the request under a key of the port.
 */
#include "net/sip_nta.h"

#include <openssl/evp.h>

static void feed(EVP_MD_CTX *c, const char *text)
{
	(void)EVP_DigestUpdate(c, text ? text : "", text ? strlen(text) + 1 : 1);
}

/* 16 hexadecimal digits; all zero without memory, which is still a tag. */
static void tag_of(const struct sip_port *p, const sip_t *sip, char tag[17])
{
	uint8_t digest[EVP_MAX_MD_SIZE] = {0};
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	if (c && EVP_DigestInit_ex(c, EVP_sha256(), NULL) && EVP_DigestUpdate(c, p->tag_key, sizeof p->tag_key)) {
		feed(c, sip->sip_via ? sip->sip_via->v_branch : NULL);
		feed(c, sip->sip_from ? sip->sip_from->a_tag : NULL);
		feed(c, sip->sip_call_id ? sip->sip_call_id->i_id : NULL);
		(void)EVP_DigestFinal_ex(c, digest, NULL);
	}
	EVP_MD_CTX_free(c);
	for (int i = 0; i < 8; i++)
		snprintf(tag + 2 * i, 3, "%02x", digest[i]);
}

void sip_stateless_reply(struct sip_port *p, msg_t *msg, int status, const char *phrase, const struct sip_out *with)
{
	const sip_t *sip = sip_object(msg);
	su_home_t home[1] = {SU_HOME_INIT(home)};
	char tag[17];
	sip_to_t *to = sip && sip->sip_to ? sip_to_dup(home, sip->sip_to) : NULL;
	if (to && !to->a_tag) {
		tag_of(p, sip, tag);
		(void)sip_to_tag(home, to, tag);
	}
	const char *extra = sip_out_headers(home, with);
	sip_payload_t *body = sip_out_payload(home, with);
	const char *type = body && with ? with->content_type : NULL, *contact = with ? with->contact : NULL;
	(void)nta_msg_treply(p->agent, msg, status, phrase ? phrase : sip_status_phrase(status),
			     TAG_IF(to, SIPTAG_TO(to)), TAG_IF(contact && *contact, SIPTAG_CONTACT_STR(contact)),
			     TAG_IF(type, SIPTAG_CONTENT_TYPE_STR(type)), TAG_IF(extra, SIPTAG_HEADER_STR(extra)),
			     TAG_IF(body, SIPTAG_PAYLOAD(body)), TAG_END());
	su_home_deinit(home);
}
