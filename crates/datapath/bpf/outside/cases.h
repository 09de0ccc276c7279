// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
//
// What cases are made of. Each runs in a process of its own, over empty maps.

#ifndef SEALANE_OUTSIDE_CASES_H
#define SEALANE_OUTSIDE_CASES_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct named {
    const char *name;
    void (*run)(void);
};

static struct named cases[128];
static __u32 case_count;

static inline void add_case(const char *name, void (*run)(void)) {
    if (case_count == sizeof(cases) / sizeof(*cases))
        abort();
    cases[case_count++] = (struct named){name, run};
}

#define CASE(name)                                                                                 \
    static void name(void);                                                                        \
    __attribute__((constructor)) static void add_##name(void) {                                    \
        add_case(#name, name);                                                                     \
    }                                                                                              \
    static void name(void)

#define CHECK(holds)                                                                               \
    do {                                                                                           \
        if (!(holds)) {                                                                            \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #holds);                    \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

#define CHECK_IS(found, wanted)                                                                    \
    do {                                                                                           \
        __u64 found_ = (found), wanted_ = (wanted);                                                \
        if (found_ != wanted_) {                                                                   \
            fprintf(stderr, "%s:%d: %s is %" PRIu64 " instead of %" PRIu64 "\n", __FILE__,         \
                    __LINE__, #found, (uint64_t)found_, (uint64_t)wanted_);                        \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

#define CHECK_WITHIN(found, low, high)                                                             \
    do {                                                                                           \
        double found_ = (found), low_ = (low), high_ = (high);                                     \
        if (!(found_ >= low_ && found_ <= high_)) {                                                \
            fprintf(stderr, "%s:%d: %s is %g, outside of %g to %g\n", __FILE__, __LINE__, #found,  \
                    found_, low_, high_);                                                          \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

// Lists the cases, or runs the one that is named.
static inline int run_cases(int count, char **words) {
    for (__u32 i = 0; i < case_count; i++) {
        if (count < 2)
            puts(cases[i].name);
        else if (!strcmp(cases[i].name, words[1])) {
            cases[i].run();
            return 0;
        }
    }
    return count < 2 ? 0 : 2;
}

#endif
