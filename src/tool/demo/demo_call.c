/* SPDX-License-Identifier: Apache-2.0 */
/*
 * demo_call.c - the main job's steps: the domain, the users, their two clients, the call, and the call with a changed
 * octet. The clients run in this process; everything they talk to is a daemon of the domain.
 */
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mcsec/secret.h"
#include "sec/base/text.h"
#include "tool/domain/admin_client.h"
#include "tool/domain/client.h"
#include "tool/demo/demo.h"
#include "tool/domain/process.h"
#include "tool/domain/show.h"

enum { IDLE_MS = 5000, SEARCH_AFTER_MS = 1500 };

static int fail(struct demo *d, const char *what, const char *why)
{
	snprintf(d->err, sizeof d->err, "%.200s: %.600s", what, why);
	return -1;
}

/* ---- domain and users ---- */

int demo_raise(struct demo *d)
{
	static const struct {
		const char *name, *what;
	} daemons[] = {{"dnsmasq", "name server"},
		       {"mcx-idms", "identity server"},
		       {"mcx-kms", "key management server"},
		       {"mcx-server", "MC server"},
		       {"kamailio", "SIP core, registrar and proxy"}};
	if (domain_up(&d->d, &d->start))
		return fail(d, "the domain does not start", d->start.err);
	narrate_step(&d->say, d->start.already ? -1 : d->start.ms, "domain %s %s", d->d.zone,
		     d->start.already ? "was up already" : "is up");
	for (size_t i = 0; i < sizeof daemons / sizeof *daemons - !d->d.has_core; i++)
		narrate_step(&d->say, -1, "%s: process %d", daemons[i].what, show_pid_of(&d->d, daemons[i].name));
	d->server_pid = show_pid_of(&d->d, "mcx-server");
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st, (void)kind, (void)at;
	return remove(path);
}

int demo_empty_store(struct demo *d, const char *path)
{
	if (access(path, F_OK) == 0 && nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0)
		return fail(d, path, strerror(errno));
	return 0;
}

static void keep_metrics(struct demo *d)
{
	struct admin_client *c = admin_client_new(&d->d, "auditor", d->err, sizeof d->err);
	char *idms = c ? admin_page(c, ADMIN_AT_IDMS, "/metrics") : NULL;
	char *kms = c ? admin_page(c, ADMIN_AT_KMS, "/metrics") : NULL;
	snprintf(d->idms_before, sizeof d->idms_before, "%s", idms ? idms : "");
	snprintf(d->kms_before, sizeof d->kms_before, "%s", kms ? kms : "");
	free(idms);
	free(kms);
	admin_client_free(c);
}

int demo_enrol(struct demo *d)
{
	struct demo_end *ends[] = {&d->alice, &d->bob};
	for (size_t i = 0; i < 2; i++) {
		struct demo_end *e = ends[i];
		int64_t begin = process_now_ms();
		char err[600];
		if (user_fill_in(&d->d, &e->user, "ptt,video", err, sizeof err) ||
		    user_add(&d->d, &e->user, err, sizeof err))
			return fail(d, e->who, err);
		narrate_step(&d->say, (double)(process_now_ms() - begin), "%s enrolled as %s", e->who, e->user.mcptt);
	}
	keep_metrics(d);
	return 0;
}

/* ---- what the clients' hooks and events see ---- */

static void keep_port(struct demo_end *e, struct octets text)
{
	static const char media[] = "m=audio ";
	const char *at = memmem(text.p, text.len, media, sizeof media - 1);
	unsigned port = 0;
	const char *end = (const char *)text.p + text.len;
	for (at = at ? at + sizeof media - 1 : end; at < end && *at >= '0' && *at <= '9'; at++)
		port = port * 10 + (unsigned)(*at - '0');
	pthread_mutex_lock(&e->lock);
	if (port && port < 65536 && e->n_ports < DEMO_PORTS)
		e->ports[e->n_ports++] = (uint16_t)port;
	pthread_mutex_unlock(&e->lock);
}

static void keep_key_mgmt(void *ctx, int sent, struct octets text)
{
	struct demo_end *e = ctx;
	keep_port(e, text);
	static const char name[] = "a=key-mgmt:";
	/* The offer: sent by Alice, received by Bob. */
	if (sent != (e == &e->demo->alice))
		return;
	const char *at = memmem(text.p, text.len, name, sizeof name - 1);
	if (!at)
		return;
	size_t left = text.len - (size_t)((const uint8_t *)at - text.p), len = 0;
	while (len < left && at[len] != '\r' && at[len] != '\n')
		len++;
	pthread_mutex_lock(&e->lock);
	if (!e->key_mgmt[0] && len < sizeof e->key_mgmt) {
		memcpy(e->key_mgmt, at, len);
		e->key_mgmt[len] = '\0';
	}
	pthread_mutex_unlock(&e->lock);
}

static void keep_packet(void *ctx, int sent, struct octets packet)
{
	struct demo_end *e = ctx;
	(void)sent;
	if (!e->demo->captured && e->demo->wire)
		wire_add(e->demo->wire, packet);
}

static void change_octet(void *ctx, uint8_t *i_message, size_t len)
{
	struct demo_end *e = ctx;
	if (!e->demo->flip || !len)
		return;
	i_message[len / 2] ^= 0x01;
	e->demo->flip = (int)(len / 2) + 1;
}

static void on_event(void *ctx, const struct ue_event *ev)
{
	struct demo_end *e = ctx;
	struct narrator *say = &e->demo->say;
	pthread_mutex_lock(&e->lock);
	e->first_packet += ev->kind == UE_EV_FIRST_PACKET;
	e->call_up += ev->kind == UE_EV_CALL_UP;
	e->csks += ev->kind == UE_EV_CSK_REPLACED;
	if (ev->kind == UE_EV_REJECTED) {
		e->rejected++;
		e->sip_status = ev->sip_status;
		e->warning = ev->warning;
	}
	pthread_mutex_unlock(&e->lock);
	if (ev->kind == UE_EV_OFFERED)
		narrate_step(say, ev->ms, "%s's offer leaves: call key %08x inside, encrypted to %s, signed", e->who,
			     ev->key_id, e->demo->bob.who);
	else if (ev->kind == UE_EV_KEY_OPENED)
		narrate_step(say, ev->ms, "%s verifies the signature and opens call key %08x", e->who, ev->key_id);
	else if (ev->kind == UE_EV_CALL_UP && e == &e->demo->alice)
		narrate_step(say, ev->ms, "the call is up");
	else if (ev->kind == UE_EV_FIRST_PACKET && e == &e->demo->bob)
		narrate_step(say, ev->ms, "first packet decrypted by %s", e->who);
	else if (ev->kind == UE_EV_REJECTED)
		narrate_step(say, ev->ms, "%s refuses: %d, Warning %d", e->who, ev->sip_status, ev->warning);
	else if (ev->kind == UE_EV_ALARM)
		narrate_step(say, -1, "%s is told: %.200s", e->who, ev->text);
}

/* ---- a client ready to call ---- */

static int step_failed(struct demo *d, const struct demo_end *e, const char *what, const struct ue_report *r)
{
	char text[300];
	snprintf(text, sizeof text, "%s, %s: %.200s", what, ue_status_name(r->status), r->text);
	return fail(d, e->who, text);
}

static struct ue *open_client(struct demo *d, struct demo_end *e)
{
	struct client_texts t;
	struct ue_config c;
	char err[400];
	client_config(&d->d, &e->user, &t, &c);
	if (demo_empty_store(d, t.dir))
		return NULL;
	c.on_event = on_event;
	c.ctx = e;
	c.hooks = (struct ue_hooks){
	    .sdp = keep_key_mgmt, .rtp = keep_packet, .offer = e == &d->alice ? change_octet : NULL, .ctx = e};
	struct ue *u = ue_new(&c, err, sizeof err);
	client_forget(&t);
	if (!u)
		fail(d, e->who, err);
	return u;
}

int demo_prepare(struct demo *d, struct demo_end *e)
{
	struct ue_report r;
	e->ue = open_client(d, e);
	if (!e->ue)
		return -1;
	ue_inspect_keep(e->ue);
	enum ue_status s = client_sign_in(&d->d, &e->user, e->ue, &r);
	if (s != UE_OK)
		return step_failed(d, e, "sign-in", &r);
	narrate_step(&d->say, r.ms, "%s signs in: OpenID Connect code flow with PKCE", e->who);
	if (ue_provision(e->ue, &r) != UE_OK)
		return step_failed(d, e, "identity keys", &r);
	narrate_step(&d->say, r.ms, "%s holds identity keys: KMS certificate and key set checked", e->who);
	if (ue_register(e->ue, &r) != UE_OK)
		return step_failed(d, e, "registration", &r);
	narrate_step(&d->say, r.ms, "%s registers%s: client-server key %08x uploaded, encrypted to the server", e->who,
		     d->d.has_core ? " at the SIP core, by digest" : "", ue_csk_id(e->ue));
	return 0;
}

/* ---- the call ---- */

static void reset(struct demo_end *e)
{
	pthread_mutex_lock(&e->lock);
	e->key_mgmt[0] = '\0';
	e->n_ports = 0;
	e->first_packet = e->rejected = e->call_up = e->sip_status = e->warning = 0;
	pthread_mutex_unlock(&e->lock);
}

static int heard_something(struct demo_end *e)
{
	pthread_mutex_lock(&e->lock);
	int n = e->first_packet;
	pthread_mutex_unlock(&e->lock);
	return n;
}

/* The server's sealing key is a value that its memory must hold: finding it proves that the search can find. */
static int search_server(struct demo *d, int which)
{
	char path[PATH_MAX];
	uint8_t *sealing = mcsec_secret_alloc(32);
	FILE *f = sealing ? fopen(domain_path(&d->d, path, "server/seal.key"), "re") : NULL;
	size_t n = f ? fread(sealing, 1, 32, f) : 0;
	if (f)
		fclose(f);
	const struct ue_call_keys *k = d->keys;
	const struct octets needles[] = {
	    {sealing, 32},
	    OCTETS(k->pck),
	    OCTETS(k->streams[0].master_key),
	    OCTETS(k->streams[0].master_salt),
	    OCTETS(k->streams[0].session_key),
	    OCTETS(k->streams[1].master_key),
	    OCTETS(k->streams[1].master_salt),
	    OCTETS(k->streams[1].session_key),
	};
	int rc = -1;
	if (n == 32)
		rc = memory_search_as_root(d->server_pid, needles, sizeof needles / sizeof *needles, &d->search[which],
					   d->search_error[which], sizeof d->search_error[which]);
	else
		snprintf(d->search_error[which], sizeof d->search_error[which], "server/seal.key cannot be read");
	mcsec_secret_free(sealing);
	d->searched[which] = rc == 0;
	return rc;
}

/* Runs beside the call: once Bob hears, the call's keys are looked for in the server's memory. */
static void *search_while_up(void *arg)
{
	struct demo *d = arg;
	for (int i = 0; i < 1000 && !heard_something(&d->bob); i++)
		usleep(10000);
	usleep(SEARCH_AFTER_MS * 1000);
	if (!heard_something(&d->bob) || ue_inspect_call(d->bob.ue, d->keys))
		snprintf(d->search_error[0], sizeof d->search_error[0],
			 "no media came, so there was no moment to search");
	else
		search_server(d, 0);
	return NULL;
}

static int start_wire(struct demo *d)
{
	d->wire = wire_new();
	if (!d->wire)
		return fail(d, "capture", "no memory");
	d->captured = wire_capture(d->wire, d->d.rtp_min, d->d.rtp_max) == 0;
	return 0;
}

/* What else went over the loopback interface meanwhile is none of this call's. */
static void stop_wire(struct demo *d)
{
	uint16_t ports[2 * DEMO_PORTS];
	size_t n = 0;
	wire_stop(d->wire);
	const struct demo_end *ends[] = {&d->alice, &d->bob};
	for (size_t i = 0; i < 2; i++)
		for (size_t k = 0; k < ends[i]->n_ports; k++)
			ports[n++] = ends[i]->ports[k];
	if (d->captured)
		wire_keep(d->wire, ports, n);
}

int demo_call(struct demo *d)
{
	const struct ue_audio_files bob_files = {.record = d->heard};
	const struct ue_call call = {.target = d->bob.user.mcptt, .audio = {.send = d->speech}};
	pthread_t searcher;
	reset(&d->alice), reset(&d->bob);
	if (start_wire(d))
		return -1;
	unlink(d->heard);
	ue_answer(d->bob.ue, &bob_files);
	if (pthread_create(&searcher, NULL, search_while_up, d) != 0)
		return fail(d, "search", "no thread");
	enum ue_status s = ue_call(d->alice.ue, &call, &d->call);
	int idle = ue_wait_idle(d->bob.ue, IDLE_MS);
	pthread_join(searcher, NULL);
	stop_wire(d);
	ue_media_stats(d->alice.ue, &d->said_stats);
	ue_media_stats(d->bob.ue, &d->heard_stats);
	if (s != UE_OK)
		return step_failed(d, &d->alice, "call", &d->call);
	if (idle)
		return fail(d, "Bob", "his end of the call does not end");
	narrate_step(&d->say, d->call.ms, "the call is over: %llu packets sent by Alice, %llu decrypted by Bob",
		     (unsigned long long)d->said_stats.sent, (unsigned long long)d->heard_stats.received);
	if (!ue_inspect_call(d->alice.ue, d->keys))
		search_server(d, 1);
	return 0;
}

int demo_bad_call(struct demo *d)
{
	const struct ue_call call = {.target = d->bob.user.mcptt, .audio = {.send = d->speech}};
	/* The first call's offer is still to be judged; keep it from being overwritten. */
	char offered[2][2 * DEMO_IMESSAGE];
	struct demo_end *ends[] = {&d->alice, &d->bob};
	for (size_t i = 0; i < 2; i++) {
		memcpy(offered[i], ends[i]->key_mgmt, sizeof offered[i]);
		reset(ends[i]);
	}
	d->flip = 1;
	ue_call(d->alice.ue, &call, &d->bad_call);
	ue_wait_idle(d->bob.ue, IDLE_MS);
	narrate_step(&d->say, d->bad_call.ms, "a second call, octet %d of its I_MESSAGE changed, ends: %d, Warning %d",
		     d->flip - 1, d->bad_call.sip_status, d->bad_call.warning);
	for (size_t i = 0; i < 2; i++)
		memcpy(ends[i]->key_mgmt, offered[i], sizeof offered[i]);
	return 0;
}

void demo_log_off(struct demo *d)
{
	struct demo_end *ends[] = {&d->alice, &d->bob};
	for (size_t i = 0; i < 2; i++) {
		struct ue_report r;
		if (ends[i]->ue && ue_log_off(ends[i]->ue, &r) == UE_OK)
			narrate_step(&d->say, r.ms, "%s logs off", ends[i]->who);
	}
}

void demo_free(struct demo *d)
{
	ue_free(d->alice.ue);
	ue_free(d->bob.ue);
	wire_free(d->wire);
	mcsec_secret_free(d->keys);
}
