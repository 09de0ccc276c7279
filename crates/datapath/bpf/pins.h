// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
//
// What a socket remembers, and the counting of open connections.
//
// A pin is counted when it is made, so that connections which are still being
// opened are load too, and given back exactly once: whoever exchanges `counted`
// for 0 does it, be it close() or another connect(). A refusal or a reset does not:
// hearing of them would cost every connection of the host several calls.

#ifndef SEALANE_PINS_H
#define SEALANE_PINS_H

#include <stdbool.h>

#include "address.h"
#include "maps.h"

static __always_inline void settle(struct pin *pin) {
    // Most pins are new, and reading is much cheaper than exchanging.
    if (!pin->counted || !__sync_lock_test_and_set(&pin->counted, 0))
        return;
    __u32 id = pin->backend;
    struct load *use = bpf_map_lookup_elem(&load, &id);
    if (use)
        __sync_fetch_and_add(&use->ended, 1);
}

static __always_inline void release(struct pin *pin) {
    settle(pin);
    pin->peer_port = 0;
}

static __always_inline struct berth *berth_of(__u64 cookie) {
    __u32 index = cookie & ((1U << BERTH_BITS) - 1);

    return bpf_map_lookup_elem(&berths, &index);
}

// What a connected socket remembers.
static __always_inline struct pin *find_pin(struct bpf_sock *sk, __u64 cookie) {
    struct berth *berth = berth_of(cookie);

    if (berth && berth->cookie == cookie)
        return &berth->pin;
    return bpf_sk_storage_get(&sockets, sk, 0, 0);
}

static __always_inline struct pin *make_pin(struct bpf_sock *sk, __u64 cookie) {
    struct pin *pin = find_pin(sk, cookie);

    if (pin)
        return pin;
    struct berth *berth = berth_of(cookie);
    if (berth && !berth->cookie && !__sync_val_compare_and_swap(&berth->cookie, 0, cookie))
        return &berth->pin;
    return bpf_sk_storage_get(&sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
}

// The socket is closed. Its berth is the next one's from here on.
static __always_inline void end_pin(struct bpf_sock *sk, __u64 cookie) {
    struct berth *berth = berth_of(cookie);

    if (berth && berth->cookie == cookie) {
        release(&berth->pin);
        __sync_lock_test_and_set(&berth->cookie, 0);
        return;
    }
    struct pin *pin = bpf_sk_storage_get(&sockets, sk, 0, 0);
    if (pin)
        release(pin);
}

static __always_inline void fill(struct pin *pin, const struct endpoint *vip, __u32 id,
                                 const struct backend *backend, const struct endpoint *peer) {
    settle(pin);
    pin->vip = vip->address;
    pin->vip_port = vip->port;
    pin->peer = peer->address;
    pin->peer_port = peer->port;
    pin->backend = id;
    pin->identity = backend->identity;
    struct load *use = bpf_map_lookup_elem(&load, &id);
    if (!use)
        return;
    __sync_fetch_and_add(&use->begun, 1);
    pin->counted = 1;
}

static __always_inline bool pin_is_to(const struct pin *pin, const struct endpoint *vip) {
    return pin->peer_port && pin->vip_port == vip->port && same_address(&pin->vip, &vip->address);
}

static __always_inline bool pin_is_from(const struct pin *pin, const struct endpoint *peer) {
    return peer->port && pin->peer_port == peer->port && same_address(&pin->peer, &peer->address);
}

// Whether the pinned backend is still part of its service.
static __always_inline bool pin_holds(const struct pin *pin) {
    __u32 id = pin->backend;
    const struct backend *backend = bpf_map_lookup_elem(&backends, &id);

    return backend && backend->identity == pin->identity && backend->flags & BACKEND_LIVE;
}

static __always_inline void stray_key(struct stray_key *key, __u64 cookie,
                                      const struct address *peer, __be16 port) {
    key->cookie = cookie;
    key->peer = *peer;
    key->peer_port = port;
}

// Makes room for a pin, and keeps what the replies to the old one need.
static __always_inline void make_stray(struct flows *of, struct pin *pin, __u64 cookie) {
    struct stray_key key = {};
    struct stray stray = {};

    if (!pin->peer_port)
        return;
    stray_key(&key, cookie, &pin->peer, pin->peer_port);
    stray.vip = pin->vip;
    stray.vip_port = pin->vip_port;
    bpf_map_update_elem(&strays, &key, &stray, BPF_ANY);
    of->strayed = 1;
}

static __always_inline void release_flows(struct flows *of) {
    for (int i = 0; i < FLOW_PINS; i++)
        release(&of->pins[i]);
}

// The socket is about to send to an address itself: what comes from there is no
// longer a VIP's reply.
static __always_inline void forget_flow(struct flows *of, __u64 cookie, const struct endpoint *to) {
    for (int i = 0; i < FLOW_PINS; i++)
        if (pin_is_from(&of->pins[i], to))
            release(&of->pins[i]);
    if (of->strayed) {
        struct stray_key key = {};

        stray_key(&key, cookie, &to->address, to->port);
        bpf_map_delete_elem(&strays, &key);
    }
}

#endif
