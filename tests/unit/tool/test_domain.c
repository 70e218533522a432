/* SPDX-License-Identifier: Apache-2.0 */
/* A domain's folder: names, modes, certificates, configurations, and its lock. */
#include "unit/test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "tool/domain/ca.h"
#include "tool/domain/domain.h"

static char top[64];
static char err[600];

static int make_top(void **state)
{
	(void)state;
	unsetenv("MCX_PORT_BASE");
	umask(077);
	snprintf(top, sizeof top, "/tmp/mcx-domain-XXXXXX");
	return mkdtemp(top) ? 0 : -1;
}

static int remove_top(void **state)
{
	(void)state;
	char cmd[96];
	snprintf(cmd, sizeof cmd, "rm -rf '%s'", top);
	return system(cmd);
}

static void open_in(struct domain *d, const char *name)
{
	char path[128];
	snprintf(path, sizeof path, "%s/%s", top, name);
	if (domain_open(d, path, 1, err, sizeof err))
		fail_msg("%s", err);
}

static X509 *cert_at(const struct domain *d, const char *name)
{
	char path[PATH_MAX];
	FILE *f = fopen(domain_path(d, path, "%s", name), "r");
	assert_non_null(f);
	X509 *c = PEM_read_X509(f, NULL, NULL, NULL);
	fclose(f);
	assert_non_null(c);
	return c;
}

static void the_folder_name_becomes_a_dns_label(void **state)
{
	(void)state;
	static const char *const names[][2] = {{"run", "run"},
					       {"Fire_Brigade 7", "fire-brigade-7"},
					       {"--x--", "x"},
					       {"...q", "q"},
					       {"\xc3\xa4", "domain"}};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		struct domain d;
		open_in(&d, names[i][0]);
		assert_string_equal(d.label, names[i][1]);
	}
}

static void the_port_base_shifts_every_port_and_is_checked(void **state)
{
	(void)state;
	struct domain d;
	char path[128];
	snprintf(path, sizeof path, "%s/ports", top);
	setenv("MCX_PORT_BASE", "1000", 1);
	open_in(&d, "ports");
	assert_int_equal(d.idms, 8443);
	assert_int_equal(d.sips, 6061);
	assert_int_equal(d.rtp_max, 31999);
	static const char *const bad[] = {"x", "-1", "34536", "1.5"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		setenv("MCX_PORT_BASE", bad[i], 1);
		assert_int_equal(domain_open(&d, path, 1, err, sizeof err), -1);
		assert_non_null(strstr(err, "MCX_PORT_BASE"));
	}
	unsetenv("MCX_PORT_BASE");
}

static void a_folder_open_to_others_is_refused(void **state)
{
	(void)state;
	struct domain d;
	char path[128];
	open_in(&d, "wide");
	snprintf(path, sizeof path, "%s/wide", top);
	chmod(path, 0750);
	assert_int_equal(domain_open(&d, path, 1, err, sizeof err), -1);
	assert_non_null(strstr(err, "chmod 700"));
}

static void an_absent_or_empty_folder_is_no_domain(void **state)
{
	(void)state;
	struct domain d;
	char path[128];
	snprintf(path, sizeof path, "%s/absent", top);
	assert_int_equal(domain_open(&d, path, 0, err, sizeof err), -1);
	open_in(&d, "empty");
	snprintf(path, sizeof path, "%s/empty", top);
	assert_int_equal(domain_open(&d, path, 0, err, sizeof err), -1);
	assert_non_null(strstr(err, "holds no domain"));
}

static void assert_modes(const char *path)
{
	char cmd[PATH_MAX + 64];
	snprintf(cmd, sizeof cmd, "test -z \"$(find '%s' ! -type l -perm /077)\"", path);
	assert_int_equal(system(cmd), 0);
}

static void preparing_twice_keeps_keys_and_leaves_nothing_readable_for_others(void **state)
{
	(void)state;
	struct domain d;
	char path[PATH_MAX];
	open_in(&d, "twice");
	if (domain_prepare(&d, err, sizeof err))
		fail_msg("%s", err);
	char *ca = domain_read_file(domain_path(&d, path, "ca/domain.pem"));
	char *tls = domain_read_file(domain_path(&d, path, "kms/tls.pem"));
	char *pass = domain_read_file(domain_path(&d, path, "kms/passphrase"));
	assert_int_equal(domain_prepare(&d, err, sizeof err), 0);
	char *again[] = {domain_read_file(domain_path(&d, path, "ca/domain.pem")),
			 domain_read_file(domain_path(&d, path, "kms/tls.pem")),
			 domain_read_file(domain_path(&d, path, "kms/passphrase"))};
	assert_string_equal(ca, again[0]);
	assert_string_equal(tls, again[1]);
	assert_string_equal(pass, again[2]);
	assert_modes(d.dir);
	free(ca), free(tls), free(pass);
	for (size_t i = 0; i < 3; i++)
		free(again[i]);
}

static void an_edited_configuration_is_kept_and_an_untouched_one_follows(void **state)
{
	(void)state;
	struct domain d;
	char path[PATH_MAX];
	open_in(&d, "edited");
	assert_int_equal(domain_prepare(&d, err, sizeof err), 0);
	assert_int_equal(domain_write_file(domain_path(&d, path, "kms/conf"), "# mine\n", err, sizeof err), 0);
	d.idms = d.kms = d.sips = 9999;
	assert_int_equal(domain_write_configurations(&d, err, sizeof err), 0);
	char *mine = domain_read_file(domain_path(&d, path, "kms/conf"));
	char *theirs = domain_read_file(domain_path(&d, path, "idms/conf"));
	assert_string_equal(mine, "# mine\n");
	assert_non_null(strstr(theirs, "9999"));
	free(mine), free(theirs);
}

static void server_certificates_carry_their_names_and_verify(void **state)
{
	(void)state;
	struct domain d;
	open_in(&d, "names");
	assert_int_equal(domain_prepare(&d, err, sizeof err), 0);
	X509 *ca = cert_at(&d, "ca/domain.pem"), *kms = cert_at(&d, "kms/tls.pem"),
	     *sip = cert_at(&d, "server/tls.pem");
	assert_int_equal(X509_check_host(kms, "kms.names.mcx.test", 0, X509_CHECK_FLAG_NO_WILDCARDS, NULL), 1);
	assert_int_equal(X509_check_host(kms, "idms.names.mcx.test", 0, 0, NULL), 0);
	assert_int_equal(X509_check_host(sip, "sip.names.mcx.test", 0, 0, NULL), 1);
	assert_int_equal(X509_verify(kms, X509_get0_pubkey(ca)), 1);
	assert_int_equal(X509_check_ca(kms), 0);
	assert_int_not_equal(X509_check_ca(ca), 0);
	X509_free(ca), X509_free(kms), X509_free(sip);
}

static void admin_certificates_come_from_an_authority_of_their_own(void **state)
{
	(void)state;
	struct domain d;
	open_in(&d, "admins");
	assert_int_equal(domain_prepare(&d, err, sizeof err), 0);
	X509 *domain_ca = cert_at(&d, "ca/domain.pem"), *admin_ca = cert_at(&d, "ca/admin.pem");
	X509 *officer = cert_at(&d, "ca/officer.pem");
	char ou[32] = "";
	X509_NAME_get_text_by_NID(X509_get_subject_name(officer), NID_organizationalUnitName, ou, sizeof ou);
	assert_string_equal(ou, "officer");
	assert_int_equal(X509_verify(officer, X509_get0_pubkey(admin_ca)), 1);
	assert_int_not_equal(X509_verify(officer, X509_get0_pubkey(domain_ca)), 1);
	ERR_clear_error();
	X509_free(domain_ca), X509_free(admin_ca), X509_free(officer);
}

static void a_device_certificate_names_its_user_only_as_a_value(void **state)
{
	(void)state;
	struct domain d;
	open_in(&d, "device");
	assert_int_equal(domain_prepare(&d, err, sizeof err), 0);
	assert_int_equal(domain_device(&d, "eve", "sip:eve@x,DNS:kms.device.mcx.test", err, sizeof err), 0);
	X509 *c = cert_at(&d, "ue/eve/tls/agent.pem");
	assert_int_equal(X509_check_host(c, "kms.device.mcx.test", 0, 0, NULL), 0);
	GENERAL_NAMES *names = X509_get_ext_d2i(c, NID_subject_alt_name, NULL, NULL);
	assert_int_equal(sk_GENERAL_NAME_num(names), 1);
	GENERAL_NAMES_free(names);
	X509_free(c);
	ERR_clear_error();
}

static void the_holder_of_a_folder_is_known_by_its_process_id(void **state)
{
	(void)state;
	struct domain d;
	int ready[2], status;
	char c;
	open_in(&d, "held");
	assert_int_equal(domain_holder(&d), 0);
	assert_int_equal(pipe(ready), 0);
	pid_t pid = fork();
	if (pid == 0) {
		c = domain_hold(&d) ? 'n' : 'y';
		if (write(ready[1], &c, 1) == 1)
			pause();
		_exit(0);
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	assert_int_equal(c, 'y');
	assert_int_equal(domain_holder(&d), pid);
	assert_int_equal(domain_hold(&d), -1);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	assert_int_equal(domain_holder(&d), 0);
	close(ready[0]), close(ready[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_folder_name_becomes_a_dns_label),
	    cmocka_unit_test(the_port_base_shifts_every_port_and_is_checked),
	    cmocka_unit_test(a_folder_open_to_others_is_refused),
	    cmocka_unit_test(an_absent_or_empty_folder_is_no_domain),
	    cmocka_unit_test(preparing_twice_keeps_keys_and_leaves_nothing_readable_for_others),
	    cmocka_unit_test(an_edited_configuration_is_kept_and_an_untouched_one_follows),
	    cmocka_unit_test(server_certificates_carry_their_names_and_verify),
	    cmocka_unit_test(admin_certificates_come_from_an_authority_of_their_own),
	    cmocka_unit_test(a_device_certificate_names_its_user_only_as_a_value),
	    cmocka_unit_test(the_holder_of_a_folder_is_known_by_its_process_id),
	};
	return cmocka_run_group_tests(tests, make_top, remove_top);
}
