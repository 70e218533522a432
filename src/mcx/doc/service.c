/* SPDX-License-Identifier: Apache-2.0 */
/* service.c - the names of the services (see service.h). */
#include "mcx/doc/service.h"

#include <string.h>
#include <strings.h>

#define ICSI         "urn:urn-7:3gpp-service.ims.icsi."
#define ICSI_ENCODED "urn%3Aurn-7%3A3gpp-service.ims.icsi."
#define ICSI_TAG     "+g.3gpp.icsi-ref=\"" ICSI_ENCODED

static const char *const ptt[] = {"g.3gpp.mcptt", NULL}, *const video[] = {"g.3gpp.mcvideo", NULL},
			 *const data[] = {"g.3gpp.mcdata.sds", "g.3gpp.mcdata.fd", "g.3gpp.mcdata.ipconn",
					  "g.3gpp.mcdata", NULL};

const struct mcx_service_names mcx_services[MCX_SERVICES] = {
    [MCX_MCPTT] = {"mcptt", ICSI "mcptt", NULL, ICSI_TAG "mcptt\"", ICSI_ENCODED "mcptt", "+g.3gpp.mcptt", ptt,
		   "application/vnd.3gpp.mcptt-info+xml", "urn:3gpp:ns:mcpttInfo:1.0", "mcpttinfo", "mcptt-Params",
		   "3gpp:mc:ptt_service"},
    [MCX_MCVIDEO] = {"mcvideo", ICSI "mcvideo", NULL, ICSI_TAG "mcvideo\"", ICSI_ENCODED "mcvideo", "+g.3gpp.mcvideo",
		     video, "application/vnd.3gpp.mcvideo-info+xml", "urn:3gpp:ns:mcvideoInfo:1.0", "mcvideoinfo",
		     "mcvideo-Params", "3gpp:mc:video_service"},
    [MCX_MCDATA] = {"mcdata", ICSI "mcdata", ICSI "mcdata.sds", ICSI_TAG "mcdata\"", ICSI_ENCODED "mcdata",
		    "+g.3gpp.mcdata.sds", data, "application/vnd.3gpp.mcdata-info+xml", "urn:3gpp:ns:mcdataInfo:1.0",
		    "mcdatainfo", "mcdata-Params", "3gpp:mc:data_service"},
};

/* URNs compare without case in their namespace, with case behind it; ICSIs are written in lower case throughout. */
int mcx_service_is(enum mcx_service service, const char *icsi)
{
	const struct mcx_service_names *n = &mcx_services[service];
	return icsi && (!strcasecmp(icsi, n->icsi) || (n->icsi_also && !strcasecmp(icsi, n->icsi_also)));
}

enum mcx_service mcx_service_of(const char *text)
{
	enum mcx_service s = MCX_MCPTT;
	while (s < MCX_SERVICES && strcmp(text, mcx_services[s].name) != 0 && !mcx_service_is(s, text))
		s++;
	return s;
}

void mcx_services_tags(struct writer *w, unsigned services)
{
	const char *before = ";+g.3gpp.icsi-ref=\"";
	for (int i = 0; i < MCX_SERVICES; i++)
		if (services >> i & 1) {
			wr_text(w, ";");
			wr_text(w, mcx_services[i].feature_tag);
		}
	for (int i = 0; i < MCX_SERVICES; i++)
		if (services >> i & 1) {
			wr_text(w, before);
			wr_text(w, mcx_services[i].icsi_encoded);
			before = ",";
		}
	wr_text(w, services ? "\"" : "");
}
