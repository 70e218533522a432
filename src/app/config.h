/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.h - a daemon's one configuration file (libconfuse syntax: `key = value`, lists `{ "a", "b" }`, `#` comments,
 * `${VAR:-default}`): a table of options in, a filled struct out.
 *
 * Unknown keys, keys given twice, wrong types, values out of range and missing required keys are refused with file and
 * line. Secrets never stand in the file: it names the files that hold them. Paths are taken from the folder of the
 * configuration file, so that a whole domain folder can be moved.
 */
#ifndef MCX_APP_CONFIG_H
#define MCX_APP_CONFIG_H

#include <stddef.h>
#include <stdint.h>

enum config_kind {
	CONFIG_TEXT, /* char[size] */
	CONFIG_PATH, /* char[size]; relative ones are made absolute */
	CONFIG_INT,  /* int64_t within min..max */
	CONFIG_BOOL, /* int */
	CONFIG_LIST, /* struct config_list */
};

enum { CONFIG_LIST_MAX = 32, CONFIG_ITEM_MAX = 256 };

struct config_list {
	size_t n;
	char item[CONFIG_LIST_MAX][CONFIG_ITEM_MAX];
};

struct config_option {
	const char *key;
	enum config_kind kind;
	size_t offset, size; /* of the field in the out struct: CONFIG_FIELD */
	const char *def;     /* default as text, "" allowed; NULL: the key is required (lists default to empty) */
	int64_t min, max;    /* CONFIG_INT */
};

#define CONFIG_FIELD(type, member) offsetof(type, member), sizeof(((type *)0)->member)

/*
 * Fills *out (all fields of the table). 0, or -1 and in err one line "FILE:LINE: what is wrong".
 *
 * static const struct config_option options[] = {
 *	{ "port", CONFIG_INT, CONFIG_FIELD(struct kms_config, port), "8443", 0, 65535 },
 *	{ "tls_key", CONFIG_PATH, CONFIG_FIELD(struct kms_config, tls_key), NULL, 0, 0 },
 * };
 */
int config_load(const char *path, const struct config_option *options, size_t n, void *out, char *err, size_t err_size);

/*
 * The first key whose value differs between two filled structs and that is not in `may` (a list of n_may keys); NULL if
 * there is none. For a reload: what a running daemon cannot change is named instead of half done.
 */
const char *config_fixed_change(const struct config_option *options, size_t n, const void *was, const void *is,
				const char *const *may, size_t n_may);

#endif
