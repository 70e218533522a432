/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rows.h - what the tests of the client's machines share. Each takes its machine through the table row by row and shows
 * at its end that no row was left out. The test keeps what the last event made in `acts`.
 */
#ifndef MCX_TEST_ROWS_H
#define MCX_TEST_ROWS_H

#include "unit/test.h"

static unsigned char taken[128];

/* row: of a step; negative when none applied. */
static inline int took(int row)
{
	if (row >= 0)
		taken[row] = 1;
	return row;
}

/* The machine is in this state, and the last event made so many actions: these. expect(&m, STATE, 2, ONE, OTHER) */
#define expect(m, in_state, ...)                                                                                       \
	do {                                                                                                           \
		const int want_[8] = {__VA_ARGS__};                                                                    \
		assert_int_equal((m)->state, in_state);                                                                \
		assert_int_equal(acts.n, want_[0]);                                                                    \
		for (size_t i_ = 0; i_ < acts.n; i_++)                                                                 \
			assert_int_equal(acts.do_[i_], want_[1 + i_]);                                                 \
	} while (0)

static inline void every_row_was_taken(const char *table, int rows)
{
	for (int i = 0; i < rows; i++)
		if (!taken[i])
			fail_msg("row %d of %s was never taken", i, table);
}

#endif
