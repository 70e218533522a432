/* SPDX-License-Identifier: Apache-2.0 */
/*
 * services.c - the services that this server is the participating function of, and its identities as such (sip 1, 2.4,
 * 2.8): one public service identity for each service, or one for all, and the MDSI of the domain beside them.
 */
#include "server/server.h"

#include <string.h>

unsigned server_services(const struct server_config *cfg)
{
	unsigned set = 0;
	for (int i = 0; i < MCX_SERVICES; i++)
		if (server_lists(&cfg->services, mcx_services[i].name, i == MCX_MCPTT))
			set |= 1u << i;
	return set;
}

const char *server_psi(const struct server_config *cfg, enum mcx_service service)
{
	const char *const own[MCX_SERVICES] = {cfg->psi, cfg->psi_mcvideo, cfg->psi_mcdata};
	return *own[service] ? own[service] : cfg->psi;
}

size_t server_identities(const struct server_config *cfg, const char *out[SERVER_IDENTITIES])
{
	const char *const all[SERVER_IDENTITIES] = {cfg->psi, cfg->psi_mcvideo, cfg->psi_mcdata, cfg->mdsi};
	size_t n = 0;
	for (size_t i = 0; i < SERVER_IDENTITIES; i++) {
		size_t k = 0;
		while (k < n && strcmp(out[k], all[i]) != 0)
			k++;
		if (*all[i] && k == n)
			out[n++] = all[i];
	}
	return n;
}

int server_receives(const struct server_config *cfg, enum mcx_service service, const char *identity)
{
	return strcmp(identity, server_psi(cfg, service)) == 0 || (*cfg->mdsi && strcmp(identity, cfg->mdsi) == 0);
}

enum mcx_service server_service_of(const struct sip_message *rq)
{
	const char *name = sip_header_count(rq, "P-Asserted-Service") ? "P-Asserted-Service" : "P-Preferred-Service";
	const char *icsi = sip_header_count(rq, name) == 1 ? sip_header_at(rq, name, 0) : NULL;
	return icsi ? mcx_service_of(icsi) : MCX_SERVICES;
}
