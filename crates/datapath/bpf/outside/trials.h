// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
//
// What follows an ejection: one connect tries, and the next ejection lasts longer.

#ifndef SEALANE_OUTSIDE_TRIALS_H
#define SEALANE_OUTSIDE_TRIALS_H

#include "ejection.h"

// How many of so many connects go to a backend, by whatever way.
static inline __u32 picked(const struct stage *stage, __u32 id, __u32 connects) {
    __u32 found = 0;

    for (__u32 i = 0; i < connects; i++) {
        the_netns++;
        found += pick(stage).id == id;
    }
    return found;
}

static inline void check_one_trial(enum policy policy) {
    struct stage *stage = of_equals(policy, 3);
    __u32 id = stage->members[1], trials = 0;

    eject(id);
    the_time += SECOND - 1;
    CHECK_IS(picked(stage, id, 200), 0);
    the_time += 1;
    for (int i = 0; i < 200; i++) {
        the_netns++;
        struct choice choice = pick(stage);
        CHECK_IS(choice.id == id, choice.how == HOW_TRIAL);
        trials += choice.how == HOW_TRIAL;
    }
    CHECK_IS(trials, 1);
    CHECK_IS(load_at(id)->ejected_until, the_time + 2 * SECOND);
}

// G1: readmitted after a while.
CASE(one_connect_tries_once_the_time_is_over) {
    check_one_trial(POLICY_LEAST_LOADED);
    check_one_trial(POLICY_RANDOM);
}

CASE(one_connect_tries_where_clients_are_hashed) {
    check_one_trial(POLICY_HASH);
}

// Passing a new backend over must not waste its trial.
CASE(a_warming_backend_has_its_trial) {
    struct stage *stage = of_equals(POLICY_LEAST_LOADED, 2);
    __u32 id = stage->members[1], trials = 0;

    service_at(stage->id)->slow_start = 100000;
    backend_at(id)->flags |= BACKEND_WARMING;
    backend_at(id)->since = the_time >> TICK_SHIFT;
    eject(id);
    the_time += SECOND;
    for (int i = 0; i < 200; i++)
        trials += pick(stage).how == HOW_TRIAL;
    CHECK_IS(trials, 1);
}

// Ejects it, waits, and lets one connect try.
static inline void try_again(const struct stage *stage, __u32 id, struct pin *pin) {
    struct choice choice;

    the_time = load_at(id)->ejected_until;
    do {
        release(pin, TCP_ESTABLISHED);
        choice = begin(stage, pin);
        if (choice.id != id)
            learn_established(pin, 100, the_time);
    } while (choice.id != id);
    CHECK_IS(choice.how, HOW_TRIAL);
}

CASE(a_trial_that_succeeds_readmits) {
    struct stage *stage = of_equals(POLICY_LEAST_LOADED, 3);
    __u32 id = stage->members[0];
    struct pin pin = {};

    eject(id);
    try_again(stage, id, &pin);
    CHECK_IS(picked(stage, id, 100), 0);
    learn_established(&pin, 100, the_time);
    CHECK(!is_ejected(load_at(id)));
    CHECK_IS(load_at(id)->failing, 0);
    release(&pin, TCP_ESTABLISHED);
    CHECK_WITHIN(picked(stage, id, 3000), 500, 1500);
}

CASE(a_trial_that_fails_leaves_it_out_for_twice_as_long) {
    struct stage *stage = of_equals(POLICY_LEAST_LOADED, 3);
    __u32 id = stage->members[0];
    struct pin pin = {};

    eject(id);
    for (__u64 length = 2; length <= 64; length *= 2) {
        try_again(stage, id, &pin);
        learn_failed(&pin, ECONNREFUSED, the_time);
        CHECK_IS(load_at(id)->ejected_until, the_time + length * SECOND);
        CHECK_IS(event_count, 1);
    }
    // That is the longest.
    for (int i = 0; i < 300; i++) {
        try_again(stage, id, &pin);
        learn_failed(&pin, ETIMEDOUT, the_time);
        CHECK_IS(load_at(id)->ejected_until, the_time + 64 * SECOND);
    }
    CHECK_IS(load_at(id)->ejections & EJECTIONS_ROW, EJECTIONS_ROW);
}

// Neither in nor out: the next one tries when the longer time is over.
CASE(a_trial_that_is_given_up_says_nothing) {
    struct stage *stage = of_equals(POLICY_LEAST_LOADED, 3);
    __u32 id = stage->members[0];
    struct pin pin = {};

    eject(id);
    try_again(stage, id, &pin);
    __u64 until = load_at(id)->ejected_until;
    __s32 failing = load_at(id)->failing;
    release(&pin, TCP_SYN_SENT);
    CHECK_IS(load_at(id)->aborted, 1);
    CHECK_IS(load_at(id)->ejected_until, until);
    CHECK_IS(load_at(id)->failing, failing);
    try_again(stage, id, &pin);
    learn_established(&pin, 300, the_time);
    CHECK(!is_ejected(load_at(id)));
}

// A trial's longer time is for those that fail it.
CASE(a_trial_that_goes_well_does_not_lengthen_the_next_ejection) {
    struct stage *stage = of_equals(POLICY_LEAST_LOADED, 3);
    __u32 id = stage->members[0];
    struct pin pin = {};

    eject(id);
    for (__u64 length = 2; length <= 8; length *= 2) {
        try_again(stage, id, &pin);
        learn_established(&pin, 300, the_time);
        eject(id);
        CHECK_IS(load_at(id)->ejected_until, the_time + length * SECOND);
    }
}

CASE(who_stays_well_begins_anew) {
    struct stage *stage = of_equals(POLICY_LEAST_LOADED, 3);
    __u32 id = stage->members[0];
    struct load *entry = load_at(id);

    eject(id);
    CHECK_IS(entry->ejected_until - the_time, SECOND);
    succeed(id);
    // Soon after it is the second one in a row.
    the_time += 20 * SECOND;
    eject(id);
    CHECK_IS(entry->ejected_until - the_time, 2 * SECOND);
    succeed(id);
    // Ten times as long as the next one would last.
    the_time += 40 * SECOND;
    CHECK_IS(entry->ejections & EJECTIONS_ROW, 2);
    eject(id);
    CHECK_IS(entry->ejected_until - the_time, 4 * SECOND);
    succeed(id);
    the_time += 81 * SECOND;
    eject(id);
    CHECK_IS(entry->ejected_until - the_time, SECOND);
}

CASE(the_seconds_of_ejections_wrap) {
    struct stage *stage = of_equals(POLICY_LEAST_LOADED, 3);
    struct load *entry = load_at(stage->members[0]);

    // 2^24 seconds after the machine's start.
    the_time = (0xffffffULL * SECOND) + SECOND / 2;
    eject(stage->members[0]);
    succeed(stage->members[0]);
    the_time += 3 * SECOND;
    CHECK_IS(entry->ejections >> 8, 0xffffff);
    eject(stage->members[0]);
    CHECK_IS(entry->ejected_until - the_time, 2 * SECOND);
    CHECK_IS(entry->ejections >> 8, 2);
}

#endif
