/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c - mcx-kms, the key management server of a security domain (TS 33.180 5.3, annex D).
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/daemon.h"
#include "kms/watch.h"

enum { ADMIN_THREADS = 2, ADMIN_MAX_BODY = 64 * 1024 };

struct running {
	struct kms_config config;
	struct kms *kms;
	struct http_server *public, *admin;
};

static void stop(void *ctx)
{
	struct running *r = ctx;
	if (r->kms)
		kms_watch_listener(r->kms->watch, NULL);
	if (r->public)
		http_server_stop(r->public); /* running requests finish */
	if (r->admin)
		http_server_stop(r->admin);
	if (r->kms)
		kms_watch_stop(r->kms->watch);
	kms_close(r->kms);
	free(r);
}

static int listen_all(struct running *r, char *err, size_t err_size)
{
	const struct kms_config *c = &r->config;
	struct http_server_options o = {.address = c->address,
					.port = (uint16_t)c->port,
					.cert_file = c->tls,
					.key_file = c->tls_key,
					.client_ca_file = c->client_ca[0] ? c->client_ca : NULL,
					.max_body = KMS_MAX_REQUEST,
					.threads = (unsigned)c->threads,
					.max_connections = (unsigned)c->max_connections,
					.max_per_peer = (unsigned)c->max_per_peer,
					.new_per_peer = (unsigned)c->new_per_peer,
					.handler = kms_answer,
					.ctx = r->kms,
					.tls_said = kms_watch_tls_said};
	r->public = http_server_start(&o, err, err_size);
	o.port = (uint16_t)c->admin_port;
	o.client_ca_file = c->admin_ca;
	o.max_body = ADMIN_MAX_BODY;
	o.threads = ADMIN_THREADS;
	o.handler = kms_admin_answer;
	if (r->public)
		r->admin = http_server_start(&o, err, err_size);
	return r->public && r->admin ? 0 : -1;
}

/* What a library or a later program could be led astray by; before there are threads. */
static void scrub_environment(void)
{
	static const char *const kept[] = {
	    "CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "MCX_LOG",       "TZ",          "LANG", "PATH",
	    "SOFTHSM2_CONF",         "ASAN_OPTIONS",  "UBSAN_OPTIONS", "LSAN_OPTIONS"};
	enum { KEPT = sizeof kept / sizeof *kept };
	char *value[KEPT] = {0};
	for (size_t i = 0; i < KEPT; i++) {
		const char *text = getenv(kept[i]);
		value[i] = text ? strdup(text) : NULL;
	}
	clearenv();
	for (size_t i = 0; i < KEPT; i++) {
		if (value[i])
			setenv(kept[i], value[i], 1);
		free(value[i]);
	}
}

static int start(void **ctx, const void *config, char *ready, size_t ready_size, char *err, size_t err_size)
{
	struct running *r = calloc(1, sizeof *r);
	if (!r) {
		snprintf(err, err_size, "no memory");
		return -1;
	}
	scrub_environment();
	signal(SIGXFSZ, SIG_IGN); /* a file size limit is a full disk (503), not our death */
	r->config = *(const struct kms_config *)config;
	if (!kms_config_complete(&r->config, err, err_size))
		r->kms = kms_open(&r->config, err, err_size);
	if (r->kms)
		r->kms->watch = kms_watch_start(r->kms, err, err_size);
	if (!r->kms || !r->kms->watch || listen_all(r, err, err_size)) {
		stop(r);
		return -1;
	}
	kms_watch_listener(r->kms->watch, r->public);
	snprintf(ready, ready_size, "\"port\":%u,\"admin_port\":%u,\"state\":\"%s\"", http_server_port(r->public),
		 http_server_port(r->admin), issuer_life_name(issuer_life(r->kms->issuer)));
	*ctx = r;
	return 0;
}

static int reconfigure(void *ctx, void *config, char *err, size_t err_size)
{
	return kms_reconfigure(((struct running *)ctx)->kms, config, err, err_size);
}

int main(int argc, char **argv)
{
	const struct daemon_spec spec = {.name = "mcx-kms",
					 .purpose =
					     "Key management server: issues identity-based keys to the users and "
					     "servers of one security domain.",
					 .options = kms_options,
					 .n_options = kms_n_options,
					 .config_size = sizeof(struct kms_config),
					 .start = start,
					 .stop = stop,
					 .reconfigure = reconfigure};
	return daemon_main(argc, argv, &spec);
}
