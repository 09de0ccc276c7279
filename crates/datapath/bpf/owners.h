// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
//
// Who may bind which port.
//
// A task on the host's network, or with its address, shares all ports with everybody
// there. Its cgroup is told with the ports that it was given; all others are refused when it
// asks for them, not when somebody else wants them. Port 0 is the kernel's choice, and
// always allowed.

#ifndef SEALANE_OWNERS_H
#define SEALANE_OWNERS_H

#include <stdbool.h>

#include "address.h"
#include "client.h"
#include "maps.h"
#include "translate.h"

#define SOCK_STREAM 1
#define SOCK_DGRAM 2
#define IPPROTO_UDPLITE 136

// Each cgroup's refusals are told once a second at most, so that nobody floods the ring.
#define TELL_EVERY SECOND

// Nobody pays for this while nobody's ports are told.
static __always_inline bool owners_are_set(void) {
    __u32 only = 0;
    const struct control *entry = bpf_map_lookup_elem(&control, &only);

    return entry && entry->owners;
}

// 0 for sockets whose ports nobody owns, such as those that ping. Multipath TCP has TCP's.
static __always_inline __u8 owned_protocol(__u32 type, __u32 protocol) {
    if (type == SOCK_STREAM)
        return IPPROTO_TCP;
    if (type == SOCK_DGRAM && (protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE))
        return IPPROTO_UDP;
    return 0;
}

static __always_inline void tell_denied(struct owner *owner, __u64 cgroup, __u8 protocol,
                                        const struct endpoint *wanted) {
    __u64 now = bpf_ktime_get_ns();
    __u64 told = owner->told;

    __sync_fetch_and_add(&owner->denied, 1);
    if (now - told < TELL_EVERY || __sync_val_compare_and_swap(&owner->told, told, now) != told)
        return;
    struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
    if (!event)
        return;
    __builtin_memset(event, 0, sizeof(*event));
    event->kind = EVENT_DENIED;
    event->time = now;
    event->cgroup = cgroup;
    event->peer = wanted->address;
    event->peer_port = wanted->port;
    event->protocol = protocol;
    event->pid = bpf_get_current_pid_tgid() >> 32;
    bpf_get_current_comm(event->comm, sizeof(event->comm));
    bpf_ringbuf_submit(event, 0);
}

// Every cgroup above the process that is told with its ports must have this one.
static __always_inline bool may_bind(struct bpf_sock_addr *ctx, const struct endpoint *wanted) {
    __u8 protocol = owned_protocol(ctx->type, ctx->protocol);

    if (!protocol)
        return true;
    bool on_host = bpf_get_netns_cookie(ctx) == host_netns;
    for (int level = 0; level < CGROUP_LEVELS; level++) {
        struct owner_key key = {.cgroup = bpf_get_current_ancestor_cgroup_id(level)};
        if (!key.cgroup)
            return true;
        struct owner *owner = bpf_map_lookup_elem(&owners, &key);
        if (!owner)
            continue;
        // In a namespace of its own a task takes nothing from anybody, unless it shares the
        // host's address there.
        if (!on_host) {
            key.protocol = IPPROTO_TCP;
            if (!bpf_map_lookup_elem(&owners, &key))
                continue;
        }
        key.port = wanted->port;
        key.protocol = protocol;
        if (bpf_map_lookup_elem(&owners, &key))
            continue;
        tell_denied(owner, key.cgroup, protocol, wanted);
        return false;
    }
    return true;
}

#endif
