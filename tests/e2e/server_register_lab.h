/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server_register_lab.h - for the tests of REGISTER: who registers, and how a refusal is seen.
 */
#ifndef TEST_SERVER_REGISTER_LAB_H
#define TEST_SERVER_REGISTER_LAB_H

#include "e2e/server_bed.h"

#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "mcsec/secret.h"
#include "server/body.h"

static struct ua alice, bob, tablet;

static inline void nothing_registered(void)
{
	assert_int_equal(bindings_in_db(), 0);
}

static inline void forget_all(void)
{
	bed_stop();
	bed_fresh();
	bed_start();
}

static inline int open_csk(void *ctx, const struct db_binding *b)
{
	struct {
		uint8_t *key;
		enum mcsec_err err;
	} *out = ctx;
	out->err = db_open_csk(bed.server->seal, b, out->key);
	return 0;
}

/* The CSK of the one binding there is. */
static inline enum mcsec_err stored_csk(uint8_t *key)
{
	struct {
		uint8_t *key;
		enum mcsec_err err;
	} out = {key, MCSEC_E_NO_KEYS};
	pthread_mutex_lock(&bed.server->admin_lock);
	assert_int_equal(db_each_binding(bed.server->admin_db, open_csk, &out), STORE_OK);
	pthread_mutex_unlock(&bed.server->admin_lock);
	return out.err;
}

static inline int set_up(void **state)
{
	(void)state;
	bed_begin_for(&alice, &bob, &tablet);
	bed_start();
	return 0;
}

static inline int tear_down(void **state)
{
	(void)state;
	bed_end_for(&alice, &bob, &tablet);
	return 0;
}

#endif
