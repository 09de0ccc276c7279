// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
//
// Numbers that a client and a backend share.

#ifndef SEALANE_HASH_H
#define SEALANE_HASH_H

#include <linux/types.h>

#define HASH_FACTOR 0x9e3779b97f4a7c15ULL

// Every bit of the input changes half of those of the result.
static __always_inline __u64 mix(__u64 word) {
    word ^= word >> 32;
    word *= HASH_FACTOR;
    word ^= word >> 29;
    word *= HASH_FACTOR;
    return word ^ word >> 32;
}

// log2 of a number from 1 to 2^32 - 1, in units of 2^-31, wrong by 0.0005 at most, and by
// less than a hundredth of what is missing to 32: numbers near 2^32 decide.
static __always_inline __u64 log2_of(__u32 number) {
    __u32 whole = 0;

    for (int step = 16; step; step >>= 1)
        if (number >> step >> whole)
            whole += step;
    // The binary digits behind the first, as a fraction f of 2^31, and
    // log2(1 + f) ≈ f + f (1 - f) (0.4427 - 0.2472 f + 0.0832 f²).
    __u64 fraction = ((__u64)number << 31 >> whole) & 0x7fffffff;
    __u64 coarse = fraction >> 15;
    __u64 factor = 29013 - (16200 * coarse >> 16) + (5453 * (coarse * coarse >> 16) >> 16);
    __u64 bow = fraction * ((1ULL << 31) - fraction) >> 31;
    return ((__u64)whole << 31) + fraction + (bow * factor >> 16);
}

// -log2 of a number between 0 and 1 made from `word`. Of such numbers divided by
// weights, the least belongs to each with a probability in proportion to its weight.
static __always_inline __u64 hash_score(__u64 word) {
    __u32 number = mix(word) >> 32;

    return (32ULL << 31) - log2_of(number | 1);
}

#endif
