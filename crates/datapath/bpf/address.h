// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
//
// Addresses: comparing them, and IPv4 in the shape of IPv6.

#ifndef SEALANE_ADDRESS_H
#define SEALANE_ADDRESS_H

#include <stdbool.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

#include "layout.h"

#define MAPPED_PREFIX bpf_htonl(0x0000ffff)

struct endpoint {
    struct address address;
    __be16 port;
};

static __always_inline bool same_address(const struct address *a, const struct address *b) {
    return a->word[3] == b->word[3] && a->word[2] == b->word[2] && a->word[1] == b->word[1] &&
           a->word[0] == b->word[0];
}

static __always_inline bool is_ipv4(const struct address *a) {
    return a->word[2] == MAPPED_PREFIX && a->word[1] == 0 && a->word[0] == 0;
}

static __always_inline void read_ipv4(const struct bpf_sock_addr *ctx, struct endpoint *to) {
    to->address.word[0] = 0;
    to->address.word[1] = 0;
    to->address.word[2] = MAPPED_PREFIX;
    to->address.word[3] = ctx->user_ip4;
    to->port = (__be16)ctx->user_port;
}

static __always_inline void read_ipv6(const struct bpf_sock_addr *ctx, struct endpoint *to) {
    to->address.word[0] = ctx->user_ip6[0];
    to->address.word[1] = ctx->user_ip6[1];
    to->address.word[2] = ctx->user_ip6[2];
    to->address.word[3] = ctx->user_ip6[3];
    to->port = (__be16)ctx->user_port;
}

static __always_inline void write_ipv4(struct bpf_sock_addr *ctx, const struct address *address,
                                       __be16 port) {
    ctx->user_ip4 = address->word[3];
    ctx->user_port = port;
}

static __always_inline void write_ipv6(struct bpf_sock_addr *ctx, const struct address *address,
                                       __be16 port) {
    ctx->user_ip6[0] = address->word[0];
    ctx->user_ip6[1] = address->word[1];
    ctx->user_ip6[2] = address->word[2];
    ctx->user_ip6[3] = address->word[3];
    ctx->user_port = port;
}

#endif
