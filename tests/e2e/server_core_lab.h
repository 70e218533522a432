/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server_core_lab.h - a server behind a SIP core that is the test itself: what the core sends, with the client's
 * REGISTER inside (sip 2.5), and what it is sent.
 */
#ifndef TEST_SERVER_CORE_LAB_H
#define TEST_SERVER_CORE_LAB_H

#include "e2e/server_bed.h"

static struct ua alice, tablet, bob, stranger;
static struct ua core, far; /* two faces of one core: what it sends us, what it is sent */

enum { IMMENSE = 70000 };

#define CORE_HOST "core." ZONE

/* What the core says, and what the client is said to have written; each test spoils one thing. */
struct third {
	struct reg reg;                                    /* body and contact of the client's REGISTER */
	const char *to, *client_to, *method, *expires_out; /* NULL: as it should be; expires_out: "600" */
	int bare, no_tags, no_instance, alone, twice, nested, cut, with_answer;
	const char *contact; /* of the client */
	size_t padding;      /* octets more in the client's message */
};

static uint8_t inner[160000], outer[200000];

static inline struct octets client_message(struct ua *u, const struct third *t)
{
	static uint8_t body[32768], packed[40000];
	char contact[300], padding[IMMENSE + 1] = "";
	size_t len = t->bare ? 0 : ua_register_body(u, &t->reg, body, sizeof body);
	const char *type = BED_REGISTER_TYPE;
	if (t->nested) {
		const struct body_out part = {"message/sip", NULL, {body, len}, 0};
		struct writer p = wr_init(packed, sizeof packed);
		assert_int_equal(multipart_write(&p, "outside", &part, 1), MCSEC_OK);
		len = wr_len(&p);
		memcpy(body, packed, len);
		type = "multipart/mixed;boundary=\"outside\"";
	}
	memset(padding, 'x', t->padding);
	snprintf(contact, sizeof contact, "<sip:%s@192.0.2.7:5060;transport=tls>%s%s%s%s", u->name,
		 t->no_tags ? "" : ";+g.3gpp.mcptt", t->no_instance ? "" : ";+sip.instance=\"<",
		 t->no_instance ? "" : u->client_id, t->no_instance ? "" : ">\"");
	int n = snprintf((char *)inner, sizeof inner,
			 "%s sip:" ZONE " SIP/2.0\r\nVia: SIP/2.0/TLS 192.0.2.7:5060;branch=z9hG4bKc%d\r\n"
			 "Max-Forwards: 69\r\nFrom: <%s>;tag=c1\r\nTo: <%s>\r\nCall-ID: c-%s@192.0.2.7\r\n"
			 "CSeq: 7 %s\r\nContact: %s\r\nExpires: %lld\r\n%s%s%s%s%s%sContent-Length: %zu\r\n\r\n",
			 t->method ? t->method : "REGISTER", (int)t->reg.age, u->impu,
			 t->client_to ? t->client_to : u->impu, u->name, t->method ? t->method : "REGISTER",
			 t->contact ? t->contact : contact, (long long)(t->reg.expires ? 600 : 0),
			 t->padding ? "X-Padding: " : "", padding, t->padding ? "\r\n" : "",
			 len ? "Content-Type: " : "", len ? type : "", len ? "\r\n" : "", len);
	memcpy(inner + n, body, len);
	return (struct octets){inner, (size_t)n + len - (t->cut ? 20 : 0)};
}

/* Sends it as `from` and returns the answer's status. */
static inline int third_party(struct ua *from, struct ua *u, const struct third *t)
{
	static const char answer[] = "SIP/2.0 200 OK\r\nVia: SIP/2.0/TLS 192.0.2.7\r\nFrom: <sip:a@" ZONE ">;tag=1\r\n"
				     "To: <sip:a@" ZONE ">;tag=2\r\nCall-ID: c\r\nCSeq: 7 REGISTER\r\n"
				     "Content-Length: 0\r\n\r\n";
	char uri[128], scscf[128];
	snprintf(uri, sizeof uri, "sip:sip." ZONE ":%u;transport=tls", bed.server->sips_number);
	snprintf(scscf, sizeof scscf, "<sip:" CORE_HOST ":%u;transport=tls>", sip_port_number(core.port, 0));
	struct octets message = client_message(u, t);
	const struct body_out parts[] = {{"message/sip", NULL, message, 0},
					 {"message/sip", NULL, t->twice ? message : octets_of(answer), 0}};
	struct writer w = wr_init(outer, sizeof outer);
	assert_int_equal(multipart_write(&w, "third-party", parts, 2), MCSEC_OK);
	int several = t->twice || t->with_answer;
	struct sip_header h = {"Expires", t->expires_out ? t->expires_out : "600"};
	struct sip_request rq = {.method = "REGISTER",
				 .uri = uri,
				 .from = "sip:" CORE_HOST,
				 .to = t->to ? t->to : u->impu,
				 .with = {.n_headers = 1,
					  .headers = &h,
					  .contact = scscf,
					  .content_type = t->alone  ? NULL
							  : several ? "multipart/mixed;boundary=\"third-party\""
								    : "message/sip",
					  .body = t->alone  ? (struct octets){0}
						  : several ? wr_result(&w)
							    : message}};
	from->status = from->warning = 0;
	assert_non_null(sip_send(from->port, &rq, ua_response, from));
	wait_until(&from->status, 1);
	return from->status;
}

static const struct third good = {.reg = {.expires = -1}};

static inline void name_route(void)
{
	snprintf(bed.cfg.core_route, sizeof bed.cfg.core_route, "sip:" CORE_HOST ":%u;transport=tls;lr",
		 sip_port_number(far.port, 0));
}

static inline void begin_core(void)
{
	bed_stop();
	bed_fresh();
	name_route();
	bed_start();
	bed_user(alice.mcptt_id, "automatic", 1, 1);
	bed_user(bob.mcptt_id, "automatic", 1, 1);
}

static inline int open_agents(void **state)
{
	(void)state;
	bed_begin();
	ua_open(&alice, "alice", "alice", "alice");
	ua_open(&tablet, "tablet", "alice", "alice");
	ua_open(&bob, "bob", "bob", "bob");
	ua_open(&stranger, "stranger", "mallory", "mallory");
	ua_make(&core, "core", "core", "core");
	ua_make(&far, "far", "far", "far");
	pki_agent(&bed.ca, &bed.ca, "the-core", "DNS:" CORE_HOST, core.tls, sizeof core.tls);
	strcpy(far.tls, core.tls);
	ua_reconnect(&core);
	ua_reconnect(&far);
	bed.cfg.core.n = 1;
	strcpy(bed.cfg.core.item[0], CORE_HOST);
	name_route();
	bed_start();
	return 0;
}

static inline int close_agents(void **state)
{
	(void)state;
	bed_stop();
	struct ua *all[] = {&alice, &tablet, &bob, &stranger, &core, &far};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		ua_close(all[i]);
	bed_end();
	return 0;
}

#endif
