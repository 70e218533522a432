/* SPDX-License-Identifier: Apache-2.0 */
/*
 * service.h - the three mission critical services by the names SIP knows them by (sip.md 1, 4.4, 9), in one table.
 *
 * Whatever differs between MCPTT, MCVideo and MCData in a procedure is looked up here, so that the procedure itself
 * stands once.
 */
#ifndef MCX_DOC_SERVICE_H
#define MCX_DOC_SERVICE_H

#include "sec/base/bytes.h"

enum mcx_service { MCX_MCPTT, MCX_MCVIDEO, MCX_MCDATA, MCX_SERVICES };

struct mcx_service_names {
	const char *name;         /* mcptt: prefix of its elements and media types */
	const char *icsi;         /* of P-Asserted-Service; MCData: the generic one (ETSI TS 104 149-1 5.6) */
	const char *icsi_also;    /* accepted as well, NULL: none */
	const char *icsi_tag;     /* the feature tag with the ICSI, percent-encoded */
	const char *icsi_encoded; /* the same alone, for a list */
	const char *feature_tag;
	const char *const *features; /* any of these tags, without plus sign, offers the service; NULL at the end */
	const char *info_type, *info_ns, *info_root, *info_params; /* <service>-info+xml */
	const char *scope;                                         /* of the access token (identity.md 10.3) */
};

extern const struct mcx_service_names mcx_services[MCX_SERVICES];

/* 1 if a P-Asserted-Service or P-Preferred-Service value names this service. NULL: the header is absent. */
int mcx_service_is(enum mcx_service service, const char *icsi);
/* `;tag...;+g.3gpp.icsi-ref="..."` of a Contact that offers these services, a set of 1 << service; "" of none. */
void mcx_services_tags(struct writer *w, unsigned services);
/* The service whose name or ICSI this is, MCX_SERVICES if it is none. */
enum mcx_service mcx_service_of(const char *text);

#endif
