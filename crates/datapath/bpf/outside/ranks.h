// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
//
// Who is next when those that are drawn cannot be used.

#ifndef SEALANE_OUTSIDE_RANKS_H
#define SEALANE_OUTSIDE_RANKS_H

#include "trials.h"

// All connects go to these two, and to both.
static inline void check_both(const struct stage *stage, __u32 a, __u32 b) {
    __u32 to_a = picked(stage, a, 300), to_b = picked(stage, b, 300);

    CHECK_IS(to_a == 300, a == b);
    CHECK(a == b || (to_a > 100 && to_a < 200 && to_b > 100 && to_b < 200));
    for (int i = 0; i < 300; i++) {
        the_netns++;
        __u32 id = pick(stage).id;
        CHECK(id == a || id == b);
    }
}

static inline void cut_off(__u32 id) {
    backend_at(id)->far_port = 0;
}

// Two of each kind; each step takes the best that is left away.
CASE(the_best_that_is_left_is_taken) {
    struct stage *stage = new_stage(POLICY_LEAST_LOADED);
    __u32 a = add_ready(stage, 1), b = add_ready(stage, 1);
    __u32 far_a = add_elsewhere(stage), far_b = add_elsewhere(stage);
    __u32 leaving_a = add_draining(stage), leaving_b = add_draining(stage);

    publish(stage);
    service_at(stage->id)->max_ejected = 100;
    check_both(stage, a, b);
    eject(a);
    check_both(stage, b, b);
    eject(b);
    // Ready, but not preferred here.
    check_both(stage, far_a, far_b);
    CHECK_IS(pick(stage).how, HOW_FALLBACK);
    eject(far_a);
    check_both(stage, far_b, far_b);
    eject(far_b);
    // Fail open, the preferred ones first.
    check_both(stage, a, b);
    cut_off(a);
    check_both(stage, b, b);
    cut_off(b);
    check_both(stage, far_a, far_b);
    cut_off(far_a);
    cut_off(far_b);
    check_both(stage, leaving_a, leaving_b);
    cut_off(leaving_a);
    cut_off(leaving_b);
    CHECK_IS(pick(stage).id, NONE);
}

// C4.
CASE(draining_ones_serve_when_there_is_no_other) {
    struct stage *stage = new_stage(POLICY_HASH);
    __u32 a = add_draining(stage);

    add_draining(stage);
    publish(stage);
    CHECK_WITHIN(picked(stage, a, 400), 100, 300);
}

CASE(a_useless_draw_is_passed_over) {
    struct stage *stage = of_equals(POLICY_RANDOM, 3);

    backend_at(stage->members[0])->far_port = 0;
    backend_at(stage->members[1])->far_port = 0;
    CHECK_IS(picked(stage, stage->members[2], 500), 500);
}

static inline void silence(__u32 id) {
    load_at(id)->begun = load_at(id)->answered + DOUBT_PENDING;
    CHECK(is_doubtful(load_at(id), the_time));
}

// Not even when all draws lead there, as one in eight does with two.
CASE(a_doubtful_one_gets_nothing_while_there_is_another) {
    struct stage *stage = new_stage(POLICY_LEAST_LOADED);
    __u32 silent = add_ready(stage, 1), heard = add_ready(stage, 1), far = add_elsewhere(stage);

    publish(stage);
    the_time += SECOND;
    silence(silent);
    TELL(2, 0, 0, 0);
    CHECK_IS(pick(stage).id, heard);
    CHECK_IS(picked(stage, heard, 300), 300);
    // One that is not preferred, before one that may be gone.
    silence(heard);
    CHECK_IS(picked(stage, far, 300), 300);
    // Nobody is any better, so that load decides again.
    silence(far);
    TELL(2, 0, 0, 0);
    struct choice choice = pick(stage);
    CHECK_IS(choice.id, silent);
    CHECK_IS(choice.how, HOW_DRAWN);
}

// One that is only reached by scanning has its trial as well.
CASE(one_that_is_not_drawn_has_its_trial) {
    struct stage *stage = new_stage(POLICY_LEAST_LOADED);
    __u32 near = add_ready(stage, 1), a = add_elsewhere(stage), b = add_elsewhere(stage);

    publish(stage);
    cut_off(near);
    eject(a);
    CHECK_IS(picked(stage, b, 100), 100);
    the_time += SECOND;
    CHECK_IS(picked(stage, a, 200), 1);
}

// The last resort goes by weight, too.
CASE(a_scan_goes_by_weight) {
    struct stage *stage = new_stage(POLICY_LEAST_LOADED);
    __u32 near = add_ready(stage, 1), found[3] = {};
    const double wanted[] = {3000, 6000, 21000};

    for (__u32 i = 0; i < 3; i++)
        backend_at(add_elsewhere(stage))->weight = i == 2 ? 7 : i + 1;
    publish(stage);
    cut_off(near);
    for (int i = 0; i < 30000; i++)
        found[pick(stage).id - near - 1]++;
    CHECK_WITHIN(chi_square(found, wanted, 3), 0, 13.82);
}

// Only a part of a huge service is looked at, and from anywhere.
CASE(a_huge_service_is_scanned_in_part) {
    struct stage *stage = of_equals(POLICY_LEAST_LOADED, 6000);
    __u32 found = 0;

    for (__u32 i = 0; i < 6000; i++)
        if (i != 4711)
            backend_at(stage->members[i])->far_port = 0;
    for (int i = 0; i < 60; i++)
        found += pick(stage).id == stage->members[4711];
    CHECK_WITHIN(found, 60 * 0.68 - 15, 60 * 0.68 + 15);
}

#endif
