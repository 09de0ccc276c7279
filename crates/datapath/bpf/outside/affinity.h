// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
//
// Clients that stay with their backend.

#ifndef SEALANE_OUTSIDE_AFFINITY_H
#define SEALANE_OUTSIDE_AFFINITY_H

#include "stage.h"

static inline struct stage *sticky(__u32 count, __u32 seconds) {
    struct stage *stage = of_equals(POLICY_LEAST_LOADED, count);

    service_at(stage->id)->affinity = seconds;
    return stage;
}

// E1, E5.
CASE(a_namespace_stays_and_another_is_another) {
    struct stage *stage = sticky(8, 60);
    __u32 firsts[8] = {};

    for (the_netns = 1; the_netns <= 40; the_netns++) {
        __u32 first = pick(stage).id;
        firsts[first - stage->members[0]]++;
        for (int i = 0; i < 20; i++) {
            struct choice again = pick(stage);
            CHECK_IS(again.id, first);
            CHECK_IS(again.how, HOW_AFFINITY);
        }
    }
    for (int i = 0; i < 8; i++)
        CHECK_WITHIN(firsts[i], 1, 15);
}

// E2.
CASE(switched_off_it_ends) {
    struct stage *stage = sticky(8, 60);
    __u32 first = pick(stage).id, same = 0;

    service_at(stage->id)->affinity = 0;
    for (int i = 0; i < 800; i++)
        same += pick(stage).id == first;
    CHECK_WITHIN(same, 20, 300);
}

// E3: each connect begins the time anew.
CASE(it_ends_a_while_after_the_last_connect) {
    struct stage *stage = sticky(8, 60);
    __u32 first = pick(stage).id, moved = 0;

    for (int i = 0; i < 100; i++) {
        the_time += 60 * SECOND;
        CHECK_IS(pick(stage).id, first);
    }
    for (int i = 0; i < 100; i++) {
        the_time += 60 * SECOND + 1;
        struct choice choice = pick(stage);
        CHECK(choice.how != HOW_AFFINITY);
        moved += choice.id != first;
        first = choice.id;
    }
    CHECK_WITHIN(moved, 60, 100);
}

// As long as can be: the sum must not wrap.
CASE(the_longest_time_is_long) {
    struct stage *stage = sticky(8, 0xffffffff);
    __u32 first = pick(stage).id;

    the_time += 100ULL * 365 * 86400 * SECOND;
    CHECK_IS(pick(stage).id, first);
}

// E4, each way of not being usable any more: the client is balanced anew.
static inline struct choice after(const struct stage *stage, void (*spoil)(__u32 id)) {
    __u32 first = pick(stage).id;

    spoil(first);
    struct choice next = pick(stage);
    CHECK(next.backend && next.how != HOW_AFFINITY);
    return next;
}

static inline void drain(__u32 id) {
    backend_at(id)->flags |= BACKEND_DRAINING;
}

static inline void leave(__u32 id) {
    backend_at(id)->flags = 0;
}

static inline void go_out_of_reach(__u32 id) {
    backend_at(id)->far_port = 0;
}

CASE(an_ejected_one_is_left_for_good) {
    struct stage *stage = sticky(8, 60);
    struct choice next = after(stage, eject);

    CHECK(!is_ejected(load_at(next.id)));
    for (int i = 0; i < 50; i++)
        CHECK_IS(pick(stage).id, next.id);
}

CASE(one_out_of_reach_is_left_for_good) {
    struct stage *stage = sticky(8, 60);
    struct choice next = after(stage, go_out_of_reach);

    CHECK(next.backend->far_port);
    for (int i = 0; i < 50; i++)
        CHECK_IS(pick(stage).id, next.id);
}

CASE(one_that_drains_or_is_gone_is_left) {
    after(sticky(8, 60), drain);
    after(sticky(8, 60), leave);
}

// C7: ids are used again.
CASE(another_backend_under_the_same_id_is_not_the_same) {
    struct stage *stage = sticky(8, 60);
    __u32 first = pick(stage).id;

    backend_at(first)->identity ^= 1;
    CHECK(pick(stage).how != HOW_AFFINITY);
}

CASE(another_service_under_the_same_id_inherits_nothing) {
    struct stage *stage = sticky(8, 60);
    __u32 service = stage->id, first = pick(stage).id;
    __u32 had = backend_at(first)->identity;

    // The service goes, and another one gets its id, with backends of its own.
    for (__u32 i = 0; i < 8; i++)
        backend_at(stage->members[i])->flags = 0;
    last_service = service - 1;
    struct stage *next = sticky(8, 60);
    CHECK_IS(next->id, service);
    struct choice choice = pick(next);
    CHECK(choice.how != HOW_AFFINITY && choice.backend->identity != had);
    CHECK_IS(choice.backend->service, next->id);
}

CASE(a_full_memory_forgets_and_goes_on) {
    struct stage *stage = sticky(8, 60);

    for (the_netns = 1; the_netns <= 3 * MAP_ELEMENTS; the_netns++)
        CHECK(pick(stage).how != HOW_AFFINITY);
    the_netns = 3 * MAP_ELEMENTS;
    CHECK_IS(pick(stage).how, HOW_AFFINITY);
}

#endif
