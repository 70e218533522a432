/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.c - the table of options given to libconfuse, and its values copied out with their limits checked.
 *
 * libconfuse refuses unknown keys and wrong types itself; its error function gives us file and line. It lets a later
 * value replace an earlier one silently, so a validator counts how often each key is set.
 */
#include "app/config.h"

#include <confuse.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONFIG_MAX_OPTIONS = 128 };

/* libconfuse hands its call-backs no context of ours: one load at a time per thread. */
static _Thread_local struct {
	char *err;
	size_t err_size;
	const struct config_option *options;
	size_t n;
	unsigned seen[CONFIG_MAX_OPTIONS];
} load;

static void on_error(cfg_t *cfg, const char *fmt, va_list ap)
{
	if (load.err[0])
		return; /* the first fault is the one to mend */
	int n = snprintf(load.err, load.err_size, "%s:%d: ", cfg && cfg->filename ? cfg->filename : "configuration",
			 cfg ? cfg->line : 0);
	if (n > 0 && (size_t)n < load.err_size)
		vsnprintf(load.err + n, load.err_size - (size_t)n, fmt, ap);
	for (char *c = load.err; *c; c++) /* libconfuse quotes what it does not like, line ends and all */
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
}

static const struct config_option *option_of(const char *key, size_t *at)
{
	for (*at = 0; *at < load.n; ++*at)
		if (strcmp(load.options[*at].key, key) == 0)
			return &load.options[*at];
	return NULL;
}

/* Called after each `key = value`. */
static int on_value(cfg_t *cfg, cfg_opt_t *opt)
{
	size_t at;
	const struct config_option *o = option_of(cfg_opt_name(opt), &at);
	if (!o)
		return -1;
	if (load.seen[at]++ && o->kind != CONFIG_LIST) {
		cfg_error(cfg, "'%s' is given twice", o->key);
		return -1;
	}
	if (o->kind == CONFIG_INT) {
		long v = cfg_opt_getnint(opt, 0);
		if (v < o->min || v > o->max) {
			cfg_error(cfg, "'%s' must lie between %lld and %lld", o->key, (long long)o->min,
				  (long long)o->max);
			return -1;
		}
		return 0;
	}
	if (o->kind == CONFIG_BOOL)
		return 0;
	size_t limit = o->kind == CONFIG_LIST ? CONFIG_ITEM_MAX : o->size;
	for (unsigned i = 0; i < cfg_opt_size(opt); i++)
		if (strlen(cfg_opt_getnstr(opt, i)) >= limit) {
			cfg_error(cfg, "the value of '%s' is longer than %zu octets", o->key, limit - 1);
			return -1;
		}
	if (o->kind == CONFIG_LIST && cfg_opt_size(opt) > CONFIG_LIST_MAX) {
		cfg_error(cfg, "'%s' has more than %d values", o->key, CONFIG_LIST_MAX);
		return -1;
	}
	return 0;
}

static cfg_opt_t confuse_option(const struct config_option *o)
{
	switch (o->kind) {
	case CONFIG_INT:
		return (cfg_opt_t)CFG_INT(o->key, o->def ? strtol(o->def, NULL, 10) : 0, CFGF_NONE);
	case CONFIG_BOOL:
		return (cfg_opt_t)CFG_BOOL(o->key, o->def && strcmp(o->def, "true") == 0 ? cfg_true : cfg_false,
					   CFGF_NONE);
	case CONFIG_LIST:
		return (cfg_opt_t)CFG_STR_LIST(o->key, "{}", CFGF_NONE);
	case CONFIG_TEXT:
	case CONFIG_PATH:
		break;
	}
	return (cfg_opt_t)CFG_STR(o->key, o->def, CFGF_NONE);
}

static int copy_path(const char *folder, const char *value, char *out, size_t size)
{
	int n = value[0] == '/' || !value[0] ? snprintf(out, size, "%s", value)
					     : snprintf(out, size, "%s/%s", folder, value);
	return n >= 0 && (size_t)n < size ? 0 : -1;
}

static int copy_out(cfg_t *cfg, const struct config_option *o, const char *folder, char *out)
{
	char *field = out + o->offset;
	const char *text = NULL;
	switch (o->kind) {
	case CONFIG_INT:
		*(int64_t *)(void *)field = cfg_getint(cfg, o->key);
		return 0;
	case CONFIG_BOOL:
		*(int *)(void *)field = cfg_getbool(cfg, o->key) == cfg_true;
		return 0;
	case CONFIG_LIST: {
		struct config_list *list = (struct config_list *)(void *)field;
		list->n = cfg_size(cfg, o->key);
		for (unsigned i = 0; i < list->n; i++)
			snprintf(list->item[i], sizeof list->item[i], "%s", cfg_getnstr(cfg, o->key, i));
		return 0;
	}
	case CONFIG_TEXT:
		text = cfg_getstr(cfg, o->key);
		snprintf(field, o->size, "%s", text ? text : "");
		return 0;
	case CONFIG_PATH:
		text = cfg_getstr(cfg, o->key);
		if (copy_path(folder, text ? text : "", field, o->size)) {
			cfg_error(cfg, "the path of '%s' is too long", o->key);
			return -1;
		}
		return 0;
	}
	return -1;
}

static int folder_of(const char *path, char *folder, size_t size)
{
	char full[PATH_MAX];
	if (!realpath(path, full))
		return -1;
	char *slash = strrchr(full, '/');
	*slash = '\0';
	int n = snprintf(folder, size, "%s", full);
	return n >= 0 && (size_t)n < size ? 0 : -1;
}

static int parse(cfg_t *cfg, const char *path, const char *folder, char *out)
{
	int rc = cfg_parse(cfg, path);
	if (rc == CFG_FILE_ERROR)
		snprintf(load.err, load.err_size, "%s: cannot be read", path);
	else if (rc != CFG_SUCCESS && !load.err[0]) /* libconfuse says nothing of octets that are no text */
		snprintf(load.err, load.err_size, "%s:%d: this is not `key = value`", path, cfg->line > 0 ? cfg->line : 1);
	if (rc != CFG_SUCCESS)
		return -1;
	for (size_t i = 0; i < load.n; i++) {
		if (!load.seen[i] && !load.options[i].def && load.options[i].kind != CONFIG_LIST) {
			snprintf(load.err, load.err_size, "%s: '%s' is missing", path, load.options[i].key);
			return -1;
		}
		if (copy_out(cfg, &load.options[i], folder, out))
			return -1;
	}
	return 0;
}

int config_load(const char *path, const struct config_option *options, size_t n, void *out, char *err, size_t err_size)
{
	cfg_opt_t table[CONFIG_MAX_OPTIONS + 1];
	char folder[PATH_MAX];
	err[0] = '\0';
	if (n > CONFIG_MAX_OPTIONS) { /* ours, not the operator's, mistake */
		snprintf(err, err_size, "the program has more than %d options", CONFIG_MAX_OPTIONS);
		return -1;
	}
	if (folder_of(path, folder, sizeof folder)) {
		snprintf(err, err_size, "%s: cannot be read", path);
		return -1;
	}
	for (size_t i = 0; i < n; i++)
		table[i] = confuse_option(&options[i]);
	table[n] = (cfg_opt_t)CFG_END();

	load.err = err, load.err_size = err_size, load.options = options, load.n = n;
	memset(load.seen, 0, sizeof load.seen);
	cfg_t *cfg = cfg_init(table, CFGF_NONE);
	if (!cfg) {
		snprintf(err, err_size, "%s: no memory", path);
		return -1;
	}
	cfg_set_error_function(cfg, on_error);
	for (size_t i = 0; i < n; i++)
		cfg_set_validate_func(cfg, options[i].key, on_value);
	int rc = parse(cfg, path, folder, out);
	cfg_free(cfg);
	if (rc && !err[0])
		snprintf(err, err_size, "%s: cannot be used", path);
	return rc;
}

static int is_named(const char *key, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i], key) == 0)
			return 1;
	return 0;
}

static int lists_differ(const struct config_list *a, const struct config_list *b)
{
	int differ = a->n != b->n;
	for (size_t i = 0; !differ && i < a->n; i++)
		differ = strcmp(a->item[i], b->item[i]) != 0;
	return differ;
}

static int differs(const struct config_option *o, const void *was, const void *is)
{
	const void *a = (const char *)was + o->offset, *b = (const char *)is + o->offset;
	if (o->kind == CONFIG_LIST)
		return lists_differ(a, b);
	if (o->kind == CONFIG_INT || o->kind == CONFIG_BOOL)
		return memcmp(a, b, o->size) != 0;
	return strcmp(a, b) != 0;
}

const char *config_fixed_change(const struct config_option *options, size_t n, const void *was, const void *is,
				const char *const *may, size_t n_may)
{
	for (size_t i = 0; i < n; i++)
		if (!is_named(options[i].key, may, n_may) && differs(&options[i], was, is))
			return options[i].key;
	return NULL;
}
