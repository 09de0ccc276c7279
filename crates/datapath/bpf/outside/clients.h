// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
//
// Where clients stand, what they reach, and which services they find.

#ifndef SEALANE_OUTSIDE_CLIENTS_H
#define SEALANE_OUTSIDE_CLIENTS_H

#include "stage.h"

#define NETWORK 0x1e7

static inline __u32 reached_port(const struct backend *backend, __u64 netns) {
    the_netns = netns;
    struct client client = client_here();

    return ntohs(reach(backend, &client).port);
}

CASE(near_is_for_the_host_and_for_its_network) {
    struct stage *stage = of_equals(POLICY_RANDOM, 1);
    struct backend *backend = backend_at(stage->members[0]);
    struct place there = {.networks = {5, 6, 7, NETWORK}}, elsewhere = {.networks = {5}};
    __u64 on = 8, off = 9;

    backend->near = ipv4(0xac110002);
    backend->near_port = htons(80);
    backend->network = NETWORK;
    bpf_map_update_elem(&places, &on, &there, BPF_ANY);
    bpf_map_update_elem(&places, &off, &elsewhere, BPF_ANY);
    CHECK_IS(reached_port(backend, host_netns), 80);
    CHECK_IS(reached_port(backend, on), 80);
    CHECK_IS(reached_port(backend, off), FAR_PORT);
    CHECK_IS(reached_port(backend, 10), FAR_PORT);
    // Network 0 is none, as empty places are.
    backend->network = 0;
    CHECK_IS(reached_port(backend, off), FAR_PORT);
    backend->far_port = 0;
    CHECK_IS(reached_port(backend, off), 0);
    CHECK_IS(reached_port(backend, host_netns), 80);
}

CASE(an_address_of_the_other_family_is_none) {
    struct stage *stage = of_equals(POLICY_RANDOM, 1);
    struct backend *backend = backend_at(stage->members[0]);
    struct client client = client_here();

    CHECK_IS(ntohs(reach(backend, &client).port), FAR_PORT);
    client.ipv4 = false;
    CHECK_IS(reach(backend, &client).port, 0);
    backend->far.word[0] = htonl(0xfd000000);
    CHECK_IS(ntohs(reach(backend, &client).port), FAR_PORT);
    client.ipv4 = true;
    CHECK_IS(reach(backend, &client).port, 0);
}

// K1.
CASE(a_cgroup_above_may_opt_out) {
    __u32 only = 0, one = 1;
    __u64 above = 77;
    struct control *entry = bpf_map_lookup_elem(&control, &only);

    the_cgroups[0] = 1;
    the_cgroups[1] = above;
    the_cgroups[2] = 99;
    CHECK(!is_exempt());
    bpf_map_update_elem(&exempt, &above, &one, BPF_ANY);
    CHECK(!is_exempt()); // Nobody looks before it is told that there is one.
    entry->exempt = 1;
    CHECK(is_exempt());
    the_cgroups[1] = 78;
    CHECK(!is_exempt());
    the_cgroups[3] = above;
    CHECK(is_exempt());
}

static inline void install(const struct stage *stage) {
    struct vip vip = {.service = stage->id};
    struct service *service = service_at(stage->id);

    bpf_map_update_elem(&vips, &service->key, &vip, BPF_ANY);
}

CASE(services_are_found_by_address_port_and_protocol) {
    struct stage *stage = of_equals(POLICY_RANDOM, 1);
    struct endpoint to = vip_of(stage->id);

    CHECK(!find_service(&to, 6).service);
    install(stage);
    struct found found = find_service(&to, 6);
    CHECK(found.service == service_at(stage->id));
    CHECK_IS(found.id, stage->id);
    CHECK(!find_service(&to, 17).service);
    to.port = htons(81);
    CHECK(!find_service(&to, 6).service);
}

// A deleted element's memory may have been given to another key.
CASE(a_service_of_another_key_is_not_it) {
    struct stage *stage = of_equals(POLICY_RANDOM, 1);
    struct endpoint to = vip_of(stage->id);

    install(stage);
    service_at(stage->id)->key.port = htons(8081);
    CHECK(!find_service(&to, 6).service);
}

CASE(an_allocated_address_has_an_entry_of_its_own) {
    struct endpoint to = vip_of(9);
    struct vip_key key = {.address = to.address};
    struct vip none = {};

    CHECK(!is_vip(&to));
    bpf_map_update_elem(&vips, &key, &none, BPF_ANY);
    CHECK(is_vip(&to));
}

CASE(the_filter_passes_its_own_and_little_else) {
    __u32 passed = 0;

    for (__u32 i = 0; i < 1000; i++) {
        struct address vip = ipv4(0x0b000000 + i);
        __u32 folded = vip.word[0] ^ vip.word[1] ^ vip.word[2] ^ vip.word[3];
        __u32 bit = folded * FILTER_FACTOR >> (32 - FILTER_BITS), index = bit >> 6;
        *(__u64 *)bpf_map_lookup_elem(&filter, &index) |= 1ULL << (bit & 63);
    }
    for (__u32 i = 0; i < 1000; i++) {
        struct address vip = ipv4(0x0b000000 + i);
        CHECK(may_be_vip(&vip));
    }
    for (__u32 i = 0; i < 100000; i++) {
        struct address other = ipv4(0x0a000000 + i * 97);
        passed += may_be_vip(&other);
    }
    CHECK_WITHIN(passed, 0, 1000);
}

CASE(refusals_are_counted_for_the_service_or_for_none) {
    struct stage *stage = of_equals(POLICY_RANDOM, 0);

    count_refusal(service_at(stage->id));
    count_refusal(NULL);
    count_refusal(NULL);
    CHECK_IS(service_at(stage->id)->refused, 1);
    CHECK_IS(service_at(NONE)->refused, 2);
}

#endif
