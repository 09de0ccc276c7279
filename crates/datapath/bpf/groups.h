// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
//
// Which containers may talk to each other: those that share a group.
//
// Each packet is judged by its two addresses alone, on the host's side of the link that
// it comes from and of the one that it goes to. Nothing is remembered, so that a change
// of groups ends established connections as well, and fragments, extension headers and
// protocols make no difference: the addresses stand in every packet's first header.
// On the way in they are the final ones, after whatever the host has translated.
//
// Packets between two containers of a node are handed from the one to the other, past the
// host's routing and its packet filters, as a bridge would. Those that the host translates
// must pass it both ways: a client that dials a host port of its neighbour is answered by
// the neighbour's own address, which the host has to turn back. So whoever got a packet of
// a neighbour by way of the host answers by that way, and what it begins goes there too.

#ifndef SEALANE_GROUPS_H
#define SEALANE_GROUPS_H

#include <stdbool.h>

#include "address.h"
#include "maps.h"

// Go on with other programs, or end here.
#define PACKET_PASS (-1)
#define PACKET_DROP 2

#define ETHERNET 14
#define ETHERNET_IPV4 0x0800
#define ETHERNET_ARP 0x0806
#define ETHERNET_IPV6 0x86dd
#define IPV4_ADDRESSES 12
#define IPV6_ADDRESSES 8

enum packet {
    PACKET_IP,
    PACKET_ARP,
    PACKET_OTHER,
};

static __always_inline void map_ipv4(struct address *address, __be32 ip) {
    address->word[0] = 0;
    address->word[1] = 0;
    address->word[2] = MAPPED_PREFIX;
    address->word[3] = ip;
}

// Most headers lie where programs can read them; any other is copied.
static __always_inline bool read_header(struct __sk_buff *skb, __u32 offset, void *to, __u32 size) {
    const char *start = (const char *)(long)skb->data + ETHERNET + offset;

    if (start + size > (const char *)(long)skb->data_end)
        return !bpf_skb_load_bytes(skb, ETHERNET + offset, to, size);
    __builtin_memcpy(to, start, size);
    return true;
}

static __always_inline enum packet read_ends(struct __sk_buff *skb, struct ends *ends) {
    if (skb->protocol == bpf_htons(ETHERNET_IPV4)) {
        __be32 pair[2];
        if (!read_header(skb, IPV4_ADDRESSES, pair, sizeof(pair)))
            return PACKET_OTHER;
        map_ipv4(&ends->from, pair[0]);
        map_ipv4(&ends->to, pair[1]);
        return PACKET_IP;
    }
    if (skb->protocol == bpf_htons(ETHERNET_IPV6))
        return read_header(skb, IPV6_ADDRESSES, ends, sizeof(*ends)) ? PACKET_IP : PACKET_OTHER;
    return skb->protocol == bpf_htons(ETHERNET_ARP) ? PACKET_ARP : PACKET_OTHER;
}

// Whether an address is a virtual network's.
static __always_inline bool is_inside(const struct address *address) {
    struct realm_key key = {.bits = 128, .address = *address};

    return bpf_map_lookup_elem(&realms, &key);
}

static __always_inline bool has_group(const struct tenant *tenant, __u64 group) {
    for (__u32 i = 0; i < TENANT_GROUPS; i++) {
        if (i >= tenant->count)
            return false;
        if (tenant->groups[i] == group)
            return true;
    }
    return false;
}

// A function of its own, so that the verifier walks through it once.
static __noinline bool shares_group(const struct tenant *a, const struct tenant *b) {
    for (__u32 i = 0; i < TENANT_GROUPS; i++) {
        if (i >= a->count)
            return false;
        if (has_group(b, a->groups[i]))
            return true;
    }
    return false;
}

// Whether a container may talk to whoever has `other`: `peer`, if that is told.
static __always_inline bool may_talk(const struct tenant *tenant, const struct tenant *peer,
                                     const struct address *other) {
    if ((tenant->flags | (peer ? peer->flags : 0)) & TENANT_OPEN)
        return true;
    if (!peer)
        return !is_inside(other) || has_group(tenant, DEFAULT_GROUP);
    // Nearly always one group each.
    if (tenant->count && peer->count && tenant->groups[0] == peer->groups[0])
        return true;
    return shares_group(tenant, peer);
}

static __noinline int drop_packet(const struct ends *ends, __u32 link, __u32 reason) {
    struct drop_key key = {.from = ends->from, .to = ends->to, .link = link, .reason = reason};
    __u64 *all = bpf_map_lookup_elem(&dropped, &reason);
    struct drop first = {.packets = 1, .last = bpf_ktime_get_ns()};

    if (all)
        *all += 1;
    struct drop *drop = bpf_map_lookup_elem(&drops, &key);
    if (!drop) {
        bpf_map_update_elem(&drops, &key, &first, BPF_ANY);
        return PACKET_DROP;
    }
    drop->packets += 1;
    drop->last = first.last;
    return PACKET_DROP;
}

// fe80::/10
static __always_inline bool is_link_local(const struct address *address) {
    return (address->word[0] & bpf_htonl(0xffc00000)) == bpf_htonl(0xfe800000);
}

// What a host needs to find its neighbours and itself, and what stays on the link.
static __always_inline bool stays_on_link(const struct ends *ends) {
    const __be32 *from = ends->from.word;
    bool nobody = !(from[0] | from[1] | from[2] | from[3]);
    // ff02::/16, interface-local ones included
    bool near = (ends->to.word[0] & bpf_htonl(0xfffc0000)) == bpf_htonl(0xff000000);

    return (nobody || is_link_local(&ends->from)) && (near || is_link_local(&ends->to));
}

// Whether packets go to a container of this node without the host.
static __always_inline bool is_next_door(const struct tenant *peer, const struct ends *ends,
                                         __u32 link) {
    if (!peer || !peer->link || peer->link == link || !(peer->flags & TENANT_DIRECT))
        return false;
    return !bpf_map_lookup_elem(&detours, ends);
}

// Neighbours who met by way of the host go on meeting there.
static __always_inline void note_detour(const struct ends *ends) {
    struct ends back = {.from = ends->to, .to = ends->from};
    __u32 one = 1;

    if (bpf_map_lookup_elem(&detours, ends))
        return;
    bpf_map_update_elem(&detours, ends, &one, BPF_ANY);
    bpf_map_update_elem(&detours, &back, &one, BPF_ANY);
}

// From the container: with its own address, and to whom it may talk.
static __always_inline int judge_sent(struct __sk_buff *skb) {
    struct ends ends = {};
    // Read once: the verifier takes no address into a context.
    __u32 link = *(const volatile __u32 *)&skb->ifindex;
    enum packet packet = read_ends(skb, &ends);

    if (packet == PACKET_ARP)
        return PACKET_PASS;
    if (packet == PACKET_OTHER)
        return drop_packet(&ends, link, DROP_SHAPE);
    const struct tenant *tenant = bpf_map_lookup_elem(&tenants, &ends.from);
    if (!tenant || tenant->link != link)
        return stays_on_link(&ends) ? PACKET_PASS : drop_packet(&ends, link, DROP_SOURCE);
    const struct tenant *peer = bpf_map_lookup_elem(&tenants, &ends.to);
    if (!may_talk(tenant, peer, &ends.to))
        return drop_packet(&ends, link, DROP_GROUPS);
    return is_next_door(peer, &ends, link) ? bpf_redirect_peer(peer->link, 0) : PACKET_PASS;
}

// To the container: from whom it may hear. One that is not told of is in the default group,
// and what is for nobody's address, as multicasts of the host are, is nobody's secret.
static __always_inline int judge_received(struct __sk_buff *skb) {
    struct ends ends = {};

    if (read_ends(skb, &ends) != PACKET_IP)
        return PACKET_PASS;
    const struct tenant *tenant = bpf_map_lookup_elem(&tenants, &ends.to);
    const struct tenant *peer = bpf_map_lookup_elem(&tenants, &ends.from);
    if (tenant && tenant->link && peer && peer->link)
        note_detour(&ends);
    bool allowed =
        tenant ? may_talk(tenant, peer, &ends.from) : !peer || may_talk(peer, tenant, &ends.to);
    return allowed ? PACKET_PASS : drop_packet(&ends, skb->ifindex, DROP_GROUPS);
}

#endif
