// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
//
// What must be exact although several processors do it at once.

#ifndef SEALANE_OUTSIDE_THREADS_H
#define SEALANE_OUTSIDE_THREADS_H

#include <pthread.h>
#include <sched.h>
#include <time.h>

#include "stage.h"

#define THREADS 2
#define ROUNDS 100000
#define MOST_SECONDS 0.5 // Threads that have to wait for a processor meet rarely.

static __u32 arrived, generation;
static struct timespec begun;
static bool over;
static struct stage *shared_stage;
static struct pin shared_pin;
static __u32 shared_results[THREADS], shared_rounds;

static inline double seconds(void) {
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec - begun.tv_sec + (now.tv_nsec - begun.tv_nsec) / 1e9;
}

// Lets all threads go on at the same moment, give or take a few steps: the last to
// come would always be ahead of the others else.
static inline void meet(void) {
    __u32 before = *(volatile __u32 *)&generation;

    if (__sync_add_and_fetch(&arrived, 1) == THREADS) {
        arrived = 0;
        over = seconds() > MOST_SECONDS;
        __sync_fetch_and_add(&generation, 1);
    }
    for (int turn = 0; *(volatile __u32 *)&generation == before; turn++)
        if (turn > 1000)
            sched_yield();
    for (volatile __u32 step = bpf_get_prandom_u32() % 16; step; step--)
        ;
}

static void *run_thread(void *each) {
    static __u32 started;

    random_state = __sync_add_and_fetch(&started, 1);
    ((void (*)(__u32))each)(random_state - 1);
    return NULL;
}

static inline void run_threads(void (*each)(__u32 me)) {
    pthread_t threads[THREADS];

    clock_gettime(CLOCK_MONOTONIC, &begun);
    for (int i = 0; i < THREADS; i++)
        CHECK(!pthread_create(&threads[i], NULL, run_thread, each));
    for (int i = 0; i < THREADS; i++)
        CHECK(!pthread_join(threads[i], NULL));
}

// One connects; then all learn of the same socket, or end it, at once.
static void connect_and_race(__u32 me) {
    for (__u32 round = 0; round < ROUNDS && !over; round++) {
        __u32 what = bpf_get_prandom_u32() % 4;
        if (me == 0)
            begin(shared_stage, &shared_pin);
        meet();
        if (what == 0)
            learn_established(&shared_pin, 100, the_time);
        else if (what == 1)
            learn_failed(&shared_pin, ECONNREFUSED, the_time);
        else
            release(&shared_pin, TCP_SYN_SENT);
        meet();
        if (me == 0) {
            release(&shared_pin, TCP_SYN_SENT);
            shared_rounds++;
        }
    }
}

CASE(counts_are_exact_whoever_is_first) {
    shared_stage = of_equals(POLICY_LEAST_LOADED, 1);
    service_at(shared_stage->id)->failures = 0;
    run_threads(connect_and_race);
    __u32 id = shared_stage->members[0];
    struct load *entry = load_at(id);
    struct times *counted = bpf_map_lookup_elem(&times, &id);
    CHECK(shared_rounds > 100);
    CHECK_IS(entry->begun, shared_rounds);
    CHECK_IS(entry->ended, shared_rounds);
    CHECK_IS(entry->answered, shared_rounds);
    CHECK_IS(entry->refused + entry->aborted + counted->buckets[0], shared_rounds);
    CHECK_IS(entry->unanswered + entry->unroutable, 0);
}

// Everyone has connections of its own, all to the same backend, as fast as can be.
static void connect_a_lot(__u32 me) {
    __u32 id = shared_stage->members[0];
    struct choice choice = {.backend = backend_at(id), .id = id};
    struct client client = client_here();
    struct endpoint vip = vip_of(shared_stage->id), peer = reach(choice.backend, &client);
    struct pin pin = {};

    (void)me;
    meet();
    for (int i = 0; i < 5 * ROUNDS; i++) {
        fill(&pin, &vip, &choice, &peer, &client, true);
        learn_established(&pin, i % 1000, the_time);
        release(&pin, TCP_ESTABLISHED);
    }
}

CASE(no_addition_is_lost) {
    __u64 timed = 0;

    shared_stage = of_equals(POLICY_LEAST_LOADED, 1);
    run_threads(connect_a_lot);
    __u32 id = shared_stage->members[0];
    struct times *counted = bpf_map_lookup_elem(&times, &id);
    for (int bucket = 0; bucket < TIME_BUCKETS; bucket++)
        timed += counted->buckets[bucket];
    CHECK_IS(load_at(id)->begun, 5 * ROUNDS * THREADS);
    CHECK_IS(load_at(id)->ended, 5 * ROUNDS * THREADS);
    CHECK_IS(load_at(id)->answered, 5 * ROUNDS * THREADS);
    CHECK_IS(timed, 5 * ROUNDS * THREADS);
}

static void try_each(__u32 me) {
    struct load *entry = load_at(shared_stage->members[0]);

    for (__u32 round = 0; round < ROUNDS && !over; round++) {
        meet();
        if (me == 0)
            entry->ejected_until = the_time;
        meet();
        shared_results[me] += standing_of(entry, the_time) == TRIED;
        if (me == 0)
            shared_rounds++;
    }
}

CASE(one_of_many_tries) {
    shared_stage = of_equals(POLICY_LEAST_LOADED, 1);
    run_threads(try_each);
    CHECK_IS(shared_results[0] + shared_results[1], shared_rounds);
}

// Two that fail at once are two failures, and at most one ejection.
static void fail_again(__u32 me) {
    struct load *entry = load_at(shared_stage->members[0]);

    for (__u32 round = 0; round < ROUNDS && !over; round++) {
        meet();
        if (me == 0) {
            entry->ejected_until = 0;
            entry->ejections = 0;
            event_count = 0;
        }
        meet();
        fail(shared_stage->members[0], ECONNREFUSED);
        meet();
        if (me == 0)
            shared_rounds++;
        // Those that have failed often enough before eject at once.
        if (me == 0 && round > 2) {
            CHECK_IS(event_count, 1);
            CHECK_IS(entry->ejections & EJECTIONS_ROW, 1);
            CHECK_IS(entry->ejected_until, the_time + SECOND);
        }
    }
}

CASE(an_ejection_happens_once) {
    shared_stage = of_equals(POLICY_LEAST_LOADED, 2);
    run_threads(fail_again);
    struct load *entry = load_at(shared_stage->members[0]);
    CHECK_IS(entry->failing, shared_rounds * THREADS);
    CHECK_IS(entry->refused, shared_rounds * THREADS);
}

#endif
