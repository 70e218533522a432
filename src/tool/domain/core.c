/* SPDX-License-Identifier: Apache-2.0 */
/* core.c - see core.h. The credentials hold no password, only HA1 = SHA-256(user:realm:password) (RFC 7616 3.4.2). */
#include "tool/domain/core.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "mcsec/secret.h"
#include "sec/base/text.h"
#include "tool/domain/ca.h"
#include "tool/domain/users.h"

const char *core_host(const struct domain *d, char out[DOMAIN_TEXT])
{
	snprintf(out, DOMAIN_TEXT, "core.%s", d->zone);
	return out;
}

const char *core_program(void)
{
	static const char *const places[] = {"/usr/sbin/kamailio", "/usr/local/sbin/kamailio"};
	for (size_t i = 0; i < sizeof places / sizeof *places; i++)
		if (access(places[i], X_OK) == 0)
			return places[i];
	return NULL;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st, (void)kind, (void)at;
	return remove(path);
}

int core_choose(struct domain *d, const char *kind, char *err, size_t err_size)
{
	char path[PATH_MAX];
	int wanted = kind ? strcmp(kind, "kamailio") == 0 : d->has_core;
	if (kind && !wanted && strcmp(kind, "none") != 0) {
		snprintf(err, err_size, "a core is kamailio or none, not %.60s", kind);
		return -1;
	}
	if (wanted == d->has_core)
		return 0;
	if (domain_holder(d)) {
		snprintf(err, err_size, "the domain is up %s a SIP core; mcx down ends it first",
			 wanted ? "without" : "with");
		return -1;
	}
	domain_path(d, path, "core");
	if (wanted && domain_folder(path, err, err_size))
		return -1;
	if (!wanted && nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0 && errno != ENOENT) {
		snprintf(err, err_size, "%.300s: %s", path, strerror(errno));
		return -1;
	}
	d->has_core = wanted;
	return 0;
}

/* ---- configuration ---- */

/* The packaged file as it is: what a person installs is what is tested here. */
static int copy_configuration(const struct domain *d, char *err, size_t err_size)
{
	char path[PATH_MAX];
	char *text = domain_read_file(MCX_KAMAILIO_INSTALLED);
	if (!text)
		text = domain_read_file(MCX_KAMAILIO_SOURCE);
	if (!text)
		snprintf(err, err_size, "%s cannot be read", MCX_KAMAILIO_INSTALLED);
	int rc = text ? domain_write_file(domain_path(d, path, "core/kamailio.cfg"), text, err, err_size) : -1;
	free(text);
	return rc;
}

static int write_text(const struct domain *d, const char *name, char *text, char *err, size_t err_size)
{
	char path[PATH_MAX];
	if (!text)
		snprintf(err, err_size, "no memory");
	int rc = text ? domain_write_file(domain_path(d, path, "core/%s", name), text, err, err_size) : -1;
	free(text);
	return rc;
}

static char *local_text(const struct domain *d)
{
	char *text = NULL;
	int n = asprintf(&text,
			 "# written by mcx up for %s\n"
			 "#!substdef \"!MCX_ZONE!%s!g\"\n#!substdef \"!MCX_CORE!core.%s!g\"\n"
			 "#!substdef \"!MCX_LISTEN!127.0.0.1!g\"\n#!substdef \"!MCX_PORT!%u!g\"\n"
			 "#!substdef \"!MCX_PSI_USER!mcptt!g\"\n#!substdef \"!MCX_SERVER_HOST!sip.%s!g\"\n"
			 "#!substdef \"!MCX_SERVER_AT!127.0.0.1:%u!g\"\n"
			 "#!substdef \"!MCX_CREDENTIALS!%s/core!g\"\n#!substdef \"!MCX_TLS!%s/core/tls.cfg!g\"\n",
			 d->zone, d->zone, d->zone, d->core, d->zone, d->sips, d->dir, d->dir);
	return n < 0 ? NULL : text;
}

static char *tls_text(const struct domain *d)
{
	char *text = NULL, common[3 * PATH_MAX + 200];
	snprintf(common, sizeof common,
		 "method = TLSv1.2+\nverify_certificate = yes\ncertificate = %s/core/tls.pem\n"
		 "private_key = %s/core/tls.pem\nca_list = %s/ca/domain.pem\n",
		 d->dir, d->dir, d->dir);
	int n = asprintf(&text,
			 "# written by mcx up for %s; why: packaging/kamailio/tls.cfg\n"
			 "[server:default]\nrequire_certificate = no\n%s"
			 "[client:default]\nrequire_certificate = yes\n%s",
			 d->zone, common, common);
	return n < 0 ? NULL : text;
}

int core_prepare(const struct domain *d, char *err, size_t err_size)
{
	char host[DOMAIN_TEXT], ca[PATH_MAX], out[PATH_MAX];
	if (!d->has_core)
		return 0;
	if (strpbrk(d->dir, "!\" \n")) {
		snprintf(err, err_size, "with a SIP core the folder's path may have no blank, quote or '!'");
		return -1;
	}
	struct ca_subject s = {.common_name = core_host(d, host),
			       .dns = {host},
			       .address = "127.0.0.1",
			       .server = 1,
			       .client = 1,
			       .days = 397};
	if (ca_issue(domain_path(d, ca, "ca"), "domain", &s, domain_path(d, out, "core/tls.pem"), err, err_size) ||
	    copy_configuration(d, err, err_size) || write_text(d, "local.cfg", local_text(d), err, err_size) ||
	    write_text(d, "tls.cfg", tls_text(d), err, err_size))
		return -1;
	return core_credentials(d, err, err_size);
}

/* ---- credentials ---- */

char *core_password(const struct domain *d, const char *name)
{
	char path[PATH_MAX];
	return domain_read_file(domain_path(d, path, "ue/%s/sip-password", name));
}

/* 128 random bits. */
static int make_password(const struct domain *d, const char *name, char *err, size_t err_size)
{
	char path[PATH_MAX];
	return domain_make_secret(domain_path(d, path, "ue/%s/sip-password", name), 16, err, err_size);
}

/* One line of the table, for an active user whose identity is of this domain. */
static int write_user(const struct domain *d, const char *name, FILE *f, char *err, size_t err_size)
{
	struct user u;
	char a1[400], hex[HEX_SIZE(32)];
	uint8_t digest[32];
	if (user_load(d, name, &u, err, err_size) != USER_OK || strcmp(u.state, "active") != 0)
		return 0;
	const char *at = strchr(u.impu, '@');
	if (strncmp(u.impu, "sip:", 4) != 0 || !at || strcmp(at + 1, d->zone) != 0 || strpbrk(u.impu + 4, ":;"))
		return 0;
	if (make_password(d, name, err, err_size))
		return -1;
	char *password = core_password(d, name);
	if (!password)
		return -1;
	int user = (int)(at - u.impu) - 4;
	snprintf(a1, sizeof a1, "%.*s:%s:%.100s", user, u.impu + 4, d->zone, password);
	EVP_Digest(a1, strlen(a1), digest, NULL, EVP_sha256(), NULL);
	hex_encode(OCTETS(digest), hex);
	fprintf(f, "%.*s:%s:%s\n", user, u.impu + 4, d->zone, hex);
	mcsec_wipe(a1, sizeof a1);
	mcsec_wipe(password, strlen(password));
	free(password);
	return 0;
}

/* Kamailio reads the file again when its time is another one, in whole seconds: each version gets a later second. */
static int replace(const struct domain *d, char *text, char *err, size_t err_size)
{
	char path[PATH_MAX];
	struct stat before = {0}, after;
	(void)stat(domain_path(d, path, "core/subscriber"), &before);
	if (write_text(d, "subscriber", text, err, err_size))
		return -1;
	if (stat(path, &after) == 0 && after.st_mtime > before.st_mtime)
		return 0;
	const struct timespec later[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = before.st_mtime + 1}};
	if (utimensat(AT_FDCWD, path, later, 0) == 0)
		return 0;
	snprintf(err, err_size, "%.300s: %s", path, strerror(errno));
	return -1;
}

int core_credentials(const struct domain *d, char *err, size_t err_size)
{
	char path[PATH_MAX], *text = NULL;
	size_t len = 0;
	int rc = 0;
	if (!d->has_core)
		return 0;
	DIR *users = opendir(domain_path(d, path, "ue"));
	FILE *f = open_memstream(&text, &len);
	if (f) {
		fputs("username(string) domain(string) ha1(string)\n", f);
		for (const struct dirent *e; users && rc == 0 && (e = readdir(users));)
			if (e->d_name[0] != '.')
				rc = write_user(d, e->d_name, f, err, err_size);
		fclose(f);
	}
	if (users)
		closedir(users);
	if (rc == 0)
		return replace(d, text, err, err_size);
	free(text);
	return rc;
}
