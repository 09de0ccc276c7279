// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
//
// Telling a watching person what was decided: a sample, and no more than is paid for.
//
// The loader puts so many events on account a second. With nothing on account, which
// is nearly always, this costs one load.

#ifndef SEALANE_TRACE_H
#define SEALANE_TRACE_H

#include "choose.h"

static __always_inline void tell(__u8 protocol, __u32 service, const struct endpoint *vip,
                                 const struct client *client, const struct choice *choice,
                                 const struct endpoint *peer) {
    __u32 only = 0;
    struct control *account = bpf_map_lookup_elem(&control, &only);

    if (!account || account->trace <= 0)
        return;
    if (account->every > 1 && bpf_get_prandom_u32() % account->every)
        return;
    if (__sync_fetch_and_add(&account->trace, -1) <= 0)
        return;
    struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
    if (!event)
        return;
    __builtin_memset(event, 0, sizeof(*event));
    event->kind = EVENT_DECISION;
    event->time = bpf_ktime_get_ns();
    event->netns = client->netns;
    event->cgroup = bpf_get_current_cgroup_id();
    event->vip = vip->address;
    event->vip_port = vip->port;
    event->peer = peer->address;
    event->peer_port = peer->port;
    event->protocol = protocol;
    event->how = choice->how;
    event->service = service;
    event->backend = choice->id;
    event->identity = choice->backend ? choice->backend->identity : 0;
    event->pid = bpf_get_current_pid_tgid() >> 32;
    bpf_get_current_comm(event->comm, sizeof(event->comm));
    bpf_ringbuf_submit(event, 0);
}

#endif
