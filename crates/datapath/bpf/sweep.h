// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
//
// Ending the sockets that lead to backends which are gone.
//
// A program is called for every socket of a namespace and ends those, and only those,
// that were translated to a condemned backend and are still connected to it: a socket
// that dialled the backend itself has no pin, one that has connected elsewhere since
// has another peer, and an unconnected one has none, and chooses anew by itself.
//
// What is swept is open no longer, so that nobody looks for it again, however long
// its owner keeps it.

#ifndef SEALANE_SWEEP_H
#define SEALANE_SWEEP_H

#include "cookie.h"
#include "pins.h"

#define AF_INET 2
#define AF_INET6 10

extern int bpf_sock_destroy(struct sock_common *sock) __ksym __weak;

static __always_inline void read_peer(const struct sock_common *sock, struct endpoint *peer) {
    if (sock->skc_family == AF_INET6) {
        for (int i = 0; i < 4; i++)
            peer->address.word[i] = sock->skc_v6_daddr.in6_u.u6_addr32[i];
    } else {
        peer->address.word[2] = MAPPED_PREFIX;
        peer->address.word[3] = sock->skc_daddr;
    }
    peer->port = sock->skc_dport;
}

static __always_inline bool is_condemned(const struct pin *pin) {
    __u32 id = pin->backend;
    const struct backend *backend = bpf_map_lookup_elem(&backends, &id);

    return backend && (__u32)backend->identity == pin->identity &&
           backend->flags & BACKEND_CONDEMNED;
}

static __always_inline void end(struct seq_file *seq, struct sock_common *sock, __u64 cookie) {
    struct pin *pin = find_pin(sock, cookie);
    struct endpoint peer = {};

    if (!pin)
        return;
    read_peer(sock, &peer);
    if (!pin_is_from(pin, &peer) || !is_condemned(pin) || bpf_sock_destroy(sock))
        return;
    settle_with(pin, 0, 0);
    // What the reader counts.
    bpf_seq_write(seq, &cookie, sizeof(cookie));
}

// What an unconnected socket sends next goes to another backend whatever this does;
// until then it would count. Its pins stay, since an answer may still be on its way.
static __always_inline void let_go(struct sock_common *sock) {
    struct flows *of = bpf_sk_storage_get(&flows, sock, 0, 0);

    if (!of)
        return;
    for (int i = 0; i < FLOW_PINS; i++)
        if (of->pins[i].counted && is_condemned(&of->pins[i]))
            settle_flow(&of->pins[i]);
}

static __always_inline void sweep(struct seq_file *seq, struct sock_common *sock) {
    __u64 cookie = sock->skc_cookie.counter;

    if (!cookie)
        return;
    if (sock->skc_dport)
        end(seq, sock, cookie);
    else if (sock->skc_state == TCP_CLOSE) // and not one that listens
        let_go(sock);
}

#endif
