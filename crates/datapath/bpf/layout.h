// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
//
// What the maps hold. This file is the single truth: src/layout.rs repeats it
// for the loader, and a test compares both sides, field by field, through BTF.
//
// Addresses are IPv6-shaped, IPv4 as ::ffff:a.b.c.d, so that one code path serves
// both families. Addresses and ports are in network byte order, all else in the
// host's. Raise LAYOUT_VERSION with every change: the loader then makes new maps
// instead of adopting pinned ones.

#ifndef SEALANE_LAYOUT_H
#define SEALANE_LAYOUT_H

#include <linux/types.h>

#define LAYOUT_VERSION 2

// Id 0 of services and of backends is never given out. Service 0 counts the
// refusals at ports that no service has.
#define NONE 0

struct address {
    __be32 word[4];
};

// `filter`: array of 64-bit words; a bit is set for every address that `vips` has,
// so that any other destination ends after one load. The bit's number is the top
// bits of a product. A bit too many costs a look into `vips`, no more.
#define FILTER_BITS 18
#define FILTER_FACTOR 0x9e3779b1U

// `vips`: key. The entry {address, port 0, protocol 0} marks an address as
// allocated: its ports are refused unless they have entries of their own.
struct vip_key {
    struct address address;
    __be16 port;
    __u8 protocol;
    __u8 spare;
};

// `vips`: value. A deleted element's memory may be given to another key while a
// program still holds it, so readers compare the key in `services` as well.
struct vip {
    __u32 service;
    __u32 spare;
};

// `services`: array by service id.
//
// `slice` is first | ready << 24 | draining << 44: `ready` slots begin at
// `first`, `draining` ones follow. It is one word so that one store replaces all
// backends of a service at once.
struct service {
    struct vip_key key;
    __u8 policy;
    __u8 spare[3];
    __u64 slice;
    __u64 refused;
    __u64 room[3];
};

#define SLICE_FIRST_BITS 24
#define SLICE_COUNT_BITS 20

enum policy {
    POLICY_LEAST_LOADED = 0,
    POLICY_RANDOM = 1,
};

// `slots`: array; an entry of Walker's alias table. A draw takes `backend` when
// its fraction is at most `threshold`, else `alias`; both are backend ids.
struct slot {
    __u32 backend;
    __u32 alias;
    __u32 threshold;
    __u32 spare;
};

// `backends`: array by backend id, written by the loader only. An id belongs to
// one service, and addresses never change under it. Port 0 means no address.
struct backend {
    struct address near;
    struct address far;
    __be16 near_port;
    __be16 far_port;
    __u32 weight;
    __u64 network; // where `near` is valid; 0 is nowhere but in the host
    __u64 identity;
    __u32 service;
    __u16 flags;
    __u16 zone;
};

enum backend_flags {
    BACKEND_LIVE = 1,     // part of its service; flows pinned to others choose again
    BACKEND_DRAINING = 2, // for those who read the maps; choosing goes by the slice
};

// `load`: array by backend id, written by programs only; one cache line each.
// Connections and pinned flows. What is open is the difference: two counters that
// only grow cost one addition at each end.
struct load {
    __u64 begun;
    __u64 ended;
    __u64 room[6];
};

// `places`: network namespace cookie -> networks joined there; 0 is an empty slot.
#define PLACE_NETWORKS 4

struct place {
    __u64 networks[PLACE_NETWORKS];
};

// A decision, from VIP to backend. It outlives the connection, so that whoever reads
// it compares `peer` with the socket's. Connected sockets have theirs in `berths`, or
// in `sockets`, which is socket storage, where their berth is taken.
struct pin {
    struct address vip;
    struct address peer;
    __be16 vip_port;
    __be16 peer_port; // 0: nothing is decided
    __u32 backend;
    __u64 identity; // the backend's, since ids are used again
    __u32 counted;  // 1 while it has begun and not ended; taken by exchange
    __u32 spare;
};

// `berths`: array by the low bits of a socket's cookie. Making socket storage takes
// several times as long as all else that connect() does here. Cookies are given out
// in sequence, so that few sockets meet in a berth.
#define BERTH_BITS 15

struct berth {
    __u64 cookie; // whose it is; 0 is nobody's
    struct pin pin;
};

// `flows`: socket storage; what an unconnected UDP socket sends to.
#define FLOW_PINS 4

struct flows {
    struct pin pins[FLOW_PINS];
    __u32 latest;  // index of the pin that was sent through last
    __u32 strayed; // 1 once a pin had to leave for `strays`
};

// `strays`: LRU; replies to flows that lost their pin to a newer one.
struct stray_key {
    __u64 cookie;
    struct address peer;
    __be16 peer_port;
    __u16 spare[3];
};

struct stray {
    struct address vip;
    __be16 vip_port;
    __u16 spare;
};

// `meta`: array of one.
struct meta {
    __u32 version;
    __u32 spare;
};

#define SIZED(type, size) _Static_assert(sizeof(struct type) == (size), #type)
SIZED(vip_key, 20);
SIZED(vip, 8);
SIZED(service, 64);
SIZED(slot, 16);
SIZED(backend, 64);
SIZED(load, 64);
SIZED(place, 32);
SIZED(pin, 56);
SIZED(berth, 64);
SIZED(flows, 232);
SIZED(stray_key, 32);
SIZED(stray, 20);
#undef SIZED

#endif
