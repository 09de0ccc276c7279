// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
//
// The steps that the hooks are made of: from a VIP to a backend, and back.

#ifndef SEALANE_TRANSLATE_H
#define SEALANE_TRANSLATE_H

#include <stdbool.h>

#include "choose.h"
#include "cookie.h"
#include "pins.h"
#include "trace.h"
#include "vips.h"

#define IPPROTO_TCP 6
#define IPPROTO_UDP 17

// errno.h of the C library is not for this target.
#define ENOMEM 12
#define EACCES 13

#define ALLOW 1
#define DENY 0

// Denying alone would be EPERM, which users read as a firewall.
static __always_inline int refuse(int error) {
    bpf_set_retval(-error);
    return DENY;
}

// A question and its answer, in memory that the verifier can follow from one function
// to another.
struct decision {
    struct endpoint vip;
    struct endpoint peer; // the backend's address for this client; port 0 is none
    __u32 service;        // none is a refusal
    __u32 backend;
    __u64 netns;
};

// A function of its own, so that the verifier walks through it once and not at the end
// of each path that leads here, which took a second for all hooks.
__noinline int decide_apart(struct bpf_sock_addr *ctx, struct decision *decision) {
    struct client client = {};
    struct choice choice = {};

    if (!decision)
        return 0;
    struct found found = {.id = decision->service};
    if (found.id != NONE)
        found.service = bpf_map_lookup_elem(&services, &found.id);
    locate(ctx, &decision->vip.address, &client);
    if (found.service)
        choose(&choice, &found, &client);
    if (choice.backend)
        decision->peer = reach(choice.backend, &client);
    if (!decision->peer.port)
        count_refusal(found.service);
    decision->backend = choice.id;
    decision->netns = client.netns;
    tell(ctx->protocol, found.id, &decision->vip, &client, &choice, &decision->peer);
    return 0;
}

// Chooses a backend for `decision->vip`.
static __always_inline void decide(struct bpf_sock_addr *ctx, struct decision *decision,
                                   const struct found *found, struct choice *choice) {
    decision->service = found->id;
    decide_apart(ctx, decision);
    choice->id = decision->backend;
    choice->backend = bpf_map_lookup_elem(&backends, &choice->id);
}

static __always_inline void remember(struct pin *pin, const struct decision *decision,
                                     const struct choice *choice, bool answers) {
    const struct client client = {.netns = decision->netns};

    fill(pin, &decision->vip, choice, &decision->peer, &client, answers);
}

static __always_inline void forget_flows(struct bpf_sock *sk, __u32 protocol) {
    if (protocol != IPPROTO_UDP)
        return;
    struct flows *of = bpf_sk_storage_get(&flows, sk, 0, 0);
    if (of)
        release_flows(of);
}

static __always_inline int connect_elsewhere(struct bpf_sock_addr *ctx) {
    struct bpf_sock *sk = ctx->sk;
    __u64 cookie = cookie_at_call(ctx);

    if (!cookie)
        return ALLOW;
    struct pin *pin = find_pin(sk, cookie);
    if (pin)
        release(pin, TCP_CLOSE);
    forget_flows(sk, ctx->protocol);
    return ALLOW;
}

// connect(): an allowed one replaces what the socket remembered, a refused one
// leaves it, since the socket then stays connected to what it was.
static __always_inline int connect_to(struct bpf_sock_addr *ctx, struct decision *decision) {
    const struct endpoint *to = &decision->vip;
    struct bpf_sock *sk = ctx->sk;
    struct choice choice = {};

    if (!may_be_vip(&to->address))
        return connect_elsewhere(ctx);
    struct found found = find_service(to, ctx->protocol);
    if ((!found.service && !is_vip(to)) || is_exempt())
        return connect_elsewhere(ctx);
    decide(ctx, decision, &found, &choice);
    if (!choice.backend || !decision->peer.port)
        return refuse(ECONNREFUSED);
    struct pin *pin = make_pin(sk, bpf_get_socket_cookie(ctx));
    if (!pin) {
        decision->peer.port = 0;
        return refuse(ENOMEM);
    }
    remember(pin, decision, &choice, ctx->protocol == IPPROTO_TCP);
    forget_flows(sk, ctx->protocol);
    return ALLOW;
}

// The pin that a datagram for this VIP goes by: its own, or the next to replace.
static __always_inline __u32 flow_for(const struct flows *of, const struct endpoint *to) {
    for (__u32 i = 0; i < FLOW_PINS; i++)
        if (pin_is_to(&of->pins[i], to))
            return i;
    for (__u32 i = 0; i < FLOW_PINS; i++)
        if (!of->pins[i].peer_port)
            return i;
    return (of->latest + 1) % FLOW_PINS;
}

// Whether the socket is connected, through that VIP. Storage alone does not tell:
// connect(AF_UNSPEC) runs no hook.
static __always_inline bool connected_through(struct bpf_sock *sk, const struct pin *pin,
                                              const struct endpoint *vip) {
    return pin && sk->dst_port && pin_is_to(pin, vip);
}

static __always_inline int send_flow(struct bpf_sock_addr *ctx, const struct found *found,
                                     struct decision *decision) {
    const struct endpoint *to = &decision->vip;
    struct flows *of = bpf_sk_storage_get(&flows, ctx->sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
    if (!of)
        return refuse(ENOMEM);
    __u32 index = flow_for(of, to);
    if (index >= FLOW_PINS)
        return refuse(ENOMEM);
    struct pin *pin = &of->pins[index];

    if (pin_is_to(pin, to) && pin_holds(pin)) {
        decision->peer.address = pin->peer;
        decision->peer.port = pin->peer_port;
    } else {
        struct choice choice = {};
        if (!pin_is_to(pin, to))
            make_stray(of, pin, bpf_get_socket_cookie(ctx));
        decide(ctx, decision, found, &choice);
        if (!choice.backend || !decision->peer.port)
            return refuse(ECONNREFUSED);
        remember(pin, decision, &choice, false);
    }
    of->latest = index;
    return ALLOW;
}

static __always_inline int send_elsewhere(struct bpf_sock_addr *ctx, const struct endpoint *to) {
    struct flows *of = bpf_sk_storage_get(&flows, ctx->sk, 0, 0);

    if (of)
        forget_flow(of, bpf_get_socket_cookie(ctx), to);
    return ALLOW;
}

// sendto() and sendmsg() with an address, on UDP.
static __always_inline int send_to(struct bpf_sock_addr *ctx, struct decision *decision) {
    const struct endpoint *to = &decision->vip;
    struct bpf_sock *sk = ctx->sk;

    if (!may_be_vip(&to->address))
        return send_elsewhere(ctx, to);
    struct found found = find_service(to, IPPROTO_UDP);
    if ((!found.service && !is_vip(to)) || is_exempt())
        return send_elsewhere(ctx, to);
    struct pin *pin = find_pin(sk, bpf_get_socket_cookie(ctx));
    if (pin && connected_through(sk, pin, to)) {
        struct flows *of = bpf_sk_storage_get(&flows, sk, 0, 0);
        if (of)
            of->latest = FLOW_PINS;
        decision->peer.address = pin->peer;
        decision->peer.port = pin->peer_port;
        return ALLOW;
    }
    return send_flow(ctx, &found, decision);
}

// What a socket connected to `peer` was connected to; false if to that itself.
static __always_inline bool connected_vip(struct bpf_sock_addr *ctx, const struct endpoint *peer,
                                          struct endpoint *vip) {
    struct bpf_sock *sk = ctx->sk;

    if (!sk->dst_port)
        return false;
    // accept() asks as well, and its sockets have nothing to find.
    __u64 cookie = cookie_at_call(ctx);
    const struct pin *pin = cookie ? find_pin(sk, cookie) : NULL;
    if (!pin || !pin_is_from(pin, peer))
        return false;
    vip->address = pin->vip;
    vip->port = pin->vip_port;
    return true;
}

static __always_inline bool flow_vip(const struct flows *of, __u64 cookie,
                                     const struct endpoint *peer, struct endpoint *vip) {
    // Two VIPs may share a backend; the one sent to last is the likelier sender.
    for (__u32 i = 0; i < FLOW_PINS; i++) {
        __u32 index = (of->latest + i) % FLOW_PINS;
        const struct pin *pin = &of->pins[index];
        if (!pin_is_from(pin, peer))
            continue;
        vip->address = pin->vip;
        vip->port = pin->vip_port;
        return true;
    }
    if (!of->strayed)
        return false;
    struct stray_key key = {};
    stray_key(&key, cookie, &peer->address, peer->port);
    const struct stray *stray = bpf_map_lookup_elem(&strays, &key);
    if (!stray)
        return false;
    vip->address = stray->vip;
    vip->port = stray->vip_port;
    return true;
}

// The VIP that a datagram from `peer` answers for.
static __always_inline bool sender_vip(struct bpf_sock_addr *ctx, const struct endpoint *peer,
                                       struct endpoint *vip) {
    const struct flows *of = bpf_sk_storage_get(&flows, ctx->sk, 0, 0);

    if (of && of->latest == FLOW_PINS && connected_vip(ctx, peer, vip))
        return true;
    if (of && flow_vip(of, bpf_get_socket_cookie(ctx), peer, vip))
        return true;
    return connected_vip(ctx, peer, vip);
}

#endif
