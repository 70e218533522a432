/* SPDX-License-Identifier: Apache-2.0 */
/* pace.c - see pace.h. */
#include "mcx/flow/pace.h"

enum {
	SECOND = 1000000,
	SHARE = 32 /* of the mean that one measurement is */,
	MARGIN = 4 /* a quarter is for what a request costs besides its jobs, and for newcomers */
};

void pace_init(struct pace *p, unsigned side_by_side)
{
	*p = (struct pace){.side_by_side = side_by_side ? side_by_side : 1, .cost_us = PACE_GUESS_US};
}

void pace_served(struct pace *p, int64_t busy_us)
{
	if (busy_us > SECOND) /* one that waited for something does not say what the next costs */
		busy_us = SECOND;
	p->cost_us += (busy_us - p->cost_us) / SHARE;
}

unsigned pace_turn(struct pace *p, int64_t now_us)
{
	int64_t each = p->cost_us / p->side_by_side, first = now_us + PACE_FIRST_S * SECOND;
	if (p->next_us < first || p->next_us > now_us + (int64_t)PACE_LAST_S * SECOND)
		p->next_us = first;
	int64_t turn = p->next_us;
	p->next_us += each + each / MARGIN + 1;
	return (unsigned)((turn - now_us + SECOND - 1) / SECOND);
}
