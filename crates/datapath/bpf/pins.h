// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
//
// What a socket remembers, and the counting of open connections.
//
// A pin is counted when it is made, so that connections which are still being
// opened are load too, and given back exactly once: whoever exchanges `counted`
// for 0 does it, be it close(), another connect() or the connection's end.

#ifndef SEALANE_PINS_H
#define SEALANE_PINS_H

#include <stdbool.h>

#include "address.h"
#include "choose.h"
#include "learn.h"
#include "maps.h"

// Takes what a pin counts for. Most pins are new, and reading is much cheaper than
// exchanging.
static __always_inline struct load *uncount(struct pin *pin) {
    if (!pin->counted || !__sync_lock_test_and_set(&pin->counted, 0))
        return NULL;
    __u32 id = pin->backend;
    return bpf_map_lookup_elem(&load, &id);
}

// For pins of UDP, which wait for no answer.
static __always_inline void settle_flow(struct pin *pin) {
    struct load *entry = uncount(pin);

    if (entry)
        __sync_fetch_and_add(&entry->ended, 1);
}

// Nobody waits for an answer any more; `error` is why there was none, 0 that the
// client wanted it so.
static __always_inline void settle_with(struct pin *pin, int error, __u64 now) {
    struct load *entry = uncount(pin);

    if (!entry)
        return;
    if (pin->state != PIN_ANSWERED)
        learn_failed(pin, error, now);
    __sync_fetch_and_add(&entry->ended, 1);
}

// `state` is the socket's: what was never answered ended by the client's own will if it
// was being opened, and was never sent if it was not. Not inlined, as programs have 512
// bytes of stack.
static __noinline void settle(struct pin *pin, __u32 state) {
    bool unsent = learns && state == TCP_CLOSE && pin->state == PIN_ASKED;

    settle_with(pin, unsent ? ENETUNREACH : 0, unsent ? bpf_ktime_get_coarse_ns() : 0);
}

static __always_inline void release(struct pin *pin, __u32 state) {
    settle(pin, state);
    pin->peer_port = 0;
}

static __always_inline struct berth *berth_of(__u64 cookie) {
    __u32 index = cookie & ((1U << BERTH_BITS) - 1);

    return bpf_map_lookup_elem(&berths, &index);
}

// What a connected socket remembers.
static __always_inline struct pin *find_pin(void *sk, __u64 cookie) {
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

// Whoever turns the cookie into this ends the pin; close() and the connection's end may
// come at the same time, and the late one must not end the next owner's.
#define BERTH_ENDING (1ULL << 63)

static __always_inline bool may_end(struct berth *berth, __u64 cookie) {
    __u64 ending = cookie | BERTH_ENDING;

    return berth && berth->cookie == cookie &&
           __sync_val_compare_and_swap(&berth->cookie, cookie, ending) == cookie;
}

static __always_inline void vacate(struct berth *berth) {
    berth->pin.peer_port = 0;
    __sync_lock_test_and_set(&berth->cookie, 0);
}

// The socket is being closed by its owner. Its berth is the next one's from here on.
static __always_inline void end_pin(struct bpf_sock *sk, __u64 cookie) {
    struct berth *berth = berth_of(cookie);

    if (may_end(berth, cookie)) {
        settle(&berth->pin, sk->state);
        vacate(berth);
        return;
    }
    struct pin *pin = bpf_sk_storage_get(&sockets, sk, 0, 0);
    if (pin)
        release(pin, sk->state);
}

// The connection has ended while its owner may keep the socket: it was refused, reset
// or disconnected, or belongs to the kernel (a subflow of multipath TCP).
static __always_inline void end_closed(struct sock *sk, __u64 cookie, int error, __u64 now) {
    struct berth *berth = berth_of(cookie);

    if (may_end(berth, cookie)) {
        settle_with(&berth->pin, error, now);
        vacate(berth);
        return;
    }
    struct pin *pin = bpf_sk_storage_get(&sockets, sk, 0, 0);
    if (pin) {
        settle_with(pin, error, now);
        pin->peer_port = 0;
    }
}

static __always_inline void fill(struct pin *pin, const struct endpoint *vip,
                                 const struct choice *choice, const struct endpoint *peer,
                                 const struct client *client, bool answers) {
    if (answers)
        settle(pin, TCP_CLOSE);
    else
        settle_flow(pin);
    __u32 id = choice->id;
    struct load *entry = bpf_map_lookup_elem(&load, &id);

    pin->vip = vip->address;
    pin->vip_port = vip->port;
    pin->peer = peer->address;
    pin->peer_port = peer->port;
    pin->backend = id;
    pin->identity = (__u32)choice->backend->identity;
    pin->netns = (__u32)client->netns;
    pin->state = answers ? PIN_ASKED : PIN_ANSWERED;
    if (!entry)
        return;
    __sync_fetch_and_add(&entry->begun, 1);
    if (!answers)
        __sync_fetch_and_add(&entry->answered, 1);
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

    return backend && (__u32)backend->identity == pin->identity && backend->flags & BACKEND_LIVE;
}

static __always_inline void stray_key(struct stray_key *key, __u64 cookie,
                                      const struct address *peer, __be16 port) {
    key->cookie = cookie;
    key->peer = *peer;
    key->peer_port = port;
}

// Makes room for a pin, and keeps what the replies to the old one need. Not inlined,
// as programs have 512 bytes of stack.
static __noinline void make_stray(struct flows *of, struct pin *pin, __u64 cookie) {
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

static __always_inline void release_flow(struct pin *pin) {
    settle_flow(pin);
    pin->peer_port = 0;
}

static __always_inline void release_flows(struct flows *of) {
    for (int i = 0; i < FLOW_PINS; i++)
        release_flow(&of->pins[i]);
}

// The socket is about to send to an address itself: what comes from there is no
// longer a VIP's reply.
static __noinline void forget_flow(struct flows *of, __u64 cookie, const struct endpoint *to) {
    for (int i = 0; i < FLOW_PINS; i++)
        if (pin_is_from(&of->pins[i], to))
            release_flow(&of->pins[i]);
    if (of->strayed) {
        struct stray_key key = {};

        stray_key(&key, cookie, &to->address, to->port);
        bpf_map_delete_elem(&strays, &key);
    }
}

#endif
