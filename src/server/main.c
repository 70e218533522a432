/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - mcx-server, the MC service server of a domain (TS 33.180; TS 24.379). See docs/man/mcx-server.8. */
#include "app/daemon.h"
#include "app/log.h"
#include "net/http.h"
#include "server/server.h"

#include <stdio.h>

static int start(void **ctx, const void *config, char *ready, size_t ready_size, char *err, size_t err_size)
{
	if (mcsec_ibc_self_test() != MCSEC_OK) {
		snprintf(err, err_size, "the self-test of the identity-based cryptography failed");
		return -1;
	}
	const struct server_config *c = config;
	struct server *s = server_start(c, err, err_size);
	if (!s)
		return -1;
	snprintf(ready, ready_size,
		 "\"sip_port\":%u,\"sips_port\":%u,\"admin_port\":%u,\"xml_confidentiality\":%s,\"xml_integrity\":%s",
		 s->sip_number, s->sips_number, http_server_port(s->admin), c->xml_confidentiality ? "true" : "false",
		 c->xml_integrity ? "true" : "false");
	if (c->xml_confidentiality && c->xml_integrity)
		log_info("xml.protection", log_text("state", "encrypted and signed"));
	else
		log_warn("xml.protection", log_text("state", "reduced by configuration"),
			 log_int("confidentiality", c->xml_confidentiality), log_int("integrity", c->xml_integrity));
	*ctx = s;
	return 0;
}

static void stop(void *ctx)
{
	server_stop(ctx);
}

static void reload(void *ctx)
{
	struct server *s = ctx;
	server_keys_renew(s->keys);
	jwks_cache_expire(s->jwks);
}

int main(int argc, char **argv)
{
	struct daemon_spec spec = {.name = "mcx-server",
				   .purpose = "MC service server: service authorisation, private calls",
				   .options = server_options,
				   .n_options = server_n_options,
				   .config_size = sizeof(struct server_config),
				   .start = start,
				   .stop = stop,
				   .reload = reload};
	return daemon_main(argc, argv, &spec);
}
