/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mikey_files.h - what the commands about MIKEY messages read: KMS documents into a book of KMSs and key sets, and a
 * message as octets, base64, hex or an SDP line. Shared by `mcx mikey open`, `mcx mikey make` and `mcx explain`.
 */
#ifndef MCX_TOOL_MIKEY_FILES_H
#define MCX_TOOL_MIKEY_FILES_H

#include <jansson.h>

#include "mcsec/mikey.h"
#include "mcx/doc/kms_doc.h"
#include "tool/tool.h"

enum { MIKEY_FILES_MAX = 16, MIKEY_INPUT_MAX = KMS_MAX_RESPONSE };

/* The certificates and key sets of some files; all checked as a client checks them. */
struct mikey_files {
	struct kms_response docs[2 * MIKEY_FILES_MAX];
	size_t n_docs;
	struct mcsec_im_kms *kms;
	struct mcsec_im_own *own;
	struct mcsec_keyset **keys;
	const char **domains;
	size_t n_kms, n_own;
	struct mcsec_im_book book; /* points into this struct */
};

/* The values of every `--name VALUE` and `--name=VALUE`, taken out of argv; at most `max`, the rest stays. */
size_t tool_repeated(const char *name, int *argc, char **argv, const char **values, size_t max);

/* -1 to go on, or the exit code after a message on standard error. Free in any case. */
int mikey_files_load(const struct tool_command *c, struct mikey_files *files, const char *const *certs, size_t n_certs,
		     const char *const *keys, size_t n_keys);
void mikey_files_free(struct mikey_files *files); /* wipes */

/* The whole file ("-": standard input) with a NUL behind it. NULL with a message. The caller wipes and frees. */
uint8_t *tool_read_file(const struct tool_command *c, const char *path, size_t *len);

/*
 * A message as a person hands it over: its octets, or text: base64 (with blanks and line breaks), hex, or with `mikey `
 * or `a=key-mgmt:mikey ` in front. `out` has room for in.len octets. MCSEC_E_ENCODING: text that is none of these.
 */
enum mcsec_err mikey_input(struct octets in, uint8_t *out, size_t *out_len);

/* RFC 3339, UTC, whole seconds: "2025-10-03T00:00:00Z". 0 if it is not. */
int tool_time_parse(const char *text, int64_t *unix_s);
enum { TOOL_TIME_LEN = 32 };
const char *tool_time_text(int64_t unix_s, char out[TOOL_TIME_LEN]);

/* {"ok":false,"error":...,"detail":...,"offset":...,"clause":...} */
json_t *mikey_refusal(const struct mcsec_fault *fault);
/* One line of JSON on standard output; takes the object over. */
void tool_print_json(json_t *o);

int mikey_open(const struct tool_command *c, int argc, char **argv);
int mikey_make(const struct tool_command *c, int argc, char **argv);

#endif
