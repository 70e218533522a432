/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_sip.c - a SIP message from its octets to the fields procedures see: sip_parse over the library's message, each
 * header value that we take apart ourselves (URIs, feature tags, warnings, instances, challenges), and the same octets
 * as a message within a message.
 *
 * Invariants: at most SIP_MAX_CONTACTS contacts and SIP_MAX_HEADERS headers; no value holds a line end, so that each
 * may be sent on as it is; a URI is part of the value it came from and fits its room; times are -1 or 32 bits; a URI
 * that the comparison can read equals itself; the body lies inside the message.
 */
#include "fuzz/fuzz.h"
#include "net/sip_digest.h"
#include "net/sip_inner.h"
#include "net/sip_nta.h"

static void value_is_clean(const char *v)
{
	const struct sip_header h = {"X", v};
	const struct sip_out o = {.n_headers = 1, .headers = &h};
	HOLDS(sip_out_valid(&o));
}

static void uri(const char *value)
{
	char out[300], small[8];
	if (sip_uri_of(value, out, sizeof out) == MCSEC_OK) {
		HOLDS(out[0] && strlen(out) < sizeof out && strstr(value, out) && strchr(out, ':'));
		(void)sip_uri_equal(out, "sip:alice@a.example:5060;transport=tls");
		HOLDS(sip_uri_of(value, small, sizeof small) ==
		      (strlen(out) < sizeof small ? MCSEC_OK : MCSEC_E_NO_SPACE));
	}
}

static void instance(const char *params)
{
	char out[128], small[8];
	enum mcsec_err e = sip_instance(params, out, sizeof out);
	HOLDS(e == MCSEC_OK || e == MCSEC_E_VALUE || e == MCSEC_E_NO_SPACE);
	if (e == MCSEC_OK) {
		HOLDS(strlen(out) >= 5 && !strncasecmp(out, "urn:", 4) && strstr(params, out));
		HOLDS(sip_instance(params, small, sizeof small) == (strlen(out) < 8 ? MCSEC_OK : MCSEC_E_NO_SPACE));
	}
}

/* What a core may ask of us: a challenge is read into its fields, and the answer has no quote that is not its own. */
static void challenge(const struct sip_message *m)
{
	struct sip_challenge c;
	char out[1024];
	if (sip_challenge_of(m, &c) != MCSEC_OK)
		return;
	HOLDS(c.realm[0] && c.nonce[0] && !strpbrk(c.realm, "\"\\") && !strpbrk(c.nonce, "\"\\") &&
	      !strpbrk(c.opaque, "\"\\"));
	const struct sip_digest d = {"alice", "secret", "REGISTER", "sip:a.example", "0a1b", 1};
	enum mcsec_err e = sip_digest_write(&c, &d, out, sizeof out);
	HOLDS(e == MCSEC_OK);
	value_is_clean(out);
}

static void look(const struct sip_message *m, const uint8_t *data, size_t size)
{
	HOLDS(m->n_contacts <= SIP_MAX_CONTACTS && m->n_headers <= SIP_MAX_HEADERS);
	HOLDS(m->expires >= -1 && m->expires <= UINT32_MAX && m->body.len <= size);
	HOLDS(m->method && m->from && m->to && m->call_id && (m->status == 0) == (m->uri != NULL));
	(void)data;
	for (size_t i = 0; i < m->n_headers; i++) {
		HOLDS(m->headers[i].name && m->headers[i].value);
		value_is_clean(m->headers[i].value);
		uri(m->headers[i].value);
		(void)sip_feature(m->headers[i].value, "g.3gpp.mcptt", NULL);
		(void)sip_feature(m->headers[i].value, "g.3gpp.icsi-ref", "urn:urn-7:3gpp-service.ims.icsi.mcptt");
		HOLDS(sip_header_count(m, m->headers[i].name) >= 1);
	}
	for (size_t i = 0; i < m->n_contacts; i++) {
		const struct sip_contact *c = &m->contacts[i];
		HOLDS(c->uri && c->params && c->expires >= -1 && c->expires <= UINT32_MAX);
		(void)sip_feature(c->params, "+g.3gpp.mcptt", NULL);
		instance(c->params);
	}
	int code = sip_warning_code(m);
	HOLDS(code >= 0 && code <= 999);
	(void)sip_uri_equal(m->from, m->to);
	challenge(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sip_port port; /* no transport: nothing is known of where it came from */
	static struct sip_message m;
	static su_home_t *home;
	if (!home) {
		sip_library_prepare();
		home = su_home_new(sizeof *home);
	}
	if (size > SIP_MAX_MESSAGE)
		return 0;
	msg_t *msg = msg_make(sip_default_mclass(), 0, data, (ssize_t)size);
	sip_t *sip = msg ? sip_object(msg) : NULL;
	/* As the transaction layer has it before it calls us: whole, and a status that is one. */
	int whole = sip && sip_sanity_check(sip) >= 0;
	if (whole && (sip->sip_request || (sip->sip_status && sip->sip_status->st_status >= 100))) {
		enum mcsec_err e = sip_parse(&port, msg, sip, &m);
		HOLDS(e == MCSEC_OK || e == MCSEC_E_LENGTH || (e == MCSEC_E_VALUE && sip->sip_status));
		if (e == MCSEC_OK)
			look(&m, data, size);
	}
	msg_destroy(msg);
	struct sip_inner *inner = sip_inner_read((struct octets){data, size});
	if (inner)
		look(sip_inner_message(inner), data, size);
	sip_inner_free(inner);
	return 0;
}
