// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
//
// Draws by weight, and the better of two.

#ifndef SEALANE_OUTSIDE_DRAWS_H
#define SEALANE_OUTSIDE_DRAWS_H

#include "stage.h"

#define MANY_DRAWS 300000

// A thousand to one against a fair draw looking like this.
static const double CHI_SQUARE_LIMIT[] = {0,     10.83, 13.82, 16.27, 18.47,
                                          20.52, 22.46, 24.32, 26.12, 27.88};

static inline void check_shares(const __u16 *weights, __u32 count) {
    struct stage *stage = new_stage(POLICY_RANDOM);
    __u32 found[16] = {};
    double wanted[16], total = 0;

    for (__u32 i = 0; i < count; i++) {
        add_ready(stage, weights[i]);
        total += weights[i];
    }
    publish(stage);
    for (__u32 i = 0; i < MANY_DRAWS; i++)
        found[pick(stage).id - stage->members[0]]++;
    for (__u32 i = 0; i < count; i++)
        wanted[i] = MANY_DRAWS / total * weights[i];
    CHECK_WITHIN(chi_square(found, wanted, count), 0, CHI_SQUARE_LIMIT[count - 1]);
}

// F1, F2.
CASE(shares_are_the_weights) {
    check_shares((__u16[]){1, 2, 7}, 3);
    check_shares((__u16[]){1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, 10);
    check_shares((__u16[]){100, 1}, 2);
    check_shares((__u16[]){65535, 40000, 1000, 65535, 30000}, 5);
}

// Not by chance: all random numbers, as far as a step of 2^12 tells.
CASE(every_random_number_counts_alike) {
    struct stage *stage = new_stage(POLICY_RANDOM);
    __u32 found[3] = {};
    struct slice slice;

    add_ready(stage, 1);
    add_ready(stage, 2);
    add_ready(stage, 7);
    publish(stage);
    read_slice(service_at(stage->id), &slice);
    for (__u32 i = 0; i < 1 << 20; i++) {
        told_from = 0;
        told_to = 1;
        told_numbers[0] = i << 12;
        found[draw(&slice) - stage->members[0]]++;
    }
    CHECK_WITHIN(found[0], 0.1 * (1 << 20) - 3, 0.1 * (1 << 20) + 3);
    CHECK_WITHIN(found[1], 0.2 * (1 << 20) - 3, 0.2 * (1 << 20) + 3);
    CHECK_WITHIN(found[2], 0.7 * (1 << 20) - 3, 0.7 * (1 << 20) + 3);
}

CASE(random_is_one_draw) {
    struct stage *stage = of_equals(POLICY_RANDOM, 4);

    load_at(stage->members[2])->begun = 1000;
    TELL(4, 2);
    random_calls = 0;
    struct choice choice = pick(stage);
    CHECK_IS(choice.id, stage->members[2]);
    CHECK_IS(choice.how, HOW_DRAWN);
    CHECK_IS(random_calls, 1);
}

CASE(of_two_draws_the_lower_cost_wins) {
    struct stage *stage = of_equals(POLICY_LEAST_LOADED, 4);
    __u32 busy = stage->members[1], slow = stage->members[3];

    load_at(busy)->begun = 5;
    TELL(4, 1, 2);
    struct choice choice = pick(stage);
    CHECK_IS(choice.id, stage->members[2]);
    CHECK_IS(choice.how, HOW_LIGHTER);
    TELL(4, 2, 1);
    CHECK_IS(pick(stage).id, stage->members[2]);

    // Ten times the connect time, and a fifth of the connections.
    load_at(busy)->begun = 4;
    load_at(slow)->ewma = 10 * EWMA_FLOOR;
    TELL(4, 3, 1);
    CHECK_IS(pick(stage).id, busy);
    load_at(busy)->begun = 20;
    TELL(4, 3, 1);
    CHECK_IS(pick(stage).id, slow);
}

CASE(open_connections_count_and_ended_ones_do_not) {
    struct stage *stage = of_equals(POLICY_LEAST_LOADED, 2);
    struct load *first = load_at(stage->members[0]);

    first->begun = 1000001;
    first->ended = 1000000;
    load_at(stage->members[1])->begun = 2;
    TELL(2, 1, 0);
    CHECK_IS(pick(stage).id, stage->members[0]);
    CHECK_IS(open_on(first), 1);
}

CASE(cost_is_for_its_weight) {
    struct stage *stage = new_stage(POLICY_LEAST_LOADED);
    __u32 small = add_ready(stage, 1), large = add_ready(stage, 5);

    publish(stage);
    struct candidate a = {backend_at(small), load_at(small), small, FINE};
    struct candidate b = {backend_at(large), load_at(large), large, FINE};
    load_at(small)->begun = 1;
    load_at(large)->begun = 4;
    CHECK(lighter(&a, &b, the_time) == &b);
    load_at(large)->begun = 6;
    CHECK(lighter(&a, &b, the_time) == &a);
    // Idle ones are equal, whatever their weights, since draws go by weight already.
    load_at(small)->begun = load_at(large)->begun = 0;
    CHECK(lighter(&a, &b, the_time) == &a && lighter(&b, &a, the_time) == &b);
}

// What nothing overflows: the slowest, the most connections, the largest weight.
CASE(cost_has_room) {
    struct stage *stage = new_stage(POLICY_LEAST_LOADED);
    __u32 worst = add_ready(stage, 65535), bad = add_ready(stage, 65535);

    publish(stage);
    load_at(worst)->ewma = 0xffffffff;
    load_at(bad)->ewma = 0xffffffff;
    load_at(bad)->begun = (1ULL << 24) - 2;
    struct candidate a = {backend_at(worst), load_at(worst), worst, FINE};
    struct candidate b = {backend_at(bad), load_at(bad), bad, FINE};
    for (int bit = 24; bit < 64; bit++) {
        load_at(worst)->begun = 1ULL << bit;
        CHECK(lighter(&a, &b, the_time) == &b && lighter(&b, &a, the_time) == &b);
    }
}

CASE(two_equal_draws_are_drawn_again_once) {
    struct stage *stage = of_equals(POLICY_LEAST_LOADED, 4);

    load_at(stage->members[1])->begun = 9;
    TELL(4, 1, 1, 3);
    struct choice choice = pick(stage);
    CHECK_IS(choice.id, stage->members[3]);
    CHECK_IS(choice.how, HOW_LIGHTER);

    TELL(4, 1, 1, 1, 3);
    choice = pick(stage);
    CHECK_IS(choice.id, stage->members[1]);
    CHECK_IS(choice.how, HOW_DRAWN);
    CHECK_IS(told_from, 3);
}

CASE(the_only_one_takes_no_draw) {
    struct stage *stage = of_equals(POLICY_LEAST_LOADED, 1);

    random_calls = 0;
    struct choice choice = pick(stage);
    CHECK_IS(choice.id, stage->members[0]);
    CHECK_IS(choice.how, HOW_ONLY);
    CHECK_IS(random_calls, 0);
    service_at(stage->id)->max_ejected = 100;
    eject(choice.id);
    CHECK_IS(pick(stage).how, HOW_ONLY);
}

CASE(no_backend_is_no_choice) {
    struct stage *stage = of_equals(POLICY_LEAST_LOADED, 0);

    CHECK_IS(pick(stage).id, NONE);
    service_at(stage->id)->policy = POLICY_HASH;
    CHECK_IS(pick(stage).id, NONE);
}

// Handshakes differ by microseconds, which must not send everybody to one backend.
CASE(noise_in_connect_times_decides_nothing) {
    struct stage *stage = of_equals(POLICY_LEAST_LOADED, 3);
    __u32 found[3] = {};

    for (__u32 i = 0; i < 3; i++)
        load_at(stage->members[i])->ewma = 90000 + 70000 * i;
    for (int i = 0; i < 30000; i++)
        found[pick(stage).id - stage->members[0]]++;
    for (__u32 i = 0; i < 3; i++)
        CHECK_WITHIN(found[i], 9500, 10500);
}

// F4: ten backends of which one keeps its connections ten times as long.
CASE(a_slow_closer_does_not_fill_up) {
    struct stage *stage = of_equals(POLICY_LEAST_LOADED, 10);
    __u32 open[10] = {}, most = 0;

    for (__u32 step = 0; step < 20000; step++) {
        __u32 index = pick(stage).id - stage->members[0];
        load_at(stage->members[index])->begun++;
        open[index]++;
        for (__u32 i = 0; i < 10; i++) {
            __u32 life = i == 0 ? 1000 : 100;
            if (open[i] && bpf_get_prandom_u32() % life < open[i]) {
                load_at(stage->members[i])->ended++;
                open[i]--;
            }
        }
        if (step > 5000 && open[0] > most)
            most = open[0];
    }
    __u32 others = 0;
    for (__u32 i = 1; i < 10; i++)
        others += open[i];
    // An even choice gives it ten times what the others hold.
    CHECK_WITHIN(most, 1, 3.0 * others / 9);
}

#endif
