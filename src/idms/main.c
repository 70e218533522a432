/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - mcx-idms, the identity management server of TS 33.180, as a process. */
#include <stdio.h>

#include "app/daemon.h"
#include "idms/context.h"

static int start(void **ctx, const void *config, char *ready, size_t ready_size, char *err, size_t err_size)
{
	struct idms *s = idms_start(config, NULL, err, err_size);
	if (!s)
		return -1;
	snprintf(ready, ready_size, "\"port\":%u,\"admin_port\":%u", http_server_port(s->public_),
		 http_server_port(s->admin));
	*ctx = s;
	return 0;
}

static void stop(void *ctx)
{
	idms_stop(ctx);
}

int main(int argc, char **argv)
{
	struct daemon_spec spec = {
	    .name = "mcx-idms",
	    .purpose = "The identity server of a mission critical domain (OpenID Connect, TS 33.180 annex B).",
	    .options = idms_options,
	    .n_options = idms_n_options,
	    .config_size = sizeof(struct idms_config),
	    .start = start,
	    .stop = stop,
	};
	return daemon_main(argc, argv, &spec);
}
