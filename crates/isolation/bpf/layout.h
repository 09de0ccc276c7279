// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
//
// What the maps hold. src/layout.rs has the same in Rust.

#ifndef SEALANE_ISOLATION_LAYOUT_H
#define SEALANE_ISOLATION_LAYOUT_H

#include <linux/types.h>

#define PORTS 65536

// Which half of `ports` a protocol has.
enum half {
    HALF_TCP,
    HALF_UDP,
    HALVES,
};

// An isolated task, known by its link on the host.
struct task {
    __u8 mac[6]; // of the end in its namespace
    __u8 unused[2];
    __be32 alias;       // what the host's stack sees instead of the host's address
    __be32 alias_local; // and instead of 127.0.0.1
};

// Why a packet of a task was dropped.
enum refusal {
    REFUSED_ADDRESS,     // it bore an address that is not the host's
    REFUSED_PORT,        // it came from a port that is not the task's
    REFUSED_PROTOCOL,    // neither TCP nor UDP nor ICMP
    REFUSED_ICMP,        // a kind of ICMP that is not for tasks
    REFUSED_DESTINATION, // to many, or to what stands for a task
    REFUSED_FRAGMENT,    // its first fragment is not known, or its headers are cut off
    REFUSALS,
};

struct refusals {
    __u64 packets[REFUSALS];
};

// Where a packet goes.
enum way {
    WAY_NONE,
    WAY_TASK,  // to an isolated task's link
    WAY_HOST,  // to the host's stack, from an alias
    WAY_ASKER, // to the host's stack, as it is: an answer to somebody there
    WAY_OUT,   // to where the host's routes lead
};

struct course {
    __u32 way;
    __u32 link; // of WAY_TASK
};

// Fragments after the first bear no ports.
struct fragment {
    __be32 from;
    __be32 to;
    __u32 link; // the sending task's; 0 for what comes from elsewhere
    __be16 id;
    __u8 protocol;
    __u8 unused;
};

// An echo request of a task to somebody.
struct echo {
    __be32 peer;
    __be16 id;
    __be16 sequence;
};

// Datagrams of the host to a task.
struct asking {
    __be32 host;
    __be32 task;
    __be16 host_port;
    __be16 task_port;
};

#endif
