/* SPDX-License-Identifier: Apache-2.0 */
/* krr_files.c - see krr_files.h. What is read may be a private key: it stands in secret memory. */
#include "net/krr_files.h"

#include <stdio.h>

#include "mcsec/secret.h"

enum { PEM_MAX = 256 * 1024 };

/* Secret memory; NULL: no such file, or none of this size. */
static uint8_t *read_pem(const char *path, size_t *len)
{
	uint8_t *text = mcsec_secret_alloc(PEM_MAX);
	FILE *f = text ? fopen(path, "re") : NULL;
	*len = 0;
	if (f) {
		setbuf(f, NULL); /* no copy of it in a buffer of the library */
		*len = fread(text, 1, PEM_MAX, f);
		fclose(f);
	}
	if (*len && *len < PEM_MAX)
		return text;
	mcsec_secret_free(text);
	return NULL;
}

struct krr_signer *krr_signer_of(const char *pem_file)
{
	size_t len;
	uint8_t *text = read_pem(pem_file, &len);
	struct krr_signer *s = text ? krr_signer_new((struct octets){text, len}, (struct octets){text, len}) : NULL;
	mcsec_secret_free(text);
	return s;
}

struct krr_trust *krr_trust_of(const char *pem_file)
{
	size_t len;
	uint8_t *text = read_pem(pem_file, &len);
	struct krr_trust *t = text ? krr_trust_new((struct octets){text, len}) : NULL;
	mcsec_secret_free(text);
	return t;
}
