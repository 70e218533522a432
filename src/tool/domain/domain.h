/* SPDX-License-Identifier: Apache-2.0 */
/*
 * domain.h - a local domain: one folder with everything in it (admin.md "Layout", "Names"), its DNS zone, its ports.
 *
 *	DIR/ca/            authorities domain.{pem,key}, admin.{pem,key}; admin certificates ROLE.pem
 *	DIR/dns/           resolv.conf that names the domain's own name server
 *	DIR/core/          the SIP core's configuration, when the domain has one (core.h)
 *	DIR/idms/ kms/ server/   conf, db, tls.pem, log
 *	DIR/ue/NAME/       client stores, password, tls/
 *	DIR/identity-hiding, sakke-to-self   empty; there when they are on (privacy.h)
 *	DIR/run.json       addresses, process ids, state; written by the supervisor alone
 *	DIR/lock           held (fcntl) by the supervisor: its process id can be asked for, and never be stale
 */
#ifndef MCX_TOOL_DOMAIN_H
#define MCX_TOOL_DOMAIN_H

#include <limits.h>
#include <stdint.h>
#include <sys/types.h>

enum { DOMAIN_TEXT = 160 };

struct domain {
	char dir[PATH_MAX]; /* absolute */
	char label[64];     /* the folder's last name as a DNS label */
	char zone[80];      /* LABEL.mcx.test */
	uint16_t idms, idms_admin, kms, kms_admin, sip, sips, server_admin, rtp_min, rtp_max;
	uint16_t core;                      /* of the SIP core, where there is one */
	int has_core;                       /* core.h */
	int identity_hiding, sakke_to_self; /* privacy.h */
	uint16_t dns;                       /* set when the domain is started */
};

/*
 * Fills in d from the folder's name and MCX_PORT_BASE. With `create` the folder is made; without it must be there and
 * hold a domain. Folders and secret files that others could read are refused. 0, or -1 and a sentence in err.
 */
int domain_open(struct domain *d, const char *dir, int create, char *err, size_t err_size);
/* Certificates, configurations, folders: makes what is missing, keeps what is there. */
int domain_prepare(struct domain *d, char *err, size_t err_size);
/* DIR/RELATIVE; the buffer must have PATH_MAX octets. Returns out. */
char *domain_path(const struct domain *d, char *out, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* "host:port:127.0.0.1,..." for HTTPS clients (struct http_client_options.resolve). */
void domain_resolve(const struct domain *d, char *out, size_t size);
/* Certificate folder of a user's device: DIR/ue/NAME/tls with agent.pem and cafile.pem. */
int domain_device(struct domain *d, const char *name, const char *impu, char *err, size_t err_size);

/* mkdir -p, mode 0700; refused when it is there and wider. */
int domain_folder(const char *path, char *err, size_t err_size);
/* Whole or not at all, durable. */
int domain_write_file(const char *path, const char *text, char *err, size_t err_size);
/* A file of so many random octets in base64url, DOMAIN_SECRET_MAX at most; one that is there stays. */
enum { DOMAIN_SECRET_MAX = 32 };
int domain_make_secret(const char *path, size_t octets, char *err, size_t err_size);
/* malloc'ed, NUL-terminated; NULL if unreadable or larger than 1 MiB. */
char *domain_read_file(const char *path);

/* Process id of the supervisor that holds the folder, 0 if none. */
pid_t domain_holder(const struct domain *d);
/* Become the holder. 0, or -1 if somebody else is. The lock lives as long as the process. */
int domain_hold(const struct domain *d);

/* Configuration texts (conf.c): written unless edited by hand. */
int domain_write_configurations(const struct domain *d, char *err, size_t err_size);

#endif
