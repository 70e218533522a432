/* SPDX-License-Identifier: Apache-2.0 */
/*
 * KMS redirects at the client engine (TS 33.180 5.2.8; flows 9, kms.md 11.4), whole: those it gets to an upload or a
 * call, those it makes as callee or to a key download. Its home KMS here notes what is reported to it, and has the
 * certificate of another domain or has not.
 */
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "e2e/ue_lab.h"
#include "unit/sip/pki.h"

#include "mcx/doc/krr.h"
#include "mcx/doc/multipart.h"
#include "net/http.h"
#include "net/krr_files.h"

static struct ue *alice, *bob;
static struct pki ca, stranger_ca;
static char ca_file[200], agent[200], stranger[200], resolve[100], kms_url[100];
static struct krr_signer *server_signer, *stranger_signer;

/* ---- the home KMS --------------------------------------------------------------------------------------------------
 */

static struct http_server *kms;
static struct {
	pthread_mutex_t lock;
	int gives_other, certs, reports;
	char reported_key[16], error[256];
} home = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void serve_kms(void *ctx, const struct http_request *rq, struct http_response *rs)
{
	static uint8_t text[4 * KMS_CERTIFICATE_BOUND];
	struct kms_request asked;
	struct kms_fault f;
	struct kms_certificate cert = *lab_other_certificate(lab);
	struct kms_response r = {.message = KMS_MSG_NONE, .cache_num = -1, .time = time(NULL)};
	(void)ctx;
	if (kms_request_read(&asked, rq->body, &f)) {
		http_response_text(rs, 400, "text/plain", f.detail);
		return;
	}
	int status = 404;
	snprintf(r.user_uri, sizeof r.user_uri, "%s", asked.user_uri);
	snprintf(r.kms_uri, sizeof r.kms_uri, LAB_KMS);
	snprintf(r.client_req_url, sizeof r.client_req_url, "%s", asked.client_req_url);
	pthread_mutex_lock(&home.lock);
	if (strstr(rq->path, "/redirect") && asked.n_krrs) {
		snprintf(home.reported_key, sizeof home.reported_key, "%s", asked.krrs[0]->key_id);
		snprintf(home.error, sizeof home.error, "%s", asked.client_error.msg);
		home.reports++;
		status = 200;
	} else if (strstr(rq->path, "/cert/")) {
		home.certs++;
		r.message = KMS_MSG_CERTCACHE;
		r.certs = &cert;
		r.n_certs = 1;
		r.cache_num = 2;
		status = home.gives_other ? 200 : 404;
	}
	struct writer w = wr_init(text, sizeof text - 1);
	kms_response_write(&w, &r);
	text[wr_len(&w)] = 0;
	http_response_text(rs, status, "application/xml", (const char *)text);
	pthread_mutex_unlock(&home.lock);
	kms_request_free(&asked);
}

static int reports(void)
{
	pthread_mutex_lock(&home.lock);
	int n = home.reports;
	pthread_mutex_unlock(&home.lock);
	return n;
}

/* So many, the last one of that key. */
static void wait_reports(int n, uint32_t key_id)
{
	char id[16];
	for (int i = 0; i < 3000 && reports() < n; i++)
		usleep(10000);
	assert_int_equal(reports(), n);
	snprintf(id, sizeof id, "%08x", key_id);
	assert_string_equal(home.reported_key, id);
}

/* ---- redirects of the server ---------------------------------------------------------------------------------------
 */

/* What the next ones say; each test spoils one thing. */
static struct {
	const char *kmss[3];
	const struct krr_signer *signer; /* NULL: unsigned */
	int other_key, initiators;       /* another KeyId; a list of initiators without us */
} says;
static struct lab_register refused; /* the upload that was */

static size_t write_krr(uint32_t key_id, const char *receiver_kms, uint8_t *out, size_t size)
{
	struct krr *k = krr_new();
	struct writer w = wr_init(out, size);
	strcpy(k->id, "krr-of-the-lab");
	strcpy(k->initiator_uri, LAB_ALICE);
	strcpy(k->receiver_uri, LAB_PSI);
	strcpy(k->processor_uri, LAB_PSI);
	snprintf(k->rejected_receiver_kms, sizeof k->rejected_receiver_kms, "%s", receiver_kms);
	snprintf(k->key_id, sizeof k->key_id, "%08x", key_id ^ (says.other_key ? 1 : 0));
	k->time = time(NULL);
	k->receiver_kms.present = 1;
	for (size_t i = 0; i < 3 && says.kmss[i]; i++)
		strcpy(k->receiver_kms.uri[k->receiver_kms.n++], says.kmss[i]);
	if (says.initiators) {
		k->initiator_kms.present = 1;
		strcpy(k->initiator_kms.uri[k->initiator_kms.n++], LAB_OTHER);
	}
	if (says.signer)
		krr_sign(&w, k, says.signer);
	else
		krr_write(&w, k);
	krr_free(k);
	return wr_len(&w);
}

static size_t on_upload(void *ctx, const struct lab_register *sent, uint8_t *out, size_t size)
{
	(void)ctx;
	refused = *sent;
	return write_krr(sent->csb_id, sent->receiver_kms, out, size);
}

/* ---- clients -------------------------------------------------------------------------------------------------------
 */

static char redirected[512];

static void on_event(void *ctx, const struct ue_event *ev)
{
	(void)ctx;
	if (ev->kind == UE_EV_REDIRECTED)
		snprintf(redirected, sizeof redirected, "%s", ev->text);
}

static struct ue_config config(void)
{
	return (struct ue_config){.kms_url = kms_url,
				  .ca_file = ca_file,
				  .resolve = resolve,
				  .krr_ca = ca_file,
				  .krr_key = agent,
				  .on_event = on_event};
}

/* A new Alice, not yet registered, who thinks that the server is the other domain's. */
static void begin(void)
{
	ue_free(alice);
	ue_free(bob);
	alice = bob = NULL;
	memset(&says, 0, sizeof says);
	says.kmss[0] = LAB_KMS;
	says.signer = server_signer;
	pthread_mutex_lock(&home.lock);
	home.gives_other = home.certs = home.reports = 0;
	pthread_mutex_unlock(&home.lock);
	redirected[0] = 0;
	lab_hold_other(lab, 1);
	struct ue_config c = config();
	c.sip_kms_uri = LAB_OTHER;
	alice = lab_client(lab, LAB_ALICE, &c);
}

static enum ue_status register_redirected(int times, struct ue_report *r)
{
	lab_redirect_with(lab, "REGISTER", times, on_upload, NULL);
	enum ue_status s = ue_register(alice, r);
	lab_redirect_with(lab, "REGISTER", 0, on_upload, NULL);
	return s;
}

/* The redirect is not followed: nothing more is sent, and the user is told. */
static void not_followed(const char *text)
{
	struct ue_report r;
	unsigned registers = lab_registers(lab);
	assert_int_equal(register_redirected(1, &r), UE_REFUSED);
	assert_int_equal(r.sip_status, 488);
	if (!strstr(r.text, text))
		fail_msg("%s", r.text);
	assert_int_equal(lab_registers(lab), registers + 1);
	assert_int_equal(ue_csk_id(alice), 0);
}

/* ---- an upload -----------------------------------------------------------------------------------------------------
 */

static void mcx_sec_349_351_a_redirected_upload_is_made_anew_under_the_kms_that_is_accepted(void **state)
{
	(void)state;
	struct ue_report r;
	begin();
	unsigned registers = lab_registers(lab);
	if (register_redirected(1, &r))
		fail_msg("%s", r.text);
	struct lab_register second = lab_last_register(lab);
	assert_int_equal(lab_registers(lab), registers + 2);
	assert_string_equal(refused.receiver_kms, LAB_OTHER);
	assert_string_equal(second.receiver_kms, LAB_KMS);
	assert_true(second.csk_opened);
	assert_int_not_equal(second.csk_id, refused.csb_id);
	assert_int_equal(ue_csk_id(alice), second.csk_id);
	assert_non_null(strstr(redirected, LAB_KMS " in place of " LAB_OTHER));
	wait_reports(1, refused.csb_id); /* mcx_sec_350 */
	assert_string_equal(home.error, "");
	/* From now on that is the KMS of the server. */
	assert_int_equal(ue_register(alice, &r), UE_OK);
	assert_string_equal(lab_last_register(lab).receiver_kms, LAB_KMS);
	assert_int_equal(ue_redirects_ignored(alice), 0);
}

static void mcx_sec_343_an_unsigned_redirect_or_one_of_a_stranger_is_not_followed_but_reported(void **state)
{
	(void)state;
	begin();
	says.signer = NULL;
	not_followed("unsigned");
	wait_reports(1, refused.csb_id);
	assert_non_null(strstr(home.error, "unsigned"));
	begin();
	says.signer = stranger_signer;
	not_followed("not trusted");
	wait_reports(1, refused.csb_id);
	assert_non_null(strstr(home.error, "forged"));
	assert_int_equal(ue_redirects_ignored(alice), 1);
}

static void an_unsigned_redirect_is_followed_where_the_setting_says_so(void **state)
{
	(void)state;
	struct ue_report r;
	begin();
	ue_free(alice);
	struct ue_config c = config();
	c.sip_kms_uri = LAB_OTHER;
	c.krr_accept_unsigned = 1;
	alice = lab_client(lab, LAB_ALICE, &c);
	says.signer = NULL;
	assert_int_equal(register_redirected(1, &r), UE_OK);
	assert_string_equal(lab_last_register(lab).receiver_kms, LAB_KMS);
}

static void mcx_sec_344_a_redirect_of_another_key_is_not_followed(void **state)
{
	(void)state;
	begin();
	says.other_key = 1;
	not_followed("of no message of ours");
	assert_int_equal(ue_redirects_ignored(alice), 1);
	assert_int_equal(reports(), 0);
}

static void mcx_sec_347_an_empty_list_ends_it_and_the_user_is_told_who_refused(void **state)
{
	(void)state;
	begin();
	says.kmss[0] = NULL;
	not_followed(LAB_PSI " refuses the KMS " LAB_OTHER ": no KMS is accepted there");
	wait_reports(1, refused.csb_id);
}

static void a_domain_that_does_not_take_our_kms_ends_it(void **state)
{
	(void)state;
	begin();
	says.initiators = 1;
	not_followed("our own KMS is not accepted there");
}

static void mcx_sec_346_the_same_kms_is_never_tried_twice(void **state)
{
	(void)state;
	struct ue_report r;
	begin();
	says.kmss[0] = LAB_OTHER;
	says.kmss[1] = LAB_KMS;
	unsigned registers = lab_registers(lab);
	assert_int_equal(register_redirected(5, &r), UE_REFUSED);
	assert_int_equal(lab_registers(lab), registers + 2); /* one for each */
	assert_non_null(strstr(r.text, "none is left"));
}

static void mcx_sec_342_a_certificate_that_is_missing_is_asked_for_once_and_used(void **state)
{
	(void)state;
	struct ue_report r;
	begin();
	ue_free(alice);
	lab_hold_other(lab, 0);
	struct ue_config c = config();
	alice = lab_client(lab, LAB_ALICE, &c); /* who thinks that it is of her own domain */
	says.kmss[0] = LAB_OTHER;
	home.gives_other = 1;
	if (register_redirected(1, &r))
		fail_msg("%s", r.text);
	assert_string_equal(refused.receiver_kms, LAB_KMS);
	assert_string_equal(lab_last_register(lab).receiver_kms, LAB_OTHER);
	assert_int_equal(home.certs, 1);
}

static void mcx_sec_342_without_the_certificate_no_other_kms_is_used(void **state)
{
	(void)state;
	begin();
	ue_free(alice);
	lab_hold_other(lab, 0);
	struct ue_config c = config();
	alice = lab_client(lab, LAB_ALICE, &c);
	says.kmss[0] = LAB_OTHER;
	not_followed("none is left that our own lets us use");
	assert_int_equal(home.certs, 1);
	not_followed("none is left that our own lets us use");
	assert_int_equal(home.certs, 1); /* it is not asked for again so soon */
}

/* ---- as a SIP MESSAGE ----------------------------------------------------------------------------------------------
 */

static struct lab_answer send_krr(uint32_t key_id)
{
	static struct lab_message m;
	m = (struct lab_message){.octets = 1, .type = TYPE_KRR};
	m.len = write_krr(key_id, LAB_OTHER, m.message, sizeof m.message);
	return lab_message(lab, LAB_ALICE, &m);
}

static void begin_behind_core(void)
{
	struct ue_report r;
	begin();
	ue_free(alice);
	struct ue_config c = config();
	c.sip_kms_uri = LAB_OTHER;
	c.sip_user = "alice";
	c.sip_password = "unasked";
	alice = lab_client(lab, LAB_ALICE, &c);
	assert_int_equal(ue_register(alice, &r), UE_OK); /* says the core */
}

static void after_a_redirect_as_message_the_next_upload_is_by_publish(void **state)
{
	(void)state;
	begin_behind_core();
	unsigned registers = lab_registers(lab), publishes = lab_publishes(lab);
	uint32_t before = ue_csk_id(alice);
	assert_int_equal(send_krr(before).status, 200);
	for (int i = 0; i < 3000 && (ue_csk_id(alice) == before || lab_publishes(lab) == publishes); i++)
		usleep(10000);
	assert_int_equal(lab_publishes(lab), publishes + 1);
	assert_int_equal(lab_registers(lab), registers);
	struct lab_register second = lab_last_register(lab);
	assert_string_equal(second.receiver_kms, LAB_KMS);
	assert_int_equal(second.csk_id, ue_csk_id(alice));
	wait_reports(1, before);
}

static void mcx_sec_344_an_unsolicited_redirect_as_message_is_counted_and_ignored(void **state)
{
	(void)state;
	begin_behind_core();
	unsigned registers = lab_registers(lab), publishes = lab_publishes(lab);
	uint32_t before = ue_csk_id(alice);
	assert_int_equal(send_krr(before ^ 4).status, 200);
	says.signer = stranger_signer;
	assert_int_equal(send_krr(before).status, 200);
	for (int i = 0; i < 3000 && ue_redirects_ignored(alice) < 2; i++)
		usleep(10000);
	assert_int_equal(ue_redirects_ignored(alice), 2);
	wait_reports(1, before); /* the stranger's; the other one is about nothing of ours */
	assert_int_equal(ue_csk_id(alice), before);
	assert_int_equal(lab_registers(lab), registers);
	assert_int_equal(lab_publishes(lab), publishes);
}

/* ---- a call --------------------------------------------------------------------------------------------------------
 */

/* Both registered; bob signs as `key` says. */
static void begin_call(const char *key)
{
	struct ue_report r;
	begin();
	ue_free(alice);
	struct ue_config c = config(), b = config();
	alice = lab_client(lab, LAB_ALICE, &c);
	b.krr_key = key;
	b.on_event = NULL;
	bob = lab_client(lab, LAB_BOB, &b);
	assert_int_equal(ue_register(alice, &r), UE_OK);
	ue_answer(bob, &(struct ue_audio_files){0});
	ue_answer_for(bob, 500);
	assert_int_equal(ue_register(bob, &r), UE_OK);
}

static void
mcx_sec_341_349_a_call_for_the_wrong_kms_is_redirected_by_the_callee_and_goes_on_under_the_right_one(void **state)
{
	(void)state;
	struct ue_report r;
	begin_call(agent);
	if (ue_call(alice, &(struct ue_call){.target = LAB_BOB, .kms_uri = LAB_OTHER}, &r))
		fail_msg("%d %s", r.sip_status, r.text);
	assert_non_null(strstr(redirected, LAB_BOB " wants another KMS: " LAB_KMS " in place of " LAB_OTHER));
	for (int i = 0; i < 3000 && reports() < 1; i++)
		usleep(10000);
	assert_int_equal(reports(), 1);
}

static void a_call_that_nobody_signed_the_redirect_of_ends_with_its_cause(void **state)
{
	(void)state;
	struct ue_report r;
	begin_call(NULL);
	assert_int_equal(ue_call(alice, &(struct ue_call){.target = LAB_BOB, .kms_uri = LAB_OTHER}, &r), UE_REFUSED);
	assert_int_equal(r.sip_status, 488);
	assert_int_equal(r.warning, 0);
	assert_non_null(strstr(r.text, "unsigned"));
	assert_string_equal(redirected, "");
}

/* ---- a key download ------------------------------------------------------------------------------------------------
 */

static void a_key_download_for_another_kms_is_488_with_a_redirect_and_a_forged_one_is_136(void **state)
{
	(void)state;
	static struct lab_message m;
	struct krr *k;
	struct kms_fault f;
	enum krr_verdict v;
	begin_call(agent);
	m = (struct lab_message){.kind = MCSEC_CSK, .kms = LAB_OTHER};
	struct lab_answer a = lab_message(lab, LAB_ALICE, &m);
	assert_int_equal(a.status, 488);
	assert_int_equal(a.warning, 0);
	assert_string_equal(a.type, TYPE_KRR);
	struct krr_trust *trust = krr_trust_of(ca_file);
	assert_int_equal(krr_open(&k, &v, (struct octets){a.body, a.len}, trust, time(NULL), &f), MCSEC_OK);
	krr_trust_free(trust);
	assert_int_equal(v, KRR_VERIFIED);
	char id[16];
	snprintf(id, sizeof id, "%08x", m.k_id);
	assert_string_equal(k->key_id, id);
	assert_string_equal(k->initiator_uri, LAB_PSI);
	assert_string_equal(k->receiver_uri, LAB_ALICE);
	assert_string_equal(k->processor_uri, LAB_ALICE);
	assert_string_equal(k->rejected_receiver_kms, LAB_OTHER);
	assert_string_equal(k->rejected_initiator_kms, "");
	assert_int_equal(k->receiver_kms.n, 1);
	assert_string_equal(k->receiver_kms.uri[0], LAB_KMS);
	krr_free(k);
	m = (struct lab_message){.kind = MCSEC_CSK, .kms = LAB_OTHER, .flip = -1};
	a = lab_message(lab, LAB_ALICE, &m);
	assert_int_equal(a.status, 488);
	assert_int_equal(a.warning, 136);
	assert_string_equal(a.type, "");
}

/* ---- */

static struct krr_signer *make_agent(struct pki *of, const char *name, char *path, size_t size)
{
	char dir[150];
	pki_agent(of, of, name, "DNS:kms.lab.mcx.test,URI:" LAB_PSI, dir, sizeof dir);
	snprintf(path, size, "%s/agent.pem", dir);
	struct krr_signer *s = krr_signer_of(path);
	assert_non_null(s);
	if (of == &ca)
		snprintf(ca_file, sizeof ca_file, "%s/cafile.pem", dir);
	return s;
}

static int set_up(void **state)
{
	char err[256];
	(void)state;
	lab = lab_new();
	pki_init(&ca, "Lab CA");
	pki_init(&stranger_ca, "Another CA");
	server_signer = make_agent(&ca, "processor", agent, sizeof agent);
	stranger_signer = make_agent(&stranger_ca, "stranger", stranger, sizeof stranger);
	struct http_server_options o = {.address = "127.0.0.1",
					.cert_file = agent,
					.key_file = agent,
					.max_body = KMS_MAX_REQUEST,
					.threads = 2,
					.handler = serve_kms};
	kms = http_server_start(&o, err, sizeof err);
	if (!kms)
		fail_msg("%s", err);
	snprintf(kms_url, sizeof kms_url, "https://kms.lab.mcx.test:%u", http_server_port(kms));
	snprintf(resolve, sizeof resolve, "kms.lab.mcx.test:%u:127.0.0.1", http_server_port(kms));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	ue_free(alice);
	ue_free(bob);
	http_server_stop(kms);
	krr_signer_free(server_signer);
	krr_signer_free(stranger_signer);
	pki_end(&ca);
	pki_end(&stranger_ca);
	lab_free(lab);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(mcx_sec_349_351_a_redirected_upload_is_made_anew_under_the_kms_that_is_accepted),
	    cmocka_unit_test(mcx_sec_343_an_unsigned_redirect_or_one_of_a_stranger_is_not_followed_but_reported),
	    cmocka_unit_test(an_unsigned_redirect_is_followed_where_the_setting_says_so),
	    cmocka_unit_test(mcx_sec_344_a_redirect_of_another_key_is_not_followed),
	    cmocka_unit_test(mcx_sec_347_an_empty_list_ends_it_and_the_user_is_told_who_refused),
	    cmocka_unit_test(a_domain_that_does_not_take_our_kms_ends_it),
	    cmocka_unit_test(mcx_sec_346_the_same_kms_is_never_tried_twice),
	    cmocka_unit_test(mcx_sec_342_a_certificate_that_is_missing_is_asked_for_once_and_used),
	    cmocka_unit_test(mcx_sec_342_without_the_certificate_no_other_kms_is_used),
	    cmocka_unit_test(after_a_redirect_as_message_the_next_upload_is_by_publish),
	    cmocka_unit_test(mcx_sec_344_an_unsolicited_redirect_as_message_is_counted_and_ignored),
	    cmocka_unit_test(
		mcx_sec_341_349_a_call_for_the_wrong_kms_is_redirected_by_the_callee_and_goes_on_under_the_right_one),
	    cmocka_unit_test(a_call_that_nobody_signed_the_redirect_of_ends_with_its_cause),
	    cmocka_unit_test(a_key_download_for_another_kms_is_488_with_a_redirect_and_a_forged_one_is_136),
	};
	return cmocka_run_group_tests_name("ue_redirect", tests, set_up, tear_down);
}
