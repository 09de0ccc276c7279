// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
//
// Reading packets, and whose their ports are.

#ifndef SEALANE_ISOLATION_PACKET_H
#define SEALANE_ISOLATION_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "maps.h"

// The kernel gives the loopback interface this index in every namespace.
#define LOOPBACK 1

// ICMP's header and kinds: linux/icmp.h would want the C library's headers.
#define ICMP_HEADER 8
#define ICMP_ECHOREPLY 0
#define ICMP_DEST_UNREACH 3
#define ICMP_ECHO 8
#define ICMP_TIME_EXCEEDED 11
#define ICMP_PARAMETERPROB 12

#define FRAGMENT_OFFSET 0x1fff
#define MORE_FRAGMENTS 0x2000
#define DO_NOT_FRAGMENT 0x4000

// What the first eight bytes after the IP header say.
struct transport {
    __be16 from;
    __be16 to;
    __u8 type; // of ICMP
    __be16 id;
    __be16 sequence;
};

// A packet, or the one that an ICMP error is about.
struct packet {
    struct iphdr ip;
    __u32 payload; // offset of what follows the IP header
    struct transport head;
};

static __always_inline bool is_local(__be32 address) {
    return (bpf_ntohl(address) >> 24) == 127;
}

// The host, as a task may call it.
static __always_inline bool is_host(__be32 address) {
    return address == host_address || is_local(address);
}

// To many: multicast, reserved, and the broadcast of this link; or to no one (0.0.0.0/8).
static __always_inline bool is_no_one(__be32 address) {
    __u32 first = bpf_ntohl(address) >> 24;

    return first >= 224 || first == 0;
}

static __always_inline bool has_ports(__u8 protocol) {
    return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP;
}

// The link of the task that has a port; 0 if none has.
static __always_inline __u32 owner(__u8 protocol, __be16 port) {
    __u32 half = protocol == IPPROTO_UDP ? HALF_UDP : HALF_TCP;
    __u32 key = half * PORTS + bpf_ntohs(port);
    __u32 *link = bpf_map_lookup_elem(&ports, &key);

    return link ? *link : 0;
}

static __always_inline bool is_later_fragment(const struct iphdr *ip) {
    return ip->frag_off & bpf_htons(FRAGMENT_OFFSET);
}

static __always_inline bool is_first_fragment(const struct iphdr *ip) {
    return (ip->frag_off & bpf_htons(FRAGMENT_OFFSET | MORE_FRAGMENTS)) ==
           bpf_htons(MORE_FRAGMENTS);
}

static __always_inline bool is_error(__u8 type) {
    return type == ICMP_DEST_UNREACH || type == ICMP_TIME_EXCEEDED || type == ICMP_PARAMETERPROB;
}

// Most headers lie where programs can read them; any other is copied by the kernel.
static __always_inline bool read_bytes(struct __sk_buff *skb, __u32 offset, void *to, __u32 size) {
    const char *start = (const char *)(long)skb->data + offset;

    if (start + size > (const char *)(long)skb->data_end)
        return !bpf_skb_load_bytes(skb, offset, to, size);
    __builtin_memcpy(to, start, size);
    return true;
}

static __always_inline bool is_sound(struct packet *packet, __u32 offset) {
    packet->payload = offset + packet->ip.ihl * 4;
    return packet->ip.version == 4 && packet->ip.ihl >= 5;
}

static __always_inline bool read_ip(struct __sk_buff *skb, struct packet *packet) {
    return read_bytes(skb, ETH_HLEN, &packet->ip, sizeof(packet->ip)) && is_sound(packet, ETH_HLEN);
}

// Reads what follows the IP header. False if it is cut off or of no protocol that
// concerns us.
static __always_inline bool read_head(struct __sk_buff *skb, struct packet *packet) {
    struct transport *head = &packet->head;
    __be16 bytes[4];

    __builtin_memset(head, 0, sizeof(*head));
    if (!has_ports(packet->ip.protocol) && packet->ip.protocol != IPPROTO_ICMP)
        return false;
    // Nearly all headers have the least length.
    if (packet->payload == ETH_HLEN + sizeof(struct iphdr)) {
        if (!read_bytes(skb, ETH_HLEN + sizeof(struct iphdr), bytes, sizeof(bytes)))
            return false;
    } else if (bpf_skb_load_bytes(skb, packet->payload, bytes, sizeof(bytes))) {
        return false;
    }
    if (has_ports(packet->ip.protocol)) {
        head->from = bytes[0];
        head->to = bytes[1];
    } else {
        head->type = bpf_ntohs(bytes[0]) >> 8;
        head->id = bytes[2];
        head->sequence = bytes[3];
    }
    return true;
}

// Reads the packet that an ICMP error is about.
static __always_inline bool read_inner(struct __sk_buff *skb, const struct packet *outer,
                                       struct packet *inner) {
    __u32 offset = outer->payload + ICMP_HEADER;

    return !bpf_skb_load_bytes(skb, offset, &inner->ip, sizeof(inner->ip)) &&
           is_sound(inner, offset) && !is_later_fragment(&inner->ip) && read_head(skb, inner);
}

static __always_inline struct fragment fragment_key(const struct iphdr *ip, __u32 link) {
    struct fragment key = {
        .from = ip->saddr,
        .to = ip->daddr,
        .link = link,
        .id = ip->id,
        .protocol = ip->protocol,
    };

    return key;
}

// To the namespace of a task.
static __always_inline int to_task(struct __sk_buff *skb, __u32 link) {
    const struct task *task = bpf_map_lookup_elem(&tasks, &link);

    if (!task || bpf_skb_store_bytes(skb, offsetof(struct ethhdr, h_dest), task->mac, ETH_ALEN, 0))
        return TC_ACT_SHOT;
    return bpf_redirect(link, 0);
}

#endif
