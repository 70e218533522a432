/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_kms_issuer.c - the issuer's side of the socket: every field bounded and checked, each operation in its state,
 * officers' shares in parcels, and the filter of system calls (kms.md 15A rows 6, 8, 9; 15B).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "kms/issuer/confine.h"
#include "kms/issuer/serve.h"
#include "mcsec/secret.h"
#include "unit/kms/kms_vector.h"

struct fixture {
	struct kms_vector vector;
	struct issuer_desk desk;
	struct issuer_domain domain;
	struct share shares[5];
	uint8_t sealed[CUSTODY_BLOB_MAX], request[ISSUER_REQUEST_MAX + 8], body[ISSUER_BODY_MAX], *answer;
	size_t request_len, answer_len;
};

static const struct custody_place three_of_five = {.k = 3, .n = 5};

/* A desk whose domain is in officers' custody: everything can be tried on it without a file. */
static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	uint8_t *secrets = mcsec_secret_alloc(VAULT_SECRET_LEN);
	size_t n;
	kms_vector_open(&f->vector);
	mcsec_master_export(f->vector.master, secrets, secrets + MCSEC_KSAK_LEN);
	assert_int_equal(officers_seal(3, 5, VECTOR_KMS, VAULT_SECRET_NAME, (struct octets){secrets, VAULT_SECRET_LEN},
				       &mcsec_rng_system, f->sealed, &n, f->shares),
			 CUSTODY_OK);
	mcsec_secret_free(secrets);
	f->domain = (struct issuer_domain){.periods = f->vector.cert.periods, .sealed = {f->sealed, n}};
	memcpy(f->domain.kpak, f->vector.cert.pub_auth_key, MCSEC_KPAK_LEN);
	memcpy(f->domain.z_pub, f->vector.cert.pub_enc_key, MCSEC_ZPUB_LEN);
	assert_int_equal(issuer_desk_open(&f->desk, &mcsec_rng_system), 0);
	assert_int_equal(custody_attach(CUSTODY_BY_OFFICERS, &three_of_five, &f->desk.custody), CUSTODY_OK);
	f->answer = mcsec_secret_alloc(ISSUER_ANSWER_MAX);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	issuer_desk_close(&f->desk);
	mcsec_secret_free(f->answer);
	kms_vector_close(&f->vector);
	free(f);
	return 0;
}

/* The status that answers what stands in f->request. */
static unsigned serve(struct fixture *f)
{
	f->answer_len = issuer_serve(&f->desk, (struct octets){f->request, f->request_len}, f->answer);
	assert_true(f->answer_len >= 2 && f->answer_len <= ISSUER_ANSWER_MAX);
	return (unsigned)f->answer[0] << 8 | f->answer[1];
}

static unsigned ask(struct fixture *f, const struct issuer_request *r)
{
	struct writer w = wr_init(f->request, sizeof f->request);
	assert_int_equal(issuer_request_write(&w, r), MCSEC_OK);
	f->request_len = wr_len(&w);
	return serve(f);
}

static struct issuer_request for_keys(const struct fixture *f)
{
	struct issuer_request r = {.op = ISSUER_OP_ISSUE, .period = 1388, .number = 7, .identity = VECTOR_USER};
	memcpy(r.uid, f->vector.set.uid, sizeof r.uid);
	return r;
}

static unsigned open_domain(struct fixture *f)
{
	struct writer w = wr_init(f->body, sizeof f->body);
	issuer_domain_write(&w, &f->domain, 1);
	return ask(f, &(struct issuer_request){.op = ISSUER_OP_OPEN, .identity = VECTOR_KMS, .body = wr_result(&w)});
}

static struct issuer_verdict give(struct fixture *f, const struct share *s)
{
	uint8_t octets[SHARE_OCTETS], parcel[SHARE_OCTETS + PARCEL_OVERHEAD];
	struct issuer_verdict v;
	share_write(s, octets);
	assert_true(parcel_seal(f->desk.transport_key, OCTETS(octets), parcel));
	assert_int_equal(ask(f, &(struct issuer_request){.op = ISSUER_OP_SHARE, .body = OCTETS(parcel)}), ISSUER_OK);
	struct reader r = rd_init((struct octets){f->answer + 2, f->answer_len - 2});
	issuer_verdict_read(&r, &v);
	assert_int_equal(rd_done(&r), MCSEC_OK);
	return v;
}

static void open_by_officers(struct fixture *f)
{
	assert_int_equal(open_domain(f), ISSUER_CUSTODY + CUSTODY_ABSENT);
	for (int i = 0; i < 3; i++)
		assert_int_equal(give(f, &f->shares[i]).err, CUSTODY_OK);
}

static void an_issue_gives_the_vectors_rsk_and_public_keys_over_the_socket_format(void **state)
{
	struct fixture *f = *state;
	open_by_officers(f);
	struct issuer_request r = for_keys(f);
	assert_int_equal(ask(f, &r), ISSUER_OK);
	assert_int_equal(f->answer_len, 2 + MCSEC_RSK_LEN + MCSEC_SSK_LEN + MCSEC_PVT_LEN + MCSEC_HS_LEN);
	assert_memory_equal(f->answer + 2, f->vector.set.secret->rsk, MCSEC_RSK_LEN);
	assert_int_equal(ask(f, &(struct issuer_request){.op = ISSUER_OP_PUBLIC}), ISSUER_OK);
	assert_memory_equal(f->answer + 2, f->vector.cert.pub_auth_key, MCSEC_KPAK_LEN);
	assert_memory_equal(f->answer + 2 + MCSEC_KPAK_LEN, f->vector.cert.pub_enc_key, MCSEC_ZPUB_LEN);
}

static void a_request_cut_short_or_too_long_is_malformed_whatever_its_length(void **state)
{
	struct fixture *f = *state;
	open_by_officers(f);
	struct issuer_request r = for_keys(f);
	assert_int_equal(ask(f, &r), ISSUER_OK);
	size_t whole = f->request_len;
	for (f->request_len = 2; f->request_len < whole; f->request_len++)
		assert_int_equal(serve(f), ISSUER_MALFORMED);
	f->request_len = whole + 1;
	assert_int_equal(serve(f), ISSUER_MALFORMED);
	f->request_len = 0;
	assert_int_not_equal(serve(f), ISSUER_OK);
	f->request_len = whole;
	assert_int_equal(serve(f), ISSUER_OK);
}

static void another_version_operation_domain_or_flag_is_unsupported(void **state)
{
	struct fixture *f = *state;
	open_by_officers(f);
	struct issuer_request r = for_keys(f);
	for (size_t at = 0; at < 6; at++) /* version, op, domain, flags */
		for (int bit = 0; bit < 8; bit++) {
			assert_int_equal(ask(f, &r), ISSUER_OK);
			f->request[at] ^= (uint8_t)(1 << bit);
			unsigned s = serve(f);
			/* an operation with a bit changed may be one that needs no body: then it is that one */
			assert_true(s == ISSUER_UNSUPPORTED || (at == 1 && f->request[1] <= ISSUER_OP_SEAL));
			if (vault_is_sealed(f->desk.vault))
				return; /* op 7 */
		}
}

static void an_identity_too_long_or_with_a_nul_in_it_is_malformed(void **state)
{
	struct fixture *f = *state;
	open_by_officers(f);
	struct issuer_request r = for_keys(f);
	enum { IDENTITY = 1 + 1 + 2 + 2 + 8 + 8 + MCSEC_UID_LEN };
	assert_int_equal(ask(f, &r), ISSUER_OK);
	f->request[IDENTITY + 2 + 3] = 0;
	assert_int_equal(serve(f), ISSUER_MALFORMED);
	assert_int_equal(ask(f, &r), ISSUER_OK);
	f->request[IDENTITY] = 0xff;
	assert_int_equal(serve(f), ISSUER_MALFORMED);
	memset(r.identity, 'a', sizeof r.identity - 1);
	assert_int_equal(ask(f, &r), ISSUER_UID_MISMATCH); /* as long as may be, and read */
}

static void a_uid_with_any_bit_changed_gets_nothing(void **state)
{
	struct fixture *f = *state;
	open_by_officers(f);
	for (size_t at = 0; at < MCSEC_UID_LEN; at++) {
		struct issuer_request r = for_keys(f);
		r.uid[at] ^= 0x10;
		assert_int_equal(ask(f, &r), ISSUER_UID_MISMATCH);
		assert_int_equal(f->answer_len, 2);
	}
}

static void nothing_is_answered_before_a_domain_and_a_domain_is_named_once(void **state)
{
	struct fixture *f = *state;
	struct issuer_request r = for_keys(f);
	assert_int_equal(ask(f, &r), ISSUER_UNSUPPORTED);
	assert_int_equal(ask(f, &(struct issuer_request){.op = ISSUER_OP_SHARE}), ISSUER_UNSUPPORTED);
	assert_int_equal(open_domain(f), ISSUER_CUSTODY + CUSTODY_ABSENT);
	assert_int_equal(open_domain(f), ISSUER_UNSUPPORTED);
	assert_int_equal(ask(f, &(struct issuer_request){.op = ISSUER_OP_CREATE, .identity = VECTOR_KMS}),
			 ISSUER_UNSUPPORTED);
	assert_int_equal(ask(f, &r), ISSUER_SEALED);
	assert_int_equal(ask(f, &(struct issuer_request){.op = ISSUER_OP_PUBLIC}), ISSUER_SEALED);
}

static void a_domain_with_a_period_of_zero_or_no_blob_is_malformed(void **state)
{
	struct fixture *f = *state;
	struct mcsec_periods good = f->domain.periods;
	f->domain.periods.period = 0;
	assert_int_equal(open_domain(f), ISSUER_MALFORMED);
	f->domain.periods = (struct mcsec_periods){10, 10};
	f->desk.begun = 0;
	assert_int_equal(open_domain(f), ISSUER_MALFORMED);
	f->domain.periods = good;
	f->domain.sealed.len = 0;
	f->desk.begun = 0;
	assert_int_equal(open_domain(f), ISSUER_MALFORMED);
}

static void sealing_forgets_and_shares_given_again_open_again(void **state)
{
	struct fixture *f = *state;
	struct issuer_request r = for_keys(f);
	open_by_officers(f);
	assert_int_equal(ask(f, &r), ISSUER_OK);
	assert_int_equal(ask(f, &(struct issuer_request){.op = ISSUER_OP_SEAL}), ISSUER_OK);
	assert_int_equal(ask(f, &r), ISSUER_SEALED);
	assert_int_equal(give(f, &f->shares[4]).state.given, 1);
	assert_int_equal(give(f, &f->shares[0]).state.given, 2);
	assert_int_equal(give(f, &f->shares[2]).state.sealed, 0);
	assert_int_equal(ask(f, &r), ISSUER_OK);
}

static void a_wrong_a_foreign_and_a_repeated_share_are_named_and_do_not_count(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(open_domain(f), ISSUER_CUSTODY + CUSTODY_ABSENT);
	assert_int_equal(give(f, &f->shares[1]).err, CUSTODY_OK);
	struct share wrong = f->shares[2], foreign = f->shares[3];
	wrong.value[5] ^= 1;
	foreign.set[0] ^= 1;
	struct issuer_verdict v = give(f, &wrong);
	assert_int_equal(v.err, CUSTODY_WRONG);
	assert_int_equal(v.number, 3);
	assert_int_equal(v.state.given, 1);
	v = give(f, &foreign);
	assert_int_equal(v.err, CUSTODY_FOREIGN);
	assert_int_equal(v.number, 4);
	assert_int_equal(give(f, &f->shares[1]).err, CUSTODY_TWICE);
	assert_int_equal(give(f, &f->shares[2]).state.given, 2);
	assert_int_equal(give(f, &f->shares[3]).state.sealed, 0);
	assert_int_equal(ask(f, &(struct issuer_request){.op = ISSUER_OP_SHARE}), ISSUER_UNSUPPORTED); /* it is open */
}

static void a_parcel_for_another_issuer_or_changed_anywhere_does_not_open(void **state)
{
	struct fixture *f = *state;
	uint8_t octets[SHARE_OCTETS], parcel[SHARE_OCTETS + PARCEL_OVERHEAD], other[PARCEL_KEY], out[SHARE_OCTETS];
	struct parcel_key *k = parcel_key_new(other);
	share_write(&f->shares[0], octets);
	assert_true(parcel_seal(other, OCTETS(octets), parcel));
	assert_false(parcel_open(f->desk.parcels, OCTETS(parcel), out));
	assert_true(parcel_open(k, OCTETS(parcel), out));
	assert_memory_equal(out, octets, sizeof octets);
	for (size_t i = 0; i < sizeof parcel; i++) {
		parcel[i] ^= 1;
		assert_false(parcel_open(k, OCTETS(parcel), out));
		parcel[i] ^= 1;
	}
	assert_false(parcel_open(k, (struct octets){parcel, PARCEL_OVERHEAD - 1}, out));
	parcel_key_free(k);
}

/* ---- the filter ---- */

enum { LIVES = 7 };

/* How a process ends that confines itself and then does this. */
static int fate(int (*confine)(void), void (*act)(void))
{
	int status;
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		if (confine())
			_exit(1);
		act();
		_exit(LIVES);
	}
	waitpid(pid, &status, 0);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void make_socket(void)
{
	if (socket(AF_INET, SOCK_STREAM, 0) < 0)
		_exit(3);
}

static void make_packet_socket(void)
{
	if (socket(AF_PACKET, SOCK_RAW, 0) < 0 && errno == EAFNOSUPPORT)
		_exit(3);
}

static void open_file(void)
{
	if (open("/dev/null", O_RDONLY) < 0)
		_exit(3);
}

static void run_program(void)
{
	execl("/bin/true", "true", (char *)NULL);
}

static void make_process(void)
{
	pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	if (pid < 0)
		_exit(3);
}

static void allocate_and_speak(void)
{
	int *p = mcsec_secret_alloc(100000);
	void *m = malloc(1 << 22);
	if (!p || !m || write(2, "", 0) != 0)
		_exit(3);
}

static void map_code(void)
{
	if (mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
		_exit(3);
}

static void change_user(void)
{
	if (setresuid((uid_t)-1, (uid_t)-1, (uid_t)-1))
		_exit(3);
}

static void the_issuers_filter_kills_whoever_asks_for_a_socket_a_file_or_a_program(void **state)
{
	(void)state;
	if (confine_is_off())
		skip();
	assert_int_equal(fate(confine_issuer, allocate_and_speak), LIVES); /* the fence has a way through */
	assert_int_equal(fate(confine_issuer, make_socket), -SIGSYS);
	assert_int_equal(fate(confine_issuer, open_file), -SIGSYS);
	assert_int_equal(fate(confine_issuer, run_program), -SIGSYS);
	assert_int_equal(fate(confine_issuer, make_process), -SIGSYS);
	assert_int_equal(fate(confine_issuer, map_code), -SIGSYS);
	assert_int_equal(fate(confine_issuer, change_user), -SIGSYS);
}

static void the_front_ends_filter_leaves_sockets_and_files_and_kills_for_programs(void **state)
{
	(void)state;
	if (confine_is_off())
		skip();
	assert_int_equal(fate(confine_front, make_socket), LIVES);
	assert_int_equal(fate(confine_front, open_file), LIVES);
	assert_int_equal(fate(confine_front, allocate_and_speak), LIVES);
	assert_int_equal(fate(confine_front, make_packet_socket), 3);
	assert_int_equal(fate(confine_front, run_program), -SIGSYS);
	assert_int_equal(fate(confine_front, make_process), -SIGSYS);
	assert_int_equal(fate(confine_front, change_user), -SIGSYS);
}

#define I(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
/* ---- another provider ---- */

/* A module that keeps the secrets to itself: what rests outside is a handle. */
static struct mcsec_master *inside;
static const uint8_t handle[VAULT_SECRET_LEN] = "slot 7";
static int opened, closed, issued;

static void *module_open(const uint8_t *secrets)
{
	opened++;
	return memcmp(secrets, handle, sizeof handle) == 0 ? inside : NULL;
}

static void *module_create(uint8_t *secrets)
{
	memcpy(secrets, handle, sizeof handle);
	return inside;
}

static void module_public(void *keys, uint8_t kpak[MCSEC_KPAK_LEN], uint8_t z_pub[MCSEC_ZPUB_LEN])
{
	mcsec_master_public(keys, kpak, z_pub);
}

static enum mcsec_err module_issue(void *keys, const struct mcsec_rng *rng, uint64_t number,
				   const uint8_t uid[MCSEC_UID_LEN], struct mcsec_issued *out)
{
	issued++;
	return mcsec_master_issue(keys, rng, number, uid, MCSEC_UID_LEN, out);
}

static void module_close(void *keys)
{
	closed += keys != NULL;
}

static void a_module_that_does_the_arithmetic_inside_issues_and_its_secrets_never_rest_outside(void **state)
{
	struct fixture *f = *state;
	static const struct vault_provider module = {module_open, module_create, module_public, module_issue,
						     module_close};
	struct share shares[5];
	uint8_t sealed[CUSTODY_BLOB_MAX], uid[MCSEC_UID_LEN], kpak[MCSEC_KPAK_LEN], z_pub[MCSEC_ZPUB_LEN];
	size_t n;
	struct custody *c;
	inside = f->vector.master;
	assert_int_equal(
	    officers_seal(3, 5, VECTOR_KMS, VAULT_SECRET_NAME, OCTETS(handle), &mcsec_rng_system, sealed, &n, shares),
	    CUSTODY_OK);
	struct issuer_domain d = f->domain;
	d.sealed = (struct octets){sealed, n};
	assert_int_equal(custody_attach(CUSTODY_BY_OFFICERS, &three_of_five, &c), CUSTODY_OK);
	for (int i = 0; i < 3; i++)
		assert_int_equal(custody_add_share(c, d.sealed, &shares[i]), CUSTODY_OK);
	struct vault *v = vault_new(&module);
	assert_int_equal(vault_open(v, c, VECTOR_KMS, &d), CUSTODY_OK);
	assert_int_equal(opened, 1);
	assert_int_equal(vault_public(v, kpak, z_pub), ISSUER_OK);
	assert_memory_equal(kpak, f->domain.kpak, sizeof kpak);
	struct mcsec_issued *k = mcsec_secret_alloc(sizeof *k);
	assert_int_equal(mcsec_uid(VECTOR_USER, VECTOR_KMS, &d.periods, 1388, uid), MCSEC_OK);
	assert_int_equal(vault_issue(v, &mcsec_rng_system, VECTOR_USER, 1388, 1, uid, k), ISSUER_OK);
	assert_int_equal(issued, 1);
	assert_memory_equal(k->rsk, f->vector.set.secret->rsk, MCSEC_RSK_LEN);
	uid[0] ^= 1; /* the vault's check comes before any provider */
	assert_int_equal(vault_issue(v, &mcsec_rng_system, VECTOR_USER, 1388, 2, uid, k), ISSUER_UID_MISMATCH);
	assert_int_equal(issued, 1);
	mcsec_secret_free(k);
	vault_seal(v);
	assert_int_equal(closed, 1);
	assert_int_equal(vault_public(v, kpak, z_pub), ISSUER_SEALED);
	vault_free(v);
	struct vault *other = vault_new(&vault_software); /* to libmcsec the handle is no secret of this domain */
	assert_int_equal(vault_open(other, c, VECTOR_KMS, &d), CUSTODY_WRONG);
	vault_free(other);
	custody_detach(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    I(a_module_that_does_the_arithmetic_inside_issues_and_its_secrets_never_rest_outside),
	    I(an_issue_gives_the_vectors_rsk_and_public_keys_over_the_socket_format),
	    I(a_request_cut_short_or_too_long_is_malformed_whatever_its_length),
	    I(another_version_operation_domain_or_flag_is_unsupported),
	    I(an_identity_too_long_or_with_a_nul_in_it_is_malformed),
	    I(a_uid_with_any_bit_changed_gets_nothing),
	    I(nothing_is_answered_before_a_domain_and_a_domain_is_named_once),
	    I(a_domain_with_a_period_of_zero_or_no_blob_is_malformed),
	    I(sealing_forgets_and_shares_given_again_open_again),
	    I(a_wrong_a_foreign_and_a_repeated_share_are_named_and_do_not_count),
	    I(a_parcel_for_another_issuer_or_changed_anywhere_does_not_open),
	    cmocka_unit_test(the_issuers_filter_kills_whoever_asks_for_a_socket_a_file_or_a_program),
	    cmocka_unit_test(the_front_ends_filter_leaves_sockets_and_files_and_kills_for_programs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
