/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SIP port over real loopback sockets: two agents on one loop, UDP, TCP and TLS; what is accepted, and above all
 * what is refused: wrong certificate authority, no certificate, wrong name, header injection.
 */
#include "unit/sip/pki.h"
#include "unit/sip/dns.h"

#include <fcntl.h>
#include <sys/resource.h>

#include <openssl/ssl.h>

#include "net/sip_port.h"

struct end {
	struct sip_port *port;
	int requests, cancelled, acked, byes, hold;
	struct sip_server_tx *held;
	struct sip_dialog *dialog;
	struct sip_flow *flow;
	int status; /* final status of the last request this end sent */
	int provisional, warning;
	char error[128], subjects[256], method[32], echoed[4096], header[512];
	int reply_status;
	size_t body_len;
};

static struct sip_loop *loop;
static struct pki ca, other_ca;
static struct dns dns;

static void in_dialog(void *ctx, struct sip_server_tx *tx, const struct sip_message *rq)
{
	struct end *e = ctx;
	e->requests++;
	if (strcmp(rq->method, "BYE") == 0)
		e->byes++;
	if (e->hold && strcmp(rq->method, "INFO") == 0)
		e->held = tx;
	else
		assert_int_equal(sip_reply(tx, 200, NULL, NULL), MCSEC_OK);
}

static void on_ack(void *ctx, struct sip_dialog *d, int ok)
{
	(void)d;
	((struct end *)ctx)->acked += ok;
}

static const struct sip_dialog_events events = {in_dialog, on_ack};

static void on_cancel(void *ctx, struct sip_server_tx *tx)
{
	((struct end *)ctx)->cancelled++;
	((struct end *)ctx)->held = NULL;
	assert_int_equal(sip_reply(tx, 487, NULL, NULL), MCSEC_OK);
}

static void on_request(void *ctx, struct sip_server_tx *tx, const struct sip_message *rq)
{
	struct end *e = ctx;
	e->requests++;
	snprintf(e->method, sizeof e->method, "%s", rq->method);
	const char *h = sip_header_at(rq, "P-Preferred-Service", 0);
	snprintf(e->header, sizeof e->header, "%s", h ? h : "");
	e->body_len = rq->body.len;
	e->subjects[0] = 0;
	for (size_t i = 0; i < rq->source.n_subjects; i++) {
		strcat(e->subjects, rq->source.subjects[i]);
		strcat(e->subjects, " ");
	}
	if (!e->flow)
		e->flow = sip_flow_of(tx);
	if (strcmp(rq->method, "INVITE") == 0) {
		sip_reply(tx, 180, NULL, NULL);
		if (e->hold) {
			e->held = tx;
			sip_tx_on_cancel(tx, on_cancel, e);
			return;
		}
		e->dialog = sip_dialog_accept(tx, &events, e);
	}
	struct sip_header warning = {"Warning", "399 mc.example.org \"136 authentication failed\""};
	struct sip_out with = {.n_headers = 1, .headers = &warning, .content_type = rq->content_type, .body = rq->body};
	assert_int_equal(sip_reply(tx, e->reply_status, NULL, &with), MCSEC_OK);
}

static void on_response(void *ctx, struct sip_client_tx *tx, const struct sip_message *rs)
{
	(void)tx;
	struct end *e = ctx;
	if (rs->status < 200) {
		e->provisional++;
		return;
	}
	e->status = rs->status;
	e->warning = sip_warning_code(rs);
	snprintf(e->error, sizeof e->error, "%s", rs->error ? rs->error : "");
	if (rs->body.len && rs->body.len <= sizeof e->echoed)
		memcpy(e->echoed, rs->body.p, rs->body.len);
	e->body_len = rs->body.len;
}

static void end_open(struct end *e, enum sip_transport t, const char *host, const char *tls_dir)
{
	char err[256] = "";
	struct sip_port_options o = {.n_listen = 1,
				     .listen = {{t, "127.0.0.1", 0}},
				     .host = host,
				     .tls_dir = tls_dir,
				     .resolv_conf = dns.conf,
				     .connect_ms = 300,
				     .on_request = on_request,
				     .ctx = e};
	memset(e, 0, sizeof *e);
	e->reply_status = 200;
	e->port = sip_port_new(loop, &o, err, sizeof err);
	if (!e->port)
		fail_msg("%s", err);
}

static void end_close(struct end *e)
{
	sip_flow_unref(e->flow);
	sip_port_free(e->port);
}

static void wait_for(const int *value)
{
	for (int i = 0; i < 500 && !*value; i++)
		sip_loop_step(loop, 10);
}

static const char *uri_of(const struct end *e, enum sip_transport t, const char *host)
{
	static char uri[160];
	snprintf(uri, sizeof uri, "sip:bob@%s:%u;transport=%s", host, sip_port_number(e->port, 0),
		 sip_transport_name(t));
	return uri;
}

static int ask(struct end *from, const char *method, const char *uri, struct octets body)
{
	struct sip_header h = {"P-Preferred-Service", "urn:urn-7:3gpp-service.ims.icsi.mcptt"};
	struct sip_request rq = {
	    .method = method,
	    .uri = uri,
	    .from = "sip:alice@a.test",
	    .to = "sip:bob@a.test",
	    .with = {
		.n_headers = 1, .headers = &h, .content_type = body.len ? "application/mikey" : NULL, .body = body}};
	from->status = 0;
	assert_non_null(sip_send(from->port, &rq, on_response, from));
	wait_for(&from->status);
	return from->status;
}

/* ---- transports ---- */

static void carries_binary_bodies(enum sip_transport t, const char *host, const char *sdir, const char *cdir)
{
	uint8_t body[3000];
	for (size_t i = 0; i < sizeof body; i++)
		body[i] = (uint8_t)(i * 7);
	struct end server, client;
	end_open(&server, t, host, sdir);
	end_open(&client, t, NULL, cdir);
	server.reply_status = 488;
	size_t n = t == SIP_UDP ? 1000 : sizeof body;
	assert_int_equal(
	    ask(&client, "MESSAGE", uri_of(&server, t, host ? host : "127.0.0.1"), (struct octets){body, n}), 488);
	assert_string_equal(client.error, "");
	assert_int_equal(client.warning, 136);
	assert_int_equal(server.body_len, n);
	assert_int_equal(client.body_len, n);
	assert_memory_equal(client.echoed, body, n);
	assert_string_equal(server.header, "urn:urn-7:3gpp-service.ims.icsi.mcptt");
	end_close(&client);
	end_close(&server);
}

static void a_request_and_its_response_carry_binary_bodies_over_udp(void **state)
{
	(void)state;
	carries_binary_bodies(SIP_UDP, NULL, NULL, NULL);
}

static void a_request_and_its_response_carry_binary_bodies_over_tcp(void **state)
{
	(void)state;
	carries_binary_bodies(SIP_TCP, NULL, NULL, NULL);
}

static char dir_server[128], dir_alice[128], dir_stranger[128], dir_naive[128];

static void a_request_and_its_response_carry_binary_bodies_over_tls(void **state)
{
	(void)state;
	carries_binary_bodies(SIP_TLS, "sip.a.test", dir_server, dir_alice);
}

static void the_names_in_a_verified_client_certificate_reach_the_handler(void **state)
{
	(void)state;
	struct end server, client;
	end_open(&server, SIP_TLS, "sip.a.test", dir_server);
	end_open(&client, SIP_TLS, NULL, dir_alice);
	assert_int_equal(ask(&client, "OPTIONS", uri_of(&server, SIP_TLS, "sip.a.test"), (struct octets){0}), 200);
	assert_non_null(strstr(server.subjects, "sip:alice@a.test "));
	end_close(&client);
	end_close(&server);
}

static int tls_made, tls_freed;

static void made(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
	(void)parent, (void)ptr, (void)ad, (void)idx, (void)argl, (void)argp;
	tls_made++;
}

static void freed(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
	(void)parent, (void)ptr, (void)ad, (void)idx, (void)argl, (void)argp;
	tls_freed++;
}

/* The library forgets to: see sip_tls_free.c. Were a connection freed twice, this test would not come to its end. */
static void every_tls_connection_is_freed_once_when_it_ends(void **state)
{
	(void)state;
	assert_true(SSL_get_ex_new_index(0, NULL, made, NULL, freed) >= 0);
	for (int i = 0; i < 10; i++) {
		struct end server, client;
		end_open(&server, SIP_TLS, "sip.a.test", dir_server);
		end_open(&client, SIP_TLS, NULL, i % 2 ? dir_alice : dir_stranger);
		ask(&client, "OPTIONS", uri_of(&server, SIP_TLS, "sip.a.test"), (struct octets){0});
		end_close(&client);
		end_close(&server);
	}
	assert_true(tls_made >= 20);
	assert_int_equal(tls_freed, tls_made);
}

static void mcx_sec_tls_03_a_client_certificate_of_another_authority_is_refused(void **state)
{
	(void)state;
	struct end server, client;
	end_open(&server, SIP_TLS, "sip.a.test", dir_server);
	end_open(&client, SIP_TLS, NULL, dir_stranger);
	assert_in_range(ask(&client, "OPTIONS", uri_of(&server, SIP_TLS, "sip.a.test"), (struct octets){0}), 400, 699);
	assert_string_not_equal(client.error, "");
	assert_int_equal(server.requests, 0);
	end_close(&client);
	end_close(&server);
}

static void mcx_sec_tls_03_a_server_certificate_of_another_authority_is_refused(void **state)
{
	(void)state;
	struct end server, client;
	end_open(&server, SIP_TLS, "sip.a.test", dir_server);
	end_open(&client, SIP_TLS, NULL, dir_naive); /* our certificate, but trusts only the other authority */
	assert_in_range(ask(&client, "OPTIONS", uri_of(&server, SIP_TLS, "sip.a.test"), (struct octets){0}), 400, 699);
	assert_string_not_equal(client.error, "");
	assert_int_equal(server.requests, 0);
	end_close(&client);
	end_close(&server);
}

static void mcx_sec_tls_04_a_server_certificate_for_another_name_is_refused(void **state)
{
	(void)state;
	struct end server, client;
	end_open(&server, SIP_TLS, "sip.a.test", dir_server);
	end_open(&client, SIP_TLS, NULL, dir_alice);
	assert_in_range(ask(&client, "OPTIONS", uri_of(&server, SIP_TLS, "evil.a.test"), (struct octets){0}), 400, 699);
	assert_string_not_equal(client.error, "");
	assert_int_equal(server.requests, 0);
	end_close(&client);
	end_close(&server);
}

static void a_server_reached_by_address_is_refused_because_no_name_can_match(void **state)
{
	(void)state;
	struct end server, client;
	end_open(&server, SIP_TLS, "sip.a.test", dir_server);
	end_open(&client, SIP_TLS, NULL, dir_alice);
	assert_in_range(ask(&client, "OPTIONS", uri_of(&server, SIP_TLS, "127.0.0.1"), (struct octets){0}), 400, 699);
	assert_int_equal(server.requests, 0);
	end_close(&client);
	end_close(&server);
}

static void a_client_is_reached_back_over_its_own_connection(void **state)
{
	(void)state;
	struct end server, client;
	end_open(&server, SIP_TLS, "sip.a.test", dir_server);
	end_open(&client, SIP_TLS, NULL, dir_alice);
	assert_int_equal(ask(&client, "OPTIONS", uri_of(&server, SIP_TLS, "sip.a.test"), (struct octets){0}), 200);
	assert_true(sip_flow_alive(server.flow));
	/* The Request-URI leads nowhere; the flow decides. */
	struct sip_request rq = {.method = "MESSAGE",
				 .uri = "sip:alice@192.0.2.1:9;transport=tls",
				 .from = "sip:pf@a.test",
				 .to = "sip:alice@a.test",
				 .flow = server.flow};
	assert_non_null(sip_send(server.port, &rq, on_response, &server));
	wait_for(&server.status);
	assert_int_equal(server.status, 200);
	assert_string_equal(client.method, "MESSAGE");
	end_close(&client);
	for (int i = 0; i < 100 && sip_flow_alive(server.flow); i++)
		sip_loop_step(loop, 10);
	assert_false(sip_flow_alive(server.flow));
	end_close(&server);
}

static void a_peer_that_does_not_listen_is_reported_soon(void **state)
{
	(void)state;
	struct end client;
	end_open(&client, SIP_TCP, NULL, NULL);
	int64_t began = sip_loop_now_ms(loop);
	assert_in_range(ask(&client, "OPTIONS", "sip:x@127.0.0.1:1;transport=tcp", (struct octets){0}), 400, 699);
	assert_true(sip_loop_now_ms(loop) - began < 3000);
	assert_string_not_equal(client.error, "");
	end_close(&client);
}

static void a_request_has_a_bound_of_its_own(void **state)
{
	(void)state;
	struct end client;
	end_open(&client, SIP_UDP, NULL, NULL);
	struct sip_request rq = {.method = "OPTIONS",
				 .uri = "sip:x@127.0.0.1:1",
				 .from = "sip:a@a.test",
				 .to = "sip:x@a.test",
				 .timeout_ms = 200};
	assert_non_null(sip_send(client.port, &rq, on_response, &client));
	wait_for(&client.status);
	assert_in_range(client.status, 408, 503);
	end_close(&client);
}

/* ---- injection ---- */

static void a_header_value_with_a_line_end_is_never_sent(void **state)
{
	(void)state;
	struct end client;
	end_open(&client, SIP_UDP, NULL, NULL);
	struct sip_header h = {"Subject", "x\r\nP-Asserted-Identity: <sip:bob@a.test>"};
	struct sip_request rq = {.method = "OPTIONS",
				 .uri = "sip:x@127.0.0.1:9",
				 .from = "sip:a@a.test",
				 .to = "sip:x@a.test",
				 .with = {.n_headers = 1, .headers = &h}};
	assert_null(sip_send(client.port, &rq, on_response, &client));
	h.value = "fine";
	rq.from = "sip:a@a.test>\r\nX: <sip:b@a.test";
	assert_null(sip_send(client.port, &rq, on_response, &client));
	end_close(&client);
}

/* ---- dialogs ---- */

static struct sip_request invite_to(const char *uri)
{
	return (struct sip_request){
	    .method = "INVITE",
	    .uri = uri,
	    .from = "sip:alice@a.test",
	    .to = "sip:bob@a.test",
	    .with = {.content_type = "application/sdp", .body = {(const uint8_t *)"v=0\r\n", 5}}};
}

static void a_call_is_set_up_acknowledged_and_ended_by_the_caller(void **state)
{
	(void)state;
	struct end server, client;
	end_open(&server, SIP_TCP, NULL, NULL);
	end_open(&client, SIP_TCP, NULL, NULL);
	struct sip_request rq = invite_to(uri_of(&server, SIP_TCP, "127.0.0.1"));
	struct sip_dialog *d = sip_dialog_invite(client.port, &rq, on_response, &events, &client, NULL);
	assert_non_null(d);
	wait_for(&client.status);
	assert_int_equal(client.status, 200);
	assert_true(client.provisional >= 1);
	wait_for(&server.acked);
	assert_int_equal(server.acked, 1);
	client.status = 0;
	struct sip_request bye = {.method = "BYE"};
	assert_non_null(sip_dialog_send(d, &bye, on_response, &client));
	wait_for(&client.status);
	assert_int_equal(client.status, 200);
	assert_int_equal(server.byes, 1);
	sip_dialog_free(d);
	sip_dialog_free(server.dialog);
	end_close(&client);
	end_close(&server);
}

/* Whoever frees the dialog may free what its handlers work on. */
static void after_a_dialog_is_freed_no_answer_to_its_requests_is_delivered(void **state)
{
	(void)state;
	struct end server, client;
	end_open(&server, SIP_TCP, NULL, NULL);
	end_open(&client, SIP_TCP, NULL, NULL);
	struct sip_request rq = invite_to(uri_of(&server, SIP_TCP, "127.0.0.1"));
	struct sip_dialog *d = sip_dialog_invite(client.port, &rq, on_response, &events, &client, NULL);
	wait_for(&client.status);
	wait_for(&server.acked);
	client.status = 0;
	server.hold = 1;
	struct sip_request info = {.method = "INFO", .timeout_ms = 400};
	assert_non_null(sip_dialog_send(d, &info, on_response, &client)); /* will be answered */
	assert_non_null(sip_dialog_send(d, &info, on_response, &client)); /* will run into its bound */
	for (int i = 0; i < 200 && !server.held; i++)
		sip_loop_step(loop, 10);
	assert_non_null(server.held);
	sip_dialog_free(d);
	assert_int_equal(sip_reply(server.held, 200, NULL, NULL), MCSEC_OK);
	sip_loop_step(loop, 700);
	assert_int_equal(client.status, 0);
	sip_dialog_free(server.dialog);
	end_close(&client);
	end_close(&server);
}

static void a_call_over_tls_is_ended_by_the_callee_over_the_callers_connection(void **state)
{
	(void)state;
	struct end server, client;
	end_open(&server, SIP_TLS, "sip.a.test", dir_server);
	end_open(&client, SIP_TLS, NULL, dir_alice);
	struct sip_request rq = invite_to(uri_of(&server, SIP_TLS, "sip.a.test"));
	struct sip_dialog *d = sip_dialog_invite(client.port, &rq, on_response, &events, &client, NULL);
	wait_for(&client.status);
	wait_for(&server.acked);
	assert_int_equal(server.acked, 1);
	struct sip_request bye = {.method = "BYE"};
	assert_non_null(sip_dialog_send(server.dialog, &bye, on_response, &server));
	wait_for(&server.status);
	assert_int_equal(server.status, 200);
	assert_int_equal(client.byes, 1);
	sip_dialog_free(d);
	sip_dialog_free(server.dialog);
	end_close(&client);
	end_close(&server);
}

static void a_cancelled_call_ends_in_487(void **state)
{
	(void)state;
	struct end server, client;
	end_open(&server, SIP_TCP, NULL, NULL);
	end_open(&client, SIP_TCP, NULL, NULL);
	server.hold = 1;
	struct sip_request rq = invite_to(uri_of(&server, SIP_TCP, "127.0.0.1"));
	struct sip_client_tx *tx;
	struct sip_dialog *d = sip_dialog_invite(client.port, &rq, on_response, &events, &client, &tx);
	wait_for(&client.provisional);
	sip_cancel(tx);
	wait_for(&client.status);
	assert_int_equal(client.status, 487);
	assert_int_equal(server.cancelled, 1);
	sip_dialog_free(d);
	end_close(&client);
	end_close(&server);
}

static void a_200_that_crosses_a_cancel_still_reaches_the_caller(void **state)
{
	(void)state;
	struct end server, client;
	end_open(&server, SIP_TCP, NULL, NULL);
	end_open(&client, SIP_TCP, NULL, NULL);
	server.hold = 1;
	struct sip_request rq = invite_to(uri_of(&server, SIP_TCP, "127.0.0.1"));
	struct sip_client_tx *tx;
	struct sip_dialog *d = sip_dialog_invite(client.port, &rq, on_response, &events, &client, &tx);
	wait_for(&client.provisional);
	server.dialog = sip_dialog_accept(server.held, &events, &server);
	sip_reply(server.held, 200, NULL, NULL);
	sip_cancel(tx);
	wait_for(&client.status);
	assert_int_equal(client.status, 200);
	wait_for(&server.acked);
	assert_int_equal(server.acked, 1);
	assert_int_equal(server.cancelled, 0);
	sip_dialog_free(d);
	sip_dialog_free(server.dialog);
	end_close(&client);
	end_close(&server);
}

static void a_request_in_an_unknown_dialog_is_answered_481(void **state)
{
	(void)state;
	struct end server, client;
	end_open(&server, SIP_TCP, NULL, NULL);
	end_open(&client, SIP_TCP, NULL, NULL);
	struct sip_request rq = invite_to(uri_of(&server, SIP_TCP, "127.0.0.1"));
	struct sip_dialog *d = sip_dialog_invite(client.port, &rq, on_response, &events, &client, NULL);
	wait_for(&server.acked);
	sip_dialog_free(server.dialog);
	client.status = 0;
	struct sip_request bye = {.method = "BYE"};
	assert_non_null(sip_dialog_send(d, &bye, on_response, &client));
	wait_for(&client.status);
	assert_int_equal(client.status, 481);
	sip_dialog_free(d);
	end_close(&client);
	end_close(&server);
}

static void a_saved_dialog_can_be_ended_after_a_restart(void **state)
{
	(void)state;
	struct end server, client;
	end_open(&server, SIP_TCP, NULL, NULL);
	end_open(&client, SIP_TCP, NULL, NULL);
	struct sip_request rq = invite_to(uri_of(&server, SIP_TCP, "127.0.0.1"));
	struct sip_dialog *d = sip_dialog_invite(client.port, &rq, on_response, &events, &client, NULL);
	wait_for(&server.acked);
	char callee_side[2048], caller_side[2048];
	assert_int_equal(sip_dialog_save(server.dialog, callee_side, sizeof callee_side), MCSEC_OK);
	assert_int_equal(sip_dialog_save(d, caller_side, sizeof caller_side), MCSEC_OK);
	assert_int_equal(sip_dialog_save(d, caller_side, 10), MCSEC_E_NO_SPACE);
	assert_int_equal(sip_dialog_save(d, caller_side, sizeof caller_side), MCSEC_OK);
	end_close(&server);
	end_open(&server, SIP_TCP, NULL, NULL);
	struct sip_dialog *again = sip_dialog_restore(server.port, callee_side, &events, &server);
	assert_non_null(again);
	struct sip_request bye = {.method = "BYE"};
	assert_non_null(sip_dialog_send(again, &bye, on_response, &server));
	wait_for(&server.status);
	assert_int_equal(server.status, 200);
	assert_int_equal(client.byes, 1);
	assert_null(sip_dialog_restore(server.port, "x\ny\n", &events, &server));
	sip_dialog_free(d);
	end_close(&client);
	end_close(&server);
}

static void a_message_beyond_the_bound_is_refused(void **state)
{
	(void)state;
	struct end server, client;
	end_open(&server, SIP_TCP, NULL, NULL);
	end_open(&client, SIP_TCP, NULL, NULL);
	static uint8_t big[SIP_MAX_MESSAGE + 1000];
	memset(big, 'x', sizeof big);
	int status = ask(&client, "MESSAGE", uri_of(&server, SIP_TCP, "127.0.0.1"), OCTETS(big));
	assert_true(status >= 400);
	assert_int_equal(server.requests, 0);
	end_close(&client);
	end_close(&server);
}

/* A REGISTER as text over TCP; what the handler saw of its one contact. */
static struct {
	int64_t expires;
	size_t params;
	char content_type[512], warning[512], unknown[512], contact[512];
} contact_seen;

static void keep_text(char *out, const char *text)
{
	snprintf(out, 512, "%s", text ? text : "");
}

static void on_contact(void *ctx, struct sip_server_tx *tx, const struct sip_message *rq)
{
	((struct end *)ctx)->requests++;
	contact_seen.expires = rq->n_contacts ? rq->contacts[0].expires : -2;
	contact_seen.params = rq->n_contacts ? strlen(rq->contacts[0].params) : 0;
	keep_text(contact_seen.content_type, rq->content_type);
	keep_text(contact_seen.warning, sip_header_at(rq, "Warning", 0));
	keep_text(contact_seen.unknown, sip_header_at(rq, "X-Unknown", 0));
	keep_text(contact_seen.contact, sip_header_at(rq, "Contact", 0));
	assert_int_equal(sip_reply(tx, 200, NULL, NULL), MCSEC_OK);
}

static void register_with(struct end *server, const char *params)
{
	static char text[SIP_MAX_MESSAGE];
	static int number;
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(sip_port_number(server->port, 0))};
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	number++;
	int len = snprintf(text, sizeof text,
			   "REGISTER sip:a.test SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bK-c%d\r\n"
			   "From: <sip:alice@a.test>;tag=1\r\nTo: <sip:alice@a.test>\r\nCall-ID: contact-%d\r\n"
			   "CSeq: 1 REGISTER\r\nMax-Forwards: 70\r\nContact: <sip:alice@127.0.0.1>%s\r\n"
			   "Content-Length: 0\r\n\r\n",
			   number, number, params);
	int fd = socket(AF_INET, SOCK_STREAM, 0), before = server->requests;
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	for (int sent = 0, i = 0; i < 200 && server->requests == before; i++) {
		ssize_t n = sent < len ? write(fd, text + sent, (size_t)(len - sent)) : 0;
		sent += n > 0 ? (int)n : 0;
		sip_loop_step(loop, 5);
	}
	close(fd);
	assert_int_equal(server->requests, before + 1);
}

static void contact_server(struct end *server)
{
	char err[256];
	struct sip_port_options o = {
	    .n_listen = 1, .listen = {{SIP_TCP, "127.0.0.1", 0}}, .on_request = on_contact, .ctx = server};
	memset(server, 0, sizeof *server);
	server->port = sip_port_new(loop, &o, err, sizeof err);
	assert_non_null(server->port);
}

static void an_expiry_out_of_range_is_the_largest_and_one_that_is_no_number_is_none(void **state)
{
	(void)state;
	struct end server;
	contact_server(&server);
	register_with(&server, ";expires=0");
	assert_int_equal(contact_seen.expires, 0);
	register_with(&server, ";q=1;Expires=3600;+g.3gpp.mcptt");
	assert_int_equal(contact_seen.expires, 3600);
	register_with(&server, ";expires=18446744073709551615");
	assert_int_equal(contact_seen.expires, UINT32_MAX);
	register_with(&server, ";expires=9223372036854775807");
	assert_int_equal(contact_seen.expires, UINT32_MAX);
	register_with(&server, ";expires=-5");
	assert_int_equal(contact_seen.expires, -1);
	register_with(&server, ";expires=5x");
	assert_int_equal(contact_seen.expires, -1);
	end_close(&server);
}

static void a_header_on_several_lines_reads_as_one(void **state)
{
	(void)state;
	struct end server;
	contact_server(&server);
	register_with(&server,
		      "\r\nWarning: 399 a.test \"136 made up\r\n to be forwarded\"\r\nX-Unknown: one\r\n\ttwo");
	assert_string_equal(contact_seen.warning, "399 a.test \"136 made up   to be forwarded\"");
	assert_string_equal(contact_seen.unknown, "one  \ttwo");
	end_close(&server);
}

static void header_texts_are_whole_whatever_their_length(void **state)
{
	(void)state;
	struct end server;
	contact_server(&server);
	for (size_t n = 90; n < 140; n++) {
		char filler[200], params[900], type[300], contact[300];
		memset(filler, 'b', n);
		filler[n] = 0;
		snprintf(type, sizeof type, "multipart/mixed;boundary=%s", filler);
		snprintf(contact, sizeof contact, "<sip:alice@127.0.0.1>;a;+g.3gpp.%s", filler);
		snprintf(params, sizeof params, "%s\r\nContent-Type: %s", contact + strlen("<sip:alice@127.0.0.1>"),
			 type);
		register_with(&server, params);
		assert_string_equal(contact_seen.content_type, type);
		assert_string_equal(contact_seen.contact, contact);
	}
	end_close(&server);
}

static void a_contact_with_a_great_many_parameters_costs_no_more_than_its_length(void **state)
{
	(void)state;
	enum { MANY = 30000 };
	static char params[2 * MANY + 1];
	struct rusage before, after;
	struct end server;
	for (size_t i = 0; i < MANY; i++)
		memcpy(params + 2 * i, ";a", 2);
	contact_server(&server);
	getrusage(RUSAGE_SELF, &before);
	register_with(&server, params);
	getrusage(RUSAGE_SELF, &after);
	assert_int_equal(contact_seen.params, 2 * MANY);
	/* Kilobytes; the square of the number would be half a gigabyte. */
#ifndef __SANITIZE_ADDRESS__ /* which keeps freed memory in quarantine */
	assert_true(after.ru_maxrss - before.ru_maxrss < 64 * 1024);
#endif
	end_close(&server);
}

/* ---- loop ---- */

static void count(void *arg)
{
	++*(int *)arg;
}

static void *poster(void *arg)
{
	for (int i = 0; i < 1000; i++)
		assert_int_equal(sip_loop_post(loop, count, arg), 0);
	return NULL;
}

static void work_posted_from_other_threads_runs_on_the_loop_and_none_is_lost(void **state)
{
	(void)state;
	int n = 0;
	pthread_t t[3];
	for (int i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, poster, &n);
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	for (int i = 0; i < 100 && n < 3000; i++)
		sip_loop_step(loop, 10);
	assert_int_equal(n, 3000);
}

static void a_timer_fires_once_and_a_stopped_one_never(void **state)
{
	(void)state;
	int fired = 0, stopped = 0;
	assert_non_null(sip_timer_start(loop, 20, count, &fired));
	struct sip_timer *t = sip_timer_start(loop, 10, count, &stopped);
	sip_timer_stop(t);
	sip_loop_step(loop, 120);
	assert_int_equal(fired, 1);
	assert_int_equal(stopped, 0);
}

static int set_up(void **state)
{
	(void)state;
	loop = sip_loop_new();
	pki_init(&ca, "Domain CA");
	pki_init(&other_ca, "Other CA");
	pki_agent(&ca, &ca, "server", "DNS:sip.a.test", dir_server, sizeof dir_server);
	pki_agent(&ca, &ca, "alice", "URI:sip:alice@a.test,DNS:alice.ue.a.test", dir_alice, sizeof dir_alice);
	pki_agent(&other_ca, &ca, "stranger", "URI:sip:alice@a.test", dir_stranger, sizeof dir_stranger);
	pki_agent(&ca, &other_ca, "naive", "URI:sip:alice@a.test", dir_naive, sizeof dir_naive);
	dns_start(&dns, ca.dir);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	dns_stop(&dns);
	pki_end(&ca);
	pki_end(&other_ca);
	sip_loop_free(loop);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(work_posted_from_other_threads_runs_on_the_loop_and_none_is_lost),
	    cmocka_unit_test(a_timer_fires_once_and_a_stopped_one_never),
	    cmocka_unit_test(a_request_and_its_response_carry_binary_bodies_over_udp),
	    cmocka_unit_test(a_request_and_its_response_carry_binary_bodies_over_tcp),
	    cmocka_unit_test(a_request_and_its_response_carry_binary_bodies_over_tls),
	    cmocka_unit_test(the_names_in_a_verified_client_certificate_reach_the_handler),
	    cmocka_unit_test(every_tls_connection_is_freed_once_when_it_ends),
	    cmocka_unit_test(mcx_sec_tls_03_a_client_certificate_of_another_authority_is_refused),
	    cmocka_unit_test(mcx_sec_tls_03_a_server_certificate_of_another_authority_is_refused),
	    cmocka_unit_test(mcx_sec_tls_04_a_server_certificate_for_another_name_is_refused),
	    cmocka_unit_test(a_server_reached_by_address_is_refused_because_no_name_can_match),
	    cmocka_unit_test(a_client_is_reached_back_over_its_own_connection),
	    cmocka_unit_test(a_peer_that_does_not_listen_is_reported_soon),
	    cmocka_unit_test(a_request_has_a_bound_of_its_own),
	    cmocka_unit_test(a_header_value_with_a_line_end_is_never_sent),
	    cmocka_unit_test(a_call_is_set_up_acknowledged_and_ended_by_the_caller),
	    cmocka_unit_test(after_a_dialog_is_freed_no_answer_to_its_requests_is_delivered),
	    cmocka_unit_test(a_call_over_tls_is_ended_by_the_callee_over_the_callers_connection),
	    cmocka_unit_test(a_cancelled_call_ends_in_487),
	    cmocka_unit_test(a_200_that_crosses_a_cancel_still_reaches_the_caller),
	    cmocka_unit_test(a_request_in_an_unknown_dialog_is_answered_481),
	    cmocka_unit_test(a_saved_dialog_can_be_ended_after_a_restart),
	    cmocka_unit_test(a_message_beyond_the_bound_is_refused),
	    cmocka_unit_test(an_expiry_out_of_range_is_the_largest_and_one_that_is_no_number_is_none),
	    cmocka_unit_test(a_header_on_several_lines_reads_as_one),
	    cmocka_unit_test(header_texts_are_whole_whatever_their_length),
	    cmocka_unit_test(a_contact_with_a_great_many_parameters_costs_no_more_than_its_length),
	};
	return cmocka_run_group_tests_name("sip_port", tests, set_up, tear_down);
}
