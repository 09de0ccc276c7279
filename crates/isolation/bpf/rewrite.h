// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
//
// One address for another, checksums included.

#ifndef SEALANE_ISOLATION_REWRITE_H
#define SEALANE_ISOLATION_REWRITE_H

#include "packet.h"

#define TCP_CHECKSUM 16
#define UDP_CHECKSUM 6
#define SOURCE offsetof(struct iphdr, saddr)
#define DESTINATION offsetof(struct iphdr, daddr)

// Replaces an address of the first header. The sums of TCP and UDP cover it; a packet
// whose sum the device is to complete bears that of the addresses alone, which the flag
// makes the kernel mind. Fragments after the first have no sum.
static __always_inline bool replace(struct __sk_buff *skb, const struct packet *packet, __u32 field,
                                    __be32 from, __be32 to) {
    __u64 flags = BPF_F_PSEUDO_HDR | sizeof(to);
    long failed = 0;

    if (!is_later_fragment(&packet->ip)) {
        if (packet->ip.protocol == IPPROTO_TCP)
            failed = bpf_l4_csum_replace(skb, packet->payload + TCP_CHECKSUM, from, to, flags);
        else if (packet->ip.protocol == IPPROTO_UDP)
            failed = bpf_l4_csum_replace(skb, packet->payload + UDP_CHECKSUM, from, to,
                                         flags | BPF_F_MARK_MANGLED_0);
    }
    if (failed ||
        bpf_l3_csum_replace(skb, ETH_HLEN + offsetof(struct iphdr, check), from, to, sizeof(to)))
        return false;
    return !bpf_skb_store_bytes(skb, ETH_HLEN + field, &to, sizeof(to), 0);
}

// Replaces the source address of the packet that an ICMP error is about. The error's own
// sum covers the inner header: its address, and its sum, which changes the opposite way,
// so that the two cancel each other out.
static __always_inline bool replace_inner(struct __sk_buff *skb, const struct packet *outer,
                                          __be32 from, __be32 to) {
    __u32 inner = outer->payload + ICMP_HEADER;

    return !bpf_l3_csum_replace(skb, inner + offsetof(struct iphdr, check), from, to, sizeof(to)) &&
           !bpf_skb_store_bytes(skb, inner + SOURCE, &to, sizeof(to), 0);
}

#endif
