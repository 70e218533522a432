/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keeper.h - the small process between the two of mcx-kms. It is forked before the front end has threads, users or
 * filters; it alone may run programs, and runs one: mcx-kms-issuer, when asked with one octet.
 *
 * So the front end needs no right to start processes, and the issuer can have a user that the front end cannot become.
 * The keeper ends with the front end and takes the issuer along.
 */
#ifndef MCX_KMS_KEEPER_H
#define MCX_KMS_KEEPER_H

#include <sys/types.h>

enum { KEEPER_CHANNELS_MAX = 64 };

struct keeper {
	pid_t pid;
	int control; /* its end of the pair; hangs up when the keeper dies */
};

/* config_path: for the issuer. 0, or -1 and errno. */
int keeper_start(struct keeper *k, const char *config_path, int channels);
/* A new issuer with new channels, in place of the one there was. 0, or -1. */
int keeper_launch(struct keeper *k, int *channel, int channels);
/* Ends both and waits for it. */
void keeper_stop(struct keeper *k);

#endif
