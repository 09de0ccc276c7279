// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
//
// The logic of the programs outside of the kernel: compiled as ordinary C, over maps
// that are memory, where time passes when a case says so. What the kernel itself does
// with the programs is shown by tests/root.
//
// Without a word it lists its cases, with one it runs the case of that name.
// tests/outside.rs compiles it, and runs each in a process of its own.

#include "fakes.h"

#include "stage.h"

#include "affinity.h"
#include "averages.h"
#include "clients.h"
#include "counts.h"
#include "draws.h"
#include "ejection.h"
#include "hashing.h"
#include "keeping_apart.h"
#include "ranks.h"
#include "threads.h"
#include "trials.h"
#include "warming.h"

int main(int count, char **words) {
    make_maps();
    learns = true;
    the_time = START;
    the_netns = host_netns = 4711;
    random_state = 0x5ea1a4e;
    return run_cases(count, words);
}
