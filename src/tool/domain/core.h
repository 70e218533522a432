/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core.h - a SIP core for a local domain: Kamailio, with the configuration of packaging/kamailio and the domain's names
 * in it. The folder DIR/core says that the domain has one.
 *
 *	DIR/core/kamailio.cfg   the packaged one; local.cfg, tls.cfg: this domain's
 *	DIR/core/subscriber     who may register: name, realm, HA1
 *	DIR/ue/NAME/sip-password
 */
#ifndef MCX_TOOL_CORE_H
#define MCX_TOOL_CORE_H

#include "tool/domain/domain.h"

/* kind: "kamailio" or "none"; NULL: as it is. Not while the domain runs. 0, or -1 and a sentence in err. */
int core_choose(struct domain *d, const char *kind, char *err, size_t err_size);
/* Certificate, configuration, credentials; nothing when the domain has no core. */
int core_prepare(const struct domain *d, char *err, size_t err_size);
/* The file of credentials anew, from the active users there are; passwords are made where they are missing. */
int core_credentials(const struct domain *d, char *err, size_t err_size);
/* A user's password for the core; malloc'ed, the caller wipes and frees. NULL without. */
char *core_password(const struct domain *d, const char *name);
/* "core.ZONE", as in the core's certificate. */
const char *core_host(const struct domain *d, char out[DOMAIN_TEXT]);
/* Where Debian puts it, NULL when it is not installed. */
const char *core_program(void);

#endif
