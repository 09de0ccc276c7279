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

#define LAYOUT_VERSION 1

// Id 0 of services and of backends is never given out. Service 0 counts the
// refusals at ports that no service has.
#define NONE 0

struct address {
    __be32 word[4];
};

// `vips`: key. The entry {address, port 0, protocol 0} marks an address as
// allocated, and is what every other destination misses.
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
struct load {
    __u32 open; // connections that are open or being opened, and pinned flows
    __u32 streak;
    __u64 total;
    __u64 failed; // TCP connects that ended before they were established
    __u64 latency;
    __u64 ejected_until;
    __u64 room[3];
};

// `places`: network namespace cookie -> networks joined there; 0 is an empty slot.
#define PLACE_NETWORKS 4

struct place {
    __u64 networks[PLACE_NETWORKS];
};

// `sockets`: socket storage; a decision, from VIP to backend. It outlives the
// connection, so that whoever reads it compares `peer` with the socket's.
struct pin {
    struct address vip;
    struct address peer;
    __be16 vip_port;
    __be16 peer_port; // 0: nothing is decided
    __u32 backend;
    __u64 identity; // the backend's, since ids are used again
    __u64 started;  // monotonic nanoseconds
    __u32 counted;  // 1 while it is part of the backend's `open`; taken by exchange
    __u32 spare;
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
SIZED(pin, 64);
SIZED(flows, 264);
SIZED(stray_key, 32);
SIZED(stray, 20);
#undef SIZED

#endif
