/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spk.h - the signalling protection keys that this server shares with other servers (TS 33.180 4.3.4, 5.5, 9.5;
 * interconnect 3; xml-protection 3; media M-D3, M-D4). They are provisioned by hand at both ends.
 *
 * One table: which key protects what goes to a peer, which open what comes from it, and what is derived from each. A
 * pair of keys per peer may overlap in time, so that a change loses nothing: the newest that is valid sends, any that
 * is valid receives. Direction has no part in the derivations: both ends derive the same. Pure; the time comes in.
 */
#ifndef MCX_FLOW_SPK_H
#define MCX_FLOW_SPK_H

#include "mcsec/kdf.h"
#include "mcx/xmlsec/xml_key.h"

enum { SPK_MAX = 64, SPK_OVERLAP = 2, SPK_KEY_MAX = 32, SPK_NAME_MAX = 256 };

struct spk {
	char peer[SPK_NAME_MAX];     /* the other server's FQDN; compared without case */
	char identity[SPK_NAME_MAX]; /* kdf_identity, P0 at both ends; by default the MDSI of the domain that made the
					key */
	uint32_t id;                 /* SPK-ID: purpose tag 3 */
	size_t len;                  /* of key: 16 or 32 */
	uint8_t key[SPK_KEY_MAX];
	uint8_t rand[MCSEC_RAND_LEN]; /* zero unless provisioned with the key (M-D4) */
	int64_t from, to;             /* Unix seconds; valid from <= now < to */
};

/* Holds secrets: in secret memory. Starts as zeros. */
struct spk_table {
	size_t n;
	struct spk keys[SPK_MAX];
};

/*
 * MCSEC_E_VALUE no SPK-ID or one that is taken, no peer or identity, or it ends before it begins; MCSEC_E_LENGTH of the
 * key; MCSEC_E_NO_SPACE the table is full, or at some time three keys of one peer would be valid.
 */
enum mcsec_err spk_add(struct spk_table *t, const struct spk *key);
/* Wipes it. 0 when there is none. */
int spk_remove(struct spk_table *t, uint32_t id);

/* The newest that is valid; NULL: nothing may be sent to this peer. */
const struct spk *spk_for_sending(const struct spk_table *t, const char *peer, int64_t now);
/* The one of this ID if it is this peer's and valid; an ID of another peer is as unknown as none. */
const struct spk *spk_for_receiving(const struct spk_table *t, const char *peer, uint32_t id, int64_t now);

/* Confidentiality and integrity keys: 16 octets of a 16-octet SPK, 32 (AES-256-GCM) of one of 32. */
enum mcsec_err spk_xml_key(const struct spk *key, struct xml_key *out);
/* Those that open what comes from a peer now, newest first; *n of them. Wiped by the caller. */
enum mcsec_err spk_xml_keys(const struct spk_table *t, const char *peer, int64_t now, struct xml_key out[SPK_OVERLAP],
			    size_t *n);
/* SRTCP of floor (or, video, transmission) control: AES-GCM master key as long as the SPK, and salt. */
enum mcsec_err spk_srtcp_master(const struct spk *key, int video, uint8_t *master, uint8_t salt[MCSEC_SRTP_SALT]);

#endif
