/* SPDX-License-Identifier: Apache-2.0 */
/*
 * counted.h - before every file of a build that counts lines (scripts/coverage.py): a process that ends by _exit writes
 * its counts, too. What is killed without notice still leaves none.
 */
#ifndef TEST_COUNTED_H
#define TEST_COUNTED_H

#include <unistd.h>

#define MCX_COUNTED /* src/kms/issuer/confine.c: the counts' files are opened at the end */

void __gcov_dump(void);

#define _exit(code) (__gcov_dump(), _exit(code))

#endif
