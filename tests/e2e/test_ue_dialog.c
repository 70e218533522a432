/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_ue_dialog.c - requests that meet a client at an awkward moment, or that fit nothing it knows (RFC 3261 8.2, 9,
 * 12.2.2, 14; TS 33.180 5.3.3): its answer, and that no call, key or line is left over. While the test holds the
 * client's workers a key stays in checking, so that each moment lasts as long as the test wants.
 */
#include "e2e/hostile_peer.h"
#include "e2e/ue_lab_in.h"
#include "ue/engine.h"

#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "mcsec/secret.h"

enum { PATIENCE_S = 60, HELD = 8 };

static struct peer peer;
static _Atomic int ups;

static void on_event(void *ctx, const struct ue_event *ev)
{
	(void)ctx;
	ups += ev->kind == UE_EV_CALL_UP;
}

static void begin(void)
{
	struct ue_report r;
	if (peer.fd)
		peer_close(&peer);
	ue_free(lab_alice);
	lab_alice = lab_client(lab, LAB_ALICE, &(struct ue_config){.on_event = on_event});
	if (ue_register(lab_alice, &r))
		fail_msg("register: %s", r.text);
	ue_answer(lab_alice, &(struct ue_audio_files){0});
	ups = 0;
}

static int64_t now_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

/* ---- workers that wait for the test ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int holding, held_now;

static void hold_run(void *arg, void *state)
{
	(void)arg;
	(void)state;
	pthread_mutex_lock(&lock);
	held_now++;
	while (holding)
		pthread_cond_wait(&changed, &lock);
	held_now--;
	pthread_mutex_unlock(&lock);
}

static void hold_done(void *arg)
{
	(void)arg;
}

/* More than there are workers: what the client has them do comes behind. */
static void hold_workers(void)
{
	const struct worker_job job = {hold_run, hold_done, NULL};
	holding = 1;
	for (int n = 0; n < HELD; n++)
		assert_int_equal(worker_submit(lab_alice->workers, &job), 0);
}

static void let_workers_go(void)
{
	pthread_mutex_lock(&lock);
	holding = 0;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

static size_t held_or_waiting(void)
{
	pthread_mutex_lock(&lock);
	size_t n = (size_t)held_now;
	pthread_mutex_unlock(&lock);
	return n + worker_queued(lab_alice->workers);
}

/* The client has something to be done. */
static void wait_checking(void)
{
	int64_t began = now_s();
	while (held_or_waiting() <= HELD)
		if (usleep(1000) || now_s() - began > PATIENCE_S)
			fail_msg("the client checks no key");
}

/* ---- the server's end of a call ---- */

struct asked { /* one request of the server's, and its answer */
	_Atomic int status, warning;
	const char *method, *offer; /* offer: a description, or NULL */
	struct sip_client_tx *tx;
	struct sip_dialog *dialog; /* of an INVITE, or the one it is sent in; the lab's loop alone */
};

static char offers[3][TEXT];
static sem_t turn;

static void on_answer(void *ctx, struct sip_client_tx *tx, const struct sip_message *rs)
{
	struct asked *a = ctx;
	(void)tx;
	if (rs->status < 200)
		return;
	a->tx = NULL;
	a->warning = sip_warning_code(rs);
	a->status = rs->status;
}

/* What the client sends in the call: its BYE. */
static void on_client(void *ctx, struct sip_server_tx *tx, const struct sip_message *rq)
{
	(void)ctx;
	(void)rq;
	(void)sip_reply(tx, 200, NULL, NULL);
}

static const struct sip_dialog_events events = {.on_request = on_client};

static struct octets body_of(const char *offer)
{
	static uint8_t body[TEXT];
	size_t n = lab_invite_body(MCX_MCPTT, offer ? offer : "", offer ? strlen(offer) : 0, LAB_BOB, LAB_ALICE, body,
				   sizeof body);
	return (struct octets){body, offer ? n : 0};
}

static void send_first(void *arg)
{
	struct asked *a = arg;
	struct sip_request rq = lab_invite_to(MCX_MCPTT, lab_find(lab, LAB_ALICE), LAB_BOB, body_of(a->offer));
	struct sip_dialog *d = sip_dialog_invite(lab->port, &rq, on_answer, &events, a, &a->tx);
	if (!d)
		a->status = -1;
	a->dialog = d;
	sem_post(&turn);
}

static void send_in_call(void *arg)
{
	struct asked *a = arg;
	struct sip_request rq = {.method = a->method, .with = {.body = body_of(a->offer)}};
	if (a->offer)
		rq.with.content_type = "multipart/mixed;boundary=b0undary";
	a->tx = sip_dialog_send(a->dialog, &rq, on_answer, a);
	if (!a->tx)
		a->status = -1;
	sem_post(&turn);
}

static void cancel(void *arg)
{
	struct asked *a = arg;
	if (a->tx)
		sip_cancel(a->tx);
	sem_post(&turn);
}

static void forget(void *arg)
{
	struct asked *a = arg;
	sip_dialog_free(a->dialog);
	a->dialog = NULL;
	sem_post(&turn);
}

static void on_lab(void (*fn)(void *), void *arg)
{
	assert_int_equal(sip_loop_post(lab->loop, fn, arg), 0);
	while (sem_wait(&turn))
		;
}

static void is_answered(struct asked *a, int status)
{
	int64_t began = now_s();
	while (!a->status)
		if (usleep(1000) || now_s() - began > PATIENCE_S)
			fail_msg("no answer to %s", a->method ? a->method : "INVITE");
	if (a->status != status)
		fail_msg("%s: %d, not %d", a->method ? a->method : "INVITE", a->status, status);
}

/* A new key each time, or it would be a replay. */
static const char *fresh_offer(int i)
{
	uint8_t message[MCSEC_IM_MAX];
	size_t n = lab_pck_message(lab, LAB_BOB, LAB_ALICE, (uint64_t)time(NULL) + MCSEC_NTP_UNIX, message);
	lab_offer(message, n, offers[i], sizeof offers[i]);
	return offers[i];
}

/* In the call of that INVITE. */
static void ask_in(const struct asked *invite, struct asked *a)
{
	a->dialog = invite->dialog;
	on_lab(send_in_call, a);
}

static void is_over(struct asked *invite)
{
	on_lab(forget, invite);
	assert_int_equal(ue_wait_idle(lab_alice, PATIENCE_S * 1000), 0);
}

/* After everything: the line is free, a call is taken. */
static void takes_calls(void)
{
	int before = ups;
	struct asked a = {.offer = fresh_offer(0)}, bye = {.method = "BYE"};
	on_lab(send_first, &a);
	is_answered(&a, 200);
	ask_in(&a, &bye);
	is_answered(&bye, 200);
	is_over(&a);
	assert_int_equal(ups, before + 1);
}

/* ---- */

static void a_call_that_is_cancelled_while_its_key_is_checked_is_487_and_another_meanwhile_486(void **state)
{
	(void)state;
	begin();
	hold_workers();
	struct asked first = {.offer = fresh_offer(0)}, second = {.offer = fresh_offer(1)};
	on_lab(send_first, &first);
	wait_checking();
	on_lab(send_first, &second);
	is_answered(&second, 486);
	on_lab(forget, &second);
	on_lab(cancel, &first);
	is_answered(&first, 487);
	let_workers_go();
	is_over(&first);
	assert_int_equal(ups, 0);
	takes_calls();
}

static void a_user_who_hangs_up_while_the_key_is_checked_declines(void **state)
{
	(void)state;
	begin();
	hold_workers();
	struct asked a = {.offer = fresh_offer(0)};
	on_lab(send_first, &a);
	wait_checking();
	ue_hang_up(lab_alice);
	is_answered(&a, 480);
	assert_int_equal(a.warning, 110);
	let_workers_go();
	is_over(&a);
	assert_int_equal(ups, 0);
	takes_calls();
}

static void while_a_new_key_is_checked_another_reinvite_is_491_and_a_bye_ends_all(void **state)
{
	(void)state;
	begin();
	struct asked invite = {.offer = fresh_offer(0)}, info = {.method = "INFO"}, bye = {.method = "BYE"};
	struct asked again = {.method = "INVITE", .offer = fresh_offer(1)};
	struct asked crossing = {.method = "INVITE", .offer = fresh_offer(2)};
	on_lab(send_first, &invite);
	is_answered(&invite, 200);
	hold_workers();
	ask_in(&invite, &again);
	wait_checking();
	ask_in(&invite, &crossing);
	is_answered(&crossing, 491);
	ask_in(&invite, &info);
	is_answered(&info, 405);
	ask_in(&invite, &bye);
	is_answered(&bye, 200);
	is_answered(&again, 487);
	let_workers_go();
	is_over(&invite);
	assert_int_equal(ups, 1);
	takes_calls();
}

static void a_client_that_ends_while_keys_are_checked_leaves_no_secret(void **state)
{
	(void)state;
	begin();
	size_t with_client = mcsec_secret_in_use();
	hold_workers();
	struct asked a = {.offer = fresh_offer(0)};
	on_lab(send_first, &a);
	wait_checking();
	assert_true(mcsec_secret_in_use() > with_client);
	let_workers_go();
	ue_free(lab_alice);
	lab_alice = NULL;
	on_lab(forget, &a);
	assert_true(mcsec_secret_in_use() < with_client);
}

/* ---- requests that fit nothing ---- */

static void peer_is_there(void)
{
	peer_open(&peer, lab_port_of(lab, LAB_ALICE), NULL);
}

static void requests_of_no_call_are_answered_by_what_they_are(void **state)
{
	(void)state;
	static const struct {
		const char *method, *to_tag;
		int status;
	} rows[] = {
	    {"OPTIONS", NULL, 200},  {"INFO", NULL, 405},  {"SUBSCRIBE", NULL, 405}, {"REFER", NULL, 405},
	    {"INVITE", "gone", 481}, {"BYE", "gone", 481}, {"BYE", NULL, 405},
	};
	begin();
	peer_is_there();
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct said s = {.method = rows[i].method,
				 .uri = "sip:alice@127.0.0.1;transport=tcp",
				 .from = LAB_PSI,
				 .to = LAB_ALICE,
				 .to_tag = rows[i].to_tag,
				 .contact = "<sip:lab@127.0.0.1:9;transport=tcp>"};
		int status = peer_ask(&peer, &s);
		if (status != rows[i].status)
			fail_msg("%s: %d", rows[i].method, status);
	}
	takes_calls();
}

static void a_client_of_a_server_over_tls_takes_nothing_from_whoever_reaches_its_port_without(void **state)
{
	(void)state;
	static const char *const methods[] = {"INVITE", "MESSAGE", "OPTIONS", "BYE"};
	begin();
	const char *route = lab_alice->c.sip_route;
	struct asked invite = {.offer = fresh_offer(0)}, reinvite = {.method = "INVITE", .offer = fresh_offer(1)};
	struct asked bye = {.method = "BYE"};
	on_lab(send_first, &invite);
	is_answered(&invite, 200);
	/* from here on her server is one that is reached over TLS */
	lab_alice->c.sip_route = "sip:sip.lab.mcx.test:5061;transport=tls";
	ask_in(&invite, &reinvite);
	is_answered(&reinvite, 403);
	peer_is_there();
	for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
		struct said s = {.method = methods[i],
				 .uri = "sip:alice@127.0.0.1;transport=tcp",
				 .from = LAB_PSI,
				 .to = LAB_ALICE,
				 .contact = "<sip:lab@127.0.0.1:9;transport=tcp>"};
		assert_int_equal(peer_ask(&peer, &s), 403);
	}
	lab_alice->c.sip_route = route;
	ask_in(&invite, &bye);
	is_answered(&bye, 200);
	is_over(&invite);
	takes_calls();
}

/* ---- what the user wants and cannot have ---- */

static void who_is_not_signed_in_or_has_logged_off_is_told_so(void **state)
{
	(void)state;
	struct ue_report r;
	ue_free(lab_alice);
	lab_alice = lab_client(lab, LAB_ALICE, NULL);
	assert_int_equal(ue_log_off(lab_alice, &r), UE_OK);
	assert_string_equal(r.text, "was not registered");
	assert_int_equal(ue_register(lab_alice, &r), UE_OK);
	assert_int_equal(ue_log_off(lab_alice, &r), UE_OK);
	assert_string_equal(r.text, "logged off");
	assert_int_equal(ue_log_off(lab_alice, &r), UE_OK);
	assert_string_equal(r.text, "was not registered");
	lab_alice->tokens->mcptt_id[0] = 0;
	assert_int_equal(ue_register(lab_alice, &r), UE_STATE);
	assert_string_equal(r.text, "not signed in");
	lab_alice->tokens->access[0] = 0;
	assert_int_equal(ue_token_fresh(lab_alice, 0, &r), UE_STATE);
	assert_string_equal(r.text, "not signed in");
}

static void a_log_off_that_the_server_refuses_is_one_here_alone(void **state)
{
	(void)state;
	struct ue_report r;
	begin();
	lab_refuse_registers(lab, 1, 503, NULL);
	assert_int_equal(ue_log_off(lab_alice, &r), UE_REFUSED);
	assert_string_equal(r.text, "the server did not confirm");
	assert_int_equal(r.sip_status, 503);
	assert_int_equal(ue_csk_id(lab_alice), 0);
}

static void a_call_to_nobody_or_beside_another_is_not_made(void **state)
{
	(void)state;
	struct ue_report r;
	char longest[MCSEC_ID_MAX + 1];
	const char *const nobody[] = {NULL, "", longest};
	memset(longest, 'a', MCSEC_ID_MAX);
	longest[MCSEC_ID_MAX] = 0;
	begin();
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(ue_call(lab_alice, &(struct ue_call){.target = nobody[i]}, &r), UE_STATE);
		assert_string_equal(r.text, "nobody to call");
	}
	struct asked a = {.offer = fresh_offer(0)}, bye = {.method = "BYE"};
	on_lab(send_first, &a);
	is_answered(&a, 200);
	assert_int_equal(ue_wait_idle(lab_alice, 999), -1);
	assert_int_equal(ue_call(lab_alice, &(struct ue_call){.target = LAB_BOB}, &r), UE_STATE);
	assert_string_equal(r.text, "a call is going on");
	ask_in(&a, &bye);
	is_answered(&bye, 200);
	is_over(&a);
	assert_int_equal(ue_wait_idle(lab_alice, 999), 0);
}

static int dialog_set_up(void **state)
{
	sem_init(&turn, 0, 0);
	return lab_set_up(state);
}

static int dialog_tear_down(void **state)
{
	if (peer.fd)
		peer_close(&peer);
	return lab_tear_down(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_call_that_is_cancelled_while_its_key_is_checked_is_487_and_another_meanwhile_486),
	    cmocka_unit_test(a_user_who_hangs_up_while_the_key_is_checked_declines),
	    cmocka_unit_test(while_a_new_key_is_checked_another_reinvite_is_491_and_a_bye_ends_all),
	    cmocka_unit_test(a_client_that_ends_while_keys_are_checked_leaves_no_secret),
	    cmocka_unit_test(requests_of_no_call_are_answered_by_what_they_are),
	    cmocka_unit_test(a_client_of_a_server_over_tls_takes_nothing_from_whoever_reaches_its_port_without),
	    cmocka_unit_test(who_is_not_signed_in_or_has_logged_off_is_told_so),
	    cmocka_unit_test(a_log_off_that_the_server_refuses_is_one_here_alone),
	    cmocka_unit_test(a_call_to_nobody_or_beside_another_is_not_made),
	};
	return cmocka_run_group_tests_name("ue_dialog", tests, dialog_set_up, dialog_tear_down);
}
