// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
//
// What became of connects, from what the kernel does with their sockets.
//
// The kernel's tracepoints tell when a socket leaves SYN_SENT and when a SYN is sent
// again. They are called for all sockets of the host, which costs those that do not
// concern us a comparison. The time of day and the handshake's round trip are in the
// socket already, so that no clock is read.
//
// A refusal, an unanswered SYN and an address without a route speak against the
// backend. A client that gives up, or has no port left, does not.

#ifndef SEALANE_LEARN_H
#define SEALANE_LEARN_H

#include "load.h"

#define TCP_ESTABLISHED 1
#define TCP_SYN_SENT 2
#define TCP_SYN_RECV 3
#define TCP_TIME_WAIT 6
#define TCP_CLOSE 7
#define TCP_NEW_SYN_RECV 12

// errno.h of the C library is not for this target.
#define ENETUNREACH 101
#define ETIMEDOUT 110
#define ECONNREFUSED 111
#define EHOSTUNREACH 113

// Whoever makes a pin answered counts it.
static __always_inline bool answer(struct pin *pin, struct load *entry) {
    if (__sync_lock_test_and_set(&pin->state, PIN_ANSWERED) == PIN_ANSWERED)
        return false;
    __sync_fetch_and_add(&entry->answered, 1);
    return true;
}

static __always_inline void learn_established(struct pin *pin, __u64 micros, __u64 now) {
    __u32 id = pin->backend;
    struct load *entry = bpf_map_lookup_elem(&load, &id);

    if (!entry || !answer(pin, entry))
        return;
    note_success(entry);
    note_time(entry, micros * 1000, now);
    count_time(id, micros);
}

// A SYN was sent again. Whether it was lost or nobody is there, the connect takes a
// second already; if it succeeds in the end, that counts as well.
static __always_inline void learn_late(struct pin *pin, __u64 now) {
    __u32 id = pin->backend;
    struct load *entry = bpf_map_lookup_elem(&load, &id);

    if (!entry || __sync_val_compare_and_swap(&pin->state, PIN_ASKED, PIN_LATE) != PIN_ASKED)
        return;
    __sync_fetch_and_add(&entry->unanswered, 1);
    note_failure(entry, id, now);
}

static __always_inline void learn_failed(struct pin *pin, int error, __u64 now) {
    __u32 id = pin->backend;
    struct load *entry = bpf_map_lookup_elem(&load, &id);
    bool late = pin->state == PIN_LATE;

    if (!entry || !answer(pin, entry))
        return;
    if (error == ECONNREFUSED)
        __sync_fetch_and_add(&entry->refused, 1);
    else if (error == EHOSTUNREACH || error == ENETUNREACH)
        __sync_fetch_and_add(&entry->unroutable, 1);
    else if (error == ETIMEDOUT && !late)
        __sync_fetch_and_add(&entry->unanswered, 1);
    else if (error != ETIMEDOUT)
        __sync_fetch_and_add(&entry->aborted, 1);
    bool ours = error != ECONNREFUSED && error != EHOSTUNREACH && error != ENETUNREACH &&
                error != ETIMEDOUT;
    // One connect is one failure.
    if (!ours && !late)
        note_failure(entry, id, now);
}

#endif
