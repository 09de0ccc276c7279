// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
//
// The hooks. connect() to a VIP becomes connect() to one of its backends, so
// nothing runs per packet and nothing sits between client and backend; what the
// application asks about its peer is answered with the VIP.
//
//   layout.h     what the maps hold
//   choose.h     which backend
//   cookie.h     who a socket is, without asking
//   pins.h       what a socket remembers, and the count of open connections
//   translate.h  the steps of the hooks below
//
// Needs Linux 6.1 for bpf_set_retval() in these hooks; `doctor` tries it.

#include "translate.h"

char LICENSE[] SEC("license") = "GPL";

SEC("cgroup/connect4")
int sl_connect4(struct bpf_sock_addr *ctx) {
    struct endpoint to = {};
    struct endpoint peer = {};

    if (ctx->protocol != IPPROTO_TCP && ctx->protocol != IPPROTO_UDP)
        return ALLOW;
    read_ipv4(ctx, &to);
    int verdict = connect_to(ctx, &to, &peer);
    if (peer.port)
        write_ipv4(ctx, &peer.address, peer.port);
    return verdict;
}

SEC("cgroup/sendmsg4")
int sl_sendmsg4(struct bpf_sock_addr *ctx) {
    struct endpoint to = {};
    struct endpoint peer = {};

    read_ipv4(ctx, &to);
    int verdict = send_to(ctx, &to, &peer);
    if (peer.port)
        write_ipv4(ctx, &peer.address, peer.port);
    return verdict;
}

SEC("cgroup/recvmsg4")
int sl_recvmsg4(struct bpf_sock_addr *ctx) {
    struct endpoint peer = {};
    struct endpoint vip = {};

    read_ipv4(ctx, &peer);
    if (sender_vip(ctx, &peer, &vip))
        write_ipv4(ctx, &vip.address, vip.port);
    return ALLOW;
}

SEC("cgroup/getpeername4")
int sl_getpeername4(struct bpf_sock_addr *ctx) {
    struct endpoint peer = {};
    struct endpoint vip = {};

    read_ipv4(ctx, &peer);
    if (connected_vip(ctx, &peer, &vip))
        write_ipv4(ctx, &vip.address, vip.port);
    return ALLOW;
}

SEC("cgroup/sock_release")
int sl_sock_release(struct bpf_sock *sk) {
    __u64 cookie = cookie_at_release(sk);

    if (!cookie)
        return ALLOW;
    end_pin(sk, cookie);
    forget_flows(sk, sk->protocol);
    return ALLOW;
}
