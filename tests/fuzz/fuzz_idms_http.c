/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_idms_http.c - HTTP requests to mcx-idms, to its public and its admin interface, against the whole daemon but its
 * sockets. The input is a request as text. First octet: 0 public, 1 admin as an officer, 2 admin without a role.
 *
 * Invariants: every request has one well-formed answer; no token, code or session comes out of a guess; nobody without
 * a role gets a 2xx from the admin interface but its health.
 */
#include "daemon_folder.h"
#include "handler.h"
#include "idms/context.h"

static struct idms *idms;

/* Its threads end before the libraries' own ends. */
static void stop(void)
{
	idms_stop(idms);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
/* Before the first case, for a daemon's first keys take a loaded machine longer than any case may. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static struct idms_config config;
	char path[64], err[256] = "";
	(void)argc, (void)argv;
	daemon_folder_make();
	snprintf(path, sizeof path, "%s/conf", daemon_folder);
	daemon_file("conf", "issuer = \"https://idms.a.example\"\naudience = \"https://mc.a.example\"\ntls = \"x\"\n"
			    "admin_ca = \"x\"\ndatabase = \"db\"\nargon2_memory_kib = 19456\nargon2_passes = 2\n"
			    "argon2_threads = 1\nlogin_pages_per_s = 100000\nsource_failures = 100000\n"
			    "token_rate = 100000\n");
	HOLDS(config_load(path, idms_options, idms_n_options, &config, err, sizeof err) == 0);
	idms = idms_start(&config, NULL, err, sizeof err);
	if (!idms)
		fprintf(stderr, "%s\n", err);
	HOLDS(idms && atexit(stop) == 0);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct http_client_cert nobody = {.present = 1, .subject = "CN=x", .common_name = "x"};
	if (size < 1)
		return 0;
	unsigned who = data[0] % 3;
	int status = handler_run(who != 0, who == 1 ? &handler_officer : who == 2 ? &nobody : NULL, data + 1, size - 1);
	HOLDS(who != 0 || !strstr(handler_body(), "\"access_token\""));
	if (who == 2 && status / 100 == 2)
		HOLDS(memmem(data, size, "z", 1) || memmem(data, size, "/metrics", 8));
	return 0;
}
