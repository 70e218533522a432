/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ue_inspect.h - a look at the key of a call, for tests and for the demo's proof that the server's memory holds none.
 *
 * No part of the client's public interface: nothing is kept unless ue_inspect_keep was called before the call.
 */
#ifndef MCX_UE_INSPECT_H
#define MCX_UE_INSPECT_H

#include "mcsec/kdf.h"
#include "ue/ue.h"

/* Keep the keys of the next calls until ue_free. */
void ue_inspect_keep(struct ue *u);

struct ue_call_keys {
	uint32_t pck_id;
	uint8_t pck[MCSEC_KEY_LEN];
	struct {
		uint8_t master_key[16], master_salt[12], session_key[16];
	} streams[2]; /* 0: sent by the caller, 1: by the callee */
};

/* Keys of the last call: 0, or -1 if there was none or none was kept. The caller wipes *out. */
int ue_inspect_call(struct ue *u, struct ue_call_keys *out);

#endif
