/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_config.c - the configuration file of each daemon. First octet: whose table; the rest is the file.
 *
 * Invariants: a refusal is one line that names the file and a line in it, or the key that is missing; what is accepted
 * lies within its bounds, every text ends; accepted values, written as a file, are accepted again and are the same.
 */
#include "idms/context.h"
#include "kms/config.h"
#include "memfile.h"
#include "server/config.h"

static const struct {
	const struct config_option *options;
	const size_t *n;
	size_t size;
} daemons[] = {
    {kms_options, &kms_n_options, sizeof(struct kms_config)},
    {idms_options, &idms_n_options, sizeof(struct idms_config)},
    {server_options, &server_n_options, sizeof(struct server_config)},
};

static void put_text(FILE *f, const char *text)
{
	fputc('"', f);
	for (; *text; text++) {
		if (strchr("\"\\$", *text))
			fputc('\\', f);
		if (*text == '\n')
			fputs("\\n", f);
		else
			fputc(*text, f);
	}
	fputc('"', f);
}

static void put_value(FILE *f, const struct config_option *o, const char *field)
{
	const struct config_list *list = (const void *)field;
	fprintf(f, "%s = ", o->key);
	switch (o->kind) {
	case CONFIG_INT:
		HOLDS(*(const int64_t *)(const void *)field >= o->min &&
		      *(const int64_t *)(const void *)field <= o->max);
		fprintf(f, "%lld", (long long)*(const int64_t *)(const void *)field);
		break;
	case CONFIG_BOOL:
		fputs(*(const int *)(const void *)field ? "true" : "false", f);
		break;
	case CONFIG_LIST:
		HOLDS(list->n <= CONFIG_LIST_MAX);
		fputc('{', f);
		for (size_t i = 0; i < list->n; i++) {
			HOLDS(memchr(list->item[i], 0, CONFIG_ITEM_MAX));
			fputs(i ? "," : "", f);
			put_text(f, list->item[i]);
		}
		fputc('}', f);
		break;
	case CONFIG_TEXT:
	case CONFIG_PATH:
		HOLDS(memchr(field, 0, o->size));
		put_text(f, field);
	}
	fputc('\n', f);
}

static int same(const struct config_option *o, const char *a, const char *b)
{
	const struct config_list *x = (const void *)a, *y = (const void *)b;
	if (o->kind == CONFIG_TEXT || o->kind == CONFIG_PATH)
		return !strcmp(a, b);
	if (o->kind != CONFIG_LIST)
		return !memcmp(a, b, o->kind == CONFIG_INT ? sizeof(int64_t) : sizeof(int));
	for (size_t i = 0; i < x->n && x->n == y->n; i++)
		if (strcmp(x->item[i], y->item[i]))
			return 0;
	return x->n == y->n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	const struct config_option *o = daemons[data[0] % 3].options;
	size_t n = *daemons[data[0] % 3].n, len = 0;
	char err[512] = "", *text = NULL;
	char *a = calloc(1, daemons[data[0] % 3].size), *b = calloc(1, daemons[data[0] % 3].size);
	HOLDS(a && b);
	const char *path = memfile(data + 1, size - 1);
	size_t path_len = strlen(path);
	if (config_load(path, o, n, a, err, sizeof err) != 0) {
		HOLDS(!strncmp(err, path, path_len) && err[path_len] == ':' && !strchr(err, '\n'));
		HOLDS((err[path_len + 1] >= '1' && err[path_len + 1] <= '9') || strstr(err, "' is missing"));
	} else {
		FILE *f = open_memstream(&text, &len);
		HOLDS(f);
		for (size_t i = 0; i < n; i++)
			put_value(f, &o[i], a + o[i].offset);
		fclose(f);
		memfile(text, len);
		int rc = config_load(path, o, n, b, err, sizeof err);
		if (rc)
			fprintf(stderr, "%s\n%s", err, text);
		HOLDS(rc == 0);
		for (size_t i = 0; i < n; i++)
			HOLDS(same(&o[i], a + o[i].offset, b + o[i].offset));
		free(text);
	}
	free(a);
	free(b);
	return 0;
}
