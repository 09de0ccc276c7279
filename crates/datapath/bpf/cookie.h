// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
//
// Sockets by their cookies.
//
// A socket gets its cookie when somebody asks first, which costs more than all else
// that happens to a socket which has nothing to do with VIPs. So those are told by
// having none yet: what a socket remembers, it has asked for its cookie to find.

#ifndef SEALANE_COOKIE_H
#define SEALANE_COOKIE_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#include "kernel.h"

// The cookie of a socket in the hook of a call; 0 is none yet. Only TCP sockets can be
// looked into without asking; any other is given one.
static __always_inline __u64 cookie_at_call(struct bpf_sock_addr *ctx) {
    struct bpf_sock *sk = ctx->sk;
    const struct sock *tcp = (const struct sock *)bpf_skc_to_tcp_sock(sk);

    return tcp ? (__u64)tcp->__sk_common.skc_cookie.counter : bpf_get_socket_cookie(ctx);
}

// The cookie of a socket that is being closed; 0 is none. In this hook, what the
// program is given is the kernel's socket itself.
static __always_inline __u64 cookie_at_release(struct bpf_sock *sk) {
    __u64 cookie = 0;
    __u32 offset = bpf_core_field_offset(struct sock, __sk_common.skc_cookie);

    bpf_probe_read_kernel(&cookie, sizeof(cookie), (const char *)sk + offset);
    return cookie;
}

#endif
