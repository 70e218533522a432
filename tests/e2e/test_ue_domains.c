/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private calls between security domains at the client engine, whole (seed 000 4.7.1; sip.md 6.1 d; kms.md 15): whose
 * KMS a call is made for, what stops it before anything leaves, and what a callee takes from another domain. The last
 * ones have two real key management servers and their officers.
 */
#include <pthread.h>
#include <unistd.h>

#include "unit/test.h"

#include "mcx/doc/sdp.h"
#include "ue/engine.h"
#include "ue_lab.h"
#include "ue_speech.h"
#include "two_kms.h"

#define NOWHERE "kms.nowhere.test"
#define PROFILE(owner, user, kms)                                                                                      \
	"<mcptt-user-profile xmlns=\"urn:3gpp:mcptt:user-profile:1.0\" XUI-URI=\"" owner                               \
	"\" user-profile-index=\"0\"><Common><PrivateCall><PrivateCallList><PrivateCallURI><uri-entry>" user           \
	"</uri-entry><anyExt><PrivateCallKMSURI><PrivateCallKMSURI><uri-entry>" kms                                    \
	"</uri-entry></PrivateCallKMSURI></PrivateCallKMSURI></anyExt></PrivateCallURI></PrivateCallList>"             \
	"</PrivateCall></Common></mcptt-user-profile>"

static struct ue *alice, *other;

/* ---- what left ----------------------------------------------------------------------------------------------------
 */

static struct {
	pthread_mutex_t lock;
	unsigned n;
	char initiator_kms[64], responder_kms[64];
} offered = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void on_offer(void *ctx, uint8_t *message, size_t len)
{
	struct mcsec_im_peek p;
	struct mcsec_fault f;
	(void)ctx;
	pthread_mutex_lock(&offered.lock);
	if (mcsec_im_peek(message, len, &p, &f) == MCSEC_OK) {
		snprintf(offered.initiator_kms, sizeof offered.initiator_kms, "%.*s", (int)p.initiator_kms.len,
			 (const char *)p.initiator_kms.p);
		snprintf(offered.responder_kms, sizeof offered.responder_kms, "%.*s", (int)p.responder_kms.len,
			 (const char *)p.responder_kms.p);
	}
	offered.n++;
	pthread_mutex_unlock(&offered.lock);
}

static void take_profile(struct ue *u, const char *text)
{
	struct ue_report r;
	if (ue_user_profile(u, octets_of(text), &r))
		fail_msg("%s", r.text);
}

static void is_registered(struct ue *u)
{
	struct ue_report r;
	if (ue_register(u, &r))
		fail_msg("%s: %s", ue_status_name(r.status), r.text);
}

/* Alice, registered, with this certificate of the other domain; NULL: the right one. */
static void begin(int held, const struct kms_certificate *c)
{
	ue_free(alice);
	ue_free(other);
	alice = other = NULL;
	offered.n = 0;
	offered.responder_kms[0] = 0;
	lab_hold_other(lab, held);
	lab_plant_other(lab, c);
	alice = lab_client(lab, LAB_ALICE, &(struct ue_config){.hooks = {.offer = on_offer}});
	is_registered(alice);
}

/* The call fails here: nothing leaves, and the user is told this. */
static void fails_locally(const struct ue_call *c, enum ue_status status, const char *text)
{
	struct ue_report r;
	unsigned before = offered.n;
	assert_int_equal(ue_call(alice, c, &r), status);
	if (!strstr(r.text, text))
		fail_msg("%s", r.text);
	assert_int_equal(r.sip_status, 0);
	assert_int_equal(offered.n, before);
}

/* ---- whose KMS ----------------------------------------------------------------------------------------------------
 */

static void seed_000_4_7_1_the_callees_kms_is_the_one_of_its_entry_in_the_profile(void **state)
{
	(void)state;
	struct ue_report r;
	begin(1, NULL);
	take_profile(alice, PROFILE(LAB_ALICE, LAB_CAROL, LAB_OTHER));
	other = lab_client(lab, LAB_CAROL, &(struct ue_config){.hooks = {.offer = on_offer}});
	ue_answer(other, &(struct ue_audio_files){0});
	ue_answer_for(other, 300);
	is_registered(other);
	assert_true(lab_last_register(lab).csk_opened); /* signed under Carol's KMS, encrypted under the server's */
	if (ue_call(alice, &(struct ue_call){.target = LAB_CAROL}, &r))
		fail_msg("%s", r.text);
	assert_string_equal(offered.initiator_kms, LAB_KMS);
	assert_string_equal(offered.responder_kms, LAB_OTHER);
	/* and back: Carol's profile names Alice's */
	assert_int_equal(ue_wait_idle(other, 30000), 0);
	take_profile(other, PROFILE(LAB_CAROL, LAB_ALICE, LAB_KMS));
	ue_answer(alice, &(struct ue_audio_files){0});
	ue_answer_for(alice, 300);
	if (ue_call(other, &(struct ue_call){.target = LAB_ALICE}, &r))
		fail_msg("%s", r.text);
	assert_string_equal(offered.initiator_kms, LAB_OTHER);
	assert_string_equal(offered.responder_kms, LAB_KMS);
}

/* The server is busy: what the INVITE held is all that counts. */
static void made_for(struct ue_call c, const char *kms)
{
	struct ue_report r;
	c.target = LAB_CAROL;
	lab_refuse(lab, "INVITE", 1, 486, NULL);
	assert_int_equal(ue_call(alice, &c, &r), UE_REFUSED);
	assert_int_equal(r.sip_status, 486);
	assert_string_equal(offered.responder_kms, kms);
}

static void sip_6_1_d_the_call_the_profile_the_forwarding_and_our_own_kms_count_in_this_order(void **state)
{
	(void)state;
	begin(1, NULL);
	made_for((struct ue_call){0}, LAB_KMS);
	made_for((struct ue_call){.forwarded_kms = LAB_OTHER}, LAB_OTHER);
	take_profile(alice, PROFILE(LAB_ALICE, LAB_CAROL, LAB_OTHER));
	made_for((struct ue_call){0}, LAB_OTHER);
	made_for((struct ue_call){.forwarded_kms = NOWHERE}, LAB_OTHER);
	made_for((struct ue_call){.kms_uri = LAB_KMS}, LAB_KMS);
	take_profile(alice, PROFILE(LAB_ALICE, LAB_CAROL, "")); /* the KMS of the UE's own configuration */
	made_for((struct ue_call){.forwarded_kms = LAB_OTHER}, LAB_KMS);
	take_profile(alice, PROFILE(LAB_ALICE, LAB_BOB, NOWHERE)); /* the one before is gone */
	made_for((struct ue_call){.forwarded_kms = LAB_OTHER}, LAB_OTHER);
}

static void an_mcvideo_call_goes_by_the_profile_of_mcvideo(void **state)
{
	(void)state;
	struct ue_callee callee;
	struct ue_report r;
	const struct ue_call c = {.target = LAB_CAROL, .service = MCX_MCVIDEO}, speech = {.target = LAB_CAROL};
	begin(1, NULL);
	take_profile(alice,
		     "<mcvideo-user-profile xmlns=\"urn:3gpp:ns:mcvideo:user-profile:1.0\" XUI-URI=\"" LAB_ALICE
		     "\" user-profile-index=\"0\"><Common><PrivateCall><PrivateCallList><PrivateCallOnNetwork>"
		     "<PrivateCallURI><uri-entry>" LAB_CAROL "</uri-entry></PrivateCallURI><PrivateCallKMSURI>"
		     "<PrivateCallKMSURI><uri-entry>" LAB_OTHER "</uri-entry></PrivateCallKMSURI></PrivateCallKMSURI>"
		     "</PrivateCallOnNetwork></PrivateCallList></PrivateCall></Common></mcvideo-user-profile>");
	assert_int_equal(ue_callee_kms(alice, &c, &callee, &r), UE_OK);
	assert_string_equal(callee.kms, LAB_OTHER);
	assert_int_equal(ue_callee_kms(alice, &speech, &callee, &r), UE_OK);
	assert_string_equal(callee.kms, LAB_KMS);
}

/* ---- what stops it here -------------------------------------------------------------------------------------------
 */

static void seed_000_4_7_1_without_the_certificate_of_that_kms_nothing_leaves(void **state)
{
	(void)state;
	begin(0, NULL);
	take_profile(alice, PROFILE(LAB_ALICE, LAB_CAROL, LAB_OTHER));
	fails_locally(&(struct ue_call){.target = LAB_CAROL}, UE_NO_KMS,
		      "that of " LAB_OTHER ", named by the user profile, is not held");
	fails_locally(&(struct ue_call){.target = LAB_BOB, .forwarded_kms = NOWHERE}, UE_NO_KMS,
		      "that of " NOWHERE ", named by the forwarded call, is not held");
}

static void a_certificate_out_of_its_time_or_revoked_is_not_used(void **state)
{
	(void)state;
	const struct ue_call call = {.target = LAB_CAROL, .kms_uri = LAB_OTHER};
	static struct kms_certificate c;
	c = *lab_other_certificate(lab);
	c.valid_to = ue_unix_now() - 1;
	begin(1, &c);
	fails_locally(&call, UE_NO_KMS, "is not valid now");
	c = *lab_other_certificate(lab);
	c.valid_from = ue_unix_now() + 3600;
	begin(1, &c);
	fails_locally(&call, UE_NO_KMS, "is not valid now");
	c = *lab_other_certificate(lab);
	c.revoked = 1;
	begin(1, &c);
	fails_locally(&call, UE_NO_KMS, "is revoked");
	begin(1, NULL);
	struct ue_ring *ring = ue_ring_ref(alice);
	uint64_t end = (uint64_t)lab_other_certificate(lab)->valid_to + MCSEC_NTP_UNIX;
	assert_null(ue_ring_lacks(ring, LAB_OTHER, end));
	assert_string_equal(ue_ring_lacks(ring, LAB_OTHER, end + 1), "has expired"); /* while the client runs */
	ue_ring_unref(alice, ring);
}

static void the_profile_of_another_user_is_not_used(void **state)
{
	(void)state;
	begin(1, NULL);
	take_profile(alice, PROFILE(LAB_BOB, LAB_CAROL, LAB_OTHER));
	fails_locally(&(struct ue_call){.target = LAB_CAROL}, UE_PROFILE, "is not that of " LAB_ALICE);
}

static void a_profile_that_does_not_read_leaves_the_one_before(void **state)
{
	(void)state;
	struct ue_report r;
	begin(1, NULL);
	take_profile(alice, PROFILE(LAB_ALICE, LAB_CAROL, LAB_OTHER));
	assert_int_equal(ue_user_profile(alice, octets_of("<mcptt-user-profile/>"), &r), UE_PROFILE);
	made_for((struct ue_call){0}, LAB_OTHER);
}

static void write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void a_profile_of_the_configuration_is_read_at_the_start_or_ends_it(void **state)
{
	(void)state;
	char path[64], err[600];
	snprintf(path, sizeof path, "/tmp/mcx-profile-%d.xml", (int)getpid());
	struct ue_config c = {.dir = "/tmp/mcx-profile-of-nobody", .user = LAB_ALICE, .user_profile = path};
	c.idms_url = c.kms_url = "https://x";
	c.kms_uri = c.ca_file = c.sip_psi = c.sip_route = c.sip_address = "x";
	assert_null(ue_new(&c, err, sizeof err));
	assert_non_null(strstr(err, "No such file"));
	write_text(path, "<mcptt-user-profile/>");
	assert_null(ue_new(&c, err, sizeof err));
	assert_non_null(strstr(err, "no user profile, at octet 0"));
	write_text(path, PROFILE(LAB_ALICE, LAB_CAROL, LAB_OTHER));
	c.video_profile = path;
	assert_null(ue_new(&c, err, sizeof err));
	assert_non_null(strstr(err, "no user profile of mcvideo"));
	begin(1, NULL);
	ue_free(alice);
	alice = lab_client(lab, LAB_ALICE, &(struct ue_config){.user_profile = path, .hooks = {.offer = on_offer}});
	is_registered(alice);
	made_for((struct ue_call){0}, LAB_OTHER);
	unlink(path);
}

/* ---- what a callee takes ------------------------------------------------------------------------------------------
 */

static struct lab_answer invite_bob(const struct mcsec_im_book *book)
{
	static char offer[16384];
	uint8_t key[MCSEC_KEY_LEN], message[MCSEC_IM_MAX];
	size_t n = 0;
	struct mcsec_im_make what = {.kind = MCSEC_PCK,
				     .key = key,
				     .time = ue_time_now(),
				     .initiator = LAB_CAROL,
				     .initiator_kms = LAB_OTHER,
				     .responder = LAB_BOB,
				     .responder_kms = LAB_KMS};
	mcsec_rng_system.fill(NULL, key, sizeof key);
	assert_int_equal(mcsec_kid_new(MCSEC_PCK, &mcsec_rng_system, NULL, NULL, &what.k_id), MCSEC_OK);
	assert_int_equal(mcsec_im_make(book, &what, &mcsec_rng_system, message, sizeof message, &n), MCSEC_OK);
	lab_offer(message, n, offer, sizeof offer);
	return lab_invite(lab, LAB_BOB, LAB_CAROL, offer);
}

static void bob_is_there(int held)
{
	begin(held, NULL);
	other = lab_client(lab, LAB_BOB, NULL);
	ue_answer(other, &(struct ue_audio_files){0});
	is_registered(other);
}

static void another_master_under_the_name_of_a_permitted_domain_is_488_136(void **state)
{
	(void)state;
	bob_is_there(1);
	struct lab_answer a = invite_bob(lab_impostor_book(lab));
	assert_int_equal(a.status, 488);
	assert_int_equal(a.warning, 136);
	assert_int_equal(invite_bob(lab_book(lab)).status, 200); /* the domain itself */
}

static void a_caller_of_a_domain_that_is_not_permitted_is_488_136(void **state)
{
	(void)state;
	bob_is_there(0);
	struct lab_answer a = invite_bob(lab_book(lab));
	assert_int_equal(a.status, 488);
	assert_int_equal(a.warning, 136);
}

/* ---- two real key management servers ------------------------------------------------------------------------------
 */

#define ANNA "sip:anna@a.mcx.test"
#define BEN  "sip:ben@b.mcx.test"

static const struct kp_policy policy = {
    .window = 604800, .retain = 1, .cache_every = 1, .patience = 86400, .skew_tell = 3600, .unknown_every = 1};
static char speech[64], heard[64], reference[64];

static struct ue *client_of(int which, const char *user, struct ue_config extra)
{
	struct ue_config home = two_kms_config(which);
	char *token = two_kms_token(which, user);
	extra.kms_uri = home.kms_uri;
	extra.kms_url = home.kms_url;
	extra.ca_file = home.ca_file;
	extra.resolve = home.resolve;
	extra.key_policy = &policy;
	extra.hooks.offer = on_offer;
	struct ue *u = lab_bare_client(lab, user, token, &extra);
	free(token);
	return u;
}

/* In the background, from the home KMS alone. */
static void wait_known(struct ue *u, const char *kms, int known)
{
	for (int i = 0; i < 12000 && ue_kms_is_known(u, kms) != known; i++)
		usleep(10000);
	assert_int_equal(ue_kms_is_known(u, kms), known);
}

static void talk(struct ue *from, struct ue *to, const char *target)
{
	struct ue_report r;
	unlink(heard);
	ue_answer(to, &(struct ue_audio_files){.record = heard});
	if (ue_call(from, &(struct ue_call){.target = target, .audio = {.send = speech}}, &r))
		fail_msg("%s: %s", ue_status_name(r.status), r.text);
	assert_int_equal(ue_wait_idle(to, 30000), 0);
	assert_heard_as(heard, reference);
}

static void users_of_two_kmss_talk_both_ways_until_an_officer_takes_the_other_domain_out(void **state)
{
	(void)state;
	char err[256];
	make_speech(speech, 1);
	assert_int_equal(ue_audio_reference(speech, reference, err, sizeof err), UE_OK);
	ue_free(alice);
	ue_free(other);
	two_kms_begin();
	alice = client_of(0, ANNA, (struct ue_config){0});
	other = client_of(1, BEN, (struct ue_config){.lookup_kms = 1});
	is_registered(alice);
	is_registered(other);
	wait_known(alice, KMS_B, 1);
	wait_known(other, KMS_A, 1);
	take_profile(alice, PROFILE(ANNA, BEN, KMS_B));
	talk(alice, other, BEN);
	assert_string_equal(offered.initiator_kms, KMS_A);
	assert_string_equal(offered.responder_kms, KMS_B);
	talk(other, alice, ANNA); /* his KMS's directory says whose she is */
	assert_string_equal(offered.initiator_kms, KMS_B);
	assert_string_equal(offered.responder_kms, KMS_A);

	take_profile(alice, PROFILE(ANNA, BEN, KMS_C)); /* one officer alone */
	fails_locally(&(struct ue_call){.target = BEN}, UE_NO_KMS,
		      "that of " KMS_C ", named by the user profile, is not held");
	two_kms_permit(0, 0);
	wait_known(alice, KMS_B, 0);
	take_profile(alice, PROFILE(ANNA, BEN, KMS_B));
	fails_locally(&(struct ue_call){.target = BEN}, UE_NO_KMS, "that of " KMS_B);
	ue_free(alice);
	ue_free(other);
	alice = other = NULL;
	two_kms_end();
	unlink(speech);
	unlink(heard);
	unlink(reference);
}

static int set_up(void **state)
{
	(void)state;
	snprintf(speech, sizeof speech, "/tmp/mcx-domains-speech-%d.wav", (int)getpid());
	snprintf(heard, sizeof heard, "/tmp/mcx-domains-heard-%d.wav", (int)getpid());
	snprintf(reference, sizeof reference, "/tmp/mcx-domains-reference-%d.wav", (int)getpid());
	lab = lab_new();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	ue_free(alice);
	ue_free(other);
	lab_free(lab);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(seed_000_4_7_1_the_callees_kms_is_the_one_of_its_entry_in_the_profile),
	    cmocka_unit_test(sip_6_1_d_the_call_the_profile_the_forwarding_and_our_own_kms_count_in_this_order),
	    cmocka_unit_test(an_mcvideo_call_goes_by_the_profile_of_mcvideo),
	    cmocka_unit_test(seed_000_4_7_1_without_the_certificate_of_that_kms_nothing_leaves),
	    cmocka_unit_test(a_certificate_out_of_its_time_or_revoked_is_not_used),
	    cmocka_unit_test(the_profile_of_another_user_is_not_used),
	    cmocka_unit_test(a_profile_that_does_not_read_leaves_the_one_before),
	    cmocka_unit_test(a_profile_of_the_configuration_is_read_at_the_start_or_ends_it),
	    cmocka_unit_test(another_master_under_the_name_of_a_permitted_domain_is_488_136),
	    cmocka_unit_test(a_caller_of_a_domain_that_is_not_permitted_is_488_136),
	    cmocka_unit_test(users_of_two_kmss_talk_both_ways_until_an_officer_takes_the_other_domain_out),
	};
	return cmocka_run_group_tests_name("ue_domains", tests, set_up, tear_down);
}
