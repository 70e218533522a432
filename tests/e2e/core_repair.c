/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core_repair.c - one client of a running domain behind a SIP core, whose authorisation the server loses, for
 * test_core_job.py.
 *
 *	core_repair DIR NAME TARGET
 *
 * Registers and prints `registered CSK-ID`. On a line of input an officer ends its binding at the server, and it calls
 * TARGET: prints `refused STATUS WARNING`, waits until another CSK is in use and prints `repaired CSK-ID`, calls again
 *and prints `called`. At the end of input it logs off.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool/domain/admin_client.h"
#include "tool/domain/client.h"

enum { PATIENCE_MS = 60000, STEP_MS = 20 };

static struct domain domain;
static struct user user;

static void die(const char *what, const char *why)
{
	fprintf(stderr, "core_repair: %s: %s\n", what, why);
	exit(1);
}

static void tell_id(const char *what, uint32_t id)
{
	printf("%s %08x\n", what, id);
	fflush(stdout);
}

static struct ue *registered(const char *name)
{
	static struct client_texts t;
	char err[600];
	struct ue_config c;
	struct ue_report r;
	if (user_load(&domain, name, &user, err, sizeof err) != USER_OK)
		die(name, err);
	client_config(&domain, &user, &t, &c);
	struct ue *u = ue_new(&c, err, sizeof err);
	if (!u)
		die(name, err);
	if (client_sign_in(&domain, &user, u, &r) || ue_provision(u, &r) || ue_register(u, &r))
		die(name, r.text);
	return u;
}

/* By an officer, as one whose device is lost is cut off; its registration at the core goes on. */
static void lose_binding(void)
{
	char err[256];
	struct admin_answer list, gone;
	struct admin_client *officer = admin_client_new(&domain, "officer", err, sizeof err);
	size_t i;
	json_t *b;
	int lost = 0;
	if (!officer || admin_call(officer, ADMIN_AT_SERVER, "GET", NULL, &list, "bindings") != 200)
		die("officer", officer ? list.error : err);
	json_array_foreach(json_object_get(list.body, "bindings"), i, b)
	{
		if (strcmp(json_string_value(json_object_get(b, "mcptt_id")), user.mcptt) != 0)
			continue;
		json_int_t id = json_integer_value(json_object_get(b, "id"));
		lost +=
		    admin_call(officer, ADMIN_AT_SERVER, "DELETE", NULL, &gone, "bindings/%lld", (long long)id) == 202;
		admin_answer_free(&gone);
	}
	admin_answer_free(&list);
	admin_client_free(officer);
	if (lost != 1)
		die("officer", "the binding was not ended");
}

int main(int argc, char **argv)
{
	char err[600], line[16];
	struct ue_report r;
	if (argc != 4 || domain_open(&domain, argv[1], 0, err, sizeof err))
		die("domain", argc == 4 ? err : "usage: core_repair DIR NAME TARGET");
	struct ue *u = registered(argv[2]);
	uint32_t before = ue_csk_id(u);
	tell_id("registered", before);
	if (!fgets(line, sizeof line, stdin))
		return 1;
	lose_binding();
	struct ue_call c = {.target = argv[3], .audio = {.send = client_speech()}, .max_ms = 2000};
	if (ue_call(u, &c, &r) == UE_OK)
		die("the call", "was answered");
	printf("refused %d %d\n", r.sip_status, r.warning);
	for (int ms = 0; ms < PATIENCE_MS && (ue_csk_id(u) == before || !ue_csk_id(u)); ms += STEP_MS)
		usleep(STEP_MS * 1000);
	tell_id("repaired", ue_csk_id(u));
	if (ue_call(u, &c, &r) != UE_OK)
		die("the call after the repair", r.text);
	puts("called");
	fflush(stdout);
	(void)!fgets(line, sizeof line, stdin);
	ue_log_off(u, &r);
	ue_free(u);
	return 0;
}
