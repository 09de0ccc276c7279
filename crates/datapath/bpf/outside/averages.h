// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
//
// The moving average of connect times, and their histogram.

#ifndef SEALANE_OUTSIDE_AVERAGES_H
#define SEALANE_OUTSIDE_AVERAGES_H

#include "stage.h"

#define MILLI 1000000ULL
#define HALF_LIFE (1ULL << HALF_LIFE_SHIFT)

CASE(slow_shows_at_once) {
    struct load entry = {.stamp = the_time};

    note_time(&entry, 2 * MILLI, the_time);
    CHECK_IS(entry.ewma, 2 * MILLI);
    note_time(&entry, 10 * MILLI, the_time + 1);
    CHECK_IS(entry.ewma, 10 * MILLI);
    // One alone counts for four times what was known and the floor.
    note_time(&entry, 500 * MILLI, the_time + 2);
    CHECK_IS(entry.ewma, 4 * (10 * MILLI + EWMA_FLOOR));
    // Longer than four seconds is four seconds.
    for (int i = 0; i < 8; i++)
        note_time(&entry, 100 * SECOND, the_time + 3);
    CHECK_IS(entry.ewma, 0xffffffff);
}

CASE(half_of_it_is_lived_down_in_a_half_life) {
    struct load entry = {.stamp = the_time, .ewma = 100 * MILLI};

    CHECK_WITHIN(HALF_LIFE / 1e9, 2.1, 2.2);
    CHECK_IS(decayed(100 * MILLI, HALF_LIFE), 50 * MILLI);
    CHECK_IS(decayed(100 * MILLI, 3 * HALF_LIFE), 100 * MILLI >> 3);
    CHECK_WITHIN(decayed(100 * MILLI, HALF_LIFE / 2), 74.99e6, 75.01e6);
    CHECK_IS(decayed(0xffffffff, 32 * HALF_LIFE), 0);
    CHECK_IS(decayed(0xffffffff, ~0ULL), 0);
    note_time(&entry, 0, the_time + HALF_LIFE);
    CHECK_IS(entry.ewma, 50 * MILLI);
    note_time(&entry, 10 * MILLI, the_time + 2 * HALF_LIFE);
    CHECK_IS(entry.ewma, 30 * MILLI);
}

// With answers all the time it takes a little longer, since each bit of the way is
// straight.
CASE(steady_answers_pull_it_down) {
    struct load entry = {.stamp = the_time, .ewma = 100 * MILLI};
    __u64 begun = the_time;

    while (entry.ewma > 50 * MILLI) {
        the_time += 3 * MILLI;
        note_time(&entry, 0, the_time);
    }
    CHECK_WITHIN((the_time - begun) / 1e9, 2.1, 3.2);
}

// Answers within the same tick must not pull it down, each by a little.
CASE(a_burst_of_answers_is_one) {
    struct load entry = {.stamp = the_time, .ewma = 100 * MILLI};

    for (int i = 0; i < 100000; i++)
        note_time(&entry, 0, the_time + (1 << TICK_SHIFT) - 1);
    CHECK_IS(entry.ewma, 100 * MILLI);
    CHECK_IS(entry.stamp, the_time);
}

CASE(a_stamp_from_ahead_is_no_age) {
    struct load entry = {.stamp = the_time + SECOND, .ewma = 5 * MILLI};

    CHECK_IS(age_of(&entry, the_time), 0);
    note_time(&entry, MILLI, the_time);
    CHECK_IS(entry.ewma, 5 * MILLI);
    CHECK_IS(entry.stamp, the_time + SECOND);
}

CASE(cost_forgets_as_the_average_does) {
    struct load entry = {.stamp = the_time, .ewma = 0xffffffff};
    __u64 before = cost_of(&entry, 1, the_time);

    CHECK_WITHIN(before / (double)cost_of(&entry, 1, the_time + HALF_LIFE), 1.99, 2.01);
    CHECK_IS(cost_of(&entry, 1, the_time + 40 * HALF_LIFE), EWMA_FLOOR >> EWMA_STEP_SHIFT);
}

CASE(times_are_counted_in_their_buckets) {
    struct stage *stage = of_equals(POLICY_RANDOM, 1);
    __u32 id = stage->members[0];
    struct times *counted = bpf_map_lookup_elem(&times, &id);
    __u64 bound = 1 << TIME_FIRST_BITS;

    for (__u32 bucket = 0; bucket < TIME_BUCKETS - 1; bucket++, bound <<= TIME_STEP_BITS) {
        memset(counted, 0, sizeof(*counted));
        count_time(id, bound);
        CHECK_IS(counted->buckets[bucket], 1);
        count_time(id, bound + 1);
        CHECK_IS(counted->buckets[bucket + 1], 1);
    }
    count_time(id, ~0ULL);
    CHECK_IS(counted->buckets[TIME_BUCKETS - 1], 2);
    count_time(id, 0);
    CHECK_IS(counted->buckets[0], 1);
}

#endif
