/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin_transport.c - TrK and InK of a user on the admin listener, and what users reported about redirects.
 *
 * POST transportkeys/URI makes the keys that reach the device out of band (kms.md 10): the answer is the only time they
 * are seen in clear, and is wiped. "roll" has new ones handed out with the next answer, "withdraw" removes all of a
 * lost device.
 */
#include <stdio.h>
#include <stdlib.h>

#include "kms/admin_call.h"
#include "kms/protect/table.h"
#include "mcsec/secret.h"
#include "sec/base/text.h"

enum { KRRS_SHOWN = 1000, TEXT = 2048 };

static int is_off(struct call *c)
{
	if (c->kms->seal)
		return 0;
	admin_error(c->rs, 409, "protect", "protect is off");
	return 1;
}

static void add_key(void *ctx, const struct tkey *k)
{
	json_array_append_new(ctx, json_pack("{s:s, s:s, s:s, s:I, s:I}", "id", k->id, "kind", tkey_kind_name(k->kind),
					     "state", tkey_state_name(k->state), "created", (json_int_t)k->created,
					     "changed", (json_int_t)k->changed));
}

void admin_list_transport(struct call *c)
{
	json_t *list = json_array();
	enum store_err e = tkey_each(c->db, c->arg, add_key, list);
	if (!e)
		e = admin_record(c, "admin.read", NULL, NULL);
	if (e) {
		json_decref(list);
		admin_store_failed(c, e);
	} else {
		admin_json(c, 200, json_pack("{s:s, s:o}", "user", c->arg, "keys", list));
	}
}

/* ---- made by hand ---- */

static enum store_err make(struct call *c, enum tkey_kind kind, int by_hand, struct tkey *k, uint8_t key[KMS_TRK_LEN])
{
	enum store_err e = tkey_make(c->db, c->kms->seal, c->arg, kind, by_hand, c->kms->now(), k, key);
	return e ? e : admin_record(c, "kms.transport-key.make", "key-id", k->id);
}

static void put_key(struct writer *w, const char *name, const struct tkey *k, const uint8_t *key)
{
	char *hex = mcsec_secret_alloc(HEX_SIZE(KMS_TRK_LEN));
	if (!hex) {
		w->err = MCSEC_E_MEMORY;
		return;
	}
	hex_encode((struct octets){key, KMS_TRK_LEN}, hex);
	json_t *id = json_string(k->id);
	char *quoted = id ? json_dumps(id, JSON_ENCODE_ANY) : NULL;
	wr_text(w, "\"");
	wr_text(w, name);
	wr_text(w, "\":{\"id\":");
	wr_text(w, quoted ? quoted : "\"\"");
	wr_text(w, ",\"key\":\"");
	wr_text(w, hex);
	wr_text(w, "\"}");
	free(quoted);
	json_decref(id);
	mcsec_secret_free(hex);
}

static void put_keys(struct writer *w, const struct tkey k[2], const uint8_t *keys, int with_ink)
{
	wr_text(w, "{");
	put_key(w, "trk", &k[0], keys);
	if (with_ink) {
		wr_text(w, ",");
		put_key(w, "ink", &k[1], keys + KMS_TRK_LEN);
	}
	wr_text(w, "}");
}

static void answer_keys(struct call *c, const struct tkey k[2], const uint8_t *keys, int with_ink)
{
	uint8_t *text = malloc(TEXT);
	struct writer w = wr_init(text, text ? TEXT : 0);
	if (text)
		put_keys(&w, k, keys, with_ink);
	if (!text || w.err) {
		if (text)
			mcsec_wipe(text, TEXT);
		free(text);
		admin_error(c->rs, 503, "memory", "no memory");
		return;
	}
	c->rs->secret = 1;
	http_response_take(c->rs, 201, "application/json", text, wr_len(&w));
}

/* The first keys, or with by_hand 0 the next ones: given by the KMS itself in its answers. */
static void make_both(struct call *c, int by_hand)
{
	struct tkey k[2];
	int with_ink = strcmp(c->kms->config->protect, "trk+ink") == 0;
	uint8_t *keys = mcsec_secret_alloc(2 * KMS_TRK_LEN);
	enum store_err e = keys ? store_begin(c->db->store) : STORE_FULL;
	for (int i = 0; i < 1 + with_ink && !e; i++)
		e = make(c, (enum tkey_kind)i, by_hand, &k[i], keys + i * KMS_TRK_LEN);
	if (!e)
		e = store_commit(c->db->store);
	store_rollback(c->db->store);
	if (e)
		admin_store_failed(c, e);
	else if (by_hand)
		answer_keys(c, k, keys, with_ink);
	else
		admin_json(c, 200, json_pack("{s:s}", "state", "pending"));
	mcsec_secret_free(keys);
}

void admin_make_transport(struct call *c)
{
	if (!is_off(c))
		make_both(c, 1);
}

static void withdraw(struct call *c)
{
	enum store_err e = store_begin(c->db->store);
	if (!e)
		e = tkey_withdraw(c->db, c->arg);
	if (!e)
		e = admin_record(c, "kms.transport-key.withdraw", NULL, NULL);
	if (!e)
		e = store_commit(c->db->store);
	store_rollback(c->db->store);
	if (e)
		admin_store_failed(c, e);
	else
		admin_json(c, 200, json_pack("{s:s}", "state", "withdrawn"));
}

void admin_change_transport(struct call *c)
{
	if (is_off(c))
		return;
	if (strcmp(c->action, "roll") == 0)
		make_both(c, 0);
	else if (strcmp(c->action, "withdraw") == 0)
		withdraw(c);
	else
		admin_error(c->rs, 404, "unknown", "roll or withdraw");
}

/* ---- redirect responses ---- */

static void add_krr(void *ctx, const struct kms_krr_row *r)
{
	json_array_append_new(ctx, json_pack("{s:I, s:I, s:s, s:s, s:s, s:s, s:s, s:s%}", "id", (json_int_t)r->id,
					     "received", (json_int_t)r->received, "reporter", r->reporter, "target",
					     r->receiver, "kms", r->kms, "signature", r->verdict, "alerts", r->alerts,
					     "krr", (const char *)r->body.p, r->body.len));
}

void admin_list_krrs(struct call *c)
{
	json_t *list = json_array();
	enum store_err e = kms_db_krr_each(c->db, KRRS_SHOWN, add_krr, list);
	if (!e)
		e = admin_record(c, "admin.read", NULL, NULL);
	if (e) {
		json_decref(list);
		admin_store_failed(c, e);
	} else {
		admin_json(c, 200, json_pack("{s:o}", "krrs", list));
	}
}
