// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
//
// The hooks. connect() to a VIP becomes connect() to one of its backends, so
// nothing runs per packet and nothing sits between client and backend; what the
// application asks about its peer is answered with the VIP. Only containers of virtual
// networks have programs on their links, which keep groups apart.
//
//   layout.h     what the maps hold
//   client.h     where a client stands
//   load.h       what is known of a backend
//   choose.h     which backend
//   learn.h      what became of connects
//   cookie.h     who a socket is, without asking
//   pins.h       what a socket remembers, and the count of open connections
//   trace.h      telling what was decided
//   translate.h  the steps of the hooks below
//   sweep.h      ending sockets whose backend is gone
//   owners.h     who may bind which port
//   groups.h     which containers may talk to each other
//   build.h      which build this is
//
// Needs Linux 6.1 for bpf_set_retval() in these hooks; `doctor` tries it.

#include "build.h"
#include "groups.h"
#include "owners.h"
#include "sweep.h"
#include "translate.h"

char LICENSE[] SEC("license") = "GPL";

SEC("cgroup/connect4")
int sl_connect4(struct bpf_sock_addr *ctx) {
    struct decision decision = {};

    mark_build();
    if (ctx->protocol != IPPROTO_TCP && ctx->protocol != IPPROTO_UDP)
        return ALLOW;
    read_ipv4(ctx, &decision.vip);
    int verdict = connect_to(ctx, &decision);
    if (decision.peer.port)
        write_ipv4(ctx, &decision.peer.address, decision.peer.port);
    return verdict;
}

SEC("cgroup/sendmsg4")
int sl_sendmsg4(struct bpf_sock_addr *ctx) {
    struct decision decision = {};

    mark_build();
    read_ipv4(ctx, &decision.vip);
    int verdict = send_to(ctx, &decision);
    if (decision.peer.port)
        write_ipv4(ctx, &decision.peer.address, decision.peer.port);
    return verdict;
}

SEC("cgroup/recvmsg4")
int sl_recvmsg4(struct bpf_sock_addr *ctx) {
    struct endpoint peer = {};
    struct endpoint vip = {};

    mark_build();
    read_ipv4(ctx, &peer);
    if (sender_vip(ctx, &peer, &vip))
        write_ipv4(ctx, &vip.address, vip.port);
    return ALLOW;
}

SEC("cgroup/getpeername4")
int sl_getpeername4(struct bpf_sock_addr *ctx) {
    struct endpoint peer = {};
    struct endpoint vip = {};

    mark_build();
    read_ipv4(ctx, &peer);
    if (connected_vip(ctx, &peer, &vip))
        write_ipv4(ctx, &vip.address, vip.port);
    return ALLOW;
}

SEC("cgroup/connect6")
int sl_connect6(struct bpf_sock_addr *ctx) {
    struct decision decision = {};

    mark_build();
    if (ctx->protocol != IPPROTO_TCP && ctx->protocol != IPPROTO_UDP)
        return ALLOW;
    read_ipv6(ctx, &decision.vip);
    int verdict = connect_to(ctx, &decision);
    if (decision.peer.port)
        write_ipv6(ctx, &decision.peer.address, decision.peer.port);
    return verdict;
}

SEC("cgroup/sendmsg6")
int sl_sendmsg6(struct bpf_sock_addr *ctx) {
    struct decision decision = {};

    mark_build();
    read_ipv6(ctx, &decision.vip);
    int verdict = send_to(ctx, &decision);
    if (decision.peer.port)
        write_ipv6(ctx, &decision.peer.address, decision.peer.port);
    return verdict;
}

SEC("cgroup/recvmsg6")
int sl_recvmsg6(struct bpf_sock_addr *ctx) {
    struct endpoint peer = {};
    struct endpoint vip = {};

    mark_build();
    read_ipv6(ctx, &peer);
    if (sender_vip(ctx, &peer, &vip))
        write_ipv6(ctx, &vip.address, vip.port);
    return ALLOW;
}

SEC("cgroup/getpeername6")
int sl_getpeername6(struct bpf_sock_addr *ctx) {
    struct endpoint peer = {};
    struct endpoint vip = {};

    mark_build();
    read_ipv6(ctx, &peer);
    if (connected_vip(ctx, &peer, &vip))
        write_ipv6(ctx, &vip.address, vip.port);
    return ALLOW;
}

SEC("cgroup/bind4")
int sl_bind4(struct bpf_sock_addr *ctx) {
    struct endpoint wanted = {};

    mark_build();
    if (!ctx->user_port || !owners_are_set())
        return ALLOW;
    read_ipv4(ctx, &wanted);
    return may_bind(ctx, &wanted) ? ALLOW : refuse(EACCES);
}

SEC("cgroup/bind6")
int sl_bind6(struct bpf_sock_addr *ctx) {
    struct endpoint wanted = {};

    mark_build();
    if (!ctx->user_port || !owners_are_set())
        return ALLOW;
    read_ipv6(ctx, &wanted);
    return may_bind(ctx, &wanted) ? ALLOW : refuse(EACCES);
}

// Packets that a container sends.
SEC("tc")
int sl_from(struct __sk_buff *skb) {
    mark_build();
    return judge_sent(skb);
}

// Packets that a container is about to get.
SEC("tc")
int sl_to(struct __sk_buff *skb) {
    mark_build();
    return judge_received(skb);
}

SEC("cgroup/sock_release")
int sl_sock_release(struct bpf_sock *sk) {
    __u64 cookie = cookie_at_release(sk);

    mark_build();
    if (!cookie)
        return ALLOW;
    end_pin(sk, cookie);
    forget_flows(sk, sk->protocol);
    return ALLOW;
}

SEC("tp_btf/inet_sock_set_state")
int sl_state(__u64 *ctx) {
    struct sock *sk = (struct sock *)ctx[0];
    int before = (int)ctx[1];
    int after = (int)ctx[2];

    mark_build();
    if (before != TCP_SYN_SENT && after != TCP_CLOSE)
        return 0;
    __u64 cookie = sk->__sk_common.skc_cookie.counter;
    struct pin *pin = cookie ? find_pin(sk, cookie) : NULL;
    const struct tcp_sock *tcp = pin ? bpf_skc_to_tcp_sock(sk) : NULL;
    if (!tcp)
        return 0;
    __u64 now = tcp->tcp_mstamp * 1000;
    if (after != TCP_CLOSE)
        learn_established(pin, tcp->srtt_us >> 3, now);
    else
        end_closed(sk, cookie, before == TCP_SYN_SENT ? sk->sk_err : 0, now);
    return 0;
}

SEC("tp_btf/tcp_retransmit_skb")
int sl_retransmit(__u64 *ctx) {
    struct sock *sk = (struct sock *)ctx[0];

    mark_build();
    if (sk->__sk_common.skc_state != TCP_SYN_SENT)
        return 0;
    __u64 cookie = sk->__sk_common.skc_cookie.counter;
    struct pin *pin = cookie ? find_pin(sk, cookie) : NULL;
    const struct tcp_sock *tcp = pin ? bpf_skc_to_tcp_sock(sk) : NULL;
    if (tcp)
        learn_late(pin, tcp->tcp_mstamp * 1000);
    return 0;
}

SEC("iter/tcp")
int sl_sweep_tcp(struct bpf_iter__tcp *ctx) {
    struct sock_common *sock = ctx->sk_common;

    mark_build();
    // These two are no whole sockets and remember nothing.
    if (sock && sock->skc_state != TCP_TIME_WAIT && sock->skc_state != TCP_NEW_SYN_RECV)
        sweep(ctx->meta->seq, sock);
    return 0;
}

SEC("iter/udp")
int sl_sweep_udp(struct bpf_iter__udp *ctx) {
    struct sock_common *sock = (struct sock_common *)ctx->udp_sk;

    mark_build();
    if (sock)
        sweep(ctx->meta->seq, sock);
    return 0;
}
