/* SPDX-License-Identifier: Apache-2.0 */
/*
 * failing.h - a failing machine for what is tested in this process: one call that may fail (memory, secret memory,
 * randomness, a hash context, the database, a new thread) is answered as if it did. The linker puts failing.c between
 * the tested code and the libraries (failing_wraps in meson.build); the test's own calls never fail.
 *
 * A call is known by the four calls around it. failing_begin() arms: the first call that was not yet seen fails, once,
 * and no other one after it. So the same work, begun again until failing_end() returns FAILING_NONE, meets each of its
 * failures alone.
 */
#ifndef FUZZ_FAILING_H
#define FUZZ_FAILING_H

enum failing { FAILING_NONE, FAILING_MACHINE, FAILING_STORE };

void failing_begin(void);
/* 1: nothing that this thread calls fails, which is the test's and not what is tested; 0: it does again. */
void failing_spare(int yes);
/* What failed since failing_begin(); nothing fails from here on. */
enum failing failing_end(void);
/* What has failed so far, while armed. */
enum failing failing_now(void);
/* How many different calls failed since the start, or since they were forgotten. */
unsigned failing_count(void);
/* Every call is new again: for other work that makes the same calls. */
void failing_forget(void);

#endif
