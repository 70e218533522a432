/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_roll.c - a roll of all CSKs by key download: 1,000 clients behind a core, 100 calls with floor control up, 5 %
 * of the 200s lost, 1 % of the clients off (tests/e2e/server_crowd.h). The server's threads are on one core, the
 * clients on another. Rows:
 *
 *   roll_control   the longest time between two answers on the control line of any call, asked every 100 ms; must: 1 s
 *   roll           until every client that is there and the server hold one CSK; per_s_core: clients a second. A lost
 *                  200 of a client that says nothing costs 32 s of waiting for it and 8 to 12 s until the next attempt
 *                  (flows 2.1)
 *
 * It fails where a call is dropped, a client ends with another CSK than the server, or control is interrupted longer.
 *
 * usage: bench_roll [--quick] [CLIENTS CALLS]
 */
#include <sched.h>

#include "e2e/server_crowd.h"

enum { CLIENTS = 1000, CALLS = 100, LIMIT_S = 1 };

static void on_core(size_t cpu)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof set, &set);
}

static void row(const char *op, const char *against, size_t n, double s, double per_s, double ratio)
{
	printf("{\"op\":\"%s\",\"impl\":\"mcx-server\",\"peer\":\"%s\",\"sp_asm\":false,\"consttime\":true,\"n\":%zu,"
	       "\"median_us\":%.3f,\"per_s_core\":%.1f,\"ratio\":%.3f}\n",
	       op, against, n, s * 1e6, per_s, ratio);
}

static void begin(size_t clients, size_t calls)
{
	crowd_begin(clients, MCSEC_RSK_TABLES);
	bed.cfg.xml_confidentiality = bed.cfg.xml_integrity = 1;
	bed.cfg.csk_grace_s = 32;
	bed_on_body = bed_protect;
	char log[300];
	snprintf(log, sizeof log, "%s/log", bed.ca.dir); /* what it logs goes to a file, as with a real one */
	assert_non_null(freopen(log, "w", stderr));
	on_core(0);
	bed_start();
	on_core(1);
	crowd_register(0, clients, 10);
	for (size_t i = 0; i < 2 * calls; i++)
		bed_user(crowd[i].ua.mcptt_id, i % 2 ? "automatic" : "manual", 1, 1);
	for (size_t i = 0; i < 2 * calls; i += 2)
		crowd_call(&crowd[i], &crowd[i + 1]);
}

int main(int argc, char **argv)
{
	int quick = argc > 1 && strcmp(argv[1], "--quick") == 0;
	size_t clients = argc > 2 + quick ? strtoul(argv[1 + quick], NULL, 10) : quick ? 60 : CLIENTS;
	size_t calls = argc > 2 + quick ? strtoul(argv[2 + quick], NULL, 10) : quick ? 6 : CALLS;
	struct roll r = {.calls = calls, .lost = clients / 20, .off = (clients + 99) / 100, .prove = quick};
	FILE *out = fdopen(dup(2), "w");
	begin(clients, calls);
	crowd_roll(&r);
	int good = r.dropped == 0 && r.agreed == clients && r.gap_s <= LIMIT_S;
	row("roll_control", "1 s", calls, r.gap_s, 1 / r.gap_s, LIMIT_S / r.gap_s);
	row("roll", "none", clients, r.took_s, (double)(clients - r.off) / r.took_s, 0);
	fprintf(out,
		"bench_roll: %zu clients, %zu calls, %zu lost 200s, %zu off: %zu calls dropped, longest control gap "
		"%.2f s, "
		"%.1f s for the roll (all but the lost ones outside calls after %.1f s), %zu MESSAGEs sent again, %zu "
		"of %zu "
		"end with one CSK: %s\n",
		clients, calls, r.lost, r.off, r.dropped, r.gap_s, r.took_s, r.most_s, r.retried, r.agreed, clients,
		good ? "good" : "NOT GOOD");
	fclose(out);
	bed_stop();
	crowd_end();
	return good ? 0 : 1;
}
