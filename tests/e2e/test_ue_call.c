/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client engine, whole: registration with CSK, a private call from WAV to WAV over SIP, MIKEY-SAKKE and SRTP, and
 * every way in which a hostile server or peer can spoil one (issue: "Bad input", callee and caller side).
 */
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "unit/test.h"

#include "mcsec/secret.h"
#include "mcx/doc/sdp.h"
#include "mcx/media/rtp.h"
#include "ue/ue_inspect.h"
#include "ue_lab.h"
#include "ue_speech.h"

enum { TEXT = 16384, SECONDS = 3 };

static char speech[64], heard[64], heard_back[64], reference[64];

/* ---- what a client told ------------------------------------------------------------------------------------------ */

struct log {
	pthread_mutex_t lock;
	unsigned counts[UE_EV_ALARM + 1];
	int sip_status, warning;
	char text[512], sent[TEXT], received[TEXT];
	size_t rtp_sent, rtp_received;
	uint8_t first_packet[2048];
	size_t first_len;
	int damage_at; /* octet of the outgoing I_MESSAGE, -1 none */
};

static void on_event(void *ctx, const struct ue_event *ev)
{
	struct log *g = ctx;
	pthread_mutex_lock(&g->lock);
	g->counts[ev->kind]++;
	if (ev->kind == UE_EV_REJECTED || ev->kind == UE_EV_CALL_ENDED) {
		g->sip_status = ev->sip_status;
		g->warning = ev->warning;
	}
	snprintf(g->text, sizeof g->text, "%s", ev->text);
	pthread_mutex_unlock(&g->lock);
}

static void on_sdp(void *ctx, int sent, struct octets text)
{
	struct log *g = ctx;
	pthread_mutex_lock(&g->lock);
	snprintf(sent ? g->sent : g->received, TEXT, "%.*s", (int)text.len, (const char *)text.p);
	pthread_mutex_unlock(&g->lock);
}

static void on_rtp(void *ctx, int sent, struct octets packet)
{
	struct log *g = ctx;
	pthread_mutex_lock(&g->lock);
	if (sent && g->rtp_sent++ == 0) {
		g->first_len = packet.len;
		memcpy(g->first_packet, packet.p, packet.len);
	}
	g->rtp_received += !sent;
	pthread_mutex_unlock(&g->lock);
}

static void on_offer(void *ctx, uint8_t *message, size_t len)
{
	struct log *g = ctx;
	if (g->damage_at >= 0 && (size_t)g->damage_at < len)
		message[g->damage_at] ^= 1;
}

static unsigned told(struct log *g, enum ue_event_kind kind)
{
	pthread_mutex_lock(&g->lock);
	unsigned n = g->counts[kind];
	pthread_mutex_unlock(&g->lock);
	return n;
}

static struct ue *client(const char *uri, struct log *g)
{
	memset(g, 0, sizeof *g);
	pthread_mutex_init(&g->lock, NULL);
	g->damage_at = -1;
	struct ue_config c = {.on_event = on_event, .ctx = g, .hooks = {on_sdp, on_rtp, on_offer, g}};
	return lab_client(lab, uri, &c);
}

static struct ue *registered(const char *uri, struct log *g)
{
	struct ue_report r;
	struct ue *u = client(uri, g);
	if (ue_register(u, &r))
		fail_msg("%s: %s", ue_status_name(r.status), r.text);
	return u;
}

/* ---- sound ------------------------------------------------------------------------------------------------------- */

static void assert_heard(const char *path)
{
	assert_heard_as(path, reference);
}

static size_t octets_of_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	if (!f)
		return 0;
	fseek(f, 0, SEEK_END);
	long n = ftell(f);
	fclose(f);
	return (size_t)n;
}

/* ---- registration ------------------------------------------------------------------------------------------------ */

static void a_registration_uploads_a_csk_that_the_server_opens_with_token_and_client_id(void **state)
{
	(void)state;
	struct log g;
	struct ue_report r;
	struct ue *u = registered(LAB_ALICE, &g);
	struct lab_register seen = lab_last_register(lab);
	assert_true(seen.csk_opened);
	assert_int_equal(seen.csk_id, ue_csk_id(u));
	assert_int_equal(seen.csk_id >> 28, 2);
	assert_string_equal(seen.token, "token-of-the-lab");
	assert_memory_equal(seen.client_id, "urn:uuid:", 9);
	assert_int_equal(told(&g, UE_EV_REGISTERED), 1);
	assert_int_equal(ue_register(u, &r), UE_OK); /* again: a new key */
	assert_int_not_equal(lab_last_register(lab).csk_id, seen.csk_id);
	assert_string_equal(lab_last_register(lab).client_id, seen.client_id);
	assert_int_equal(ue_log_off(u, &r), UE_OK);
	assert_int_equal(ue_csk_id(u), 0);
	ue_free(u);
}

static void a_csk_made_after_a_restart_in_the_same_second_is_later_than_the_one_before(void **state)
{
	(void)state;
	struct log g;
	uint64_t last = 0;
	for (int i = 0; i < 4; i++) {
		struct ue *u = registered(LAB_ALICE, &g);
		ue_free(u);
		assert_true(lab_last_register(lab).csk_opened);
		assert_true(lab_last_register(lab).time > last);
		last = lab_last_register(lab).time;
	}
}

static void a_refused_registration_is_told_by_code_and_leaves_no_key(void **state)
{
	(void)state;
	struct log g;
	struct ue_report r;
	struct ue *u = client(LAB_ALICE, &g);
	lab_refuse_registers(lab, 100, 403, "399 lab \"100 function not allowed due to no common security algorithm\"");
	assert_int_equal(ue_register(u, &r), UE_REFUSED);
	assert_int_equal(r.sip_status, 403);
	assert_int_equal(r.warning, 100);
	assert_int_equal(ue_csk_id(u), 0);
	lab_refuse_registers(lab, 100, 403, "399 lab \"140 unable to decrypt XML content\"");
	assert_int_equal(ue_register(u, &r), UE_REFUSED); /* after three repairs */
	assert_int_equal(r.warning, 140);
	lab_refuse_registers(lab, 1, 503, NULL);
	assert_int_equal(ue_register(u, &r), UE_OK); /* came back by itself */
	lab_refuse_registers(lab, 0, 0, NULL);
	ue_free(u);
}

/* ---- the call ---------------------------------------------------------------------------------------------------- */

static void mcx_sec_246_two_users_talk_both_ways_and_hear_what_was_said(void **state)
{
	(void)state;
	struct log ga, gb;
	struct ue_report r;
	struct ue_call_keys ka, kb;
	struct ue_media_stats sa, sb;
	struct ue *alice = registered(LAB_ALICE, &ga), *bob = registered(LAB_BOB, &gb);
	ue_inspect_keep(alice);
	ue_inspect_keep(bob);
	ue_answer(bob, &(struct ue_audio_files){.send = speech, .record = heard});
	enum ue_status s = ue_call(alice, &(struct ue_call){.target = LAB_BOB, .audio = {speech, heard_back}}, &r);
	if (s)
		fail_msg("%s: %s", ue_status_name(s), r.text);
	assert_int_equal(ue_wait_idle(bob, 5000), 0);
	assert_heard(heard);
	assert_heard(heard_back);
	assert_int_equal(told(&gb, UE_EV_KEY_OPENED), 1);
	assert_int_equal(told(&ga, UE_EV_FIRST_PACKET), 1);
	assert_int_equal(told(&gb, UE_EV_FIRST_PACKET), 1);

	assert_int_equal(ue_inspect_call(alice, &ka), 0);
	assert_int_equal(ue_inspect_call(bob, &kb), 0);
	assert_memory_equal(&ka, &kb, sizeof ka);
	assert_memory_not_equal(ka.streams[0].master_key, ka.streams[1].master_key, 16);

	ue_media_stats(alice, &sa);
	ue_media_stats(bob, &sb);
	assert_int_equal(sa.sent, SECONDS * 50);
	assert_int_equal(sb.received, sa.sent);
	assert_int_equal(sb.dropped_auth + sb.dropped_plain + sb.dropped_unknown_mki + sb.dropped_replay, 0);
	ue_free(alice);
	ue_free(bob);
}

static void a_callee_ends_a_call_that_lasts_longer_than_it_will(void **state)
{
	(void)state;
	struct log ga, gb;
	struct ue_report r;
	struct ue *alice = registered(LAB_ALICE, &ga), *bob = registered(LAB_BOB, &gb);
	ue_answer(bob, &(struct ue_audio_files){0});
	ue_answer_for(bob, 1500);
	struct ue_call call = {.target = LAB_BOB, .audio = {.send = speech, .repeat = 1}, .max_ms = 120000, .stay = 1};
	assert_int_equal(ue_call(alice, &call, &r), UE_OK);
	assert_int_equal(ue_wait_idle(bob, 5000), 0);
	struct ue_media_stats s;
	ue_media_stats(bob, &s);
	assert_in_range(s.received, 1, 120 * 50 / 2);
	ue_free(alice);
	ue_free(bob);
}

static void assert_same_key_line(const char *a, const char *b)
{
	const char *x = strstr(a, "a=key-mgmt:mikey "), *y = strstr(b, "a=key-mgmt:mikey ");
	assert_non_null(x);
	assert_non_null(y);
	size_t n = strcspn(x, "\r\n");
	assert_int_equal(n, strcspn(y, "\r\n"));
	assert_memory_equal(x, y, n);
}

static void packets_on_the_wire_carry_the_pck_id_and_no_codec_frame(void **state)
{
	(void)state;
	struct log ga, gb;
	struct ue_report r;
	struct ue_call_keys keys;
	struct ue *alice = registered(LAB_ALICE, &ga), *bob = registered(LAB_BOB, &gb);
	ue_inspect_keep(alice);
	ue_answer(bob, &(struct ue_audio_files){0});
	assert_int_equal(ue_call(alice, &(struct ue_call){.target = LAB_BOB, .audio = {speech, NULL}}, &r), UE_OK);
	assert_int_equal(ue_wait_idle(bob, 5000), 0);
	assert_same_key_line(ga.sent, gb.received);
	assert_null(strstr(gb.sent, "key-mgmt"));
	assert_int_equal(ue_inspect_call(alice, &keys), 0);
	struct reader mki = rd_init((struct octets){ga.first_packet + ga.first_len - 4, 4});
	assert_int_equal(rd_u32(&mki), keys.pck_id);
	assert_int_equal(keys.pck_id >> 28, 1);
	/* constant bit rate: every packet is as long as the first, whatever was said */
	assert_int_equal(ga.first_len, 12 + 80 + 20);
	mcsec_wipe(&keys, sizeof keys);
	ue_free(alice);
	ue_free(bob);
}

static void a_callee_that_is_unknown_or_busy_or_silent_is_told_by_its_code(void **state)
{
	(void)state;
	struct log ga, gb;
	struct ue_report r;
	struct ue *alice = registered(LAB_ALICE, &ga), *bob = registered(LAB_BOB, &gb);
	assert_int_equal(ue_call(alice, &(struct ue_call){.target = "sip:nobody@lab.mcx.test"}, &r), UE_REFUSED);
	assert_int_equal(r.sip_status, 404);
	assert_non_null(strstr(r.text, "not registered"));
	assert_int_equal(ue_call(alice, &(struct ue_call){.target = LAB_BOB}, &r), UE_REFUSED);
	assert_int_equal(r.sip_status, 480); /* nobody answers */
	assert_int_equal(ue_call(alice, &(struct ue_call){.target = LAB_BOB, .kms_uri = "kms.other"}, &r), UE_NO_KMS);
	assert_non_null(strstr(r.text, "that of kms.other, named by the caller, is not held"));
	assert_int_equal(ue_call(alice, &(struct ue_call){.target = LAB_BOB, .audio = {"/nonexistent.wav", NULL}}, &r),
			 UE_AUDIO);
	assert_int_equal(told(&gb, UE_EV_CALL_UP), 0);
	ue_free(alice);
	ue_free(bob);
}

static void nobody_calls_without_being_registered(void **state)
{
	(void)state;
	struct log g;
	struct ue_report r;
	struct ue *u = client(LAB_ALICE, &g);
	assert_int_equal(ue_call(u, &(struct ue_call){.target = LAB_BOB}, &r), UE_STATE);
	ue_free(u);
}

/* ---- callee: bad I_MESSAGEs -------------------------------------------------------------------------------------- */

static char offer[TEXT], second[TEXT];
static uint8_t message[MCSEC_IM_MAX];

static void assert_refused(struct lab_answer a, int status, int warning)
{
	assert_int_equal(a.status, status);
	assert_int_equal(a.warning, warning);
}

static uint64_t now(void)
{
	return (uint64_t)time(NULL) + MCSEC_NTP_UNIX;
}

static struct ue *listening_bob(struct log *g)
{
	struct ue *bob = registered(LAB_BOB, g);
	ue_answer(bob, &(struct ue_audio_files){.send = speech, .record = NULL});
	return bob;
}

static void assert_never_media(struct ue *bob, struct log *g)
{
	assert_int_equal(ue_wait_idle(bob, 5000), 0);
	assert_int_equal(told(g, UE_EV_CALL_UP), 0);
	assert_int_equal(told(g, UE_EV_RINGING), 0);
	assert_int_equal(g->rtp_sent, 0);
}

static void a_flipped_bit_in_each_octet_of_the_i_message_is_488_with_136_and_never_media(void **state)
{
	(void)state;
	struct log g;
	struct ue *bob = listening_bob(&g);
	size_t n = lab_pck_message(lab, LAB_ALICE, LAB_BOB, now(), message);
	for (size_t at = 0; at < n; at++) {
		message[at] ^= (uint8_t)(1 << at % 8);
		lab_offer(message, n, offer, sizeof offer);
		struct lab_answer a = lab_invite(lab, LAB_BOB, LAB_ALICE, offer);
		if (a.status != 488 || a.warning != 136)
			fail_msg("octet %zu of %zu: %d with %d", at, n, a.status, a.warning);
		message[at] ^= (uint8_t)(1 << at % 8);
	}
	assert_never_media(bob, &g);
	assert_int_equal(told(&g, UE_EV_REJECTED), n);
	lab_offer(message, n, offer, sizeof offer); /* none of them has spoilt the true one */
	assert_refused(lab_invite(lab, LAB_BOB, LAB_ALICE, offer), 200, 0);
	ue_free(bob);
}

static void mcx_sec_241_an_i_message_of_another_user_is_488_with_136(void **state)
{
	(void)state;
	struct log g;
	struct ue *bob = listening_bob(&g);
	size_t n = lab_pck_message(lab, LAB_MALLORY, LAB_BOB, now(), message);
	lab_offer(message, n, offer, sizeof offer);
	assert_refused(lab_invite(lab, LAB_BOB, LAB_ALICE, offer), 488, 136);
	n = lab_pck_message(lab, LAB_ALICE, LAB_MALLORY, now(), message); /* and one that is not for us */
	lab_offer(message, n, offer, sizeof offer);
	assert_refused(lab_invite(lab, LAB_BOB, LAB_ALICE, offer), 488, 136);
	assert_never_media(bob, &g);
	ue_free(bob);
}

static void a_replayed_i_message_is_488_with_136_also_after_a_restart(void **state)
{
	(void)state;
	struct log g;
	struct ue *bob = listening_bob(&g);
	size_t n = lab_pck_message(lab, LAB_ALICE, LAB_BOB, now(), message);
	lab_offer(message, n, offer, sizeof offer);
	assert_refused(lab_invite(lab, LAB_BOB, LAB_ALICE, offer), 200, 0);
	assert_int_equal(ue_wait_idle(bob, 5000), 0);
	assert_refused(lab_invite(lab, LAB_BOB, LAB_ALICE, offer), 488, 136);
	ue_free(bob);
	bob = listening_bob(&g);
	assert_refused(lab_invite(lab, LAB_BOB, LAB_ALICE, offer), 488, 136);
	assert_never_media(bob, &g);
	ue_free(bob);
}

static void an_i_message_ten_minutes_old_is_488_with_136(void **state)
{
	(void)state;
	struct log g;
	struct ue *bob = listening_bob(&g);
	size_t n = lab_pck_message(lab, LAB_ALICE, LAB_BOB, now() - 600, message);
	lab_offer(message, n, offer, sizeof offer);
	assert_refused(lab_invite(lab, LAB_BOB, LAB_ALICE, offer), 488, 136);
	n = lab_pck_message(lab, LAB_ALICE, LAB_BOB, now() + 600, message);
	lab_offer(message, n, offer, sizeof offer);
	assert_refused(lab_invite(lab, LAB_BOB, LAB_ALICE, offer), 488, 136);
	assert_never_media(bob, &g);
	ue_free(bob);
}

static void a_key_that_is_not_active_yet_is_488_with_136(void **state)
{
	(void)state;
	struct log g;
	struct ue *bob = listening_bob(&g);
	struct mcsec_key_params early = {.status = MCSEC_STATUS_NOT_REVOKED, .activation = (uint64_t)time(NULL) + 3600};
	size_t n = lab_pck_message_with(lab, now(), &early, message);
	lab_offer(message, n, offer, sizeof offer);
	assert_refused(lab_invite(lab, LAB_BOB, LAB_ALICE, offer), 488, 136);
	assert_never_media(bob, &g);
	ue_free(bob);
}

static void mcx_sec_242_an_offer_whose_key_was_stripped_is_488_without_136(void **state)
{
	(void)state;
	struct log g;
	struct ue *bob = listening_bob(&g);
	lab_offer(NULL, 0, offer, sizeof offer);
	assert_refused(lab_invite(lab, LAB_BOB, LAB_ALICE, offer), 488, 0);
	assert_never_media(bob, &g);
	ue_free(bob);
}

static void offers_that_cannot_be_read_are_400_and_keys_that_are_no_base64_488_with_136(void **state)
{
	(void)state;
	struct log g;
	struct ue *bob = listening_bob(&g);
	assert_refused(lab_invite(lab, LAB_BOB, LAB_ALICE, "no description"), 400, 0);
	assert_refused(lab_invite(lab, LAB_BOB, LAB_ALICE, "v=0\r\nm=video 1 RTP/SAVP 96\r\n"), 400, 0);
	assert_refused(lab_invite(lab, LAB_BOB, LAB_ALICE,
				  "v=0\r\nc=IN IP4 127.0.0.1\r\na=key-mgmt:mikey ***\r\nm=audio 9 RTP/SAVP 101\r\n"
				  "a=rtpmap:101 opus/48000/2\r\n"),
		       488, 136);
	assert_never_media(bob, &g);
	ue_free(bob);
}

static void a_reinvite_with_the_same_key_is_fine_with_a_new_one_rekeys_and_with_a_bad_one_is_refused(void **state)
{
	(void)state;
	struct log g;
	struct ue *bob = listening_bob(&g);
	size_t n = lab_pck_message(lab, LAB_ALICE, LAB_BOB, now(), message);
	lab_offer(message, n, offer, sizeof offer);
	assert_refused(lab_invite_twice(lab, LAB_BOB, LAB_ALICE, offer, offer), 200, 0);
	assert_int_equal(ue_wait_idle(bob, 5000), 0);
	n = lab_pck_message(lab, LAB_ALICE, LAB_BOB, now(), message);
	lab_offer(message, n, offer, sizeof offer);
	n = lab_pck_message(lab, LAB_ALICE, LAB_BOB, now(), message);
	lab_offer(message, n, second, sizeof second);
	assert_refused(lab_invite_twice(lab, LAB_BOB, LAB_ALICE, offer, second), 200, 0);
	assert_int_equal(ue_wait_idle(bob, 5000), 0);
	n = lab_pck_message(lab, LAB_ALICE, LAB_BOB, now(), message);
	lab_offer(message, n, offer, sizeof offer);
	n = lab_pck_message(lab, LAB_MALLORY, LAB_BOB, now(), message);
	lab_offer(message, n, second, sizeof second);
	assert_refused(lab_invite_twice(lab, LAB_BOB, LAB_ALICE, offer, second), 488, 136);
	assert_int_equal(ue_wait_idle(bob, 5000), 0);
	ue_free(bob);
}

static void an_octet_flipped_by_the_caller_ends_in_488_with_136_at_the_caller(void **state)
{
	(void)state;
	struct log ga, gb;
	struct ue_report r;
	struct ue *alice = registered(LAB_ALICE, &ga), *bob = listening_bob(&gb);
	ga.damage_at = 100;
	assert_int_equal(ue_call(alice, &(struct ue_call){.target = LAB_BOB, .audio = {speech, heard}}, &r),
			 UE_REFUSED);
	assert_int_equal(r.sip_status, 488);
	assert_int_equal(r.warning, 136);
	assert_int_equal(ga.rtp_sent, 0);
	assert_never_media(bob, &gb);
	ue_free(alice);
	ue_free(bob);
}

/* ---- the server in the middle ------------------------------------------------------------------------------------ */

static void swap(void *ctx, char *sdp, size_t *len, size_t size)
{
	(void)ctx;
	*len = (size_t)snprintf(sdp, size, "%s", offer);
}

static void mcx_sec_243_a_key_swapped_by_the_server_is_488_with_136(void **state)
{
	(void)state;
	struct log ga, gb;
	struct ue_report r;
	struct ue *alice = registered(LAB_ALICE, &ga), *bob = listening_bob(&gb);
	size_t n = lab_pck_message(lab, LAB_MALLORY, LAB_BOB, now(), message);
	lab_offer(message, n, offer, sizeof offer);
	lab_set_hooks(lab, &(struct lab_hooks){.offer = swap});
	assert_int_equal(ue_call(alice, &(struct ue_call){.target = LAB_BOB, .audio = {speech, heard}}, &r),
			 UE_REFUSED);
	assert_int_equal(r.warning, 136);
	lab_set_hooks(lab, NULL);
	assert_never_media(bob, &gb);
	ue_free(alice);
	ue_free(bob);
}

/* Replaces the first `from` by `to`. */
static void replace(char *text, size_t *len, size_t size, const char *from, const char *to)
{
	char copy[TEXT];
	text[*len < size ? *len : size - 1] = 0;
	char *at = strstr(text, from);
	if (!at)
		return;
	snprintf(copy, sizeof copy, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
	*len = (size_t)snprintf(text, size, "%s", copy);
}

struct change {
	const char *from, *to;
};

static void downgrade(void *ctx, char *sdp, size_t *len, size_t size)
{
	const struct change *c = ctx;
	replace(sdp, len, size, c->from, c->to);
}

static void an_answer_that_downgrades_is_hung_up_and_nothing_is_played(void **state)
{
	(void)state;
	static const struct change changes[] = {
	    {"RTP/SAVP", "RTP/AVP"},                         /* plain RTP */
	    {"m=audio", "m=video"},                          /* the audio line changed its kind */
	    {"opus/48000/2", "PCMU/8000"},                   /* another codec under the number */
	    {"RTP/SAVP 96", "RTP/SAVP 0"},                   /* a format not offered */
	    {"a=sendrecv\r\n", "m=audio 9 RTP/SAVP 96\r\n"}, /* one line more */
	    {"v=0", "v=9"},                                  /* no description at all */
	    {"c=IN IP4 127.0.0.1\r\n", ""},                  /* nowhere to send to */
	};
	struct log ga, gb;
	struct ue_report r;
	struct ue *alice = registered(LAB_ALICE, &ga), *bob = listening_bob(&gb);
	for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
		int byes = lab_byes(lab);
		unlink(heard);
		lab_set_hooks(lab, &(struct lab_hooks){.answer = downgrade, .ctx = (void *)(uintptr_t)&changes[i]});
		enum ue_status s = ue_call(alice, &(struct ue_call){.target = LAB_BOB, .audio = {speech, heard}}, &r);
		if (s != UE_DOWNGRADE || lab_byes(lab) != byes + 1)
			fail_msg("%s -> %s: %s, %s", changes[i].from, changes[i].to, ue_status_name(s), r.text);
		assert_int_equal(ga.rtp_sent, 0);
		assert_int_equal(octets_of_file(heard), 0);
		assert_int_equal(ue_wait_idle(bob, 5000), 0);
	}
	lab_set_hooks(lab, NULL);
	ue_free(alice);
	ue_free(bob);
}

static void an_audio_line_that_was_dropped_from_the_answer_is_hung_up(void **state)
{
	(void)state;
	static const struct change zero = {"m=audio ", "m=audio 0 RTP/SAVP 96\r\na=was:"};
	struct log ga, gb;
	struct ue_report r;
	struct ue *alice = registered(LAB_ALICE, &ga), *bob = listening_bob(&gb);
	lab_set_hooks(lab, &(struct lab_hooks){.answer = downgrade, .ctx = (void *)(uintptr_t)&zero});
	assert_int_equal(ue_call(alice, &(struct ue_call){.target = LAB_BOB, .audio = {speech, heard}}, &r),
			 UE_DOWNGRADE);
	assert_int_equal(ga.rtp_sent, 0);
	lab_set_hooks(lab, NULL);
	assert_int_equal(ue_wait_idle(bob, 5000), 0);
	ue_free(alice);
	ue_free(bob);
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

static void a_client_that_ends_in_a_call_says_bye_and_leaves_no_secret(void **state)
{
	(void)state;
	struct log ga, gb;
	struct ue *bob = listening_bob(&gb), *alice = registered(LAB_ALICE, &ga);
	size_t n = lab_pck_message(lab, LAB_ALICE, LAB_BOB, now(), message);
	lab_offer(message, n, offer, sizeof offer);
	assert_refused(lab_invite(lab, LAB_BOB, LAB_ALICE, offer), 200, 0);
	ue_free(bob);
	ue_free(alice);
}

static int make_world(void **state)
{
	(void)state;
	char err[256];
	snprintf(speech, sizeof speech, "/tmp/mcx-speech-%d.wav", (int)getpid());
	snprintf(heard, sizeof heard, "/tmp/mcx-heard-%d.wav", (int)getpid());
	snprintf(heard_back, sizeof heard_back, "/tmp/mcx-back-%d.wav", (int)getpid());
	snprintf(reference, sizeof reference, "/tmp/mcx-reference-%d.wav", (int)getpid());
	make_speech(speech, SECONDS);
	assert_int_equal(ue_audio_reference(speech, reference, err, sizeof err), UE_OK);
	lab = lab_new();
	return 0;
}

static int end_world(void **state)
{
	(void)state;
	lab_free(lab);
	unlink(speech);
	unlink(heard);
	unlink(heard_back);
	unlink(reference);
	size_t left = mcsec_secret_in_use();
	if (left)
		print_message("%zu octets of secret memory are still in use\n", left);
	return left != 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_registration_uploads_a_csk_that_the_server_opens_with_token_and_client_id),
	    cmocka_unit_test(a_csk_made_after_a_restart_in_the_same_second_is_later_than_the_one_before),
	    cmocka_unit_test(a_refused_registration_is_told_by_code_and_leaves_no_key),
	    cmocka_unit_test(mcx_sec_246_two_users_talk_both_ways_and_hear_what_was_said),
	    cmocka_unit_test(packets_on_the_wire_carry_the_pck_id_and_no_codec_frame),
	    cmocka_unit_test(a_callee_that_is_unknown_or_busy_or_silent_is_told_by_its_code),
	    cmocka_unit_test(nobody_calls_without_being_registered),
	    cmocka_unit_test(a_flipped_bit_in_each_octet_of_the_i_message_is_488_with_136_and_never_media),
	    cmocka_unit_test(mcx_sec_241_an_i_message_of_another_user_is_488_with_136),
	    cmocka_unit_test(a_replayed_i_message_is_488_with_136_also_after_a_restart),
	    cmocka_unit_test(an_i_message_ten_minutes_old_is_488_with_136),
	    cmocka_unit_test(a_key_that_is_not_active_yet_is_488_with_136),
	    cmocka_unit_test(a_callee_ends_a_call_that_lasts_longer_than_it_will),
	    cmocka_unit_test(mcx_sec_242_an_offer_whose_key_was_stripped_is_488_without_136),
	    cmocka_unit_test(offers_that_cannot_be_read_are_400_and_keys_that_are_no_base64_488_with_136),
	    cmocka_unit_test(a_reinvite_with_the_same_key_is_fine_with_a_new_one_rekeys_and_with_a_bad_one_is_refused),
	    cmocka_unit_test(an_octet_flipped_by_the_caller_ends_in_488_with_136_at_the_caller),
	    cmocka_unit_test(mcx_sec_243_a_key_swapped_by_the_server_is_488_with_136),
	    cmocka_unit_test(an_answer_that_downgrades_is_hung_up_and_nothing_is_played),
	    cmocka_unit_test(an_audio_line_that_was_dropped_from_the_answer_is_hung_up),
	    cmocka_unit_test(a_client_that_ends_in_a_call_says_bye_and_leaves_no_secret),
	};
	return cmocka_run_group_tests(tests, make_world, end_world);
}
