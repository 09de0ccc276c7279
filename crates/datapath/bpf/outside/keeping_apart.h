// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
//
// Which containers may talk to each other.

#ifndef SEALANE_OUTSIDE_KEEPING_APART_H
#define SEALANE_OUTSIDE_KEEPING_APART_H

#include "stage.h"

#include "../groups.h"

#define PAIRS 20000

static inline void join(struct tenant *tenant, __u64 group) {
    tenant->groups[tenant->count++] = group;
}

static inline bool shares_any(const struct tenant *a, const struct tenant *b) {
    for (__u32 i = 0; i < a->count; i++)
        for (__u32 j = 0; j < b->count; j++)
            if (a->groups[i] == b->groups[j])
                return true;
    return false;
}

// Of all sizes, in exact memory, with what is behind the count as if it were shared.
CASE(sharing_is_having_one_group_in_common) {
    struct tenant *a = malloc(sizeof(*a)), *b = malloc(sizeof(*b));
    __u32 sharing = 0;

    for (__u32 i = 0; i < PAIRS; i++) {
        for (__u32 j = 0; j < TENANT_GROUPS; j++)
            a->groups[j] = b->groups[j] = 1;
        a->count = b->count = 0;
        __u32 most_a = bpf_get_prandom_u32() % (TENANT_GROUPS + 1);
        __u32 most_b = bpf_get_prandom_u32() % (TENANT_GROUPS + 1);
        while (a->count < most_a)
            join(a, 2 + bpf_get_prandom_u32() % 100);
        while (b->count < most_b)
            join(b, 2 + bpf_get_prandom_u32() % 100);
        bool wanted = shares_any(a, b);
        CHECK_IS(shares_group(a, b), wanted);
        CHECK_IS(shares_group(b, a), wanted);
        sharing += wanted;
    }
    CHECK_WITHIN(sharing, PAIRS / 10, PAIRS * 9 / 10);
    free(a);
    free(b);
}

// Subnets are a trie in the kernel; here an address is inside if it stands in the map.
static inline void put_inside(struct address address) {
    struct realm_key key = {.bits = 128, .address = address};
    __u32 one = 1;

    bpf_map_update_elem(&realms, &key, &one, BPF_ANY);
}

CASE(who_is_not_told_of_is_in_the_default_group_or_outside) {
    struct address known = ipv4(0x09000102), unknown = ipv4(0x09000103);
    struct address outside = ipv4(0xc0000201), node = ipv4(0x09000001);
    struct tenant plain = {}, apart = {}, both = {}, waiting = {}, open = {.flags = TENANT_OPEN};

    join(&plain, DEFAULT_GROUP);
    join(&apart, 7);
    join(&both, 7);
    join(&both, DEFAULT_GROUP);
    put_inside(known);
    put_inside(unknown);
    put_inside(node);
    bpf_map_update_elem(&tenants, &known, &plain, BPF_ANY);
    bpf_map_update_elem(&tenants, &node, &open, BPF_ANY);
    const struct address *others[] = {&known, &unknown, &outside, &node};
    struct {
        const struct tenant *tenant;
        bool may[4];
    } table[] = {
        {&plain, {true, true, true, true}}, {&apart, {false, false, true, true}},
        {&both, {true, true, true, true}},  {&waiting, {false, false, true, true}},
        {&open, {true, true, true, true}},
    };
    for (__u32 i = 0; i < sizeof(table) / sizeof(*table); i++)
        for (__u32 j = 0; j < 4; j++)
            CHECK_IS(may_talk(table[i].tenant, bpf_map_lookup_elem(&tenants, others[j]), others[j]),
                     table[i].may[j]);
}

CASE(finding_neighbours_stays_on_the_link) {
    struct ends ends = {};
    __be32 local = htonl(0xfe800000), near = htonl(0xff020000), far = htonl(0xff0e0000);

    ends.to.word[0] = near;
    CHECK(stays_on_link(&ends));
    ends.from.word[0] = local;
    CHECK(stays_on_link(&ends));
    ends.to.word[0] = local;
    CHECK(stays_on_link(&ends));
    ends.to.word[0] = far;
    CHECK(!stays_on_link(&ends));
    ends.to.word[0] = htonl(0xfd010000);
    CHECK(!stays_on_link(&ends));
    ends.to.word[0] = near;
    ends.from.word[0] = htonl(0xfd010000);
    CHECK(!stays_on_link(&ends));
    // IPv4 never does.
    ends.from = ipv4(0xa9fe0101);
    ends.to = ipv4(0xe0000001);
    CHECK(!stays_on_link(&ends));
}

CASE(neighbours_who_met_at_the_host_go_on_meeting_there) {
    struct ends ends = {.from = ipv4(0x09000102), .to = ipv4(0x09000103)};
    struct ends back = {.from = ends.to, .to = ends.from};
    struct tenant peer = {.link = 7, .flags = TENANT_DIRECT}, far = {.flags = TENANT_DIRECT};
    struct tenant limited = {.link = 7};

    CHECK(is_next_door(&peer, &ends, 6));
    CHECK(!is_next_door(&peer, &ends, 7));
    CHECK(!is_next_door(&far, &ends, 6));
    CHECK(!is_next_door(&limited, &ends, 6));
    CHECK(!is_next_door(NULL, &ends, 6));
    note_detour(&back);
    CHECK(!is_next_door(&peer, &ends, 6));
    CHECK(!is_next_door(&peer, &back, 6));
}

#endif
