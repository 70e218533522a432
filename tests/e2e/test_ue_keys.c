/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_ue_keys.c - a client engine and a real mcx-kms: identity keys fetched ahead, certificates of other domains, what
 * is wiped, what is kept sealed (kms.md 3.4, 8.1, 9, 10; MCX-SEC-112, 115, 122). Key periods last seconds here.
 */
#include <jansson.h>

#include "e2e/kms_lab.h"
#include "mcsec/secret.h"
#include "sec/base/text.h"
#include "ue/engine.h"

#define PARTNER "kms.partner.example"
#define SHORT   LAB_UNLIMITED "period = 12\npreprovision = 9\n"

enum { PATIENCE_S = 150 };

static struct kms_lab k;
static const struct kp_policy policy = {
    .window = 9, .retain = 1, .cache_every = 2, .patience = 86400, .skew_tell = 3600, .unknown_every = 0};
static _Atomic int alarms, expired;

static void on_event(void *ctx, const struct ue_event *ev)
{
	(void)ctx;
	alarms += ev->kind == UE_EV_ALARM;
	expired += ev->kind == UE_EV_KEYS_EXPIRED;
}

static int set_up(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	kl_make(&k, SHORT);
	kl_start(&k);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	kl_remove(&k);
	return 0;
}

/* A client of Alice, signed in; its folder has this name. */
static struct ue *client_at(const char *folder, const char *addresses)
{
	char err[512], dir[256];
	snprintf(dir, sizeof dir, "%s", kl_path(&k, folder));
	struct ue_config c = {.dir = dir,
			      .user = ALICE,
			      .idms_url = "https://idms.example.org",
			      .kms_url = addresses,
			      .kms_uri = LAB_KMS,
			      .ca_file = kl_path(&k, "ca.pem"),
			      .resolve = k.resolve,
			      .sip_psi = PSI,
			      .sip_route = "sip:127.0.0.1:1;transport=tcp",
			      .sip_address = "127.0.0.1",
			      .key_policy = &policy,
			      .on_event = on_event};
	struct ue *u = ue_new(&c, err, sizeof err);
	if (!u)
		fail_msg("%s", err);
	char *token = kl_token(&k, (struct kl_claims){.exp_in = 3600});
	snprintf(u->tokens->access, sizeof u->tokens->access, "%s", token);
	snprintf(u->tokens->mcptt_id, sizeof u->tokens->mcptt_id, ALICE);
	u->tokens->expires_at = u->tokens->refresh_at = time(NULL) + 3600;
	free(token);
	(void)ue_ring_load(u); /* as ue_new does it for one that kept its tokens */
	return u;
}

static struct ue *client(const char *folder)
{
	return client_at(folder, k.base);
}

/* ---- conditions, waited for ---- */

static int holds_next(struct ue *u)
{
	struct ue_ring *ring = ue_ring_ref(u);
	uint64_t now = ue_time_now();
	int yes = ue_ring_covers(ring, now) && ue_ring_covers(ring, now + 12);
	ue_ring_unref(u, ring);
	return yes;
}

static uint64_t newest(struct ue *u)
{
	struct ue_ring *ring = ue_ring_ref(u);
	uint64_t n = 0;
	for (size_t i = 0; ring && i < ring->n_keys; i++)
		n = ring->keys[i].set.period_no > n ? ring->keys[i].set.period_no : n;
	ue_ring_unref(u, ring);
	return n;
}

static size_t held(struct ue *u)
{
	struct ue_ring *ring = ue_ring_ref(u);
	size_t n = ring ? ring->n_keys : 0;
	ue_ring_unref(u, ring);
	return n;
}

static uint64_t first_period;
static int is_three_periods_on(struct ue *u)
{
	return newest(u) >= first_period + 3 && held(u) <= 3; /* the period before, this one, the next */
}

static int knows_partner(struct ue *u)
{
	return ue_kms_is_known(u, PARTNER);
}

static int knows_no_partner(struct ue *u)
{
	return !ue_kms_is_known(u, PARTNER);
}

static int holds_nothing(struct ue *u)
{
	struct ue_ring *ring = ue_ring_ref(u);
	ue_ring_unref(u, ring);
	return !ring;
}

static void wait_until(struct ue *u, int (*condition)(struct ue *u), const char *what)
{
	for (int64_t end = ue_clock_ms() + PATIENCE_S * 1000; !condition(u); usleep(20000))
		if (ue_clock_ms() > end)
			fail_msg("%s: not in %d s", what, PATIENCE_S);
}

/* ---- keys ---- */

static void mcx_sec_112_the_next_keys_are_fetched_ahead_period_after_period_and_rest_sealed(void **state)
{
	(void)state;
	struct ue *u = client("alice");
	assert_int_equal(ue_keep_keys(u), 0);
	assert_int_equal(ue_keep_keys(u), 0); /* one thread, not two */
	wait_until(u, holds_next, "keys of this and the next period");
	first_period = newest(u);
	wait_until(u, is_three_periods_on, "keys of later periods, older ones dropped");
	uint64_t last = newest(u);
	ue_free(u);
	u = client("alice"); /* nothing is asked: what was kept is read back */
	assert_true(newest(u) >= last);
	ue_free(u);
	FILE *f = fopen(kl_path(&k, "alice/db"), "r");
	static char text[4 << 20];
	size_t n = fread(text, 1, sizeof text, f);
	fclose(f);
	assert_true(n > 0);
	assert_null(memmem(text, n, "KmsKeySet", 9));
}

static void where_one_address_does_not_answer_the_next_is_asked(void **state)
{
	(void)state;
	char addresses[256];
	struct ue_report r;
	snprintf(addresses, sizeof addresses, "https://kms.test:1  %s", k.base);
	struct ue *u = client_at("second", addresses);
	assert_int_equal(ue_keep_keys(u), 0);
	wait_until(u, holds_next, "keys from the second address, in the background");
	ue_free(u);
	u = client_at("second-now", addresses);
	if (ue_provision(u, &r))
		fail_msg("%s", r.text);
	ue_free(u);
	u = client_at("nowhere", "https://kms.test:1 https://kms.test:2");
	assert_int_equal(ue_provision(u, &r), UE_KEYS);
	assert_non_null(strstr(r.text, "unreachable"));
	ue_free(u);
}

static int no_document(void *ctx, const char *name, struct octets secret)
{
	(void)name;
	(void)secret;
	++*(int *)ctx;
	return 0;
}

static void mcx_sec_115_a_revoked_user_loses_every_key_and_is_told_once(void **state)
{
	(void)state;
	int documents = 0;
	struct ue *u = client("revoked");
	alarms = 0;
	assert_int_equal(ue_keep_keys(u), 0);
	wait_until(u, holds_next, "keys");
	const char *path = "/admin/v1/users/sip%3Aalice%40example.org";
	assert_int_equal(kl_admin_status(&k, k.officer, "PUT", path, "{\"state\":\"revoked\"}"), 200);
	wait_until(u, holds_nothing, "the wipe");
	ue_free(u);
	assert_int_equal(alarms, 1);
	u = client("revoked");
	assert_int_equal(ue_store_each(u->store, "key-set/", no_document, &documents), 0);
	assert_int_equal(documents, 0);
	assert_true(holds_nothing(u));
	assert_int_equal(kl_admin_status(&k, k.officer, "PUT", path, "{\"state\":\"active\"}"), 200);
	assert_int_equal(ue_keep_keys(u), 0); /* taken back: a new start gets keys again */
	wait_until(u, holds_next, "keys again");
	ue_free(u);
}

/* ---- other domains ---- */

static void make_partner(char *xml, size_t size)
{
	struct mcsec_master *m;
	struct kms_certificate *c = calloc(1, sizeof *c);
	*c = (struct kms_certificate){.role = KMS_ROLE_ROOT,
				      .valid_from = time(NULL) - 60,
				      .valid_to = time(NULL) + 86400,
				      .user_id_format = "2",
				      .periods = {2592000, 0},
				      .parameter_set = 1};
	strcpy(c->kms_uri, PARTNER);
	strcpy(c->cert_uri, "cert1." PARTNER);
	assert_int_equal(mcsec_master_generate(&m, &mcsec_rng_system), MCSEC_OK);
	mcsec_master_public(m, c->pub_auth_key, c->pub_enc_key);
	mcsec_master_free(m);
	struct writer w = wr_init((uint8_t *)xml, size - 1);
	kms_certificate_write(&w, c);
	assert_int_equal(w.err, MCSEC_OK);
	xml[wr_len(&w)] = 0;
	free(c);
}

static void officers(const char *fingerprint, struct http_client *who, const char *action)
{
	char path[160];
	snprintf(path, sizeof path, "/admin/v1/extcerts/%s/%s", fingerprint, action);
	assert_int_equal(kl_admin_status(&k, who, "POST", path, NULL), 200);
}

static void mcx_sec_125_certificates_of_other_domains_come_are_kept_and_go(void **state)
{
	(void)state;
	static char xml[KMS_CERTIFICATE_BOUND];
	char fingerprint[65];
	struct ue *u = client("cache");
	assert_int_equal(ue_keep_keys(u), 0);
	wait_until(u, holds_next, "keys");
	assert_true(ue_kms_is_known(u, LAB_KMS));
	assert_false(ue_kms_is_known(u, PARTNER));
	make_partner(xml, sizeof xml);
	struct http_answer a = kl_admin(&k, k.officer, "POST", "/admin/v1/extcerts", xml);
	assert_int_equal(a.status, 201);
	json_t *j = json_loadb((const char *)a.body, a.body_len, 0, NULL);
	snprintf(fingerprint, sizeof fingerprint, "%s", json_string_value(json_object_get(j, "fingerprint")));
	json_decref(j);
	http_answer_free(&a);
	officers(fingerprint, k.officer2, "permit");
	wait_until(u, knows_partner, "the partner's certificate");
	ue_free(u);
	u = client("cache");
	assert_true(ue_kms_is_known(u, PARTNER)); /* kept */
	officers(fingerprint, k.officer, "revoke");
	assert_int_equal(ue_keep_keys(u), 0);
	wait_until(u, knows_no_partner, "its end");
	assert_true(ue_kms_is_known(u, LAB_KMS));
	ue_free(u);
	u = client("cache");
	assert_false(ue_kms_is_known(u, PARTNER));
	ue_free(u);
}

/* ---- transport keys ---- */

static void take_key(const json_t *j, const char *name, char id[256], struct ue_transport_key *out)
{
	const json_t *one = json_object_get(j, name);
	size_t n = 0;
	snprintf(id, 256, "%s", json_string_value(json_object_get(one, "id")));
	out->id = id;
	const char *hex = json_string_value(json_object_get(one, "key"));
	assert_int_equal(hex_decode(hex, strlen(hex), out->key, 32, &n), MCSEC_OK);
}

static char rolled_from[256];
static int has_rolled(struct ue *u)
{
	pthread_mutex_lock(&u->kms_lock);
	int yes = strcmp(u->transport->trk.id, rolled_from) != 0;
	pthread_mutex_unlock(&u->kms_lock);
	return yes;
}

static void mcx_sec_122_transport_keys_are_kept_sealed_and_roll_over_in_the_background(void **state)
{
	(void)state;
	struct ue_transport_key trk, ink;
	struct ue_report r;
	char trk_id[256], ink_id[256];
	kl_stop(&k, SIGTERM);
	kl_configure(&k, SHORT "protect = \"trk+ink\"\nrequire_signed_request = true\nwrap_keys = \"always\"\n");
	kl_start(&k);
	struct ue *u = client("sealed");
	assert_int_equal(ue_provision(u, &r), UE_KEYS); /* nothing is given to whoever does not sign */
	struct http_answer a =
	    kl_admin(&k, k.officer, "POST", "/admin/v1/transportkeys/sip%3Aalice%40example.org", NULL);
	assert_int_equal(a.status, 201);
	json_t *j = json_loadb((const char *)a.body, a.body_len, 0, NULL);
	take_key(j, "trk", trk_id, &trk);
	take_key(j, "ink", ink_id, &ink);
	json_decref(j);
	http_answer_free(&a);
	trk.id = "";
	assert_int_equal(ue_transport_keys(u, &trk, &ink, &r), UE_STATE);
	trk.id = trk_id;
	assert_int_equal(ue_transport_keys(u, &trk, &ink, &r), UE_OK);
	if (ue_provision(u, &r))
		fail_msg("%s", r.text);
	ue_free(u);
	assert_int_equal(
	    kl_admin_status(&k, k.officer, "POST", "/admin/v1/transportkeys/sip%3Aalice%40example.org/roll", NULL),
	    200);
	u = client("sealed");
	assert_non_null(u->transport);
	assert_string_equal(u->transport->trk.id, trk_id);
	strcpy(rolled_from, trk_id);
	assert_int_equal(ue_keep_keys(u), 0);
	wait_until(u, has_rolled, "the new transport key");
	wait_until(u, holds_next, "keys under it");
	char now_id[256];
	pthread_mutex_lock(&u->kms_lock);
	strcpy(now_id, u->transport->trk.id);
	pthread_mutex_unlock(&u->kms_lock);
	ue_free(u);
	u = client("sealed");
	assert_string_equal(u->transport->trk.id, now_id);
	ue_free(u);
	mcsec_wipe(&trk, sizeof trk);
	mcsec_wipe(&ink, sizeof ink);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(mcx_sec_112_the_next_keys_are_fetched_ahead_period_after_period_and_rest_sealed),
	    cmocka_unit_test(where_one_address_does_not_answer_the_next_is_asked),
	    cmocka_unit_test(mcx_sec_115_a_revoked_user_loses_every_key_and_is_told_once),
	    cmocka_unit_test(mcx_sec_125_certificates_of_other_domains_come_are_kept_and_go),
	    cmocka_unit_test(mcx_sec_122_transport_keys_are_kept_sealed_and_roll_over_in_the_background),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
