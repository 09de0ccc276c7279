// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
//
// The kernel's own structures, as far as they are read here. The loader finds where
// the running kernel has these fields, so that no kernel's headers are needed.

#ifndef SEALANE_KERNEL_H
#define SEALANE_KERNEL_H

#include <linux/types.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct in6_addr {
    union {
        __be32 u6_addr32[4];
    } in6_u;
};

struct sock_common {
    __be32 skc_daddr;
    __be16 skc_dport;
    unsigned short skc_family;
    volatile unsigned char skc_state;
    struct in6_addr skc_v6_daddr;
    struct {
        __s64 counter;
    } skc_cookie;
};

struct sock {
    struct sock_common __sk_common;
    int sk_err;
};

struct tcp_sock {
    __u32 srtt_us; // eight times the smoothed round trip
    __u64 tcp_mstamp;
};

struct udp_sock;

struct seq_file;

struct bpf_iter_meta {
    struct seq_file *seq;
};

struct bpf_iter__tcp {
    struct bpf_iter_meta *meta;
    struct sock_common *sk_common;
};

struct bpf_iter__udp {
    struct bpf_iter_meta *meta;
    struct udp_sock *udp_sk;
};

#pragma clang attribute pop

#endif
