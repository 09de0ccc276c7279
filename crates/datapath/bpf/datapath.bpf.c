// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
//
// The hooks. connect() to a VIP becomes connect() to one of its backends, so
// nothing runs per packet and nothing sits between client and backend; what the
// application asks about its peer is answered with the VIP.
//
//   layout.h     what the maps hold
//   choose.h     which backend
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
    if (connected_vip(ctx->sk, &peer, &vip))
        write_ipv4(ctx, &vip.address, vip.port);
    return ALLOW;
}

SEC("cgroup/sock_release")
int sl_sock_release(struct bpf_sock *sk) {
    struct pin *pin = bpf_sk_storage_get(&sockets, sk, 0, 0);
    struct flows *of = bpf_sk_storage_get(&flows, sk, 0, 0);

    // The addresses stay: a close() that lingers may still ask for them.
    if (pin)
        settle(pin);
    if (of)
        release_flows(of);
    return ALLOW;
}

static __always_inline void tcp_closed(struct bpf_sock_ops *ctx, struct pin *pin) {
    // After close() nothing is counted any more, so that a client which gave up
    // early is no failure of the backend.
    if (ctx->args[0] == BPF_TCP_SYN_SENT && pin->counted) {
        __u32 id = pin->backend;
        struct load *use = bpf_map_lookup_elem(&load, &id);
        if (use)
            __sync_fetch_and_add(&use->failed, 1);
    }
    settle(pin);
}

SEC("sockops")
int sl_sockops(struct bpf_sock_ops *ctx) {
    __u32 op = ctx->op;

    if (op != BPF_SOCK_OPS_TCP_CONNECT_CB && op != BPF_SOCK_OPS_STATE_CB)
        return ALLOW;
    // Read once: the verifier takes each read for another socket.
    struct bpf_sock *sk = ctx->sk;
    if (!sk)
        return ALLOW;
    struct pin *pin = bpf_sk_storage_get(&sockets, sk, 0, 0);
    if (!pin || !pin->peer_port)
        return ALLOW;
    if (op == BPF_SOCK_OPS_TCP_CONNECT_CB)
        bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
    else if (ctx->args[1] == BPF_TCP_CLOSE)
        tcp_closed(ctx, pin);
    return ALLOW;
}
