/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mikey_files.c - KMS documents read from files into the book that opening and making take, and messages in any of the
 * forms a person has them in.
 *
 * A certificate's time of validity is left to the opening itself, which holds it against the time of the message and
 * says so by its own name; everything else about it is checked here.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mcsec/secret.h"
#include "sec/base/text.h"
#include "tool/look/mikey_files.h"

size_t tool_repeated(const char *name, int *argc, char **argv, const char **values, size_t max)
{
	size_t n = 0, len = strlen(name);
	int kept = 1;
	for (int i = 1; i < *argc; i++) {
		int is = strncmp(argv[i], "--", 2) == 0 && strncmp(argv[i] + 2, name, len) == 0;
		if (is && n < max && argv[i][2 + len] == '=')
			values[n++] = argv[i] + 3 + len;
		else if (is && n < max && argv[i][2 + len] == '\0' && i + 1 < *argc)
			values[n++] = argv[++i];
		else
			argv[kept++] = argv[i];
	}
	*argc = kept;
	return n;
}

uint8_t *tool_read_file(const struct tool_command *c, const char *path, size_t *len)
{
	int is_stdin = strcmp(path, "-") == 0;
	FILE *f = is_stdin ? stdin : fopen(path, "rb");
	uint8_t *text = malloc(MIKEY_INPUT_MAX + 2);
	*len = 0;
	if (f && text)
		*len = fread(text, 1, MIKEY_INPUT_MAX + 1, f);
	if (!f || !text || ferror(f) || *len > MIKEY_INPUT_MAX) {
		const char *why = *len > MIKEY_INPUT_MAX ? "larger than 8 MiB" : strerror(errno);
		(void)tool_fail(c, TOOL_FAILED, NULL, "cannot read %s: %s", path, why);
		free(text);
		text = NULL;
	} else {
		text[*len] = '\0';
	}
	if (f && !is_stdin)
		fclose(f);
	return text;
}

/* ---- KMS documents ---- */

static int read_doc(const struct tool_command *c, struct mikey_files *files, const char *path, int want_keys)
{
	struct kms_response *doc = &files->docs[files->n_docs];
	struct kms_fault f;
	size_t len;
	uint8_t *text = tool_read_file(c, path, &len);
	if (!text)
		return TOOL_FAILED;
	enum mcsec_err err = kms_response_read(doc, KMS_ROOT_RESPONSE | KMS_ROOT_PART, (struct octets){text, len}, &f);
	mcsec_wipe(text, len);
	free(text);
	if (err)
		return tool_fail(c, TOOL_FAILED, "mcx explain shows the document", "%s: line %u, %s: %s", path, f.line,
				 f.element[0] ? f.element : "document", f.detail);
	files->n_docs++;
	if (want_keys ? doc->n_sets == 0 : doc->n_certs == 0)
		return tool_fail(c, TOOL_FAILED, NULL, "%s holds no %s", path, want_keys ? "key set" : "certificate");
	return -1;
}

static uint64_t ntp_of(int64_t unix_s)
{
	return unix_s == KMS_NO_TIME ? 0 : (uint64_t)unix_s + MCSEC_NTP_UNIX;
}

static int add_certificate(const struct tool_command *c, struct mikey_files *files, const struct kms_certificate *cert)
{
	struct mcsec_im_kms *kms = &files->kms[files->n_kms];
	struct kms_fault f;
	const char **domains = files->domains + files->n_kms * KMS_MAX_DOMAINS;
	int64_t valid = cert->valid_from != KMS_NO_TIME ? cert->valid_from
			: cert->valid_to != KMS_NO_TIME ? cert->valid_to - 1
							: 0;
	for (size_t i = 0; i < files->n_kms; i++)
		/* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): each of the first n_kms was given its address */
		if (strcmp(files->kms[i].uri, cert->kms_uri) == 0)
			return -1; /* the same KMS from two files: the first counts */
	if (kms_certificate_check(cert, cert->role, cert->kms_uri, "", valid, &kms->kms, &f))
		return tool_fail(c, TOOL_FAILED, NULL, "certificate of %s: %s: %s", cert->kms_uri, f.element, f.detail);
	for (size_t i = 0; i < cert->n_domains; i++)
		domains[i] = cert->domains[i];
	kms->uri = cert->kms_uri;
	kms->periods = cert->periods;
	kms->valid_from = ntp_of(cert->valid_from);
	kms->valid_to = cert->valid_to == KMS_NO_TIME ? 0 : ntp_of(cert->valid_to) - 1;
	kms->domains = domains;
	kms->n_domains = cert->n_domains;
	files->n_kms++;
	return -1;
}

static const struct kms_certificate *certificate_of(const struct mikey_files *files, const char *kms_uri)
{
	for (size_t d = 0; d < files->n_docs; d++)
		for (size_t i = 0; i < files->docs[d].n_certs; i++)
			if (strcmp(files->docs[d].certs[i].kms_uri, kms_uri) == 0)
				return &files->docs[d].certs[i];
	return NULL;
}

static int add_key_set(const struct tool_command *c, struct mikey_files *files, const struct kms_key_set *set)
{
	const struct kms_certificate *cert = certificate_of(files, set->kms_uri);
	struct mcsec_kms *kms = NULL;
	struct kms_fault f;
	for (size_t i = 0; i < files->n_kms; i++)
		/* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): each of the first n_kms was given its address */
		if (strcmp(files->kms[i].uri, set->kms_uri) == 0)
			kms = files->kms[i].kms;
	if (!cert || !kms)
		return tool_fail(c, TOOL_FAILED, "name its certificate with --cert",
				 "no certificate of %s for the keys of %s", set->kms_uri, set->user_uri);
	if (kms_key_set_check(set, cert, kms, set->user_uri, &files->keys[files->n_own], &f))
		return tool_fail(c, TOOL_FAILED, NULL, "keys of %s: %s: %s", set->user_uri, f.element, f.detail);
	files->own[files->n_own] =
	    (struct mcsec_im_own){set->user_uri, set->kms_uri, set->period_no, files->keys[files->n_own]};
	files->n_own++;
	return -1;
}

static int make_book(const struct tool_command *c, struct mikey_files *files)
{
	size_t n_certs = 0, n_sets = 0;
	int rc = -1;
	for (size_t d = 0; d < files->n_docs; d++) {
		n_certs += files->docs[d].n_certs;
		n_sets += files->docs[d].n_sets;
	}
	files->kms = calloc(n_certs + 1, sizeof *files->kms);
	files->domains = calloc((n_certs + 1) * KMS_MAX_DOMAINS, sizeof *files->domains);
	files->own = calloc(n_sets + 1, sizeof *files->own);
	/* NOLINTNEXTLINE(bugprone-sizeof-expression): handles, one for each set */
	files->keys = calloc(n_sets + 1, sizeof *files->keys);
	if (!files->kms || !files->domains || !files->own || !files->keys)
		return tool_fail(c, TOOL_FAILED, NULL, "no memory");
	for (size_t d = 0; d < files->n_docs && rc < 0; d++)
		for (size_t i = 0; i < files->docs[d].n_certs && rc < 0; i++)
			rc = add_certificate(c, files, &files->docs[d].certs[i]);
	for (size_t d = 0; d < files->n_docs && rc < 0; d++)
		for (size_t i = 0; i < files->docs[d].n_sets && rc < 0; i++)
			rc = add_key_set(c, files, &files->docs[d].sets[i]);
	files->book =
	    (struct mcsec_im_book){.kms = files->kms, .n_kms = files->n_kms, .own = files->own, .n_own = files->n_own};
	return rc;
}

int mikey_files_load(const struct tool_command *c, struct mikey_files *files, const char *const *certs, size_t n_certs,
		     const char *const *keys, size_t n_keys)
{
	int rc = -1;
	for (size_t i = 0; i < n_certs && rc < 0; i++)
		rc = read_doc(c, files, certs[i], 0);
	for (size_t i = 0; i < n_keys && rc < 0; i++)
		rc = read_doc(c, files, keys[i], 1);
	return rc < 0 ? make_book(c, files) : rc;
}

void mikey_files_free(struct mikey_files *files)
{
	for (size_t i = 0; i < files->n_own; i++)
		mcsec_keyset_free(files->keys[i]);
	for (size_t i = 0; i < files->n_kms; i++)
		mcsec_kms_free(files->kms[i].kms);
	for (size_t i = 0; i < files->n_docs; i++)
		kms_response_free(&files->docs[i]);
	free(files->kms);
	free(files->domains);
	free(files->own);
	free(files->keys);
}

/* ---- messages ---- */

static int all_of(const char *s, size_t n, int (*is)(int))
{
	for (size_t i = 0; i < n; i++)
		if (!is((unsigned char)s[i]))
			return 0;
	return n > 0;
}

enum mcsec_err mikey_input(struct octets in, uint8_t *out, size_t *out_len)
{
	static const char *const heads[] = {"a=key-mgmt:mikey ", "key-mgmt:mikey ", "mikey "};
	char *text = malloc(in.len + 1);
	size_t n = 0;
	*out_len = 0;
	if (!text)
		return MCSEC_E_MEMORY;
	int is_text = in.len > 0;
	for (size_t i = 0; i < in.len; i++)
		is_text = is_text && (isprint(in.p[i]) || isspace(in.p[i]));
	if (!is_text) { /* the octets themselves */
		free(text);
		if (in.len)
			memcpy(out, in.p, in.len);
		*out_len = in.len;
		return MCSEC_OK;
	}
	for (size_t h = 0; h < sizeof heads / sizeof *heads; h++) {
		size_t len = strlen(heads[h]);
		if (in.len > len && memcmp(in.p, heads[h], len) == 0)
			in = (struct octets){in.p + len, in.len - len};
	}
	for (size_t i = 0; i < in.len; i++)
		if (!isspace(in.p[i]))
			text[n++] = (char)in.p[i];
	enum mcsec_err err = all_of(text, n, isxdigit) && n % 2 == 0 ? hex_decode(text, n, out, in.len, out_len)
								     : base64_decode(text, n, out, in.len, out_len);
	free(text);
	return err;
}

int tool_time_parse(const char *text, int64_t *unix_s)
{
	struct tm tm = {0};
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	*unix_s = 0;
	if (!end || *end)
		return 0;
	*unix_s = timegm(&tm);
	return *unix_s >= -(int64_t)MCSEC_NTP_UNIX;
}

const char *tool_time_text(int64_t unix_s, char out[TOOL_TIME_LEN])
{
	time_t t = (time_t)unix_s;
	struct tm tm;
	if (!gmtime_r(&t, &tm) || !strftime(out, TOOL_TIME_LEN, "%Y-%m-%dT%H:%M:%SZ", &tm))
		snprintf(out, TOOL_TIME_LEN, "beyond all calendars");
	return out;
}

json_t *mikey_refusal(const struct mcsec_fault *fault)
{
	json_t *offset = fault->offset == MCSEC_NO_OFFSET ? json_null() : json_integer((json_int_t)fault->offset);
	return json_pack("{s:b, s:s, s:s, s:o, s:s}", "ok", 0, "error", mcsec_im_refusal(fault->code), "detail",
			 fault->detail, "offset", offset, "clause", fault->clause);
}

void tool_print_json(json_t *o)
{
	json_dumpf(o, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(o);
}
