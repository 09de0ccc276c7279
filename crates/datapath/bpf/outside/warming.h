// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
//
// New backends come to their share slowly.

#ifndef SEALANE_OUTSIDE_WARMING_H
#define SEALANE_OUTSIDE_WARMING_H

#include "stage.h"

#define WARM_UP 60000 // ticks

// The share that a new one of so many has of its full share, at a part of the time.
static inline double share_at(enum policy policy, __u32 count, double part) {
    struct stage *stage = of_equals(policy, count);
    __u32 id = stage->members[count / 2], picks = 40000 * count, found = 0;

    service_at(stage->id)->slow_start = WARM_UP;
    backend_at(id)->flags |= BACKEND_WARMING;
    backend_at(id)->since = (__u32)(the_time >> TICK_SHIFT) - (__u32)(part * WARM_UP);
    for (__u32 i = 0; i < picks; i++)
        found += pick(stage).id == id;
    free(stage);
    return (double)found * count / picks;
}

CASE(a_share_grows_with_time) {
    CHECK_WITHIN(share_at(POLICY_RANDOM, 10, 0), 0.04, 0.18);
    CHECK_WITHIN(share_at(POLICY_RANDOM, 10, 0.25), 0.2, 0.35);
    CHECK_WITHIN(share_at(POLICY_RANDOM, 10, 0.5), 0.45, 0.6);
    CHECK_WITHIN(share_at(POLICY_RANDOM, 10, 0.75), 0.7, 0.85);
    CHECK_WITHIN(share_at(POLICY_RANDOM, 10, 1), 0.97, 1.03);
    CHECK_WITHIN(share_at(POLICY_RANDOM, 10, 50), 0.97, 1.03);
}

// F6: idle as it is, it wins each comparison, so that only its being drawn counts.
CASE(an_idle_newcomer_is_not_flooded) {
    struct stage *stage = of_equals(POLICY_LEAST_LOADED, 10);
    __u32 id = stage->members[3], found = 0;

    for (__u32 i = 0; i < 10; i++)
        load_at(stage->members[i])->begun = i == 3 ? 0 : 100;
    service_at(stage->id)->slow_start = WARM_UP;
    backend_at(id)->since = the_time >> TICK_SHIFT;
    for (__u32 i = 0; i < 100000; i++)
        found += pick(stage).id == id;
    // Without a slow start it is taken as often as it is drawn: nearly twice its share.
    CHECK_WITHIN(found / 100000.0, 0.18, 0.22);
    backend_at(id)->flags |= BACKEND_WARMING;
    found = 0;
    for (__u32 i = 0; i < 100000; i++)
        found += pick(stage).id == id;
    CHECK_WITHIN(found / 100000.0, 0.005, 0.04);
}

// With two, the one that is passed over is often drawn again.
CASE(the_newer_of_two_is_spared_as_well) {
    CHECK_WITHIN(share_at(POLICY_RANDOM, 2, 0), 0.04, 0.3);
    CHECK_WITHIN(share_at(POLICY_LEAST_LOADED, 2, 0), 0.04, 0.5);
}

// Where all are new, one has to be taken.
CASE(if_all_are_new_all_are_used) {
    struct stage *stage = of_equals(POLICY_LEAST_LOADED, 4);
    __u32 found[4] = {};

    service_at(stage->id)->slow_start = WARM_UP;
    for (__u32 i = 0; i < 4; i++) {
        backend_at(stage->members[i])->flags |= BACKEND_WARMING;
        backend_at(stage->members[i])->since = the_time >> TICK_SHIFT;
    }
    for (int i = 0; i < 4000; i++)
        found[pick(stage).id - stage->members[0]]++;
    for (__u32 i = 0; i < 4; i++)
        CHECK_WITHIN(found[i], 850, 1150);
}

CASE(the_clock_of_slow_starts_wraps) {
    the_time = ((1ULL << 32) - 10) << TICK_SHIFT;
    CHECK_WITHIN(share_at(POLICY_RANDOM, 10, 0), 0.04, 0.18);
    struct stage *stage = of_equals(POLICY_RANDOM, 2);
    struct backend *backend = backend_at(stage->members[0]);
    service_at(stage->id)->slow_start = 1000;
    backend->flags |= BACKEND_WARMING;
    backend->since = the_time >> TICK_SHIFT;
    // 20 ticks later the count of ticks is 10, and 980 further ones end it.
    the_time += 20ULL << TICK_SHIFT;
    __u32 held = 0;
    for (int i = 0; i < 1000; i++)
        held += holds_back(service_at(stage->id), backend, the_time);
    CHECK_WITHIN(held, 900, 960);
    the_time += 980ULL << TICK_SHIFT;
    CHECK(!holds_back(service_at(stage->id), backend, the_time));
}

CASE(without_a_slow_start_nothing_is_held_back) {
    struct stage *stage = of_equals(POLICY_RANDOM, 2);
    struct backend *backend = backend_at(stage->members[0]);

    backend->flags |= BACKEND_WARMING;
    backend->since = the_time >> TICK_SHIFT;
    for (int i = 0; i < 100; i++)
        CHECK(!holds_back(service_at(stage->id), backend, the_time));
}

#endif
