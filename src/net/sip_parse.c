/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sip_parse.c - between the library's message and ours, both ways.
 *
 * Incoming: every header becomes a text in the order received, the ones each procedure needs also a field. Bounds on
 * contacts and headers are ours. Outgoing: values with CR, LF or NUL are refused, so that no field can become two.
 */
#include "net/sip_nta.h"

#include <arpa/inet.h>
#include <stdlib.h>

/* A header continued on the next line reads as a blank there (RFC 3261 7.3.1); the library leaves the line end in. */
static char *unfold(char *text)
{
	for (char *c = text; *c; c++)
		if (*c == '\r' || *c == '\n')
			*c = ' ';
	return text;
}

/*
 * Not sip_header_as_string: a text of 127 octets or more loses its last token there and ends in whatever the memory
 * held, because the encoder needs one octet more than the length and the NUL.
 */
const char *sip_header_text(su_home_t *home, const sip_header_t *h)
{
	size_t size = 256;
	for (int attempt = 0; attempt < 12; attempt++) {
		char *text = su_zalloc(home, (isize_t)size);
		issize_t n = text ? sip_header_field_e(text, (isize_t)size, h, 0) : -1;
		if (n >= 0 && (size_t)n + 2 <= size) {
			text[n] = 0; /* a list is encoded without an end */
			return unfold(text);
		}
		su_free(home, text);
		size = n < 0 ? 2 * size : (size_t)n + 2;
	}
	return NULL;
}

static const char *unknown_text(su_home_t *home, const char *value)
{
	if (!value || !value[strcspn(value, "\r\n")])
		return value;
	char *copy = su_strdup(home, value);
	return copy ? unfold(copy) : NULL;
}

static const char *uri_text(su_home_t *home, const url_t *u)
{
	const char *t = url_as_string(home, u);
	return t ? t : "";
}

void sip_source_of(struct sip_port *p, msg_t *msg, struct sip_source *s)
{
	su_sockaddr_t *su = msg_addr(msg);
	if (su) {
		inet_ntop(su->su_family, SU_ADDR(su), s->address, sizeof s->address);
		s->port = ntohs(su->su_port);
	}
	tport_t *all = nta_agent_tports(p->agent);
	tport_t *tp = tport_delivered_by(all, msg);
	if (!tp)
		return;
	s->transport = tport_has_tls(tp) ? SIP_TLS : tport_is_reliable(tp) ? SIP_TCP : SIP_UDP;
	const tp_name_t *local = tport_name(tport_parent(tp));
	if (local && local->tpn_port)
		s->local_port = (uint16_t)strtoul(local->tpn_port, NULL, 10);
	const su_strlst_t *names = s->transport == SIP_TLS ? tport_delivered_from_subjects(all, msg) : NULL;
	s->verified = names && tport_is_verified(tp);
	for (usize_t i = 0; s->verified && i < su_strlst_len(names) && s->n_subjects < SIP_MAX_SUBJECTS; i++) {
		s->subjects[s->n_subjects] = su_strdup(msg_home(msg), su_strlst_item(names, i));
		s->n_subjects += s->subjects[s->n_subjects] != NULL; /* without memory for it: a name less */
	}
}

/* RFC 3261 20.10: seconds; what is no number counts as absent, what is larger than the field allows as its maximum. */
static int64_t seconds_of(const char *text)
{
	int64_t v = 0;
	size_t n = strspn(text, "0123456789");
	if (n == 0 || text[n])
		return -1;
	for (size_t i = 0; i < n && v < UINT32_MAX; i++)
		v = v * 10 + (text[i] - '0');
	return v < UINT32_MAX ? v : UINT32_MAX;
}

/* All header parameters as one text, in one piece: a header of many must not cost their number squared. */
static const char *params_text(su_home_t *home, const msg_param_t *params)
{
	size_t size = 1;
	for (const msg_param_t *q = params; q && *q; q++)
		size += strlen(*q) + 1;
	char *text = su_alloc(home, (isize_t)size), *at = text;
	if (!text)
		return "";
	for (const msg_param_t *q = params; q && *q; q++) {
		*at++ = ';';
		at = stpcpy(at, *q);
	}
	*at = 0;
	return text;
}

static enum mcsec_err fill_contacts(su_home_t *home, const sip_t *sip, struct sip_message *out)
{
	for (const sip_contact_t *m = sip->sip_contact; m; m = m->m_next) {
		if (m->m_url->url_type == url_any) {
			out->contact_star = 1;
			continue;
		}
		if (out->n_contacts == SIP_MAX_CONTACTS)
			return MCSEC_E_LENGTH;
		struct sip_contact *c = &out->contacts[out->n_contacts++];
		c->uri = uri_text(home, m->m_url);
		c->expires = -1;
		for (const msg_param_t *q = m->m_params; q && *q; q++)
			if (su_casenmatch(*q, "expires=", 8))
				c->expires = seconds_of(*q + 8);
		c->params = params_text(home, m->m_params);
	}
	return MCSEC_OK;
}

static enum mcsec_err fill_headers(su_home_t *home, const sip_t *sip, struct sip_message *out)
{
	const sip_header_t *h =
	    (const sip_header_t *)(sip->sip_request ? (const void *)sip->sip_request : (const void *)sip->sip_status);
	for (; h; h = (const sip_header_t *)h->sh_succ) {
		const char *name = h->sh_class->hc_name, *value;
		if (sip_is_unknown(h)) {
			name = h->sh_unknown->un_name;
			value = unknown_text(home, h->sh_unknown->un_value);
		} else if (!name || !*name || h->sh_class->hc_len == 0) {
			continue; /* start line, separator, payload, error */
		} else {
			value = sip_header_text(home, h);
		}
		if (!name || !value)
			continue;
		if (out->n_headers == SIP_MAX_HEADERS)
			return MCSEC_E_LENGTH;
		out->headers[out->n_headers++] = (struct sip_header){name, value};
	}
	return MCSEC_OK;
}

enum mcsec_err sip_parse(struct sip_port *p, msg_t *msg, const sip_t *sip, struct sip_message *out)
{
	su_home_t *home = msg_home(msg);
	*out = (struct sip_message){.expires = -1, .method = "", .from = "", .to = "", .call_id = ""};
	if (sip->sip_request) {
		out->method = sip->sip_request->rq_method_name;
		out->uri = uri_text(home, sip->sip_request->rq_url);
	} else if (sip->sip_status) {
		/* The library takes any number; 0 would make it a request without a URI (RFC 3261 7.2). */
		if (sip->sip_status->st_status < 100 || sip->sip_status->st_status > 699)
			return MCSEC_E_VALUE;
		out->status = sip->sip_status->st_status;
		out->phrase = sip->sip_status->st_phrase;
		out->method = sip->sip_cseq ? sip->sip_cseq->cs_method_name : "";
	}
	if (sip->sip_from) {
		out->from = uri_text(home, sip->sip_from->a_url);
		out->from_tag = sip->sip_from->a_tag;
	}
	if (sip->sip_to) {
		out->to = uri_text(home, sip->sip_to->a_url);
		out->to_tag = sip->sip_to->a_tag;
	}
	if (sip->sip_call_id)
		out->call_id = sip->sip_call_id->i_id;
	if (sip->sip_cseq)
		out->cseq = sip->sip_cseq->cs_seq;
	if (sip->sip_expires)
		out->expires = (int64_t)sip->sip_expires->ex_delta;
	if (sip->sip_content_type)
		out->content_type = sip_header_text(home, (const sip_header_t *)sip->sip_content_type);
	if (sip->sip_payload)
		out->body = (struct octets){(const uint8_t *)sip->sip_payload->pl_data, sip->sip_payload->pl_len};
	if (p) /* else it came inside another message */
		sip_source_of(p, msg, &out->source);
	enum mcsec_err e = fill_contacts(home, sip, out);
	return e ? e : fill_headers(home, sip, out);
}

static int clean(const char *text)
{
	return !text || !text[strcspn(text, "\r\n")];
}

int sip_out_valid(const struct sip_out *o)
{
	if (!o)
		return 1;
	for (size_t i = 0; i < o->n_headers; i++)
		if (!o->headers[i].name || !o->headers[i].value || !clean(o->headers[i].name) ||
		    strpbrk(o->headers[i].name, ": \t") || !clean(o->headers[i].value))
			return 0;
	return clean(o->contact) && clean(o->content_type);
}

const char *sip_out_headers(su_home_t *home, const struct sip_out *o)
{
	char *all = NULL;
	for (size_t i = 0; o && i < o->n_headers; i++)
		all = su_sprintf(home, "%s%s: %s\r\n", all ? all : "", o->headers[i].name, o->headers[i].value);
	return all;
}

sip_payload_t *sip_out_payload(su_home_t *home, const struct sip_out *o)
{
	return o && o->body.len ? sip_payload_create(home, o->body.p, (isize_t)o->body.len) : NULL;
}

int sip_uri_equal(const char *a, const char *b)
{
	su_home_t home[1] = {SU_HOME_INIT(home)};
	url_t *ua = url_make(home, a), *ub = url_make(home, b);
	int equal = ua && ub && url_cmp(ua, ub) == 0;
	su_home_deinit(home);
	return equal;
}
