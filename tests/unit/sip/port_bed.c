/* SPDX-License-Identifier: Apache-2.0 */
/* port_bed.c - see port_bed.h. Ports are free ones, each end has its own. */
#include "unit/sip/port_bed.h"

#include "unit/sip/dns.h"
#include "unit/sip/pki.h"

struct sip_loop *loop;
char dir_server[128], dir_alice[128], dir_stranger[128], dir_naive[128], dir_as_bob[128], dir_as_server[128];

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

const struct sip_dialog_events bed_events = {in_dialog, on_ack};

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
		e->dialog = sip_dialog_accept(tx, &bed_events, e);
	}
	struct sip_header warning = {"Warning", "399 mc.example.org \"136 authentication failed\""};
	struct sip_out with = {.n_headers = 1, .headers = &warning, .content_type = rq->content_type, .body = rq->body};
	assert_int_equal(sip_reply(tx, e->reply_status, NULL, &with), MCSEC_OK);
}

void on_response(void *ctx, struct sip_client_tx *tx, const struct sip_message *rs)
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

void end_open(struct end *e, enum sip_transport t, const char *host, const char *tls_dir)
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

void end_close(struct end *e)
{
	sip_flow_unref(e->flow);
	sip_port_free(e->port);
}

void wait_for(const int *value)
{
	for (int i = 0; i < 3000 && !*value; i++)
		sip_loop_step(loop, 10);
}

const char *uri_of(const struct end *e, enum sip_transport t, const char *host)
{
	static char uri[160];
	snprintf(uri, sizeof uri, "sip:bob@%s:%u;transport=%s", host, sip_port_number(e->port, 0),
		 sip_transport_name(t));
	return uri;
}

int ask(struct end *from, const char *method, const char *uri, struct octets body)
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

void carries_binary_bodies(enum sip_transport t, const char *host, const char *sdir, const char *cdir)
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

int bed_set_up(void **state)
{
	(void)state;
	loop = sip_loop_new();
	pki_init(&ca, "Domain CA");
	pki_init(&other_ca, "Other CA");
	pki_agent(&ca, &ca, "server", "DNS:sip.a.test", dir_server, sizeof dir_server);
	pki_agent(&ca, &ca, "alice", "URI:sip:alice@a.test,DNS:alice.ue.a.test", dir_alice, sizeof dir_alice);
	pki_agent(&other_ca, &ca, "stranger", "URI:sip:alice@a.test", dir_stranger, sizeof dir_stranger);
	pki_agent(&ca, &ca, "sip:bob@a.test", NULL, dir_as_bob, sizeof dir_as_bob);
	pki_agent(&ca, &ca, "sip.a.test", NULL, dir_as_server, sizeof dir_as_server);
	pki_agent(&ca, &other_ca, "naive", "URI:sip:alice@a.test", dir_naive, sizeof dir_naive);
	dns_start(&dns, ca.dir);
	return 0;
}

int bed_tear_down(void **state)
{
	(void)state;
	dns_stop(&dns);
	pki_end(&ca);
	pki_end(&other_ca);
	sip_loop_free(loop);
	return 0;
}
