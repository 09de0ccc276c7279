// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
//
// A client and its backend, by a hash of both.

#ifndef SEALANE_OUTSIDE_HASHING_H
#define SEALANE_OUTSIDE_HASHING_H

#include <math.h>

#include "stage.h"

#define CLIENTS 100000

CASE(logarithms_are_right) {
    double worst = 0;
    __u64 before = 0;

    for (__u32 i = 0; i < 1 << 20; i++) {
        __u64 number = i < 1 << 16 ? i + 1 : ((__u64)i << 12) + 1;
        __u64 found = log2_of(number);
        double missing = fabs(log2(number) - found / 2147483648.0);
        CHECK_WITHIN(missing, 0, 0.0005);
        // Up, but for less than it is wrong by.
        CHECK(found + (1 << 21) >= before);
        before = found;
        if (missing > worst)
            worst = missing;
    }
    CHECK_WITHIN(worst, 0.00001, 0.0005);
    CHECK_IS(log2_of(1), 0);
    CHECK_IS(log2_of(1U << 31), 31ULL << 31);
    CHECK_IS(log2_of(0xffffffff) >> 31, 31);
}

CASE(every_bit_of_a_client_counts) {
    for (int bit = 0; bit < 64; bit++) {
        __u32 changed = 0;
        for (__u64 word = 1; word <= 1000; word++)
            changed += __builtin_popcountll(mix(word * HASH_FACTOR) ^
                                            mix(word * HASH_FACTOR ^ 1ULL << bit));
        CHECK_WITHIN(changed / 1000.0, 28, 36);
    }
}

static inline void check_hashed_shares(const __u16 *weights, __u32 count) {
    struct stage *stage = new_stage(POLICY_HASH);
    double total = 0;
    __u32 found[16] = {};

    for (__u32 i = 0; i < count; i++) {
        add_ready(stage, weights[i]);
        total += weights[i];
    }
    publish(stage);
    for (the_netns = 1; the_netns <= CLIENTS; the_netns++) {
        struct choice choice = pick(stage);
        CHECK_IS(choice.how, HOW_HASH);
        found[choice.id - stage->members[0]]++;
    }
    // Two hundredths, and the chance that is in counting.
    for (__u32 i = 0; i < count; i++) {
        double wanted = CLIENTS / total * weights[i], chance = 3.3 * sqrt(wanted);
        CHECK_WITHIN(found[i], 0.98 * wanted - chance, 1.02 * wanted + chance);
    }
}

CASE(hashed_shares_are_the_weights) {
    check_hashed_shares((__u16[]){1, 2, 7}, 3);
    check_hashed_shares((__u16[]){1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, 10);
    check_hashed_shares((__u16[]){100, 50, 100}, 3);
    check_hashed_shares((__u16[]){1, 1}, 2);
}

// F5.
CASE(only_clients_of_the_one_that_goes_move) {
    struct stage *stage = of_equals(POLICY_HASH, 10);
    __u32 gone = stage->members[4], moved = 0;
    __u32 *before = calloc(CLIENTS, sizeof(*before));

    for (__u32 i = 0; i < CLIENTS; i++) {
        the_netns = i + 1;
        before[i] = pick(stage).id;
        CHECK_IS(pick(stage).id, before[i]);
    }
    stage->members[4] = stage->members[9];
    stage->ready = 9;
    publish(stage);
    for (__u32 i = 0; i < CLIENTS; i++) {
        the_netns = i + 1;
        __u32 now = pick(stage).id;
        CHECK(now == before[i] || before[i] == gone);
        moved += now != before[i];
    }
    CHECK_WITHIN(moved / (double)CLIENTS, 0.09, 0.11);
}

CASE(hosts_hash_differently) {
    struct stage *stage = of_equals(POLICY_HASH, 10);
    __u32 same = 0;

    for (the_netns = 1; the_netns <= 10000; the_netns++) {
        hash_seed = 1;
        __u32 here = pick(stage).id;
        hash_seed = 2;
        same += pick(stage).id == here;
    }
    CHECK_WITHIN(same, 850, 1150);
}

#endif
