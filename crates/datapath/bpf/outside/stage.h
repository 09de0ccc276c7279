// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
//
// Services and backends, written into the maps as the loader writes them.

#ifndef SEALANE_OUTSIDE_STAGE_H
#define SEALANE_OUTSIDE_STAGE_H

#include "../pins.h"
#include "cases.h"

#define MEMBERS MAP_BACKENDS
#define FAR_PORT 8080
#define START (1000 * SECOND)

// A service under construction; `publish` shows it to programs.
struct stage {
    __u32 id;
    __u32 ready;
    __u32 rest;
    __u32 members[MEMBERS];
};

static __u32 last_service, last_backend, last_slot;

static inline struct service *service_at(__u32 id) {
    return bpf_map_lookup_elem(&services, &id);
}

static inline struct backend *backend_at(__u32 id) {
    return bpf_map_lookup_elem(&backends, &id);
}

static inline struct load *load_at(__u32 id) {
    return bpf_map_lookup_elem(&load, &id);
}

static inline struct address ipv4(__u32 host_order) {
    struct address address = {.word = {0, 0, MAPPED_PREFIX, htonl(host_order)}};

    return address;
}

// 11.0.0.<id>:80.
static inline struct endpoint vip_of(__u32 service) {
    struct endpoint vip = {.address = ipv4(0x0b000000 + service), .port = htons(80)};

    return vip;
}

static inline struct stage *new_stage(enum policy policy) {
    struct stage *stage = calloc(1, sizeof(*stage));

    stage->id = ++last_service;
    struct service *service = service_at(stage->id);
    struct endpoint vip = vip_of(stage->id);
    service->key.address = vip.address;
    service->key.port = vip.port;
    service->key.protocol = 6;
    service->policy = policy;
    service->failures = 3;
    service->max_ejected = 50;
    return stage;
}

// A backend with one address for everybody, 10.0.<id>:8080.
static inline __u32 add_weighing(struct stage *stage, __u16 weight) {
    __u32 id = ++last_backend;
    struct backend *backend = backend_at(id);

    backend->far = ipv4(0x0a000000 + id);
    backend->far_port = htons(FAR_PORT);
    backend->weight = weight;
    backend->flags = BACKEND_LIVE;
    backend->identity = mix(0x5ea1a4e + id);
    backend->service = stage->id;
    load_at(id)->stamp = the_time;
    stage->members[stage->ready + stage->rest] = id;
    return id;
}

// Ready ones come before all others.
static inline __u32 add_ready(struct stage *stage, __u16 weight) {
    __u32 id = add_weighing(stage, weight);

    CHECK_IS(stage->rest, 0);
    stage->ready++;
    return id;
}

static inline __u32 add_elsewhere(struct stage *stage) {
    __u32 id = add_weighing(stage, 1);

    stage->rest++;
    return id;
}

static inline __u32 add_draining(struct stage *stage) {
    __u32 id = add_elsewhere(stage);

    backend_at(id)->flags |= BACKEND_DRAINING;
    return id;
}

// Walker's table for the ready ones, in whole numbers: a slot's room is the sum of the
// weights, and a weight fills `weight × ready` of it.
static inline void fill_slots(const struct stage *stage, struct slot *slot) {
    __u32 n = stage->ready, poor = 0, rich = 0;
    __u64 total = 0;
    __u64 *left = calloc(n + 1, sizeof(*left));

    for (__u32 i = 0; i < n; i++)
        total += backend_at(stage->members[i])->weight;
    for (__u32 i = 0; i < n; i++) {
        left[i] = (__u64)backend_at(stage->members[i])->weight * n;
        slot[i].threshold = 0xffffffff;
    }
    for (__u32 step = 0; step < n; step++) {
        for (poor = 0; poor < n && (left[poor] >= total || slot[poor].threshold != 0xffffffff);)
            poor++;
        for (rich = 0; rich < n && left[rich] <= total;)
            rich++;
        if (poor == n || rich == n)
            break;
        __u64 own = ((unsigned __int128)left[poor] << 32) / total;
        slot[poor].threshold = own ? own - 1 : 0;
        slot[poor].alias = stage->members[rich];
        left[rich] -= total - left[poor];
    }
    free(left);
}

static inline void publish(struct stage *stage) {
    __u32 count = stage->ready + stage->rest, first = last_slot;

    last_slot += count;
    CHECK(last_slot <= MAP_SLOTS);
    struct slot *slot = bpf_map_lookup_elem(&slots, &first);
    for (__u32 i = 0; i < count; i++) {
        slot[i].backend = slot[i].alias = stage->members[i];
        slot[i].threshold = 0xffffffff;
    }
    fill_slots(stage, slot);
    service_at(stage->id)->slice = (__u64)first | (__u64)stage->ready << SLICE_FIRST_BITS |
                                   (__u64)stage->rest << (SLICE_FIRST_BITS + SLICE_COUNT_BITS);
}

// Of that many alike.
static inline struct stage *of_equals(enum policy policy, __u32 count) {
    struct stage *stage = new_stage(policy);

    for (__u32 i = 0; i < count; i++)
        add_ready(stage, 1);
    publish(stage);
    return stage;
}

static inline struct client client_here(void) {
    struct endpoint vip = vip_of(1);
    struct client client = {};

    locate(NULL, &vip.address, &client);
    return client;
}

// What a new connection gets.
static inline struct choice pick(const struct stage *stage) {
    struct found found = {.service = service_at(stage->id), .id = stage->id};
    struct client client = client_here();
    struct choice choice = {};

    choose(&choice, &found, &client);
    CHECK_IS(!choice.backend, choice.id == NONE);
    return choice;
}

// The connect itself, up to where the kernel sends the SYN.
static inline struct choice begin(const struct stage *stage, struct pin *pin) {
    struct choice choice = pick(stage);
    struct client client = client_here();
    struct endpoint vip = vip_of(stage->id);

    CHECK(choice.backend);
    struct endpoint peer = reach(choice.backend, &client);
    fill(pin, &vip, &choice, &peer, &client, true);
    return choice;
}

// One connect to a given backend that fails as said.
static inline void fail(__u32 id, int error) {
    struct choice choice = {.backend = backend_at(id), .id = id};
    struct client client = client_here();
    struct endpoint vip = vip_of(backend_at(id)->service);
    struct endpoint peer = reach(choice.backend, &client);
    struct pin pin = {};

    fill(&pin, &vip, &choice, &peer, &client, true);
    learn_failed(&pin, error, the_time);
    release(&pin, TCP_CLOSE);
}

static inline void eject(__u32 id) {
    for (int i = 0; i < 3; i++)
        fail(id, ECONNREFUSED);
    CHECK(is_ejected(load_at(id)));
}

// The next random numbers draw these slots, of so many.
static inline void tell_draws(__u32 count, const __u32 *slots_told, __u32 of) {
    told_from = told_to = 0;
    for (__u32 i = 0; i < count; i++)
        told_numbers[told_to++] = (((__u64)slots_told[i] << 32) + (1ULL << 31)) / of;
}

#define TELL(of, ...)                                                                              \
    tell_draws(sizeof((__u32[]){__VA_ARGS__}) / sizeof(__u32), (__u32[]){__VA_ARGS__}, of)

static inline double chi_square(const __u32 *found, const double *wanted, __u32 count) {
    double sum = 0;

    for (__u32 i = 0; i < count; i++)
        sum += (found[i] - wanted[i]) * (found[i] - wanted[i]) / wanted[i];
    return sum;
}

#endif
