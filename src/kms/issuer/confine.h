/* SPDX-License-Identifier: Apache-2.0 */
/*
 * confine.h - what the two processes of mcx-kms give up once they have what they need (kms.md 15A row 8): users, and
 * system calls by seccomp filters.
 *
 * The issuer keeps a short list: memory, locks, its channels, its log, the end. No file can be opened, no socket made,
 * no program run; anything else ends the process. The front end serves a network, so its list is of what it never
 * needs: programs, other processes' memory, other users, kernel doors; asking ends it. Both hold for all threads.
 */
#ifndef MCX_KMS_CONFINE_H
#define MCX_KMS_CONFINE_H

#include <stddef.h>
#include <sys/types.h>

/*
 * Becomes the user of this name or number, for good. "" as root: a number of systemd's dynamic range that nobody has;
 * "" otherwise: stays. 0, or -1 and a sentence. *separate: 1 if another user than before.
 */
int confine_user(const char *name, int *separate, char *err, size_t err_size);

/* 0, or -1: the kernel refuses filters. */
int confine_issuer(void);
int confine_front(void);
/* 1 in a sanitizer's build: its run time needs what the filters forbid, so that they are left out there. */
int confine_is_off(void);

#endif
