/* SPDX-License-Identifier: Apache-2.0 */
/* server_crowd.c - see server_crowd.h. */
#include "e2e/server_crowd.h"

#include <poll.h>

#include "e2e/server_bed_parts.h"
#include "mcsec/secret.h"
#include "mcx/floor/floor_message.h"

enum { AT_ONCE = 24, ROOM = 512, INDICES = 1000000, SSRC = 0x0a000000 };

struct member *crowd;
size_t crowd_size;

static struct ua core;
static size_t key_tables;

double crowd_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- who is there ---- */

static struct ua *addressee(struct ua *port, const struct sip_message *rq)
{
	const char *at = strstr(rq->uri, ":u");
	size_t i = at ? strtoul(at + 2, NULL, 10) : crowd_size;
	return port == &core && i < crowd_size ? &crowd[i].ua : port;
}

static void use_csk(struct member *m)
{
	struct csk_control_key k = {m->ua.csk_id, m->ua.csk, OCTETS(m->ua.csk_rand), 16, 0};
	if (!m->control)
		return;
	assert_int_equal(csk_control_hold(m->control, &k), 0);
	csk_control_send_with(m->control, k.id);
	csk_control_grant(m->control, k.id, 1, INDICES);
	csk_control_keep_only(m->control, &k.id, 1);
}

/* The client discards the old CSK before it answers 200 (TS 24.379 7.2.5). */
static void take_download(struct member *m, struct octets message)
{
	struct mcsec_im *im = ua_open_im(&m->ua, message);
	assert_non_null(im);
	if (im->kind == MCSEC_CSK && im->k_id != m->ua.csk_id) {
		memcpy(m->ua.csk, im->key, sizeof m->ua.csk);
		memcpy(m->ua.csk_rand, im->rand, sizeof m->ua.csk_rand);
		m->ua.csk_id = im->k_id;
		m->replaced++;
		m->renewed = 1;
		m->answers_new = 0;
		use_csk(m);
	}
	mcsec_im_free(im);
}

static void on_message(struct ua *u, struct sip_server_tx *tx, const struct sip_message *rq)
{
	struct member *m = (struct member *)u;
	m->messages++;
	if (!m->off)
		take_download(m, rq->body);
	if (m->lose) {
		m->lose = 0;
		m->silent = 1;
		return;
	}
	(void)sip_reply(tx, m->off ? 480 : 200, NULL, NULL);
}

static void *make_keys(void *arg)
{
	for (size_t i = (size_t)(uintptr_t)arg; i < crowd_size; i += 2)
		crowd[i].ua.keys = bed_keys(crowd[i].ua.mcptt_id, key_tables);
	return NULL;
}

static void make_members(void)
{
	pthread_t other;
	crowd = calloc(crowd_size, sizeof *crowd);
	for (size_t i = 0; i < crowd_size; i++) {
		struct ua *u = &crowd[i].ua;
		*u = (struct ua){.name = "u", .answer = 200, .port = core.port, .media_port = 9};
		bed_text(u->mcptt_id, sizeof u->mcptt_id, "sip:u%05zu@mcptt." ZONE, i);
		bed_text(u->impu, sizeof u->impu, "sip:u%05zu@" ZONE, i);
		bed_text(u->client_id, sizeof u->client_id, "urn:uuid:00000000-0000-4000-8000-%012zx", i);
		crowd[i].fd = -1;
		crowd[i].own = SSRC + (uint32_t)i;
	}
	assert_int_equal(pthread_create(&other, NULL, make_keys, (void *)1), 0);
	make_keys(NULL);
	pthread_join(other, NULL);
}

void crowd_begin(size_t n, size_t tables)
{
	crowd_size = n;
	key_tables = tables;
	bed_begin();
	ua_make(&core, "core", "core", "core");
	pki_agent(&bed.ca, &bed.ca, "the-core", "DNS:" CROWD_CORE, core.tls, sizeof core.tls);
	ua_reconnect(&core);
	bed.cfg.core.n = 1;
	strcpy(bed.cfg.core.item[0], CROWD_CORE);
	bed_text(bed.cfg.core_route, sizeof bed.cfg.core_route, "sip:" CROWD_CORE ":%u;transport=tls;lr",
		 sip_port_number(core.port, 0));
	bed.cfg.floor_control = 1;
	bed.cfg.rtp_max = 48999;
	bed.cfg.queue = 256;
	make_members();
	bed_addressee = addressee;
	bed_on_message = on_message;
}

const char *crowd_core_tls(void)
{
	return core.tls;
}

void crowd_end(void)
{
	bed_addressee = NULL;
	bed_on_message = NULL;
	for (size_t i = 0; i < crowd_size; i++) {
		struct member *m = &crowd[i];
		csk_control_free(m->control);
		mcsec_keyset_free(m->ua.keys);
		sip_dialog_free(m->ua.dialog);
		free(m->ua.sdp);
		if (m->fd >= 0)
			close(m->fd);
	}
	free(crowd);
	ua_close(&core);
	bed_end();
}

/* ---- registration ---- */

size_t crowd_message(const struct ua *u, const uint8_t *body, size_t len, char *out, size_t size)
{
	int head = snprintf(out, size,
			    "REGISTER sip:" ZONE " SIP/2.0\r\nVia: SIP/2.0/TLS 192.0.2.7:5060;branch=z9hG4bKc%s\r\n"
			    "Max-Forwards: 69\r\nFrom: <%s>;tag=c1\r\nTo: <%s>\r\nCall-ID: c-%s@192.0.2.7\r\n"
			    "CSeq: 7 REGISTER\r\n"
			    "Contact: <sip:u@192.0.2.7:5060;transport=tls>;+g.3gpp.mcptt;+sip.instance=\"<%s>\"\r\n"
			    "Expires: 3600\r\nContent-Type: " BED_REGISTER_TYPE "\r\nContent-Length: %zu\r\n\r\n",
			    u->client_id + 9, u->impu, u->impu, u->client_id + 9, u->client_id, len);
	assert_true(head > 0 && (size_t)head + len <= size);
	memcpy(out + head, body, len);
	return (size_t)head + len;
}

static void send_register(struct member *m, int64_t age)
{
	static uint8_t body[32768];
	static char inner[40000];
	char uri[128], scscf[128];
	size_t len = ua_register_body(&m->ua, &(struct reg){.expires = -1, .age = age}, body, sizeof body);
	bed_text(uri, sizeof uri, "sip:sip." ZONE ":%u;transport=tls", bed.server->sips_number);
	bed_text(scscf, sizeof scscf, "<sip:" CROWD_CORE ":%u;transport=tls>", sip_port_number(core.port, 0));
	struct sip_header h = {"Expires", "3600"};
	struct sip_request rq = {
	    .method = "REGISTER",
	    .uri = uri,
	    .from = "sip:" CROWD_CORE,
	    .to = m->ua.impu,
	    .with = {.n_headers = 1,
		     .headers = &h,
		     .contact = scscf,
		     .content_type = "message/sip",
		     .body = {(uint8_t *)inner, crowd_message(&m->ua, body, len, inner, sizeof inner)}}};
	m->ua.status = 0;
	assert_non_null(sip_send(core.port, &rq, ua_response, &m->ua));
}

void crowd_register(size_t from, size_t to, int64_t age)
{
	for (size_t at = from; at < to; at += AT_ONCE) {
		size_t end = at + AT_ONCE < to ? at + AT_ONCE : to;
		for (size_t i = at; i < end; i++)
			send_register(&crowd[i], age);
		for (size_t i = at; i < end; i++) {
			wait_until(&crowd[i].ua.status, 1);
			assert_int_equal(crowd[i].ua.status, 200);
			crowd[i].renewed = 1;
			use_csk(&crowd[i]);
		}
	}
}

/* ---- calls ---- */

static void open_end(struct member *m)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof at;
	m->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(m->fd, (struct sockaddr *)&at, sizeof at), 0);
	getsockname(m->fd, (struct sockaddr *)&at, &len);
	bed_text(m->line, sizeof m->line, "m=application %u udp MCPTT\r\na=fmtp:MCPTT mc_ssrc=77;mc_floor_ssrc=%u\r\n",
		 ntohs(at.sin_port), m->own);
	m->ua.control_line = m->line;
	m->control = csk_control_new(NULL, NULL);
	use_csk(m);
}

static void take_line(struct member *m)
{
	static struct sdp s;
	struct sdp_control c;
	assert_non_null(m->ua.sdp);
	assert_int_equal(sdp_read(octets_of(m->ua.sdp), &s, NULL), MCSEC_OK);
	assert_int_equal(sdp_control_read(&s, MCX_MCPTT, &c), 1);
	assert_int_not_equal(c.port, 0);
	struct sockaddr_in to = {
	    .sin_family = AF_INET, .sin_port = htons(c.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	assert_int_equal(connect(m->fd, (struct sockaddr *)&to, sizeof to), 0);
	m->server_ssrc = c.floor_ssrc;
	m->heard_s = crowd_now();
}

void crowd_call(struct member *caller, struct member *callee)
{
	open_end(caller);
	open_end(callee);
	assert_int_equal(ua_invite(&caller->ua, &(struct inv){.from = caller->ua.impu,
							      .asserted = caller->ua.impu,
							      .target = callee->ua.mcptt_id}),
			 200);
	wait_until(&callee->ua.acks, 1);
	take_line(caller);
	take_line(callee);
}

void crowd_hang_up(struct member *caller)
{
	assert_int_equal(ua_bye(&caller->ua), 200);
}

/* ---- control signalling ---- */

void crowd_ask(struct member *m)
{
	uint8_t plain[ROOM], wire[ROOM];
	size_t len;
	struct floor_message q = {.type = FLOOR_RELEASE, .ssrc = m->own, .ack = 1};
	struct writer w = wr_init(plain, sizeof plain);
	assert_int_equal(floor_message_write(&w, &q), MCSEC_OK);
	assert_int_equal(csk_control_protect(m->control, wr_result(&w), wire, sizeof wire, &len), SRTP_OK);
	m->asked_s = crowd_now();
	(void)!send(m->fd, wire, len, 0); /* a lost one is a lost one */
}

/* What does not open was said under a key that this client has no more. */
static int is_answer(struct member *m, struct octets packet)
{
	uint8_t plain[ROOM];
	size_t len;
	uint32_t id;
	struct floor_message a;
	return csk_control_unprotect(m->control, m->own, m->server_ssrc, packet, plain, sizeof plain, &len, &id) ==
		   SRTP_OK &&
	       floor_message_read((struct octets){plain, len}, &a) == APP_READ_OK && a.type == FLOOR_ACK;
}

int crowd_hear(struct member *m)
{
	uint8_t raw[ROOM];
	ssize_t n;
	int heard = 0;
	while ((n = recv(m->fd, raw, sizeof raw, 0)) > 0)
		heard |= is_answer(m, (struct octets){raw, (size_t)n});
	if (heard) {
		double now = crowd_now(), gap = now - m->heard_s;
		m->longest_s = gap > m->longest_s ? gap : m->longest_s;
		m->heard_s = now;
		m->answers++;
		m->answers_new++;
	}
	return heard;
}

void crowd_serve(unsigned ms, unsigned every_ms)
{
	double end = crowd_now() + ms / 1e3;
	do {
		pump(4);
		double now = crowd_now();
		for (size_t i = 0; i < crowd_size; i++) {
			if (!crowd[i].control)
				continue;
			(void)crowd_hear(&crowd[i]);
			if (now - crowd[i].asked_s >= every_ms / 1e3)
				crowd_ask(&crowd[i]);
		}
	} while (crowd_now() < end);
}

/* ---- what the server holds ---- */

static int agrees(void *ctx, struct binding *b)
{
	size_t i = strtoul(b->row.impu + strlen("sip:u"), NULL, 10);
	uint8_t key[MCSEC_KEY_LEN];
	if (i < crowd_size && crowd[i].renewed && !b->pending && b->row.csk_id == crowd[i].ua.csk_id &&
	    db_open_csk(bed.server->seal, &b->row, key) == MCSEC_OK)
		*(size_t *)ctx += memcmp(key, crowd[i].ua.csk, sizeof key) == 0;
	mcsec_wipe(key, sizeof key);
	return 0;
}

static void count_agreed(void *arg)
{
	bindings_each(bed.server->bindings, agrees, arg);
}

size_t crowd_agreed(void)
{
	size_t n = 0;
	server_on_loop(bed.server, count_agreed, &n);
	return n;
}
