/* SPDX-License-Identifier: Apache-2.0 */
/* two_kms.c - see two_kms.h. */
#include "two_kms.h"

#include <jansson.h>

#include "e2e/kms_lab.h"

static struct side {
	struct kms_lab k;
	char fingerprint[65]; /* of the other domain's certificate */
	char ca[256];
} sides[2];

static const char *const more[2] = {
    LAB_UNLIMITED "domains = { \"a.mcx.test\" }\ndirectory = { \"*@b.mcx.test=" KMS_B "\" }\n",
    LAB_UNLIMITED "domains = { \"b.mcx.test\" }\ndirectory = { \"*@a.mcx.test=" KMS_A "\" }\n"};

/* The certificate that this KMS shows its own users. */
static void own_certificate(struct side *s, char *xml, size_t size)
{
	struct kms_client *c = kl_kms_client(&s->k, NULL);
	char *token = kl_token(&s->k, (struct kl_claims){0});
	struct kms_domain home = {0};
	struct kms_result r;
	if (!kms_client_init(c, token, ALICE, time(NULL), &home, &r))
		fail_msg("%s %s", kms_outcome_name(r.outcome), r.detail);
	struct writer w = wr_init((uint8_t *)xml, size - 1);
	kms_certificate_write(&w, &home.cert);
	assert_int_equal(w.err, MCSEC_OK);
	xml[wr_len(&w)] = 0;
	kms_domain_free(&home);
	kms_client_free(c);
	free(token);
}

static void import(struct side *at, const char *xml, char fingerprint[65])
{
	struct http_answer a = kl_admin(&at->k, at->k.officer, "POST", "/admin/v1/extcerts", xml);
	assert_int_equal(a.status, 201);
	json_t *j = json_loadb((const char *)a.body, a.body_len, 0, NULL);
	snprintf(fingerprint, 65, "%s", json_string_value(json_object_get(j, "fingerprint")));
	json_decref(j);
	http_answer_free(&a);
}

static void change(struct side *at, struct http_client *who, const char *action)
{
	char path[160];
	snprintf(path, sizeof path, "/admin/v1/extcerts/%s/%s", at->fingerprint, action);
	assert_int_equal(kl_admin_status(&at->k, who, "POST", path, NULL), 200);
}

static void bring_in_third(struct side *at)
{
	static char xml[KMS_CERTIFICATE_BOUND];
	char fingerprint[65];
	struct mcsec_master *m;
	struct kms_certificate *c = calloc(1, sizeof *c);
	*c = (struct kms_certificate){.role = KMS_ROLE_ROOT,
				      .valid_from = time(NULL) - 60,
				      .valid_to = time(NULL) + 86400,
				      .user_id_format = "2",
				      .periods = {2592000, 0},
				      .parameter_set = 1};
	strcpy(c->kms_uri, KMS_C);
	assert_int_equal(mcsec_master_generate(&m, &mcsec_rng_system), MCSEC_OK);
	mcsec_master_public(m, c->pub_auth_key, c->pub_enc_key);
	mcsec_master_free(m);
	struct writer w = wr_init((uint8_t *)xml, sizeof xml - 1);
	kms_certificate_write(&w, c);
	assert_int_equal(w.err, MCSEC_OK);
	free(c);
	import(at, xml, fingerprint);
}

void two_kms_begin(void)
{
	static const char *const uris[] = {KMS_A, KMS_B};
	static char xml[2][KMS_CERTIFICATE_BOUND];
	signal(SIGPIPE, SIG_IGN);
	for (int i = 0; i < 2; i++) {
		struct side *s = &sides[i];
		kl_make(&s->k, more[i]);
		s->k.uri = uris[i];
		kl_configure(&s->k, more[i]);
		kl_start(&s->k);
		snprintf(s->ca, sizeof s->ca, "%s", kl_path(&s->k, "ca.pem"));
		own_certificate(s, xml[i], sizeof xml[i]);
	}
	for (int i = 0; i < 2; i++) {
		import(&sides[i], xml[!i], sides[i].fingerprint);
		change(&sides[i], sides[i].k.officer2, "permit");
	}
	bring_in_third(&sides[0]);
}

void two_kms_end(void)
{
	for (int i = 0; i < 2; i++)
		kl_remove(&sides[i].k);
}

struct ue_config two_kms_config(int which)
{
	const struct side *s = &sides[which];
	return (struct ue_config){.kms_uri = s->k.uri, .kms_url = s->k.base, .ca_file = s->ca, .resolve = s->k.resolve};
}

char *two_kms_token(int which, const char *user)
{
	return kl_token(&sides[which].k, (struct kl_claims){.mcptt = user, .exp_in = 3600});
}

void two_kms_permit(int which, int permitted)
{
	struct side *s = &sides[which];
	change(s, permitted ? s->k.officer2 : s->k.officer, permitted ? "permit" : "suspend");
}
