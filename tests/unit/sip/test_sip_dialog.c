/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls over the SIP port: set up, acknowledged, ended by either side, cancelled; dialogs nobody knows, that are saved
 * and restored, that are freed while requests are under way.
 */
#include "unit/sip/port_bed.h"

/* A call from `client` to `server`: the INVITE is sent, nothing is waited for. */
struct call {
	struct end server, client;
	struct sip_dialog *d; /* the caller's */
	struct sip_client_tx *tx;
};

static void call_open(struct call *c, enum sip_transport t, int hold)
{
	const char *host = t == SIP_TLS ? "sip.a.test" : "127.0.0.1";
	end_open(&c->server, t, t == SIP_TLS ? host : NULL, t == SIP_TLS ? dir_server : NULL);
	end_open(&c->client, t, NULL, t == SIP_TLS ? dir_alice : NULL);
	c->server.hold = hold;
	struct sip_request rq = {.method = "INVITE",
				 .uri = uri_of(&c->server, t, host),
				 .from = "sip:alice@a.test",
				 .to = "sip:bob@a.test",
				 .with = {.content_type = "application/sdp", .body = {(const uint8_t *)"v=0\r\n", 5}}};
	c->d = sip_dialog_invite(c->client.port, &rq, on_response, &bed_events, &c->client, &c->tx);
	assert_non_null(c->d);
}

/* callee: its dialog, NULL when it is gone. */
static void call_close(struct call *c, struct sip_dialog *callee)
{
	sip_dialog_free(c->d);
	sip_dialog_free(callee);
	end_close(&c->client);
	end_close(&c->server);
}

/* A BYE from this end; its final status. */
static int bye(struct end *from, struct sip_dialog *d)
{
	struct sip_request rq = {.method = "BYE"};
	from->status = 0;
	assert_non_null(sip_dialog_send(d, &rq, on_response, from));
	wait_for(&from->status);
	return from->status;
}

static void a_call_is_set_up_acknowledged_and_ended_by_the_caller(void **state)
{
	(void)state;
	struct call c;
	call_open(&c, SIP_TCP, 0);
	wait_for(&c.client.status);
	assert_int_equal(c.client.status, 200);
	assert_true(c.client.provisional >= 1);
	wait_for(&c.server.acked);
	assert_int_equal(c.server.acked, 1);
	assert_int_equal(bye(&c.client, c.d), 200);
	assert_int_equal(c.server.byes, 1);
	call_close(&c, c.server.dialog);
}

/* Whoever frees the dialog may free what its handlers work on. */
static void after_a_dialog_is_freed_no_answer_to_its_requests_is_delivered(void **state)
{
	(void)state;
	struct call c;
	call_open(&c, SIP_TCP, 0);
	wait_for(&c.client.status);
	wait_for(&c.server.acked);
	c.client.status = 0;
	c.server.hold = 1;
	struct sip_request info = {.method = "INFO", .timeout_ms = 400};
	assert_non_null(sip_dialog_send(c.d, &info, on_response, &c.client)); /* will be answered */
	assert_non_null(sip_dialog_send(c.d, &info, on_response, &c.client)); /* will run into its bound */
	for (int i = 0; i < 3000 && !c.server.held; i++)
		sip_loop_step(loop, 10);
	assert_non_null(c.server.held);
	sip_dialog_free(c.d);
	c.d = NULL;
	assert_int_equal(sip_reply(c.server.held, 200, NULL, NULL), MCSEC_OK);
	sip_loop_step(loop, 700);
	assert_int_equal(c.client.status, 0);
	call_close(&c, c.server.dialog);
}

static void a_call_over_tls_is_ended_by_the_callee_over_the_callers_connection(void **state)
{
	(void)state;
	struct call c;
	call_open(&c, SIP_TLS, 0);
	wait_for(&c.client.status);
	wait_for(&c.server.acked);
	assert_int_equal(c.server.acked, 1);
	assert_int_equal(bye(&c.server, c.server.dialog), 200);
	assert_int_equal(c.client.byes, 1);
	call_close(&c, c.server.dialog);
}

static void a_cancelled_call_ends_in_487(void **state)
{
	(void)state;
	struct call c;
	call_open(&c, SIP_TCP, 1);
	wait_for(&c.client.provisional);
	sip_cancel(c.tx);
	wait_for(&c.client.status);
	assert_int_equal(c.client.status, 487);
	assert_int_equal(c.server.cancelled, 1);
	call_close(&c, NULL);
}

static void a_200_that_crosses_a_cancel_still_reaches_the_caller(void **state)
{
	(void)state;
	struct call c;
	call_open(&c, SIP_TCP, 1);
	wait_for(&c.client.provisional);
	struct sip_dialog *callee = sip_dialog_accept(c.server.held, &bed_events, &c.server);
	sip_reply(c.server.held, 200, NULL, NULL);
	sip_cancel(c.tx);
	wait_for(&c.client.status);
	assert_int_equal(c.client.status, 200);
	wait_for(&c.server.acked);
	assert_int_equal(c.server.acked, 1);
	assert_int_equal(c.server.cancelled, 0);
	call_close(&c, callee);
}

static void a_request_in_an_unknown_dialog_is_answered_481(void **state)
{
	(void)state;
	struct call c;
	call_open(&c, SIP_TCP, 0);
	wait_for(&c.server.acked);
	sip_dialog_free(c.server.dialog);
	assert_int_equal(bye(&c.client, c.d), 481);
	call_close(&c, NULL);
}

static void a_saved_dialog_can_be_ended_after_a_restart(void **state)
{
	(void)state;
	struct call c;
	call_open(&c, SIP_TCP, 0);
	wait_for(&c.server.acked);
	char callee_side[2048], caller_side[2048];
	assert_int_equal(sip_dialog_save(c.server.dialog, callee_side, sizeof callee_side), MCSEC_OK);
	assert_int_equal(sip_dialog_save(c.d, caller_side, sizeof caller_side), MCSEC_OK);
	assert_int_equal(sip_dialog_save(c.d, caller_side, 10), MCSEC_E_NO_SPACE);
	assert_int_equal(sip_dialog_save(c.d, caller_side, sizeof caller_side), MCSEC_OK);
	end_close(&c.server); /* its dialog ends with it */
	end_open(&c.server, SIP_TCP, NULL, NULL);
	struct sip_dialog *again = sip_dialog_restore(c.server.port, callee_side, &bed_events, &c.server);
	assert_non_null(again);
	assert_int_equal(bye(&c.server, again), 200);
	assert_int_equal(c.client.byes, 1);
	assert_null(sip_dialog_restore(c.server.port, "x\ny\n", &bed_events, &c.server));
	call_close(&c, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_call_is_set_up_acknowledged_and_ended_by_the_caller),
	    cmocka_unit_test(after_a_dialog_is_freed_no_answer_to_its_requests_is_delivered),
	    cmocka_unit_test(a_call_over_tls_is_ended_by_the_callee_over_the_callers_connection),
	    cmocka_unit_test(a_cancelled_call_ends_in_487),
	    cmocka_unit_test(a_200_that_crosses_a_cancel_still_reaches_the_caller),
	    cmocka_unit_test(a_request_in_an_unknown_dialog_is_answered_481),
	    cmocka_unit_test(a_saved_dialog_can_be_ended_after_a_restart),
	};
	return cmocka_run_group_tests_name("sip_dialog", tests, bed_set_up, bed_tear_down);
}
