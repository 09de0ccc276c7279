// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
//
// What is known of a backend from connecting to it: how loaded it is, how quickly it
// answers, and whether connects to it fail.
//
// Everything here is advice that is out of date by moments. Nothing waits for it and
// nothing breaks where two processors write it at once; only counts must be exact.

#ifndef SEALANE_LOAD_H
#define SEALANE_LOAD_H

#include <stdbool.h>

#include "maps.h"

#define SECOND 1000000000ULL

// Connect times count from a millisecond on (2^20 ns), and in steps of a quarter: within
// a rack they differ by noise, and following noise sends everybody to one backend.
#define EWMA_FLOOR (1 << 20)
#define EWMA_STEP_SHIFT 18

// The moving average comes half way down in 2^31 ns, 2.1 s.
#define HALF_LIFE_SHIFT 31

// So many connects without an answer, for so long, and a backend is doubtful: a host
// that has vanished says nothing, and the first SYN is only sent again after a second.
#define DOUBT_PENDING 3
#define DOUBT_AFTER (SECOND / 10)

// The first ejection lasts a second, each further one twice as long, up to this many
// times. Who stays well for ten times as long begins anew.
#define EJECTIONS_MAX 6

#define SCAN_LIMIT 4096

// What ended is read first: it may lag behind what began, never be ahead of it.
static __always_inline __u64 open_on(const struct load *load) {
    __u64 ended = *(const volatile __u64 *)&load->ended;

    return *(const volatile __u64 *)&load->begun - ended;
}

static __always_inline __u32 pending_on(const struct load *load) {
    __u32 answered = *(const volatile __u32 *)&load->answered;

    return (__u32) * (const volatile __u64 *)&load->begun - answered;
}

// Halved for every half-life, and in a straight line in between.
static __always_inline __u64 decayed(__u64 value, __u64 age) {
    __u64 halvings = age >> HALF_LIFE_SHIFT;
    __u64 rest = age & ((1ULL << HALF_LIFE_SHIFT) - 1);

    if (halvings >= 32)
        return 0;
    value >>= halvings;
    return value - ((value >> 1) * (rest >> 10) >> (HALF_LIFE_SHIFT - 10));
}

static __always_inline __u64 age_of(const struct load *load, __u64 now) {
    __u64 stamp = *(const volatile __u64 *)&load->stamp;

    // Clocks of different reading; a stamp may be a tick ahead.
    return now > stamp ? now - stamp : 0;
}

// Connect time × (open + weight), to be divided by the weight: the draws favour heavy
// ones already, so that a weight only says how much an open connection is. Leaves room
// for one more weight.
static __always_inline __u64 cost_of(const struct load *load, __u16 weight, __u64 now) {
    __u64 time = decayed(load->ewma, age_of(load, now)) + EWMA_FLOOR;
    __u64 open = open_on(load);

    if (open > 1ULL << 24)
        open = 1ULL << 24;
    return (time >> EWMA_STEP_SHIFT) * (open + weight);
}

// A sample above the average replaces it, one below pulls it down as time passes:
// being slow shows at once and has to be lived down. One sample alone, which any lost
// wake-up makes, raises it four times at most; a backend that is really slow sends more.
static __always_inline void note_time(struct load *load, __u64 time, __u64 now) {
    __u64 age = age_of(load, now);
    __u64 ewma = load->ewma;
    __u64 limit = (ewma + EWMA_FLOOR) << 2;

    if (limit > 0xffffffff)
        limit = 0xffffffff;
    if (time > limit)
        time = limit;
    if (time >= ewma)
        load->ewma = time;
    else if (age >= 1ULL << TICK_SHIFT)
        load->ewma = time + decayed(ewma - time, age);
    if (age >= 1ULL << TICK_SHIFT)
        load->stamp = now;
}

static __always_inline void count_time(__u32 id, __u64 micros) {
    struct times *entry = bpf_map_lookup_elem(&times, &id);
    __u32 bucket = 0;

    if (!entry)
        return;
    for (int i = 0; i < TIME_BUCKETS - 1; i++)
        bucket += micros > 1ULL << (TIME_FIRST_BITS + i * TIME_STEP_BITS);
    if (bucket < TIME_BUCKETS)
        __sync_fetch_and_add(&entry->buckets[bucket], 1);
}

static __always_inline __u64 back_off(__u32 ejections) {
    return SECOND << (ejections < EJECTIONS_MAX ? ejections : EJECTIONS_MAX);
}

// Notes one more ejection in a row, for a trial's time or for failures, and says how
// long it lasts.
static __always_inline __u64 next_back_off(struct load *load, __u32 trial, __u64 now) {
    __u32 word = load->ejections;
    __u32 row = word & EJECTIONS_ROW;
    __u32 second = now / SECOND;
    __u32 since = (second - (word >> EJECTIONS_SECOND_SHIFT)) & 0xffffff;

    // Who fails anew after a trial has passed it: that one's time never began.
    if (row && !trial && word & EJECTIONS_TRIAL)
        row--;
    if (row && since > 10 * (back_off(row) / SECOND))
        row = 0;
    load->ejections =
        (row < EJECTIONS_ROW ? row + 1 : row) | trial | second << EJECTIONS_SECOND_SHIFT;
    return back_off(row);
}

// Whether, and how, new connections keep away from a backend.
enum standing {
    FINE,
    AVOIDED,
    TRIED, // its time is over, and the caller is the one that tries
};

// Once an ejection is over, one connect tries. Until that is answered the backend is
// ejected for its next, longer time: if it fails nothing is left to do, and if it
// succeeds the backend is back.
static __always_inline enum standing standing_of(struct load *load, __u64 now) {
    __u64 until = *(const volatile __u64 *)&load->ejected_until;

    if (!until)
        return FINE;
    if (now < until)
        return AVOIDED;
    __u64 next = now + next_back_off(load, EJECTIONS_TRIAL, now);
    return __sync_val_compare_and_swap(&load->ejected_until, until, next) == until ? TRIED
                                                                                   : AVOIDED;
}

// As above, for those that only look.
static __always_inline bool is_ejected(const struct load *load) {
    return *(const volatile __u64 *)&load->ejected_until;
}

// Whether its time is not over yet.
static __always_inline bool is_out(const struct load *load, __u64 now) {
    return now < *(const volatile __u64 *)&load->ejected_until;
}

static __always_inline bool is_doubtful(const struct load *load, __u64 now) {
    __u32 pending = pending_on(load);

    // Above half of the range, answers are ahead of what was read before them.
    return learns && pending >= DOUBT_PENDING && pending < 1U << 31 &&
           age_of(load, now) > DOUBT_AFTER;
}

struct census {
    __u32 first;
    __u32 ready;
    __u32 ejected;
};

static long count_slot(__u32 step, struct census *census) {
    __u32 index = census->first + step;
    const struct slot *slot = bpf_map_lookup_elem(&slots, &index);

    if (!slot)
        return 1;
    __u32 id = slot->backend;
    const struct backend *backend = bpf_map_lookup_elem(&backends, &id);
    const struct load *entry = bpf_map_lookup_elem(&load, &id);
    if (!backend || !entry || backend->flags & BACKEND_DRAINING)
        return 0;
    census->ready++;
    census->ejected += is_ejected(entry);
    return 0;
}

// Whether one more of a service's backends may be ejected.
static __always_inline bool may_eject(const struct service *service) {
    __u64 word = *(const volatile __u64 *)&service->slice;
    __u32 count = (word >> SLICE_FIRST_BITS & ((1U << SLICE_COUNT_BITS) - 1)) +
                  (word >> (SLICE_FIRST_BITS + SLICE_COUNT_BITS));
    struct census census = {.first = word & ((1U << SLICE_FIRST_BITS) - 1)};

    bpf_loop(count < SCAN_LIMIT ? count : SCAN_LIMIT, count_slot, &census, 0);
    return (census.ejected + 1) * 100 <= census.ready * service->max_ejected;
}

// A connect has failed. Which time it is, is exact; what follows happens once.
static __always_inline void note_failure(struct load *entry, __u32 id, __u64 now) {
    const struct backend *backend = bpf_map_lookup_elem(&backends, &id);

    if (!backend)
        return;
    __u32 service_id = backend->service;
    const struct service *service = bpf_map_lookup_elem(&services, &service_id);
    if (!service || !service->failures)
        return;
    __s32 row = __sync_fetch_and_add(&entry->failing, 1) + 1;
    if (row < (__s32)service->failures || is_ejected(entry) || !may_eject(service))
        return;
    __u64 until = now + back_off(0);
    if (__sync_val_compare_and_swap(&entry->ejected_until, 0, until))
        return;
    entry->ejected_until = now + next_back_off(entry, 0, now);
    struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
    if (!event)
        return;
    __builtin_memset(event, 0, sizeof(*event));
    event->kind = EVENT_EJECTED;
    event->time = now;
    event->identity = backend->identity;
    event->service = service_id;
    event->backend = id;
    event->protocol = service->key.protocol;
    bpf_ringbuf_submit(event, 0);
}

static __always_inline void note_success(struct load *entry) {
    if (entry->failing > 0)
        entry->failing = 0;
    if (entry->ejected_until)
        entry->ejected_until = 0;
}

#endif
