/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SIP port over TLS: who may connect (another authority, another name, an address: refused), which names of a
 * certificate the handler sees, that a client is reached back over its connection, and that connections are freed.
 */
#include <openssl/ssl.h>

#include "unit/sip/port_bed.h"

static void a_request_and_its_response_carry_binary_bodies_over_tls(void **state)
{
	(void)state;
	carries_binary_bodies(SIP_TLS, "sip.a.test", dir_server, dir_alice);
}

static void the_names_in_a_verified_client_certificate_reach_the_handler(void **state)
{
	(void)state;
	struct end server, client;
	end_open(&server, SIP_TLS, "sip.a.test", dir_server);
	end_open(&client, SIP_TLS, NULL, dir_alice);
	assert_int_equal(ask(&client, "OPTIONS", uri_of(&server, SIP_TLS, "sip.a.test"), (struct octets){0}), 200);
	assert_non_null(strstr(server.subjects, "sip:alice@a.test "));
	end_close(&client);
	end_close(&server);
}

static int tls_made, tls_freed;

static void made(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
	(void)parent, (void)ptr, (void)ad, (void)idx, (void)argl, (void)argp;
	tls_made++;
}

static void freed(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
	(void)parent, (void)ptr, (void)ad, (void)idx, (void)argl, (void)argp;
	tls_freed++;
}

/* The library forgets to: see sip_tls_free.c. Were a connection freed twice, this test would not come to its end. */
static void every_tls_connection_is_freed_once_when_it_ends(void **state)
{
	(void)state;
	assert_true(SSL_get_ex_new_index(0, NULL, made, NULL, freed) >= 0);
	for (int i = 0; i < 10; i++) {
		struct end server, client;
		end_open(&server, SIP_TLS, "sip.a.test", dir_server);
		end_open(&client, SIP_TLS, NULL, i % 2 ? dir_alice : dir_stranger);
		ask(&client, "OPTIONS", uri_of(&server, SIP_TLS, "sip.a.test"), (struct octets){0});
		end_close(&client);
		end_close(&server);
	}
	assert_true(tls_made >= 20);
	assert_int_equal(tls_freed, tls_made);
}

/* From a client with this certificate to the server under this name: nothing of the request arrives. */
static void refused_over_tls(const char *client_dir, const char *name)
{
	struct end server, client;
	end_open(&server, SIP_TLS, "sip.a.test", dir_server);
	end_open(&client, SIP_TLS, NULL, client_dir);
	assert_in_range(ask(&client, "OPTIONS", uri_of(&server, SIP_TLS, name), (struct octets){0}), 400, 699);
	assert_string_not_equal(client.error, "");
	assert_int_equal(server.requests, 0);
	end_close(&client);
	end_close(&server);
}

static void mcx_sec_tls_03_a_client_certificate_of_another_authority_is_refused(void **state)
{
	(void)state;
	refused_over_tls(dir_stranger, "sip.a.test");
}

static void mcx_sec_tls_03_a_server_certificate_of_another_authority_is_refused(void **state)
{
	(void)state;
	refused_over_tls(dir_naive, "sip.a.test"); /* our certificate, but trusts only the other authority */
}

static void mcx_sec_tls_04_a_server_certificate_for_another_name_is_refused(void **state)
{
	(void)state;
	refused_over_tls(dir_alice, "evil.a.test");
}

/* Whoever may choose it could be anybody: RFC 5922 7.1. */
static void a_common_name_is_nobodys_name_neither_of_who_comes_nor_of_whom_we_went_to(void **state)
{
	(void)state;
	struct end server, client;
	end_open(&server, SIP_TLS, "sip.a.test", dir_server);
	end_open(&client, SIP_TLS, NULL, dir_as_bob);
	assert_int_equal(ask(&client, "OPTIONS", uri_of(&server, SIP_TLS, "sip.a.test"), (struct octets){0}), 200);
	assert_string_equal(server.subjects, "");
	end_close(&client);
	end_close(&server);
	end_open(&server, SIP_TLS, "sip.a.test", dir_as_server);
	end_open(&client, SIP_TLS, NULL, dir_alice);
	assert_in_range(ask(&client, "OPTIONS", uri_of(&server, SIP_TLS, "sip.a.test"), (struct octets){0}), 400, 699);
	assert_int_equal(server.requests, 0);
	end_close(&client);
	end_close(&server);
}

static void a_server_reached_by_address_is_refused_because_no_name_can_match(void **state)
{
	(void)state;
	refused_over_tls(dir_alice, "127.0.0.1");
}

static void a_client_is_reached_back_over_its_own_connection(void **state)
{
	(void)state;
	struct end server, client;
	end_open(&server, SIP_TLS, "sip.a.test", dir_server);
	end_open(&client, SIP_TLS, NULL, dir_alice);
	assert_int_equal(ask(&client, "OPTIONS", uri_of(&server, SIP_TLS, "sip.a.test"), (struct octets){0}), 200);
	assert_true(sip_flow_alive(server.flow));
	/* The Request-URI leads nowhere; the flow decides. */
	struct sip_request rq = {.method = "MESSAGE",
				 .uri = "sip:alice@192.0.2.1:9;transport=tls",
				 .from = "sip:pf@a.test",
				 .to = "sip:alice@a.test",
				 .flow = server.flow};
	assert_non_null(sip_send(server.port, &rq, on_response, &server));
	wait_for(&server.status);
	assert_int_equal(server.status, 200);
	assert_string_equal(client.method, "MESSAGE");
	end_close(&client);
	for (int i = 0; i < 3000 && sip_flow_alive(server.flow); i++)
		sip_loop_step(loop, 10);
	assert_false(sip_flow_alive(server.flow));
	end_close(&server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_request_and_its_response_carry_binary_bodies_over_tls),
	    cmocka_unit_test(the_names_in_a_verified_client_certificate_reach_the_handler),
	    cmocka_unit_test(every_tls_connection_is_freed_once_when_it_ends),
	    cmocka_unit_test(mcx_sec_tls_03_a_client_certificate_of_another_authority_is_refused),
	    cmocka_unit_test(mcx_sec_tls_03_a_server_certificate_of_another_authority_is_refused),
	    cmocka_unit_test(mcx_sec_tls_04_a_server_certificate_for_another_name_is_refused),
	    cmocka_unit_test(a_common_name_is_nobodys_name_neither_of_who_comes_nor_of_whom_we_went_to),
	    cmocka_unit_test(a_server_reached_by_address_is_refused_because_no_name_can_match),
	    cmocka_unit_test(a_client_is_reached_back_over_its_own_connection),
	};
	return cmocka_run_group_tests_name("sip_tls", tests, bed_set_up, bed_tear_down);
}
