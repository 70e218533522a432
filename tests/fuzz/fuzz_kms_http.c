/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_kms_http.c - HTTP requests to mcx-kms, to its public and its admin interface, against the whole daemon but its
 * sockets: database, seal, keys, token checks. The input is a request as text; `Authorization: Bearer T` stands for a
 * good token of Alice. First octet: 0 public, 1 admin as an officer, 2 admin as somebody without a role.
 *
 * Invariants: every request has one well-formed answer; keys leave only for Alice's own identity and only with her
 * token; nobody without a role gets a 2xx from the admin interface but its health; nothing stays in secret memory.
 */
#include "daemon_folder.h"
#include "handler.h"
#include "kms/context.h"
#include "mcsec/secret.h"

static struct kms *kms;
static struct kms_config config;

static int64_t noon(void)
{
	return 1767225700;
}

static void defaults(void)
{
	char path[64], err[256] = "";
	snprintf(path, sizeof path, "%s/conf", daemon_folder);
	daemon_file("conf", "uri = \"kms.run.mcx.test\"\ntls = \"x\"\nadmin_ca = \"x\"\ndatabase = \"db\"\n"
			    "passphrase = \"passphrase\"\nissuer = \"https://idms.a.example\"\n"
			    "audience = \"https://mc.a.example\"\njwks_file = \"jwks\"\n"
			    "limit_hour = 0\nlimit_period = 0\nlimit_source = 0\nthreads = 1\n"
			    "directory = { \"*@run.mcx.test=kms.run.mcx.test\" }\n");
	HOLDS(config_load(path, kms_options, kms_n_options, &config, err, sizeof err) == 0);
	HOLDS(kms_config_complete(&config, err, sizeof err) == 0);
}

static void start(void)
{
	char err[256] = "";
	struct token_signer *s = token_signer_generate(TOKEN_ES256);
	char *jwks = token_jwks((const struct token_signer *const[]){s}, 1);
	daemon_folder_make();
	daemon_file("passphrase", "a passphrase that is long enough");
	daemon_file("jwks", jwks);
	free(jwks);
	handler_token(token_sign(s, "at+jwt",
				 "{\"iss\":\"https://idms.a.example\",\"aud\":[\"https://mc.a.example\"],\"sub\":\"u\","
				 "\"client_id\":\"c\",\"iat\":1767225600,\"exp\":1767229200,\"jti\":\"1\","
				 "\"scope\":\"openid 3gpp:mc:ptt_key_management_service\","
				 "\"mcptt_id\":\"sip:alice@run.mcx.test\",\"auth_time\":1767225600}"));
	token_signer_free(s);
	defaults();
	kms = kms_open(&config, err, sizeof err);
	if (!kms)
		fprintf(stderr, "%s\n", err);
	HOLDS(kms);
	kms->now = noon;
	const struct http_server_options public = {.handler = kms_answer, .ctx = kms, .max_body = KMS_MAX_REQUEST},
					 admin = {.handler = kms_admin_answer, .ctx = kms, .max_body = 64 * 1024};
	HOLDS(http_server_start(&public, err, sizeof err) && http_server_start(&admin, err, sizeof err));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct http_client_cert nobody = {.present = 1, .subject = "CN=x", .common_name = "x"};
	if (!kms)
		start();
	if (size < 1)
		return 0;
	size_t secret = mcsec_secret_in_use();
	unsigned who = data[0] % 3;
	int status = handler_run(who != 0, who == 1 ? &handler_officer : who == 2 ? &nobody : NULL, data + 1, size - 1);
	const char *body = handler_body();
	if (who == 0 && status == 200 && strstr(body, "UserDecryptKey"))
		HOLDS(strstr((const char *)body, ">sip:alice@run.mcx.test<") && memmem(data, size, "Bearer T", 8));
	if (who == 2 && status / 100 == 2)
		HOLDS(memmem(data, size, "z", 1) || memmem(data, size, "/metrics", 8));
	if (issuer_is_sealed(kms->issuer))
		HOLDS(kms_unseal(kms) == CUSTODY_OK);
	else
		HOLDS(mcsec_secret_in_use() == secret);
	return 0;
}
