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

#define LAYOUT_VERSION 5

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
// `slice` is first | ready << 24 | rest << 44: `ready` slots begin at `first`, those
// of an alias table, and `rest` follow, for when none of these can be used: backends
// that are ready but not preferred here, and draining ones. It is one word so that
// one store replaces all backends of a service at once.
struct service {
    struct vip_key key;
    __u8 policy;
    __u8 max_ejected; // percent of those that are not draining
    __u16 failures;   // in a row, for ejection; 0 is never
    __u64 slice;
    __u64 refused;
    __u32 affinity;   // seconds; 0 is none
    __u32 slow_start; // in ticks; 0 is none
    __u8 close;       // for the loader's memory
    __u8 spare[7];
    __u64 room;
};

#define SLICE_FIRST_BITS 24
#define SLICE_COUNT_BITS 20

// A tick is 2^20 ns, about a millisecond.
#define TICK_SHIFT 20

enum policy {
    POLICY_LEAST_LOADED = 0,
    POLICY_RANDOM = 1,
    POLICY_HASH = 2,
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
    __u16 weight;
    __u16 flags;
    __u64 network; // where `near` is valid; 0 is nowhere but in the host
    __u64 identity;
    __u32 service;
    __u32 since; // tick of its first being ready; means something while it warms up
};

enum backend_flags {
    BACKEND_LIVE = 1,      // part of its service; flows pinned to others choose again
    BACKEND_DRAINING = 2,  // only when no other can be used
    BACKEND_WARMING = 4,   // within its service's slow start
    BACKEND_CONDEMNED = 8, // gone, and the sockets connected to it are to be ended
};

// `ejections` of a load: how many in a row; whether the last of them began with a trial; and the
// second when it began.
#define EJECTIONS_ROW 0x7f
#define EJECTIONS_TRIAL 0x80
#define EJECTIONS_SECOND_SHIFT 8

// `load`: array by backend id; one cache line each. Written by programs; the loader
// clears it for a new backend, and ejects or readmits as its probes tell.
//
// Connections and pinned flows: what is open is the difference of `begun` and
// `ended`, what is being opened that of `begun` and `answered`. Counters that only
// grow cost one addition at each end.
struct load {
    __u64 begun;
    __u64 ended;
    __u64 ejected_until; // nanoseconds of the monotonic clock; 0 is not ejected
    __u64 stamp;         // of the last answer, to about a tick
    __u32 answered;      // modulo 2^32: established, failed or given up
    __u32 ewma;          // nanoseconds of a handshake: at once up, slowly down
    __s32 failing;       // failed connects in a row; below 0 is credit from a probe
    __u32 ejections;     // bits as above
    __u32 refused;
    __u32 unanswered;
    __u32 unroutable;
    __u32 aborted;
};

// `times`: array by backend id; how many handshakes took up to 2^7 µs, 2^9, ... 2^19,
// and longer.
#define TIME_BUCKETS 8
#define TIME_FIRST_BITS 7
#define TIME_STEP_BITS 2

struct times {
    __u32 buckets[TIME_BUCKETS];
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
    __u32 identity; // low half of the backend's, since ids are used again
    __u32 netns;    // low half of the client's namespace cookie, for sweeps
    __u32 counted;  // 1 while it has begun and not ended; taken by exchange
    __u32 state;    // enum pin_state
};

// What became of a TCP connect. Others count as answered from the beginning.
enum pin_state {
    PIN_ASKED = 0,
    PIN_LATE = 1, // a SYN had to be sent again
    PIN_ANSWERED = 2,
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
    __u32 latest;  // index of the pin that was sent through last; FLOW_PINS is the
                   // connection's own
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

// `affinity`: LRU; the backend that a client's namespace stays with.
struct affinity_key {
    __u64 netns;
    __u32 service;
    __u32 spare;
};

struct affinity {
    __u64 identity;
    __u64 last; // nanoseconds of the monotonic clock
    __u32 backend;
    __u32 spare;
};

// `exempt`: cgroup id -> 1; processes there and below see VIPs untranslated.

// `control`: array of one; written by the loader, `trace` by both.
struct control {
    __u32 exempt; // how many cgroups are
    __s32 trace;  // how many more decisions may be told
    __u32 every;  // one of so many is
    __u32 owners; // how many cgroups may bind their own ports only
};

// `tenants`: address -> the container that has it. Groups are digests of their names, so
// that they mean the same in every map and after every restart.
#define TENANT_GROUPS 16
#define DEFAULT_GROUP 1ULL

struct tenant {
    __u64 groups[TENANT_GROUPS]; // `count` of them
    __u32 link;                  // host-side link on this node that leads there; 0 is none
    __u16 count;                 // 0: not told yet; shares no group with anybody
    __u16 flags;
};

enum tenant_flags {
    TENANT_OPEN = 1,   // a node's own: may talk to everybody
    TENANT_DIRECT = 2, // neighbours' packets need not go through its link's queue
};

// `detours`: LRU; addresses of neighbours whose packets go by way of the host -> 1. Both
// orders of a pair are there.
struct ends {
    struct address from;
    struct address to;
};

// `realms`: trie of the virtual networks' subnets -> 1. An address of theirs that
// `tenants` does not have is in the default group; any other is outside.
struct realm_key {
    __u32 bits;
    struct address address;
};

// `drops`: LRU for each processor; the pairs of addresses whose packets were dropped.
struct drop_key {
    struct address from;
    struct address to;
    __u32 link;
    __u32 reason;
};

struct drop {
    __u64 packets;
    __u64 last; // nanoseconds of the monotonic clock
};

// `dropped`: array for each processor; how many packets, by reason.
enum drop_reason {
    DROP_GROUPS = 0, // no group in common
    DROP_SOURCE = 1, // sent with an address that is not the container's own
    DROP_SHAPE = 2,  // neither IP nor ARP, or cut short
    DROP_REASONS = 3,
};

// `owners`: {cgroup, port 0, protocol 0} says that processes there and below may bind only
// the ports of their protocols for which there are entries as well, in the host's namespace;
// with {cgroup, port 0, TCP} in every other one, too.
struct owner_key {
    __u64 cgroup;
    __be16 port;
    __u8 protocol;
    __u8 spare[5];
};

// What was refused; in the cgroup's own entry.
struct owner {
    __u64 denied;
    __u64 told; // when an event was last told; nanoseconds of the monotonic clock
};

// `events`: ring buffer of these.
enum event_kind {
    EVENT_EJECTED = 1,
    EVENT_DECISION = 2,
    EVENT_DENIED = 3, // a bind: `peer` is what was asked for, `cgroup` whose entry denies it
};

struct event {
    __u64 time; // monotonic, nanoseconds
    __u64 netns;
    __u64 cgroup;
    __u64 identity; // the backend's; 0 is a refusal
    struct address vip;
    struct address peer;
    __be16 vip_port;
    __be16 peer_port;
    __u8 kind;
    __u8 protocol;
    __u8 how; // enum how
    __u8 spare;
    __u32 service;
    __u32 backend;
    __u32 pid;
    __u32 spare_too;
    char comm[16];
};

// How a backend was chosen.
enum how {
    HOW_NOT = 0,
    HOW_ONLY = 1,    // there is one
    HOW_DRAWN = 2,   // one draw
    HOW_LIGHTER = 3, // the better of two draws
    HOW_HASH = 4,
    HOW_AFFINITY = 5,
    HOW_TRIAL = 6,    // ejected, and its time is over
    HOW_FALLBACK = 7, // those drawn could not be used
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
SIZED(times, 32);
SIZED(place, 32);
SIZED(pin, 56);
SIZED(berth, 64);
SIZED(flows, 232);
SIZED(stray_key, 32);
SIZED(stray, 20);
SIZED(affinity_key, 16);
SIZED(affinity, 24);
SIZED(control, 16);
SIZED(event, 104);
SIZED(tenant, 136);
SIZED(realm_key, 20);
SIZED(drop_key, 40);
SIZED(drop, 16);
SIZED(owner_key, 16);
SIZED(owner, 16);
#undef SIZED

#endif
