/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_sip.c - a SIP message from its octets to the fields procedures see: sip_parse over the library's message, and
 * each header value that we take apart ourselves (URIs, feature tags, warnings).
 *
 * Invariants: at most SIP_MAX_CONTACTS contacts and SIP_MAX_HEADERS headers; no value holds a line end, so that each
 * may be sent on as it is; a URI is part of the value it came from and fits its room; times are -1 or 32 bits; a URI
 * that the comparison can read equals itself; the body lies inside the message.
 */
#include "fuzz/fuzz.h"
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
	}
	int code = sip_warning_code(m);
	HOLDS(code >= 0 && code <= 999);
	(void)sip_uri_equal(m->from, m->to);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sip_port port; /* no transport: nothing is known of where it came from */
	static struct sip_message m;
	static su_home_t *home;
	if (!home) {
		su_init();
		home = su_home_new(sizeof *home);
		sip_update_default_mclass(sip_extend_mclass(NULL));
	}
	if (size > SIP_MAX_MESSAGE)
		return 0;
	msg_t *msg = msg_make(sip_default_mclass(), 0, data, (ssize_t)size);
	sip_t *sip = msg ? sip_object(msg) : NULL;
	/* As the transaction layer has it before it calls us: whole, and a status that is one. */
	int whole = sip && sip_sanity_check(sip) >= 0;
	if (whole && (sip->sip_request || (sip->sip_status && sip->sip_status->st_status >= 100))) {
		enum mcsec_err e = sip_parse(&port, msg, sip, &m);
		HOLDS(e == MCSEC_OK || e == MCSEC_E_LENGTH);
		if (e == MCSEC_OK)
			look(&m, data, size);
	}
	msg_destroy(msg);
	return 0;
}
