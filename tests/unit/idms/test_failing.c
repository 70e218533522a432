/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_failing.c - a database or a random source that fails in the middle of a request (identity.md 14): each call that
 * a request makes fails once, alone. The answer is then the one it always gives, or 503 with Retry-After; after a 503
 * nothing was half done: the very same request is good once more, and a code or token is not used up by it.
 */
#include <dirent.h>
#include <openssl/pem.h>

#include "fuzz/failing.h"
#include "lab_idms.h"

enum { RUNS_MAX = 400, TEXT = 9000 };

#define ACCOUNT "/admin/v1/users/alice%40a.example"
#define OTHER   "/admin/v1/users/dave%40a.example"
#define CLIENT  "/admin/v1/clients/gms-1"

/* What a request is made with; filled in while nothing fails. */
static char code[64], token[64], access_token[3000], session[200], device[200], tx[64], gms_secret[64];

static void keep(char *out, size_t size, const char *text)
{
	assert_true(strlen(text) > 0 && strlen(text) < size);
	strcpy(out, text);
}

static void nothing(void)
{
}

static void fresh_form(void)
{
	pass_s(600); /* no throttle of an earlier try is in the way */
	struct reply r = get(AUTHORIZE);
	keep(tx, sizeof tx, tx_of(&r));
}

static void fresh_code(void)
{
	pass_s(600);
	keep(code, sizeof code, new_code());
}

/* A right sign-in forgets the wrong ones before. */
static void form_after_sign_in(void)
{
	fresh_code();
	fresh_form();
}

static void used_code(void)
{
	fresh_code();
	assert_int_equal(redeem(code).status, 200);
}

static void fresh_tokens(void)
{
	fresh_code();
	struct reply r = redeem(code);
	keep(token, sizeof token, member(&r, "refresh_token"));
	keep(access_token, sizeof access_token, member(&r, "access_token"));
}

/* A token that was rotated a while ago: whoever shows it now has copied it. */
static void stolen_token(void)
{
	fresh_tokens();
	assert_int_equal(refresh(token).status, 200);
	pass_s(60);
}

static void fresh_session(void)
{
	pass_s(600);
	struct reply r = log_in_at(AUTHORIZE, ALICE, PASSWORD);
	const char *at = strstr(r.cookie, "__Host-mcxsid=");
	assert_non_null(at);
	snprintf(session, sizeof session, "%.*s", (int)strcspn(at, ";"), at);
	at = strstr(r.cookie, "__Host-mcxdev=");
	assert_non_null(at);
	snprintf(device, sizeof device, "%.*s", (int)strcspn(at, ";"), at);
}

static void known_device(void)
{
	fresh_session();
	fresh_form();
}

static void enabled_with_tokens(void)
{
	assert_int_equal(
	    admin("PUT", ACCOUNT, "{\"display\":\"Test\",\"services\":{\"ptt\":\"sip:alice@mcptt.a.example\"}}").status,
	    200);
	fresh_tokens();
}

static void other_account(void)
{
	struct reply r = admin("PUT", OTHER, "{\"display\":\"Dave\",\"services\":{}}");
	assert_true(r.status == 200 || r.status == 201);
}

static void no_other_account(void)
{
	struct reply r = admin("DELETE", OTHER, NULL);
	assert_true(r.status == 200 || r.status == 404);
}

static void other_client(void)
{
	struct reply r = admin("PUT", CLIENT,
			       "{\"type\":\"resource_server\",\"token_endpoint_auth_method\":\"client_secret_basic\"}");
	assert_true(r.status == 200 || r.status == 201);
}

static void gms_and_tokens(void)
{
	other_client();
	struct reply r = admin("POST", CLIENT "/secret", NULL);
	keep(gms_secret, sizeof gms_secret, member(&r, "client_secret"));
	fresh_tokens();
}

static void old_keys(void)
{
	pass_s(2 * 86400);
}

/* So many keys in turn that one is gone before it comes again, of the length that is quick to make; the linker puts
 * this before the real one. */
struct token_signer *__real_token_signer_generate(enum token_alg alg);
struct token_signer *__wrap_token_signer_generate(enum token_alg alg);

struct token_signer *__wrap_token_signer_generate(enum token_alg alg)
{
	enum { KEYS = 16 };
	static BIO *made[KEYS];
	static unsigned n;
	char *pem;
	if (alg != TOKEN_RS256)
		return __real_token_signer_generate(alg);
	BIO **out = &made[n++ % KEYS];
	if (!*out) {
		EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
		*out = BIO_new(BIO_s_mem());
		assert_int_equal(PEM_write_bio_PKCS8PrivateKey(*out, key, NULL, NULL, 0, NULL, NULL), 1);
		EVP_PKEY_free(key);
	}
	long len = BIO_get_mem_data(*out, &pem);
	return token_signer_load((struct octets){(const uint8_t *)pem, (size_t)len});
}

/* ---- the requests ---- */

static struct reply ask_for_form(void)
{
	return get(AUTHORIZE);
}

static struct reply sign_in(void)
{
	return submit(tx, ALICE, PASSWORD);
}

static struct reply sign_in_wrongly(void)
{
	return submit(tx, ALICE, "wrong wrong");
}

static struct reply sign_in_as_nobody(void)
{
	static unsigned n; /* each time another, or the throttle answers */
	char name[40];
	snprintf(name, sizeof name, "nobody%u@x", n++);
	return submit(tx, name, "wrong wrong");
}

static struct reply sign_in_from_known_device(void)
{
	char form[300];
	snprintf(form, sizeof form, "tx=%s&username=alice%%40a.example&password=correct+horse+battery", tx);
	return post_with("/login", form, device, NULL);
}

static struct reply ask_with_session(void)
{
	return get_with(AUTHORIZE, session);
}

static struct reply redeem_code(void)
{
	return redeem(code);
}

static struct reply refresh_token(void)
{
	return refresh(token);
}

static struct reply ask_userinfo(void)
{
	return userinfo(access_token);
}

static struct reply take_back(const char *what)
{
	char form[TEXT];
	snprintf(form, sizeof form, "client_id=mcx-ue&token=%s", what);
	return post("/revoke", form);
}

static struct reply revoke_refresh(void)
{
	return take_back(token);
}

static struct reply revoke_access(void)
{
	return take_back(access_token);
}

static struct reply introspect(void)
{
	char form[TEXT], pair[200], basic[300] = "Basic ";
	snprintf(pair, sizeof pair, "gms-1:%s", gms_secret);
	base64_encode(octets_of(pair), basic + strlen(basic));
	snprintf(form, sizeof form, "token=%s", access_token);
	return post_with("/introspect", form, NULL, basic);
}

static struct reply put_account(void)
{
	return admin("PUT", OTHER, "{\"display\":\"Dave\",\"services\":{\"ptt\":\"sip:dave@mcptt.a.example\"}}");
}

static struct reply take_rights(void)
{
	return admin("PUT", ACCOUNT, "{\"display\":\"Test\",\"enabled\":false,\"services\":{}}");
}

static struct reply set_password(void)
{
	return admin("POST", OTHER "/password", "{\"password\":\"another good one\"}");
}

#define ADMIN(name, method, target, body)                                                                              \
	static struct reply name(void)                                                                                 \
	{                                                                                                              \
		return admin(method, target, body);                                                                    \
	}
ADMIN(get_account, "GET", ACCOUNT, NULL)
ADMIN(list_accounts, "GET", "/admin/v1/users", NULL)
ADMIN(unlock_account, "POST", ACCOUNT "/unlock", NULL)
ADMIN(cut_account, "POST", ACCOUNT "/cut", NULL)
ADMIN(delete_account, "DELETE", OTHER, NULL)
ADMIN(get_client, "GET", "/admin/v1/clients/mcx-ue", NULL)
ADMIN(list_clients, "GET", "/admin/v1/clients", NULL)
ADMIN(put_client, "PUT", CLIENT,
      "{\"type\":\"resource_server\",\"token_endpoint_auth_method\":\"client_secret_basic\"}")
ADMIN(new_secret, "POST", CLIENT "/secret", NULL)
ADMIN(delete_client, "DELETE", CLIENT, NULL)
ADMIN(list_revoked, "GET", "/admin/v1/revoked", NULL)
ADMIN(touches_service, "GET", "/admin/v1/touches?id=sip%3Aalice%40mcptt.a.example", NULL)
ADMIN(rotate, "POST", "/admin/v1/keys/rotate", NULL)
ADMIN(rotate_in_emergency, "POST", "/admin/v1/keys/rotate", "{\"emergency\":true}")
ADMIN(list_keys, "GET", "/admin/v1/keys", NULL)

/* The keys in use are those that are stored, and there is a file for each and no other. */
static void keys_hold(void)
{
	struct reply r = list_keys();
	json_t *list = json_of(&r), *k;
	size_t i, files = 0, rows = 0;
	pthread_mutex_lock(&idms->db_lock);
	json_array_foreach(list, i, k)
	{
		struct store_stmt *st =
		    store_sql(idms->store, "SELECT count(*) FROM signing_key WHERE kid = ?1 AND state = ?2");
		store_bind_text(st, 1, json_string_value(json_object_get(k, "kid")));
		store_bind_text(st, 2, json_string_value(json_object_get(k, "state")));
		assert_int_equal(store_step(st), STORE_ROW);
		assert_int_equal(store_int(st, 0), 1);
		store_reset(st);
	}
	struct store_stmt *st = store_sql(idms->store, "SELECT count(*) FROM signing_key");
	assert_int_equal(store_step(st), STORE_ROW);
	rows = (size_t)store_int(st, 0);
	store_reset(st);
	pthread_mutex_unlock(&idms->db_lock);
	assert_int_equal(json_array_size(list), rows);
	json_decref(list);
	DIR *d = opendir(config.keys);
	for (struct dirent *e = readdir(d); e; e = readdir(d))
		files += e->d_name[0] != '.';
	closedir(d);
	assert_int_equal(files, rows);
}

static const struct deed {
	const char *name;
	void (*prepare)(void);
	struct reply (*act)(void);
	int status;          /* when nothing fails */
	void (*holds)(void); /* afterwards, however it went */
} deeds[] = {
    {"the form", nothing, ask_for_form, 200, NULL},
    {"a sign-in", fresh_form, sign_in, 302, NULL},
    {"a wrong sign-in", form_after_sign_in, sign_in_wrongly, 200, NULL},
    {"nobody's sign-in", fresh_form, sign_in_as_nobody, 200, NULL},
    {"a sign-in from a known device", known_device, sign_in_from_known_device, 302, NULL},
    {"a session", fresh_session, ask_with_session, 302, NULL},
    {"a code", fresh_code, redeem_code, 200, NULL},
    {"a code shown twice", used_code, redeem_code, 400, NULL},
    {"a refresh", fresh_tokens, refresh_token, 200, NULL},
    {"a stolen refresh", stolen_token, refresh_token, 400, NULL},
    {"userinfo", fresh_tokens, ask_userinfo, 200, NULL},
    {"introspection", gms_and_tokens, introspect, 200, NULL},
    {"revocation of a family", fresh_tokens, revoke_refresh, 200, NULL},
    {"revocation of a token", fresh_tokens, revoke_access, 200, NULL},
    {"an account", nothing, get_account, 200, NULL},
    {"all accounts", nothing, list_accounts, 200, NULL},
    {"a new account", no_other_account, put_account, 201, NULL},
    {"a new password", other_account, set_password, 204, NULL},
    {"an unlocked account", nothing, unlock_account, 200, NULL},
    {"a cut account", fresh_tokens, cut_account, 200, NULL},
    {"a deleted account", other_account, delete_account, 200, NULL},
    {"a client", nothing, get_client, 200, NULL},
    {"all clients", nothing, list_clients, 200, NULL},
    {"a changed client", other_client, put_client, 200, NULL},
    {"a new secret", other_client, new_secret, 200, NULL},
    {"a deleted client", other_client, delete_client, 204, NULL},
    {"what is revoked", nothing, list_revoked, 200, NULL},
    {"what an identity touches", nothing, touches_service, 200, NULL},
    {"a rotation", old_keys, rotate, 200, keys_hold},
    {"an emergency rotation", old_keys, rotate_in_emergency, 200, keys_hold},
    {"the keys", nothing, list_keys, 200, NULL},
    {"an account without its rights", enabled_with_tokens, take_rights, 200, NULL},
};

/* Is it the 503 of this interface? What a person sees keeps the form for another try. */
static void expect_unavailable(const struct deed *d, const struct reply *r)
{
	if (r->status != 503)
		fail_msg("%s: %d %s %s, neither %d nor 503", d->name, r->status, r->location, r->body, d->status);
	const char *again = tx_of(r);
	if (again[0])
		strcpy(tx, again);
}

/* Until nothing is left to fail. How many calls failed. */
static unsigned try_all(const struct deed *d)
{
	failing_forget();
	for (unsigned n = 0; n < RUNS_MAX; n++) {
		d->prepare();
		failing_begin();
		struct reply r = d->act();
		int failed = failing_end() != FAILING_NONE;
		if (d->holds)
			d->holds();
		if (!failed) {
			assert_int_equal(r.status, d->status);
			return n;
		}
		if (r.status == d->status)
			continue;
		expect_unavailable(d, &r);
		r = d->act();
		if (r.status != d->status)
			fail_msg("%s: %d %s %s in place of %d after a 503", d->name, r.status, r.location, r.body,
				 d->status);
	}
	fail_msg("%s never came to an end", d->name);
	return 0;
}

static void each_call_that_fails_is_503_and_nothing_is_half_done(void **state)
{
	unsigned all = 0;
	(void)state;
	for (size_t i = 0; i < sizeof deeds / sizeof *deeds; i++) {
		unsigned n = try_all(&deeds[i]);
		print_message("# %s: %u calls failed\n", deeds[i].name, n);
		all += n;
	}
	assert_true(all > 100);
}

/* Every change that was answered with success is in the record, and the record is whole. */
static void the_audit_record_is_whole_after_all_of_it(void **state)
{
	struct audit_finding found;
	(void)state;
	assert_int_equal(audit_verify(config.database, NULL, &found), 0);
	assert_true(found.records > 100);
}

static int set_up(void **state)
{
	(void)state;
	lab_idms_open();
	/* Cheap hashes: there are many. The password kept so far is of another cost, so the first sign-in changes it.
	 */
	config.argon2_memory_kib = 64;
	config.argon2_passes = 1;
	restart_idms();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	lab_idms_close();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_call_that_fails_is_503_and_nothing_is_half_done),
	    cmocka_unit_test(the_audit_record_is_whole_after_all_of_it),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
