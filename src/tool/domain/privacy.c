/* SPDX-License-Identifier: Apache-2.0 */
/* privacy.c - the two settings as empty files DIR/identity-hiding and DIR/sakke-to-self (see privacy.h). */
#include "tool/domain/privacy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int is_on(const struct domain *d, const char *name)
{
	char path[PATH_MAX];
	return access(domain_path(d, path, "%s", name), F_OK) == 0;
}

void privacy_load(struct domain *d)
{
	d->identity_hiding = is_on(d, "identity-hiding");
	d->sakke_to_self = is_on(d, "sakke-to-self");
}

static int choose(struct domain *d, const char *name, const char *value, char *err, size_t err_size)
{
	char path[PATH_MAX];
	int wanted = value && strcmp(value, "on") == 0;
	if (value && !wanted && strcmp(value, "off") != 0) {
		snprintf(err, err_size, "--%s is on or off, not %.60s", name, value);
		return -1;
	}
	if (!value || wanted == is_on(d, name))
		return 0;
	if (domain_holder(d)) {
		snprintf(err, err_size, "the domain is up with --%s %s; mcx down ends it first", name,
			 wanted ? "off" : "on");
		return -1;
	}
	domain_path(d, path, "%s", name);
	if (wanted)
		return domain_write_file(path, "", err, err_size);
	if (unlink(path) == 0)
		return 0;
	snprintf(err, err_size, "%.300s: %s", path, strerror(errno));
	return -1;
}

int privacy_choose(struct domain *d, const char *hiding, const char *to_self, char *err, size_t err_size)
{
	if (choose(d, "identity-hiding", hiding, err, err_size) || choose(d, "sakke-to-self", to_self, err, err_size))
		return -1;
	privacy_load(d);
	return 0;
}
