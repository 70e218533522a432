/* SPDX-License-Identifier: Apache-2.0 */
/*
 * counted.h - before every file of a build that counts lines (scripts/coverage.py): a process that ends by _exit writes
 * its counts, too. What is killed without notice still leaves none. No other header is taken in here: a file that does
 * not ask for one may use its names.
 */
#if !defined(TEST_COUNTED_H) && !defined(__ASSEMBLER__)
#define TEST_COUNTED_H

#define MCX_COUNTED /* src/kms/issuer/confine.c: the counts' files are opened at the end */

void __gcov_dump(void);
void _Exit(int code);

#define _exit mcx_counted_exit
__attribute__((weak, noreturn)) void _exit(int code);
__attribute__((weak, noreturn)) void _exit(int code)
{
	__gcov_dump();
	_Exit(code);
	__builtin_unreachable();
}

#endif
