// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
//
// Which backend a new connection gets.
//
// Two weighted draws, the less loaded wins: nearly as even as looking at all of
// them, at the price of two, and without the herd that follows one best backend.
// Where a client stands decides which address of a backend it can use at all, so
// a draw may be useless to it; then a scan looks for any that is not.

#ifndef SEALANE_CHOOSE_H
#define SEALANE_CHOOSE_H

#include <stdbool.h>

#include "address.h"
#include "maps.h"

// A scan costs a few nanoseconds a slot and happens only when both draws are out
// of the client's reach. Larger services are scanned in part, from a random slot.
#define SCAN_LIMIT 4096

struct client {
    struct place place;
    bool host;
};

struct slice {
    __u32 first;
    __u32 ready;
    __u32 draining;
};

struct scan {
    const struct client *client;
    __u32 first;
    __u32 count;
    __u32 start;
    __u32 found;
};

static __always_inline void locate(struct bpf_sock_addr *ctx, struct client *client) {
    __u64 cookie = bpf_get_netns_cookie(ctx);

    client->host = cookie == host_netns;
    if (client->host)
        return;
    const struct place *place = bpf_map_lookup_elem(&places, &cookie);
    if (place)
        client->place = *place;
}

static __always_inline bool is_near(const struct backend *backend, const struct client *client) {
    if (client->host)
        return true;
    if (!backend->network)
        return false;
    for (int i = 0; i < PLACE_NETWORKS; i++)
        if (client->place.networks[i] == backend->network)
            return true;
    return false;
}

// The address that this client uses for a backend; port 0 is none.
static __always_inline struct endpoint reach(const struct backend *backend,
                                             const struct client *client) {
    struct endpoint to = {};

    if (backend->near_port && is_near(backend, client)) {
        to.address = backend->near;
        to.port = backend->near_port;
    } else {
        to.address = backend->far;
        to.port = backend->far_port;
    }
    if (!is_ipv4(&to.address))
        to.port = 0;
    return to;
}

static __always_inline bool usable(__u32 id, const struct client *client) {
    const struct backend *backend = bpf_map_lookup_elem(&backends, &id);

    return id != NONE && backend && reach(backend, client).port;
}

static __always_inline void read_slice(const struct service *service, struct slice *slice) {
    __u64 word = *(const volatile __u64 *)&service->slice;

    slice->first = word & ((1U << SLICE_FIRST_BITS) - 1);
    slice->ready = word >> SLICE_FIRST_BITS & ((1U << SLICE_COUNT_BITS) - 1);
    slice->draining = word >> (SLICE_FIRST_BITS + SLICE_COUNT_BITS);
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

// What ended is read first: it may lag behind what began, never be ahead of it.
static __always_inline __u64 open_on(const struct load *load) {
    __u64 ended = *(const volatile __u64 *)&load->ended;

    return *(const volatile __u64 *)&load->begun - ended;
}

static __always_inline __u32 lighter(__u32 a, __u32 b) {
    const struct backend *backend_a = bpf_map_lookup_elem(&backends, &a);
    const struct backend *backend_b = bpf_map_lookup_elem(&backends, &b);
    const struct load *load_a = bpf_map_lookup_elem(&load, &a);
    const struct load *load_b = bpf_map_lookup_elem(&load, &b);

    if (!backend_a || !backend_b || !load_a || !load_b)
        return a;
    // (open + 1) / weight, compared without dividing.
    __u64 cost_a = (open_on(load_a) + 1) * backend_b->weight;
    __u64 cost_b = (open_on(load_b) + 1) * backend_a->weight;
    return cost_a <= cost_b ? a : b;
}

static long scan_slot(__u32 step, struct scan *scan) {
    // The count is above 0, or this would not be called.
    __u32 index = scan->first + (scan->start + step) % scan->count;
    const struct slot *slot = bpf_map_lookup_elem(&slots, &index);

    if (!slot)
        return 1;
    __u32 id = slot->backend;
    if (!usable(id, scan->client))
        return 0;
    scan->found = id;
    return 1;
}

static __always_inline __u32 scan_slots(__u32 first, __u32 count, const struct client *client) {
    if (!count)
        return NONE;
    struct scan scan = {
        .client = client,
        .first = first,
        .count = count,
        .start = (__u64)bpf_get_prandom_u32() * count >> 32,
        .found = NONE,
    };
    bpf_loop(count < SCAN_LIMIT ? count : SCAN_LIMIT, scan_slot, &scan, 0);
    return scan.found;
}

static __always_inline __u32 choose_ready(const struct service *service, const struct slice *slice,
                                          const struct client *client) {
    if (!slice->ready)
        return NONE;
    __u32 a = draw(slice);
    bool twice = service->policy == POLICY_LEAST_LOADED && slice->ready > 1;
    __u32 b = twice ? draw(slice) : a;
    bool can_a = usable(a, client);
    bool can_b = a == b ? can_a : usable(b, client);

    if (can_a && can_b)
        return a == b ? a : lighter(a, b);
    if (can_a || can_b)
        return can_a ? a : b;
    return scan_slots(slice->first, slice->ready, client);
}

// The backend for a new connection; NONE if there is none that the client can
// reach. Draining backends are better than a refusal, and than nothing else.
static __always_inline __u32 choose(const struct service *service, const struct client *client) {
    struct slice slice;

    read_slice(service, &slice);
    __u32 id = choose_ready(service, &slice, client);
    if (id != NONE)
        return id;
    return scan_slots(slice.first + slice.ready, slice.draining, client);
}

#endif
