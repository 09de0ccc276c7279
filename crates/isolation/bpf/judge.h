// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
//
// Where a task's packet goes, and whether it may.

#ifndef SEALANE_ISOLATION_JUDGE_H
#define SEALANE_ISOLATION_JUDGE_H

#include "packet.h"

#define AF_INET 2

// The aliases' net, 169.254.64.0/18.
#define ALIASES 0xa9fe4000
#define ALIASES_MASK 0xffffc000

// A verdict that is no refusal.
#define ALLOWED REFUSALS

// TCP's state of a socket that waits for connections.
#define LISTEN 10

static __always_inline void refuse(__u32 link, __u32 why) {
    struct refusals *found = bpf_map_lookup_elem(&refused, &link);

    if (found && why < REFUSALS)
        __sync_fetch_and_add(&found->packets[why], 1);
}

// Whether a packet answers somebody on the host who spoke to the task first: then it must
// reach them from the very address that they spoke to. Everything else comes from an alias.
// For TCP the kernel knows: a socket that has this packet's two ends. A socket for
// datagrams need not have a peer, so these are remembered.
static __always_inline bool is_answer(struct __sk_buff *skb, const struct packet *packet) {
    if (packet->ip.protocol == IPPROTO_UDP) {
        struct asking key = {
            .host = packet->ip.daddr,
            .task = packet->ip.saddr,
            .host_port = packet->head.to,
            .task_port = packet->head.from,
        };
        return bpf_map_lookup_elem(&askings, &key);
    }
    struct bpf_sock_tuple ends = {};
    ends.ipv4.saddr = packet->ip.saddr;
    ends.ipv4.daddr = packet->ip.daddr;
    ends.ipv4.sport = packet->head.from;
    ends.ipv4.dport = packet->head.to;
    struct bpf_sock *sock =
        bpf_skc_lookup_tcp(skb, &ends, sizeof(ends.ipv4), BPF_F_CURRENT_NETNS, 0);
    if (!sock)
        return false;
    bool connected = sock->state != LISTEN;
    bpf_sk_release(sock);
    return connected;
}

// Local addresses beside 127.0.0.1 are those of resolvers and the like, which answer nobody
// but local addresses, and whose ports nobody translates.
static __always_inline bool is_secluded(const struct packet *packet) {
    return is_local(packet->ip.saddr) && is_local(packet->ip.daddr) &&
           packet->ip.daddr != bpf_htonl(INADDR_LOOPBACK);
}

static __always_inline __u32 judge_ports(struct __sk_buff *skb, const struct packet *packet,
                                         struct course *course) {
    if (owner(packet->ip.protocol, packet->head.from) != skb->ifindex)
        return REFUSED_PORT;
    if (course->way != WAY_HOST)
        return ALLOWED;
    if (is_host(packet->ip.daddr))
        course->link = owner(packet->ip.protocol, packet->head.to);
    if (course->link)
        course->way = WAY_TASK;
    else if (is_secluded(packet) || is_answer(skb, packet))
        course->way = WAY_ASKER;
    return ALLOWED;
}

// A task may ask for echoes, and tell that a port of its own is closed or a packet too old.
static __always_inline __u32 judge_icmp(struct __sk_buff *skb, const struct packet *packet,
                                        struct course *course) {
    if (packet->head.type == ICMP_ECHO) {
        struct echo key = {
            .peer = packet->ip.daddr,
            .id = packet->head.id,
            .sequence = packet->head.sequence,
        };
        __u32 link = skb->ifindex;
        // The host's own answers go to the alias.
        if (course->way == WAY_OUT)
            bpf_map_update_elem(&echoes, &key, &link, BPF_ANY);
        return ALLOWED;
    }
    struct packet inner;
    if (!is_error(packet->head.type) || !read_inner(skb, packet, &inner) ||
        !has_ports(inner.ip.protocol) || !is_host(inner.ip.daddr) ||
        inner.ip.saddr != packet->ip.daddr ||
        owner(inner.ip.protocol, inner.head.to) != skb->ifindex)
        return REFUSED_ICMP;
    if (course->way != WAY_HOST)
        return ALLOWED;
    if (is_host(packet->ip.daddr))
        course->link = owner(inner.ip.protocol, inner.head.from);
    course->way = course->link ? WAY_TASK : WAY_ASKER;
    return ALLOWED;
}

static __always_inline __u32 judge_addresses(const struct iphdr *ip) {
    if (!is_host(ip->saddr) || (is_local(ip->saddr) && !is_host(ip->daddr)))
        return REFUSED_ADDRESS;
    if (is_no_one(ip->daddr) || (bpf_ntohl(ip->daddr) & ALIASES_MASK) == ALIASES)
        return REFUSED_DESTINATION;
    return ALLOWED;
}

// Judges a packet of a task. The course's way says already whether it is for the host.
static __always_inline __u32 judge(struct __sk_buff *skb, struct packet *packet,
                                   struct course *course) {
    struct fragment key = fragment_key(&packet->ip, skb->ifindex);
    __u32 verdict;

    if (is_later_fragment(&packet->ip)) {
        const struct course *first = bpf_map_lookup_elem(&fragments, &key);
        if (!first)
            return REFUSED_FRAGMENT;
        *course = *first;
        return ALLOWED;
    }
    if (!has_ports(packet->ip.protocol) && packet->ip.protocol != IPPROTO_ICMP)
        return REFUSED_PROTOCOL;
    if (!read_head(skb, packet))
        return REFUSED_FRAGMENT;
    if (packet->ip.protocol == IPPROTO_ICMP)
        verdict = judge_icmp(skb, packet, course);
    else
        verdict = judge_ports(skb, packet, course);
    if (verdict == ALLOWED && is_first_fragment(&packet->ip))
        bpf_map_update_elem(&fragments, &key, course, BPF_ANY);
    return verdict;
}

#endif
