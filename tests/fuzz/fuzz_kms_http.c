/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_kms_http.c - HTTP requests to mcx-kms, to its public and its admin interface, against the whole daemon but its
 * sockets and its issuing process: database, keys, token checks. The input is a request as text; `Authorization: Bearer
 * T` stands for a good token of Alice. First octet: 0 public, 1 admin as an officer, 2 admin as somebody without a
 * role.
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

/* ---- in place of src/kms/issuer.c: the master secret in this process ---- */

struct issuer {
	struct mcsec_master *master;
	struct mcsec_kms *public;
	int sealed;
};

int __wrap_confine_front(void);
int __wrap_confine_front(void)
{
	return 0;
}

const char *issuer_life_name(enum issuer_life l)
{
	return l == ISSUER_LIFE_SEALED ? "sealed" : "unsealed";
}

struct issuer *issuer_new(const struct issuer_options *o, char *err, size_t err_size)
{
	(void)o, (void)err, (void)err_size;
	return calloc(1, sizeof(struct issuer));
}

int issuer_watch(struct issuer *i)
{
	(void)i;
	return 0;
}

void issuer_free(struct issuer *i)
{
	mcsec_master_free(i->master);
	mcsec_kms_free(i->public);
	free(i);
}

enum custody_err issuer_create(struct issuer *i, const char *kms_uri, const struct mcsec_periods *periods,
			       uint8_t kpak[MCSEC_KPAK_LEN], uint8_t z_pub[MCSEC_ZPUB_LEN],
			       uint8_t sealed[ISSUER_SEALED_MAX], size_t *sealed_len)
{
	(void)kms_uri, (void)periods;
	HOLDS(mcsec_master_generate(&i->master, &mcsec_rng_system) == MCSEC_OK);
	mcsec_master_public(i->master, kpak, z_pub);
	HOLDS(mcsec_kms_new(&i->public, kpak, z_pub) == MCSEC_OK);
	memset(sealed, 1, 64);
	*sealed_len = 64;
	return CUSTODY_OK;
}

enum custody_err issuer_unseal(struct issuer *i, const struct kms_certificate *cert, struct octets sealed)
{
	(void)cert, (void)sealed;
	i->sealed = 0;
	return CUSTODY_OK;
}

void issuer_seal(struct issuer *i)
{
	i->sealed = 1;
}

enum issuer_life issuer_life(struct issuer *i)
{
	return i->sealed ? ISSUER_LIFE_SEALED : ISSUER_LIFE_UNSEALED;
}

int issuer_is_sealed(struct issuer *i)
{
	return i->sealed;
}

enum mcsec_err issuer_ask_state(struct issuer *i, struct issuer_state *out)
{
	*out = (struct issuer_state){.sealed = (uint8_t)i->sealed, .locked = 1};
	return MCSEC_OK;
}

enum mcsec_err issuer_give_share(struct issuer *i, struct octets parcel, struct issuer_verdict *out)
{
	(void)i, (void)parcel, (void)out;
	return MCSEC_E_UNSUPPORTED;
}

enum mcsec_err issuer_issue(struct issuer *i, const struct kms_certificate *cert, uint64_t number, const char *identity,
			    uint64_t period_no, struct kms_key_set *out)
{
	struct kms_key_secret *secret = out->secret;
	struct mcsec_issued set;
	if (i->sealed)
		return MCSEC_E_NO_KEYS;
	*out = (struct kms_key_set){.secret = secret,
				    .period_no = period_no,
				    .valid_from =
					(int64_t)(mcsec_period_start(&cert->periods, period_no) - MCSEC_NTP_UNIX)};
	out->valid_to = out->valid_from + (int64_t)cert->periods.period;
	snprintf(out->kms_uri, sizeof out->kms_uri, "%s", cert->kms_uri);
	snprintf(out->cert_uri, sizeof out->cert_uri, "%s", cert->cert_uri);
	snprintf(out->user_uri, sizeof out->user_uri, "%s", identity);
	if (mcsec_uid(identity, cert->kms_uri, &cert->periods, period_no, out->uid) ||
	    mcsec_master_issue(i->master, &mcsec_rng_system, number, out->uid, sizeof out->uid, &set))
		return MCSEC_E_ARGUMENT;
	memcpy(out->pvt, set.pvt, sizeof out->pvt);
	memcpy(out->secret->rsk, set.rsk, sizeof out->secret->rsk);
	memcpy(out->secret->ssk, set.ssk, sizeof out->secret->ssk);
	mcsec_wipe(&set, sizeof set);
	return MCSEC_OK;
}

/* ---- the daemon ---- */

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

/* Its threads end before the libraries' own ends. */
static void stop(void)
{
	kms_close(kms);
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
	HOLDS(kms && atexit(stop) == 0);
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
	kms->issuer->sealed = 0;
	HOLDS(mcsec_secret_in_use() == secret);
	return 0;
}
