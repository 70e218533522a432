/* SPDX-License-Identifier: Apache-2.0 */
/*
 * identity.c - who is asking: by what the connection proves, never by what the request claims.
 *
 * A user agent's TLS certificate carries its IMPU as a URI name. It may register and call as such a name only; From and
 * P-Preferred-Identity merely choose among them. P-Asserted-Identity counts from trusted neighbours alone (RFC 3325).
 * With a SIP core, it alone registers users, and the IMPU is what it says: bindings carry it in one spelling.
 * Where REGISTER over TCP or UDP is switched on (a network that authenticates below us), the source address takes the
 * place of the certificate.
 */
#include "server/server.h"

#include <ctype.h>
#include <openssl/sha.h>
#include <strings.h>

#include "sec/base/check.h"
#include "sec/base/text.h"

int server_lists(const struct config_list *list, const char *what, int if_empty)
{
	for (size_t i = 0; i < list->n; i++)
		if (strcasecmp(list->item[i], what) == 0)
			return 1;
	return list->n == 0 && if_empty;
}

void identity_peer(const struct sip_message *rq, char *out, size_t size)
{
	struct writer w = wr_init((uint8_t *)out, size - 1);
	if (rq->source.transport != SIP_TLS) {
		wr_text(&w, "address ");
		wr_text(&w, rq->source.address);
	} else if (rq->source.verified && rq->source.n_subjects) {
		wr_text(&w, "certificate");
		for (size_t i = 0; i < rq->source.n_subjects; i++) {
			wr_text(&w, " ");
			wr_text(&w, rq->source.subjects[i]);
		}
	}
	out[wr_len(&w)] = 0;
}

/* By a name in the peer's verified certificate; where there is no TLS, by its address. */
static int is_one_of(const struct config_list *list, const struct sip_source *from)
{
	if (from->transport != SIP_TLS && server_lists(list, from->address, 0))
		return 1;
	for (size_t i = 0; from->transport == SIP_TLS && from->verified && i < from->n_subjects; i++)
		if (server_lists(list, from->subjects[i], 0))
			return 1;
	return 0;
}

int identity_core(const struct server *s, const struct sip_message *rq)
{
	return MCX_CHECK(core.sender, is_one_of(&s->cfg->core, &rq->source));
}

int identity_trusted(const struct server *s, const struct sip_message *rq)
{
	return MCX_CHECK(bind.trusted,
			 is_one_of(&s->cfg->trusted, &rq->source) || is_one_of(&s->cfg->core, &rq->source));
}

enum mcsec_err identity_canonical(const char *uri, char *out, size_t size)
{
	const char *at = strchr(uri, '@'), *host = at ? at + 1 : strchr(uri, ':');
	size_t n = host ? (size_t)(host - uri) + strcspn(host, ";?") : 0;
	if (!host || n >= size || (strncasecmp(uri, "sip:", 4) != 0 && strncasecmp(uri, "sips:", 5) != 0))
		return n >= size ? MCSEC_E_NO_SPACE : MCSEC_E_VALUE;
	memcpy(out, uri, n);
	out[n] = 0;
	for (char *c = out; *c && *c != ':'; c++)
		*c = (char)tolower((unsigned char)*c);
	for (char *c = out + (host - uri); *c; c++)
		*c = (char)tolower((unsigned char)*c);
	return MCSEC_OK;
}

int identity_is_neighbour(const struct server *s, const struct sip_source *from)
{
	return is_one_of(&s->cfg->trusted, from) || is_one_of(&s->cfg->core, from);
}

/* The certificate's first SIP identity; else its first name; without a certificate the address. */
void identity_key(const struct sip_source *from, char out[IDENTITY_KEY])
{
	const char *name = from->address;
	uint8_t digest[SHA256_DIGEST_LENGTH];
	if (from->transport == SIP_TLS && from->verified && from->n_subjects)
		name = from->subjects[0];
	for (size_t i = 0; from->transport == SIP_TLS && from->verified && i < from->n_subjects; i++)
		if (strncasecmp(from->subjects[i], "sip", 3) == 0) {
			name = from->subjects[i];
			break;
		}
	SHA256((const uint8_t *)name, strlen(name), digest);
	hex_encode((struct octets){digest, (IDENTITY_KEY - 1) / 2}, out);
}

int identity_prove(const struct server *s, const struct sip_message *rq, const char *uri, char *impu, size_t size)
{
	const struct sip_source *from = &rq->source;
	const char *name = NULL;
	if (from->transport != SIP_TLS)
		name = server_lists(&s->cfg->register_over, sip_transport_name(from->transport), 0) ? uri : NULL;
	for (size_t i = 0; from->transport == SIP_TLS && from->verified && !name && i < from->n_subjects; i++)
		if (strncasecmp(from->subjects[i], "sip", 3) == 0 && sip_uri_equal(from->subjects[i], uri))
			name = from->subjects[i];
	if (!name && MCX_CHECK(bind.proven, 0))
		name = uri;
	if (!name || strlen(name) >= size)
		return -1;
	strcpy(impu, name);
	return 0;
}

/* Which IMPU this request speaks for: "" if it proves none. */
static void claimed_impu(const struct server *s, const struct sip_message *rq, int is_trusted, char *impu, size_t size)
{
	char uri[DB_URI];
	const char *asserted = sip_header_at(rq, "P-Asserted-Identity", 0);
	const char *preferred = sip_header_at(rq, "P-Preferred-Identity", 0);
	impu[0] = 0;
	if (is_trusted) {
		if (!asserted || sip_header_at(rq, "P-Asserted-Identity", 1) ||
		    sip_uri_of(asserted, uri, sizeof uri) != MCSEC_OK)
			return;
		if (!s->cfg->core.n)
			db_copy(impu, size, uri);
		else if (identity_canonical(uri, impu, size) != MCSEC_OK)
			impu[0] = 0;
		return;
	}
	if (preferred &&
	    (sip_header_at(rq, "P-Preferred-Identity", 1) || sip_uri_of(preferred, uri, sizeof uri) != MCSEC_OK))
		return;
	if (!preferred)
		db_copy(uri, sizeof uri, rq->from);
	if (identity_prove(s, rq, uri, impu, size) != 0)
		impu[0] = 0;
}

void identity_impu(const struct server *s, const struct sip_message *rq, char *impu, size_t size)
{
	claimed_impu(s, rq, identity_trusted(s, rq), impu, size);
}

static size_t find_bindings(const struct server *s, const struct sip_message *rq, unsigned services,
			    struct binding **out, size_t max)
{
	char impu[DB_URI], peer[DB_PEER];
	int is_trusted = identity_trusted(s, rq);
	claimed_impu(s, rq, is_trusted, impu, sizeof impu);
	identity_peer(rq, peer, sizeof peer);
	struct binding *b = NULL;
	size_t n = 0;
	while (*impu && n < max && (b = bindings_of_impu(s->bindings, impu, b))) {
		if (!*b->row.mcptt_id || MCX_FAULT(bind.service, !(services >> b->row.service & 1)) ||
		    MCX_FAULT(bind.expired, b->row.expires <= db_now()) ||
		    MCX_FAULT(bind.peer, !is_trusted && strcmp(b->row.peer, peer) != 0))
			continue;
		out[n++] = b;
	}
	return n;
}

size_t identity_bindings(const struct server *s, const struct sip_message *rq, struct binding **out, size_t max)
{
	return find_bindings(s, rq, (1u << MCX_SERVICES) - 1, out, max);
}

size_t identity_bindings_of(const struct server *s, const struct sip_message *rq, enum mcx_service service,
			    struct binding **out, size_t max)
{
	return find_bindings(s, rq, 1u << service, out, max);
}

struct binding *identity_binding(struct binding *const *all, size_t n, const char *client_id, int *same_client)
{
	struct binding *any = NULL, *exact = NULL;
	*same_client = 1;
	for (size_t i = 0; i < n; i++) {
		if (*client_id && strcmp(all[i]->row.client_id, client_id) == 0)
			exact = all[i];
		if (!any || all[i]->row.authorised_at > any->row.authorised_at)
			any = all[i];
	}
	if (MCX_FAULT(bind.client, *client_id && !exact))
		*same_client = 0;
	return exact ? exact : any;
}

int identity_is(const struct server *s, const struct sip_message *rq, const struct db_binding *b)
{
	char peer[DB_PEER];
	if (identity_trusted(s, rq))
		return 1;
	identity_peer(rq, peer, sizeof peer);
	return MCX_CHECK(bind.in_dialog, *peer && strcmp(peer, b->peer) == 0);
}

void identity_seen(struct binding *b, struct sip_server_tx *tx)
{
	struct sip_flow *f = sip_flow_of(tx);
	b->seen = db_now();
	if (!f)
		return;
	sip_flow_unref(b->flow);
	b->flow = f;
}
