/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf.c - the configuration files of a local domain's daemons, as text with the domain's names and ports in it.
 *
 * The first line carries a SHA-256 of the rest. While it fits, the file is ours and follows the domain (another
 * MCX_PORT_BASE, a newer version); a file that was edited by hand is left alone.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "sec/base/text.h"
#include "tool/domain/domain.h"

enum { KMS_PASSPHRASE = 24 }; /* random octets: it unseals the KMS (kms.md 15A 8a) */

static const char first_line[] = "# written by mcx up, follows the domain until edited; ";

static void seal(const char *body, char *hex)
{
	uint8_t digest[32];
	EVP_Digest(body, strlen(body), digest, NULL, EVP_sha256(), NULL);
	hex_encode(OCTETS(digest), hex);
}

/* 1 if the file at path is there and its seal is broken: somebody edited it. */
static int edited(const char *path)
{
	char *text = domain_read_file(path), hex[HEX_SIZE(32)];
	char *end = text ? strchr(text, '\n') : NULL;
	int ours = 0;
	if (end && strncmp(text, first_line, strlen(first_line)) == 0) {
		*end = '\0';
		seal(end + 1, hex);
		ours = strcmp(text + strlen(first_line), hex) == 0;
	}
	int there = text != NULL;
	free(text);
	return there && !ours;
}

static int write_sealed(const char *path, const char *body, char *err, size_t err_size)
{
	char hex[HEX_SIZE(32)], *text = NULL;
	if (edited(path))
		return 0;
	seal(body, hex);
	if (asprintf(&text, "%s%s\n%s", first_line, hex, body) < 0) {
		snprintf(err, err_size, "no memory");
		return -1;
	}
	int rc = domain_write_file(path, text, err, err_size);
	free(text);
	return rc;
}

static void write_idms(FILE *f, const struct domain *d)
{
	fprintf(f,
		"issuer = \"https://idms.%s:%u\"\n"
		"address = \"127.0.0.1\"\nport = %u\nadmin_port = %u\n"
		"tls = \"tls.pem\"\nadmin_ca = \"../ca/admin.pem\"\n"
		"database = \"db\"\n"
		"audience = \"https://mc.%s\"\n",
		d->zone, d->idms, d->idms, d->idms_admin, d->zone);
}

static void write_kms(FILE *f, const struct domain *d)
{
	char resolve[1024];
	domain_resolve(d, resolve, sizeof resolve);
	fprintf(
	    f,
	    "uri = \"kms.%s\"\n"
	    "address = \"127.0.0.1\"\nport = %u\nadmin_port = %u\n"
	    "tls = \"tls.pem\"\nclient_ca = \"../ca/domain.pem\"\nadmin_ca = \"../ca/admin.pem\"\n"
	    "database = \"db\"\npassphrase = \"passphrase\"\n"
	    "issuer = \"https://idms.%s:%u\"\naudience = \"https://mc.%s\"\nresolve = \"%s\"\n"
	    "servers = { \"sip.%s=sip:mcptt@%s\" }\n"
	    "revocations = \"https://idms.%s:%u/admin/v1/revoked\"\nrevocations_cert = \"revocations.pem\"\n"
	    "suites = \"0101 0102\"\n" /* each client and server takes the first, and can be told to take the other */
	    "limit_hour = 600\nlimit_period = 20000\n", /* a laboratory's users come back often */
	    d->zone, d->kms, d->kms_admin, d->zone, d->idms, d->zone, resolve, d->zone, d->zone, d->zone,
	    d->idms_admin);
}

static void write_server(FILE *f, const struct domain *d)
{
	char resolve[1024];
	domain_resolve(d, resolve, sizeof resolve);
	fprintf(f,
		"host = \"sip.%s\"\npsi = \"sip:mcptt@%s\"\n"
		"services = { \"mcptt\", \"mcvideo\", \"mcdata\" }\n"
		"address = \"127.0.0.1\"\nsip_port = %u\nsips_port = %u\nadmin_port = %u\n"
		"rtp_min = %u\nrtp_max = %u\n"
		"tls = \"tls.pem\"\ntls_dir = \"tls\"\nca = \"../ca/domain.pem\"\nadmin_ca = \"../ca/admin.pem\"\n"
		"resolv_conf = \"../dns/resolv.conf\"\ndatabase = \"db\"\n"
		"kms = \"https://kms.%s:%u\"\n"
		"issuer = \"https://idms.%s:%u\"\naudience = \"https://mc.%s\"\nresolve = \"%s\"\n"
		"revocations = \"https://idms.%s:%u/admin/v1/revoked\"\nrevocations_cert = \"revocations.pem\"\n",
		d->zone, d->zone, d->sip, d->sips, d->server_admin, d->rtp_min, d->rtp_max, d->zone, d->kms, d->zone,
		d->idms, d->zone, resolve, d->zone, d->idms_admin);
	if (d->identity_hiding)
		fputs("identity_hiding = true\n", f);
	if (d->sakke_to_self)
		fputs("sakke_to_self = true\n", f);
	if (d->has_core)
		fprintf(f, "core = { \"core.%s\" }\ncore_route = \"sip:core.%s:%u;transport=tls;lr\"\n", d->zone,
			d->zone, d->core);
}

int domain_write_configurations(const struct domain *d, char *err, size_t err_size)
{
	static const struct {
		const char *path;
		void (*write)(FILE *f, const struct domain *d);
	} files[] = {{"idms/conf", write_idms}, {"kms/conf", write_kms}, {"server/conf", write_server}};
	char path[PATH_MAX];
	if (domain_make_secret(domain_path(d, path, "kms/passphrase"), KMS_PASSPHRASE, err, err_size))
		return -1;
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		char *body = NULL;
		size_t len = 0;
		FILE *f = open_memstream(&body, &len);
		if (f) {
			files[i].write(f, d);
			fclose(f);
		}
		int rc = body ? write_sealed(domain_path(d, path, "%s", files[i].path), body, err, err_size) : -1;
		free(body);
		if (rc)
			return -1;
	}
	return 0;
}
