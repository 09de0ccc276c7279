// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
//
// Which backend a new connection gets.
//
// Two weighted draws, the less loaded wins: nearly as even as looking at all of
// them, at the price of two, and without the herd that follows one best backend.
// A draw may be useless to this client, be avoided for its failures, or leave its clients
// waiting; when all are, a scan takes the best that there is, and an avoided one before none.

#ifndef SEALANE_CHOOSE_H
#define SEALANE_CHOOSE_H

#include <stdbool.h>

#include "client.h"
#include "hash.h"
#include "load.h"
#include "vips.h"

struct slice {
    __u32 first;
    __u32 ready;
    __u32 rest;
};

struct choice {
    const struct backend *backend; // null: there is none
    __u32 id;
    enum how how;
};

struct candidate {
    const struct backend *backend; // null: there is none that the client can use
    struct load *load;
    __u32 id;
    enum standing standing;
};

static __always_inline void read_slice(const struct service *service, struct slice *slice) {
    __u64 word = *(const volatile __u64 *)&service->slice;

    slice->first = word & ((1U << SLICE_FIRST_BITS) - 1);
    slice->ready = word >> SLICE_FIRST_BITS & ((1U << SLICE_COUNT_BITS) - 1);
    slice->rest = word >> (SLICE_FIRST_BITS + SLICE_COUNT_BITS);
}

// One random number is both the slot (its high part) and the fraction in it.
static __always_inline __u32 draw(const struct slice *slice) {
    // The only one is always drawn.
    __u64 random = slice->ready == 1 ? 0 : (__u64)bpf_get_prandom_u32() * slice->ready;
    __u32 index = slice->first + (__u32)(random >> 32);
    const struct slot *slot = bpf_map_lookup_elem(&slots, &index);

    if (!slot)
        return NONE;
    return (__u32)random <= slot->threshold ? slot->backend : slot->alias;
}

// So often another is drawn in the place of one that holds back, before it is taken
// after all: where all are new, one has to be.
#define ATTEMPTS 4

// A new backend is passed over as often as it is short of its full share, except one
// time in sixteen.
static __always_inline bool holds_back(const struct service *service, const struct backend *backend,
                                       __u64 now) {
    __u32 age = (__u32)(now >> TICK_SHIFT) - backend->since;

    if (!(backend->flags & BACKEND_WARMING) || age >= service->slow_start)
        return false;
    if (age < service->slow_start / 16)
        age = service->slow_start / 16;
    return (__u64)bpf_get_prandom_u32() * service->slow_start >> 32 >= age;
}

static __always_inline void examine(struct candidate *candidate, __u32 id,
                                    const struct client *client, __u64 now) {
    const struct backend *backend = bpf_map_lookup_elem(&backends, &id);
    struct load *entry = bpf_map_lookup_elem(&load, &id);

    candidate->backend = NULL;
    if (id == NONE || !backend || !entry || !reach(backend, client).port)
        return;
    candidate->backend = backend;
    candidate->load = entry;
    candidate->id = id;
    candidate->standing = standing_of(entry, now);
}

static __noinline void draw_one(struct candidate *candidate, const struct service *service,
                                const struct slice *slice, const struct client *client, __u64 now) {
    for (int i = 0; i < ATTEMPTS; i++) {
        examine(candidate, draw(slice), client, now);
        if (!candidate->backend || candidate->standing != FINE ||
            !holds_back(service, candidate->backend, now))
            return;
    }
}

static __always_inline bool takes(const struct candidate *candidate) {
    return candidate->backend && candidate->standing != AVOIDED;
}

static __always_inline void settle_on(struct choice *choice, const struct candidate *candidate,
                                      enum how how) {
    choice->backend = candidate->backend;
    choice->id = candidate->id;
    choice->how = candidate->standing == TRIED ? HOW_TRIAL : how;
}

// The better of two that can both be taken.
static __always_inline const struct candidate *lighter(const struct candidate *a,
                                                       const struct candidate *b, __u64 now) {
    bool doubt_a = is_doubtful(a->load, now);
    bool doubt_b = is_doubtful(b->load, now);

    if (doubt_a != doubt_b)
        return doubt_a ? b : a;
    // Divided by weights without dividing. Of equals the first: draws are exact.
    __u64 cost_a = cost_of(a->load, a->backend->weight, now) * b->backend->weight;
    __u64 cost_b = cost_of(b->load, b->backend->weight, now) * a->backend->weight;
    return cost_a <= cost_b ? a : b;
}

static __always_inline void choose_drawn(struct choice *choice, const struct service *service,
                                         const struct slice *slice, const struct client *client,
                                         __u64 now) {
    struct candidate a = {};
    struct candidate b = {};

    draw_one(&a, service, slice, client, now);
    if (a.backend && a.standing == TRIED) {
        settle_on(choice, &a, HOW_TRIAL);
        return;
    }
    bool twice = service->policy == POLICY_LEAST_LOADED || !takes(&a);
    if (slice->ready > 1 && twice)
        draw_one(&b, service, slice, client, now);
    // A second try at another one: with few backends both draws are often the same.
    if (b.backend && b.id == a.id)
        draw_one(&b, service, slice, client, now);
    if (b.backend && b.standing == TRIED) {
        settle_on(choice, &b, HOW_TRIAL);
        return;
    }
    bool both = takes(&a) && takes(&b) && a.id != b.id;
    if (both)
        settle_on(choice, lighter(&a, &b, now), HOW_LIGHTER);
    else if (takes(&a))
        settle_on(choice, &a, HOW_DRAWN);
    else if (takes(&b))
        settle_on(choice, &b, HOW_DRAWN);
}

// How good a backend is when those drawn could not be used; less is better.
enum rank {
    RANK_READY,
    RANK_ELSEWHERE, // not preferred here
    RANK_DOUBTFUL,
    RANK_DOUBTFUL_ELSEWHERE,
    RANK_EJECTED, // fail open: failing is better than certain failure
    RANK_EJECTED_ELSEWHERE,
    RANK_DRAINING,
    RANK_NONE,
};

struct scan {
    const struct client *client;
    struct slice slice;
    __u64 now;
    __u64 seed;
    __u64 score;
    __u32 count;
    __u32 start;
    __u32 found;
    __u32 rank;
    __u32 weight;
};

static __always_inline enum rank rank_of(const struct scan *scan, __u32 position,
                                         const struct backend *backend, const struct load *entry) {
    bool elsewhere = position >= scan->slice.ready;

    if (!reach(backend, scan->client).port)
        return RANK_NONE;
    if (backend->flags & BACKEND_DRAINING)
        return RANK_DRAINING;
    if (is_out(entry, scan->now))
        return RANK_EJECTED + elsewhere;
    return (is_doubtful(entry, scan->now) ? RANK_DOUBTFUL : RANK_READY) + elsewhere;
}

// Of the best rank each has its weight's share: as in hashing the least number wins, and
// the numbers are other ones each time.
static long scan_slot(__u32 step, struct scan *scan) {
    // The count is above 0, or this would not be called.
    __u32 position = (scan->start + step) % scan->count;
    __u32 index = scan->slice.first + position;
    const struct slot *slot = bpf_map_lookup_elem(&slots, &index);

    if (!slot)
        return 1;
    __u32 id = slot->backend;
    const struct backend *backend = bpf_map_lookup_elem(&backends, &id);
    const struct load *entry = bpf_map_lookup_elem(&load, &id);
    if (id == NONE || !backend || !entry)
        return 0;
    enum rank rank = rank_of(scan, position, backend, entry);
    if (rank > scan->rank)
        return 0;
    __u64 score = hash_score(scan->seed ^ backend->identity);
    if (rank == scan->rank && score * scan->weight >= scan->score * backend->weight)
        return 0;
    scan->rank = rank;
    scan->found = id;
    scan->score = score;
    scan->weight = backend->weight;
    return 0;
}

// Takes the best that is better than `limit`, if there is one. Not inlined, as programs
// have 512 bytes of stack. A few nanoseconds a slot. Larger services are scanned in part,
// from a random slot.
static __noinline void choose_any(struct choice *choice, const struct slice *slice,
                                  const struct client *client, __u64 now, enum rank limit) {
    __u32 count = slice->ready + slice->rest;
    __u32 random = bpf_get_prandom_u32();

    if (!count)
        return;
    struct scan scan = {
        .client = client,
        .slice = *slice,
        .now = now,
        .seed = random * HASH_FACTOR,
        .count = count,
        .start = (__u64)random * count >> 32,
        .found = NONE,
        .rank = limit,
    };
    bpf_loop(count < SCAN_LIMIT ? count : SCAN_LIMIT, scan_slot, &scan, 0);
    if (scan.found == NONE)
        return;
    choice->id = scan.found;
    choice->backend = bpf_map_lookup_elem(&backends, &choice->id);
    choice->how = HOW_FALLBACK;
    // Those that are not drawn have their trials here.
    struct load *entry = bpf_map_lookup_elem(&load, &choice->id);
    if (entry && standing_of(entry, now) == TRIED)
        choice->how = HOW_TRIAL;
}

struct vote {
    const struct client *client;
    struct slice slice;
    __u64 seed;
    __u64 now;
    __u64 score;
    __u32 weight;
    __u32 found;
};

static long vote_slot(__u32 position, struct vote *vote) {
    __u32 index = vote->slice.first + position;
    const struct slot *slot = bpf_map_lookup_elem(&slots, &index);

    if (!slot)
        return 1;
    __u32 id = slot->backend;
    const struct backend *backend = bpf_map_lookup_elem(&backends, &id);
    const struct load *entry = bpf_map_lookup_elem(&load, &id);
    if (!backend || !entry || is_out(entry, vote->now) || !reach(backend, vote->client).port)
        return 0;
    __u64 score = hash_score(vote->seed ^ backend->identity);
    // score / weight, compared without dividing; the least wins.
    if (vote->found != NONE && score * vote->weight >= vote->score * backend->weight)
        return 0;
    vote->found = id;
    vote->score = score;
    vote->weight = backend->weight;
    return 0;
}

// Rendezvous hashing: every backend draws a number for this client, and the least for
// its weight wins, so that only clients of a backend that goes have to move.
static __noinline void choose_hashed(struct choice *choice, const struct slice *slice,
                                     const struct client *client, __u64 now) {
    struct candidate winner = {};
    struct vote vote = {
        .client = client,
        .slice = *slice,
        .seed = client->netns * HASH_FACTOR ^ hash_seed,
        .now = now,
        .found = NONE,
    };

    bpf_loop(slice->ready < SCAN_LIMIT ? slice->ready : SCAN_LIMIT, vote_slot, &vote, 0);
    examine(&winner, vote.found, client, now);
    if (takes(&winner))
        settle_on(choice, &winner, HOW_HASH);
}

// The backend that the client's namespace had last, if it can still be had.
static __always_inline bool choose_same(struct choice *choice, const struct service *service,
                                        const struct affinity_key *key, const struct client *client,
                                        __u64 now) {
    struct affinity *same = bpf_map_lookup_elem(&affinity, key);

    if (!same || now > same->last + service->affinity * SECOND)
        return false;
    __u32 id = same->backend;
    const struct backend *backend = bpf_map_lookup_elem(&backends, &id);
    const struct load *entry = bpf_map_lookup_elem(&load, &id);
    if (!backend || !entry || backend->identity != same->identity || is_ejected(entry))
        return false;
    if ((backend->flags & (BACKEND_LIVE | BACKEND_DRAINING)) != BACKEND_LIVE ||
        !reach(backend, client).port)
        return false;
    same->last = now;
    choice->id = id;
    choice->backend = backend;
    choice->how = HOW_AFFINITY;
    return true;
}

static __always_inline void stay_with(const struct affinity_key *key, const struct choice *choice,
                                      __u64 now) {
    struct affinity same = {
        .identity = choice->backend->identity,
        .last = now,
        .backend = choice->id,
    };

    // A full map forgets who came long ago; that one is balanced anew.
    bpf_map_update_elem(&affinity, key, &same, BPF_ANY);
}

// Whether two draws by load have met nobody better than one that may be gone.
static __always_inline bool is_poor(const struct choice *choice, const struct service *service,
                                    __u64 now) {
    __u32 id = choice->id;

    if (service->policy != POLICY_LEAST_LOADED || choice->how == HOW_TRIAL)
        return false;
    const struct load *entry = bpf_map_lookup_elem(&load, &id);
    return entry && is_doubtful(entry, now);
}

static __always_inline void choose_anew(struct choice *choice, const struct service *service,
                                        const struct slice *slice, const struct client *client,
                                        __u64 now) {
    if (slice->ready && service->policy == POLICY_HASH)
        choose_hashed(choice, slice, client, now);
    else if (slice->ready)
        choose_drawn(choice, service, slice, client, now);
    if (!choice->backend)
        choose_any(choice, slice, client, now, RANK_NONE);
    else if (is_poor(choice, service, now))
        choose_any(choice, slice, client, now, RANK_DOUBTFUL);
}

// The backend for a new connection.
static __always_inline void choose(struct choice *choice, const struct found *found,
                                   const struct client *client) {
    const struct service *service = found->service;
    struct slice slice;

    read_slice(service, &slice);
    if (slice.ready == 1 && !slice.rest) {
        // There is nothing to choose, whatever is known of it.
        choice->id = draw(&slice);
        choice->backend = bpf_map_lookup_elem(&backends, &choice->id);
        choice->how = HOW_ONLY;
        if (choice->id == NONE)
            choice->backend = NULL;
        return;
    }
    __u64 now = bpf_ktime_get_coarse_ns();
    struct affinity_key key = {.netns = client->netns, .service = found->id};
    if (service->affinity && choose_same(choice, service, &key, client, now))
        return;
    choose_anew(choice, service, &slice, client, now);
    if (service->affinity && choice->backend)
        stay_with(&key, choice, now);
}

#endif
