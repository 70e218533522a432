/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mikey_bench.h - `mcx mikey` and `mcx explain` in the test's own process: certificates and key sets of two KMSs in
 * files, one command line at a time, what it printed and its exit code.
 */
#ifndef MCX_TEST_MIKEY_BENCH_H
#define MCX_TEST_MIKEY_BENCH_H

#include "unit/mikey/lab.h"

#include <jansson.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mcsec/secret.h"
#include "mcx/doc/kms_doc.h"
#include "tool/commands.h"

enum { OUT_MAX = 1 << 18 };

struct bench {
	struct lab *lab;
	char dir[64];
	char cert[128], far_cert[128], bob[128], alice[128], carol[128];
	char out[OUT_MAX];
};

static inline void path_of(const struct bench *b, const char *name, char out[128])
{
	snprintf(out, 128, "%s/%s", b->dir, name);
}

static inline void write_file(const struct bench *b, const char *name, struct octets o, char path[128])
{
	path_of(b, name, path);
	FILE *f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(o.p, 1, o.len, f), o.len);
	fclose(f);
}

static inline void write_certificate(const struct bench *b, size_t which, struct mcsec_master *master, const char *name,
				     char path[128])
{
	const struct mcsec_im_kms *kms = &b->lab->kms[which];
	static uint8_t buf[KMS_CERTIFICATE_BOUND];
	struct kms_certificate c = {.role = which ? KMS_ROLE_EXTERNAL : KMS_ROLE_ROOT,
				    .valid_from = 1700000000,
				    .valid_to = 1900000000,
				    .user_id_format = "2",
				    .periods = kms->periods,
				    .parameter_set = 1,
				    .n_domains = 1};
	strcpy(c.kms_uri, kms->uri);
	strcpy(c.domains[0], kms->domains[0]);
	mcsec_master_public(master, c.pub_auth_key, c.pub_enc_key);
	struct writer w = wr_init(buf, sizeof buf);
	kms_certificate_write(&w, &c);
	assert_int_equal(w.err, MCSEC_OK);
	write_file(b, name, wr_result(&w), path);
}

static inline void write_keys(struct bench *b, size_t which, struct mcsec_master *master, const char *uri,
			      uint64_t period, const char *name, char path[128])
{
	const struct mcsec_im_kms *kms = &b->lab->kms[which];
	static uint8_t buf[KMS_KEY_SET_BOUND];
	struct kms_key_set s = {.valid_from = KMS_NO_TIME, .valid_to = KMS_NO_TIME, .period_no = period};
	struct mcsec_issued set;
	strcpy(s.kms_uri, kms->uri);
	strcpy(s.user_uri, uri);
	assert_int_equal(mcsec_uid(uri, kms->uri, &kms->periods, period, s.uid), MCSEC_OK);
	assert_int_equal(mcsec_master_issue(master, &b->lab->rng, b->lab->issued++, s.uid, sizeof s.uid, &set),
			 MCSEC_OK);
	s.secret = mcsec_secret_alloc(sizeof *s.secret);
	memcpy(s.secret->rsk, set.rsk, sizeof set.rsk);
	memcpy(s.secret->ssk, set.ssk, sizeof set.ssk);
	memcpy(s.pvt, set.pvt, sizeof set.pvt);
	struct writer w = wr_init(buf, sizeof buf);
	kms_key_set_write(&w, &s);
	assert_int_equal(w.err, MCSEC_OK);
	write_file(b, name, wr_result(&w), path);
	mcsec_secret_free(s.secret);
}

static inline int setup(void **state)
{
	struct bench *b = calloc(1, sizeof *b);
	void *lab;
	uint64_t far_period;
	lab_setup(&lab);
	b->lab = lab;
	strcpy(b->dir, "/tmp/mcx-mikey-XXXXXX");
	assert_non_null(mkdtemp(b->dir));
	assert_int_equal(mcsec_period_number(&b->lab->kms[1].periods, NOW, &far_period), MCSEC_OK);
	write_certificate(b, 0, b->lab->master, "kms.xml", b->cert);
	write_certificate(b, 1, b->lab->far_master, "far.xml", b->far_cert);
	write_keys(b, 0, b->lab->master, BOB, PERIOD, "bob.xml", b->bob);
	write_keys(b, 0, b->lab->master, ALICE, PERIOD, "alice.xml", b->alice);
	write_keys(b, 1, b->lab->far_master, CAROL, far_period, "carol.xml", b->carol);
	*state = b;
	return 0;
}

static inline int teardown(void **state)
{
	struct bench *b = *state;
	void *lab = b->lab;
	static const char *const names[] = {"kms.xml", "far.xml", "bob.xml", "alice.xml", "carol.xml",
					    "message", "out",     "err",     "key"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		char path[128];
		path_of(b, names[i], path);
		unlink(path);
	}
	rmdir(b->dir);
	lab_teardown(&lab);
	free(b);
	return 0;
}

/* Runs one command line; standard output lands in b->out. */
static inline int run(struct bench *b, const char *const *args)
{
	char *argv[40];
	char out_path[128], err_path[128];
	int argc = 0, explain = strcmp(args[0], "explain") == 0;
	struct tool_command c = {args[0], "", "", explain ? cmd_explain : cmd_mikey};
	for (; args[argc]; argc++)
		argv[argc] = strdup(args[argc]);
	path_of(b, "out", out_path);
	path_of(b, "err", err_path);
	fflush(stdout);
	fflush(stderr);
	int saved = dup(1), saved_err = dup(2);
	assert_non_null(freopen(out_path, "wb", stdout));
	assert_non_null(freopen(err_path, "wb", stderr));
	char *taken[40];
	memcpy(taken, argv, sizeof *argv * (size_t)argc);
	int rc = c.run(&c, argc, argv);
	fflush(stdout);
	fflush(stderr);
	dup2(saved, 1);
	dup2(saved_err, 2);
	close(saved);
	close(saved_err);
	FILE *f = fopen(out_path, "rb");
	size_t n = fread(b->out, 1, sizeof b->out - 1, f);
	b->out[n] = '\0';
	fclose(f);
	for (int i = 0; i < argc; i++)
		free(taken[i]);
	return rc;
}

#define RUN(b, ...) run(b, (const char *const[]){__VA_ARGS__, NULL})

static inline json_t *json_out(const struct bench *b)
{
	json_t *o = json_loads(b->out, 0, NULL);
	assert_non_null(o);
	return o;
}

static inline const char *text_at(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));
	assert_non_null(s);
	return s;
}

static inline void put_message(struct bench *b, const struct message *m, char path[128])
{
	write_file(b, "message", (struct octets){m->octets, m->len}, path);
}

#endif
