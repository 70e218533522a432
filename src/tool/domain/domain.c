/* SPDX-License-Identifier: Apache-2.0 */
/*
 * domain.c - the folder of a local domain: names, ports, modes, files that appear whole, and its lock.
 */
#include "tool/domain/domain.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mcsec/rng.h"
#include "mcsec/secret.h"
#include "sec/base/text.h"
#include "tool/domain/ca.h"
#include "tool/domain/core.h"
#include "tool/domain/privacy.h"

static const char *const daemon_folders[] = {"ca", "dns", "idms", "kms", "server", "server/tls", "ue"};

static int refuse(char *err, size_t err_size, const char *path, const char *why)
{
	snprintf(err, err_size, "%s: %s", path, why);
	return -1;
}

char *domain_path(const struct domain *d, char *out, const char *fmt, ...)
{
	va_list ap;
	size_t n = strlen(d->dir);
	memcpy(out, d->dir, n);
	out[n++] = '/';
	va_start(ap, fmt);
	vsnprintf(out + n, PATH_MAX - n, fmt, ap);
	va_end(ap);
	return out;
}

int domain_folder(const char *path, char *err, size_t err_size)
{
	struct stat st;
	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return refuse(err, err_size, path, strerror(errno));
	if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
		return refuse(err, err_size, path, "is not a folder");
	if (st.st_uid != geteuid())
		return refuse(err, err_size, path, "belongs to another user");
	if (st.st_mode & 077)
		return refuse(err, err_size, path, "is open to other users; chmod 700 it");
	return 0;
}

int domain_write_file(const char *path, const char *text, char *err, size_t err_size)
{
	char beside[PATH_MAX + 8];
	snprintf(beside, sizeof beside, "%s.new", path);
	unlink(beside);
	int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	size_t len = strlen(text);
	int good = fd >= 0 && write(fd, text, len) == (ssize_t)len && fsync(fd) == 0;
	int why = errno;
	if (fd >= 0)
		close(fd);
	if (good && rename(beside, path) == 0)
		return 0;
	return refuse(err, err_size, path, strerror(good ? errno : why));
}

int domain_make_secret(const char *path, size_t octets, char *err, size_t err_size)
{
	uint8_t raw[DOMAIN_SECRET_MAX];
	char text[BASE64_SIZE(sizeof raw)];
	if (access(path, F_OK) == 0)
		return 0;
	if (octets > sizeof raw || mcsec_rng_system.fill(mcsec_rng_system.ctx, raw, octets)) {
		snprintf(err, err_size, "the random source failed");
		return -1;
	}
	base64url_encode((struct octets){raw, octets}, text);
	int rc = domain_write_file(path, text, err, err_size);
	mcsec_wipe(raw, sizeof raw);
	mcsec_wipe(text, sizeof text);
	return rc;
}

char *domain_read_file(const char *path)
{
	enum { MAX = 1 << 20 };
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	char *text = malloc(MAX + 1);
	size_t at = 0;
	ssize_t n = 0;
	while (text && at < MAX && (n = read(fd, text + at, MAX - at)) > 0)
		at += (size_t)n;
	close(fd);
	if (!text || n < 0 || at == MAX) {
		free(text);
		return NULL;
	}
	text[at] = '\0';
	return text;
}

/* The folder's last name made a DNS label: lower case, letters, digits and inner hyphens. */
static void make_label(const char *dir, char *label, size_t size)
{
	const char *name = strrchr(dir, '/') + 1;
	size_t at = 0;
	for (; *name && at + 1 < size; name++) {
		int c = tolower((unsigned char)*name);
		int good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
		if (good)
			label[at++] = (char)c;
		else if (at > 0 && label[at - 1] != '-')
			label[at++] = '-';
	}
	while (at > 0 && label[at - 1] == '-')
		at--;
	label[at] = '\0';
	if (!at)
		snprintf(label, size, "domain");
}

static int set_ports(struct domain *d, char *err, size_t err_size)
{
	const char *text = getenv("MCX_PORT_BASE");
	char *end = NULL;
	long base = text && *text ? strtol(text, &end, 10) : 0;
	enum { RTP = 30000, RTP_PORTS = 1000, MAX_BASE = 65535 - RTP - RTP_PORTS };
	if ((end && *end) || base < 0 || base > MAX_BASE) {
		snprintf(err, err_size, "MCX_PORT_BASE must be a number from 0 to %d", MAX_BASE);
		return -1;
	}
	uint16_t b = (uint16_t)base;
	d->idms = (uint16_t)(b + 7443), d->idms_admin = (uint16_t)(b + 7444);
	d->kms = (uint16_t)(b + 8443), d->kms_admin = (uint16_t)(b + 8444);
	d->sip = (uint16_t)(b + 5060), d->sips = (uint16_t)(b + 5061), d->core = (uint16_t)(b + 5071);
	d->server_admin = (uint16_t)(b + 6444);
	d->rtp_min = (uint16_t)(b + RTP), d->rtp_max = (uint16_t)(b + RTP + RTP_PORTS - 1);
	return 0;
}

int domain_open(struct domain *d, const char *dir, int create, char *err, size_t err_size)
{
	char path[PATH_MAX];
	memset(d, 0, sizeof *d);
	if (create && mkdir(dir, 0700) != 0 && errno != EEXIST)
		return refuse(err, err_size, dir, strerror(errno));
	/* Room for the longest path below it. */
	if (!realpath(dir, path) || strlen(path) > sizeof d->dir - 256)
		return refuse(err, err_size, dir, errno == ENOENT ? "there is no such domain" : strerror(errno));
	if (strcmp(path, "/") == 0)
		return refuse(err, err_size, dir, "the root folder cannot be a domain");
	snprintf(d->dir, sizeof d->dir, "%s", path);
	make_label(path, d->label, sizeof d->label);
	snprintf(d->zone, sizeof d->zone, "%s.mcx.test", d->label);
	if (domain_folder(path, err, err_size) || set_ports(d, err, err_size))
		return -1;
	d->has_core = access(domain_path(d, path, "core"), F_OK) == 0;
	privacy_load(d);
	if (!create && access(domain_path(d, path, "ca/domain.pem"), F_OK) != 0)
		return refuse(err, err_size, dir, "holds no domain");
	return 0;
}

void domain_resolve(const struct domain *d, char *out, size_t size)
{
	const struct {
		const char *host;
		uint16_t port;
	} names[] = {{"idms", d->idms},
		     {"idms", d->idms_admin},
		     {"kms", d->kms},
		     {"kms", d->kms_admin},
		     {"sip", d->server_admin}};
	size_t at = 0;
	for (size_t i = 0; i < sizeof names / sizeof *names && at < size; i++)
		at += (size_t)snprintf(out + at, size - at, "%s%s.%s:%u:127.0.0.1", at ? "," : "", names[i].host,
				       d->zone, names[i].port);
}

/* ---- certificates ---- */

static int issue_servers(struct domain *d, char *err, size_t err_size)
{
	static const struct {
		const char *folder, *host;
	} servers[] = {{"idms", "idms"}, {"kms", "kms"}, {"server", "sip"}};
	char ca[PATH_MAX], out[PATH_MAX], host[DOMAIN_TEXT], psi[DOMAIN_TEXT];
	domain_path(d, ca, "ca");
	for (size_t i = 0; i < sizeof servers / sizeof *servers; i++) {
		snprintf(host, sizeof host, "%s.%s", servers[i].host, d->zone);
		/* The MC server is known to the KMS by its service identity, as a URI name (kms.md 5). */
		snprintf(psi, sizeof psi, "sip:mcptt@%s", d->zone);
		int sip = strcmp(servers[i].folder, "server") == 0;
		struct ca_subject s = {.common_name = host,
				       .dns = {host, sip ? d->zone : NULL},
				       .uri = {sip ? psi : NULL},
				       .address = "127.0.0.1",
				       .server = 1,
				       .client = 1,
				       .days = 397};
		if (ca_issue(ca, "domain", &s, domain_path(d, out, "%s/tls.pem", servers[i].folder), err, err_size))
			return -1;
	}
	return 0;
}

static int issue_admins(struct domain *d, char *err, size_t err_size)
{
	static const char *const roles[] = {"officer", "user-admin", "auditor", "backup"};
	char ca[PATH_MAX], out[PATH_MAX];
	domain_path(d, ca, "ca");
	for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
		struct ca_subject s = {.common_name = roles[i], .org_unit = roles[i], .client = 1, .days = 397};
		if (ca_issue(ca, "admin", &s, domain_path(d, out, "ca/%s.pem", roles[i]), err, err_size))
			return -1;
	}
	return 0;
}

/* With these the KMS and the MC server read the identity server's revocation list, and nothing else. */
static int issue_resource_servers(struct domain *d, char *err, size_t err_size)
{
	static const char *const folders[] = {"kms", "server"};
	char ca[PATH_MAX], out[PATH_MAX], cn[DOMAIN_TEXT];
	domain_path(d, ca, "ca");
	for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
		snprintf(cn, sizeof cn, "mcx-%s", folders[i]);
		struct ca_subject s = {.common_name = cn, .org_unit = "resource-server", .client = 1, .days = 397};
		if (ca_issue(ca, "admin", &s, domain_path(d, out, "%s/revocations.pem", folders[i]), err, err_size))
			return -1;
	}
	return 0;
}

/* A folder as the SIP library wants it: agent.pem and cafile.pem. */
static int link_tls_folder(struct domain *d, const char *folder, const char *agent, const char *ca, char *err,
			   size_t err_size)
{
	char path[PATH_MAX];
	if (agent && symlink(agent, domain_path(d, path, "%s/agent.pem", folder)) != 0 && errno != EEXIST)
		return refuse(err, err_size, path, strerror(errno));
	if (symlink(ca, domain_path(d, path, "%s/cafile.pem", folder)) != 0 && errno != EEXIST)
		return refuse(err, err_size, path, strerror(errno));
	return 0;
}

int domain_device(struct domain *d, const char *name, const char *impu, char *err, size_t err_size)
{
	char path[PATH_MAX], ca[PATH_MAX], tls[DOMAIN_TEXT];
	snprintf(tls, sizeof tls, "ue/%s/tls", name);
	struct ca_subject s = {.common_name = name, .uri = {impu}, .client = 1, .days = 397};
	if (domain_folder(domain_path(d, path, "ue/%s", name), err, err_size) ||
	    domain_folder(domain_path(d, path, "%s", tls), err, err_size) ||
	    ca_issue(domain_path(d, ca, "ca"), "domain", &s, domain_path(d, path, "%s/agent.pem", tls), err, err_size))
		return -1;
	return link_tls_folder(d, tls, NULL, "../../../ca/domain.pem", err, err_size);
}

int domain_prepare(struct domain *d, char *err, size_t err_size)
{
	char path[PATH_MAX], cn[DOMAIN_TEXT];
	for (size_t i = 0; i < sizeof daemon_folders / sizeof *daemon_folders; i++)
		if (domain_folder(domain_path(d, path, "%s", daemon_folders[i]), err, err_size))
			return -1;
	domain_path(d, path, "ca");
	snprintf(cn, sizeof cn, "%s authority", d->zone);
	if (ca_make(path, "domain", cn, err, err_size))
		return -1;
	snprintf(cn, sizeof cn, "%s admin authority", d->zone);
	if (ca_make(path, "admin", cn, err, err_size))
		return -1;
	if (issue_servers(d, err, err_size) || issue_admins(d, err, err_size) ||
	    issue_resource_servers(d, err, err_size) ||
	    link_tls_folder(d, "server/tls", "../tls.pem", "../../ca/domain.pem", err, err_size))
		return -1;
	return domain_write_configurations(d, err, err_size) || core_prepare(d, err, err_size) ? -1 : 0;
}

/* ---- who holds the folder ---- */

static int lock_file(const struct domain *d, int cmd, struct flock *l)
{
	char path[PATH_MAX];
	int fd = open(domain_path(d, path, "lock"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	*l = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET};
	if (fd < 0 || fcntl(fd, cmd, l) != 0) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

pid_t domain_holder(const struct domain *d)
{
	struct flock l;
	int fd = lock_file(d, F_GETLK, &l);
	if (fd < 0)
		return 0;
	close(fd);
	return l.l_type == F_UNLCK ? 0 : l.l_pid;
}

int domain_hold(const struct domain *d)
{
	struct flock l;
	return lock_file(d, F_SETLK, &l) < 0 ? -1 : 0; /* the descriptor stays open on purpose: it is the lock */
}
