/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_server_admin.c - HTTP requests to the admin interface of mcx-server, against the whole daemon but this socket.
 * The input is a request as text. First octet: 0 as an officer, 1 as somebody without a role. The daemon knows one user
 * and has bindings 1 to 64, half of them his; there is no KMS, so that no key can be given.
 *
 * Invariants: every request has one well-formed answer; nobody without a role gets a 2xx but for the health; what was
 * put for a user is what is then read.
 */
#include "daemon_folder.h"
#include "handler.h"
#include "server/server.h"

struct server_keys *server_keys_start(const struct server_config *cfg)
{
	(void)cfg;
	return malloc(1);
}

void server_keys_stop(struct server_keys *k)
{
	free(k);
}

/* There are none: this daemon has never reached its KMS. */
struct server_book *server_keys_book(struct server_keys *k)
{
	(void)k;
	return NULL;
}

const struct mcsec_im_book *server_book_tables(const struct server_book *b)
{
	(void)b;
	return NULL;
}

const struct suite_list *server_book_suites(const struct server_book *b)
{
	(void)b;
	return NULL;
}

void server_book_release(struct server_book *b)
{
	(void)b;
}

void server_keys_renew(struct server_keys *k)
{
	(void)k;
}

static struct server *server;

static void bind_clients(const struct server_config *cfg)
{
	char err[512] = "";
	struct seal *seal = seal_open(cfg->seal_key, cfg->passphrase, 1, err, sizeof err);
	struct db *d =
	    seal ? db_open(&(struct db_options){cfg->database, cfg->host, 5000, seal}, err, sizeof err) : NULL;
	const struct db_user alice = {"sip:alice@a.test", "manual", 1, 0, 1, "kms.a.test"};
	HOLDS(d && db_put_user(d, &alice, "CN=x") == STORE_OK);
	for (int i = 0; i < 64; i++) {
		static struct db_change c;
		struct db_binding *b = &c.rows[0];
		c = (struct db_change){.n = 1};
		*b = (struct db_binding){.service = (enum mcx_service)(i % MCX_SERVICES),
					 .peer = "udp:127.0.0.1:9",
					 .expires = db_now() + 100000};
		snprintf(b->impu, sizeof b->impu, "sip:impu%d@a.test", i);
		snprintf(b->client_id, sizeof b->client_id, "urn:uuid:%d", i);
		snprintf(b->contact, sizeof b->contact, "sip:c%d@127.0.0.1:9", i);
		snprintf(b->mcptt_id, sizeof b->mcptt_id, "%s", i % 2 ? alice.mcptt_id : "");
		HOLDS(db_store_change(d, &c, NULL, (struct octets){0}, NULL) == SA_STORED_OK);
	}
	db_close(d);
	seal_close(seal);
}

static void start(void)
{
	static struct server_config config;
	char path[64], err[512] = "";
	daemon_folder_make();
	snprintf(path, sizeof path, "%s/conf", daemon_folder);
	daemon_file("conf", "host = \"sip.a.test\"\npsi = \"sip:mcptt@a.test\"\nsip_port = 0\nsips_port = 0\n"
			    "transports = { \"tcp\" }\ntls = \"x\"\ntls_dir = \"x\"\nca = \"x\"\nadmin_ca = \"x\"\n"
			    "database = \"db\"\nkms = \"https://kms.a.test\"\nissuer = \"https://idms.a.test\"\n"
			    "audience = \"https://mc.a.test\"\n");
	HOLDS(config_load(path, server_options, server_n_options, &config, err, sizeof err) == 0);
	bind_clients(&config);
	server = server_start(&config, err, sizeof err);
	if (!server)
		fprintf(stderr, "%s\n", err);
	HOLDS(server);
}

/* GET of the same path as a PUT that was answered 200. */
static void read_back(const uint8_t *text, size_t size)
{
	char get[2048];
	const uint8_t *space = memchr(text + 4, ' ', size - 4);
	int n = space ? snprintf(get, sizeof get, "GET %.*s HTTP/1.1\r\n\r\n", (int)(space - text - 4), text + 4) : 0;
	if (n > 0 && (size_t)n < sizeof get) {
		HOLDS(handler_run(0, &handler_officer, (const uint8_t *)get, (size_t)n) == 200);
		HOLDS(strstr(handler_body(), "\"mcptt_id\":") && strstr(handler_body(), "\"answer-mode\":"));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct http_client_cert nobody = {.present = 1, .subject = "CN=x", .common_name = "x"};
	if (!server)
		start();
	if (size < 1)
		return 0;
	int officer = data[0] % 2 == 0;
	int status = handler_run(0, officer ? &handler_officer : &nobody, data + 1, size - 1);
	if (!officer && status / 100 == 2)
		HOLDS(memmem(data, size, "z", 1) || memmem(data, size, "/metrics", 8));
	if (officer && status == 200 && size > 5 && !memcmp(data + 1, "PUT ", 4))
		read_back(data + 1, size - 1);
	return 0;
}
