/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SIP port over real loopback sockets: two agents on one loop, UDP and TCP; what does not arrive is reported, what
 * is too long or carries a line end in a header is refused.
 */
#include "unit/sip/port_bed.h"

static void a_request_and_its_response_carry_binary_bodies_over_udp(void **state)
{
	(void)state;
	carries_binary_bodies(SIP_UDP, NULL, NULL, NULL);
}

static void a_request_and_its_response_carry_binary_bodies_over_tcp(void **state)
{
	(void)state;
	carries_binary_bodies(SIP_TCP, NULL, NULL, NULL);
}

static void a_peer_that_does_not_listen_is_reported_soon(void **state)
{
	(void)state;
	struct end client;
	end_open(&client, SIP_TCP, NULL, NULL);
	int64_t began = sip_loop_now_ms(loop);
	assert_in_range(ask(&client, "OPTIONS", "sip:x@127.0.0.1:1;transport=tcp", (struct octets){0}), 400, 699);
	assert_true(sip_loop_now_ms(loop) - began < 3000);
	assert_string_not_equal(client.error, "");
	end_close(&client);
}

static void a_request_has_a_bound_of_its_own(void **state)
{
	(void)state;
	struct end client;
	end_open(&client, SIP_UDP, NULL, NULL);
	struct sip_request rq = {.method = "OPTIONS",
				 .uri = "sip:x@127.0.0.1:1",
				 .from = "sip:a@a.test",
				 .to = "sip:x@a.test",
				 .timeout_ms = 200};
	assert_non_null(sip_send(client.port, &rq, on_response, &client));
	wait_for(&client.status);
	assert_in_range(client.status, 408, 503);
	end_close(&client);
}

static void a_header_value_with_a_line_end_is_never_sent(void **state)
{
	(void)state;
	struct end client;
	end_open(&client, SIP_UDP, NULL, NULL);
	struct sip_header h = {"Subject", "x\r\nP-Asserted-Identity: <sip:bob@a.test>"};
	struct sip_request rq = {.method = "OPTIONS",
				 .uri = "sip:x@127.0.0.1:9",
				 .from = "sip:a@a.test",
				 .to = "sip:x@a.test",
				 .with = {.n_headers = 1, .headers = &h}};
	assert_null(sip_send(client.port, &rq, on_response, &client));
	h.value = "fine";
	rq.from = "sip:a@a.test>\r\nX: <sip:b@a.test";
	assert_null(sip_send(client.port, &rq, on_response, &client));
	end_close(&client);
}

static void a_message_beyond_the_bound_is_refused(void **state)
{
	(void)state;
	struct end server, client;
	end_open(&server, SIP_TCP, NULL, NULL);
	end_open(&client, SIP_TCP, NULL, NULL);
	static uint8_t big[SIP_MAX_MESSAGE + 1000];
	memset(big, 'x', sizeof big);
	int status = ask(&client, "MESSAGE", uri_of(&server, SIP_TCP, "127.0.0.1"), OCTETS(big));
	assert_true(status >= 400);
	assert_int_equal(server.requests, 0);
	end_close(&client);
	end_close(&server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_request_and_its_response_carry_binary_bodies_over_udp),
	    cmocka_unit_test(a_request_and_its_response_carry_binary_bodies_over_tcp),
	    cmocka_unit_test(a_peer_that_does_not_listen_is_reported_soon),
	    cmocka_unit_test(a_request_has_a_bound_of_its_own),
	    cmocka_unit_test(a_header_value_with_a_line_end_is_never_sent),
	    cmocka_unit_test(a_message_beyond_the_bound_is_refused),
	};
	return cmocka_run_group_tests_name("sip_port", tests, bed_set_up, bed_tear_down);
}
