/* SPDX-License-Identifier: Apache-2.0 */
/*
 * show.c - run.json read back and shown.
 */
#include "tool/domain/show.h"

#include <stdio.h>
#include <string.h>

#include "tool/tool.h"

json_t *show_load(const struct domain *d)
{
	char path[PATH_MAX];
	return json_load_file(domain_path(d, path, "run.json"), 0, NULL);
}

int show_pid_of(const struct domain *d, const char *name)
{
	json_t *root = show_load(d), *p;
	size_t i;
	int pid = 0;
	json_array_foreach(json_object_get(root, "processes"), i, p)
	{
		const char *n = json_string_value(json_object_get(p, "name"));
		const char *state = json_string_value(json_object_get(p, "state"));
		if (n && state && strcmp(n, name) == 0 && strcmp(state, "ready") == 0)
			pid = (int)json_integer_value(json_object_get(p, "pid"));
	}
	json_decref(root);
	return pid;
}

/* What the running server says of itself: protection that was switched off must not go unseen. */
static void show_protection(const json_t *root)
{
	const json_t *p;
	size_t i;
	json_array_foreach(json_object_get(root, "processes"), i, p)
	{
		const json_t *ready = json_object_get(p, "ready");
		const json_t *confidentiality = json_object_get(ready, "xml_confidentiality");
		const json_t *integrity = json_object_get(ready, "xml_integrity");
		if (!confidentiality || !integrity)
			continue;
		int full = json_is_true(confidentiality) && json_is_true(integrity);
		printf("  %-19s %s%s, %s%s\n", "XML in SIP", tool_colour_on(stdout, full ? TOOL_GOOD : TOOL_BAD),
		       json_is_true(confidentiality) ? "encrypted" : "NOT encrypted",
		       json_is_true(integrity) ? "signed" : "NOT signed", tool_colour_off(stdout));
	}
}

void show_addresses(const struct domain *d)
{
	static const struct {
		const char *what, *key, *process;
	} rows[] = {
	    {"identity server", "identity", "mcx-idms"}, {"key management", "keys", "mcx-kms"},
	    {"MC server, TLS", "sips", "mcx-server"},    {"MC server, UDP+TCP", "sip", "mcx-server"},
	    {"name server", "names", "dnsmasq"},         {"SIP core, TLS", "core", "kamailio"},
	};
	json_t *root = show_load(d), *addresses = json_object_get(root, "addresses");
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const char *address = json_string_value(json_object_get(addresses, rows[i].key));
		if (!address && strcmp(rows[i].key, "core") == 0)
			continue;
		printf("  %-19s %-46s %sprocess %d%s\n", rows[i].what, address ? address : "-",
		       tool_colour_on(stdout, TOOL_DIM), show_pid_of(d, rows[i].process), tool_colour_off(stdout));
	}
	show_protection(root);
	printf("  %-19s %s\n", "folder", d->dir);
	json_decref(root);
}

int show_run_json(const struct domain *d)
{
	json_t *root = show_load(d);
	if (!root)
		return -1;
	json_dumpf(root, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(root);
	return 0;
}
