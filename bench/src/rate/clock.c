// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
//
// Runs a program that does nothing, many times, and prints what the kernel counted for
// it, as JSON: no more than its reading of the clock. Somebody else has to keep the
// kernel's statistics switched on meanwhile.

#include <linux/bpf.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RUNS 100000

static long call(enum bpf_cmd command, union bpf_attr *attributes) {
    return syscall(SYS_bpf, command, attributes, sizeof(*attributes));
}

static int failed(const char *what) {
    perror(what);
    return 1;
}

int main(void) {
    const struct bpf_insn nothing[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
        {.code = BPF_JMP | BPF_EXIT},
    };
    // The kernel wants at least an Ethernet header.
    const unsigned char packet[64] = {0};
    struct bpf_prog_info info = {0};

    union bpf_attr load = {
        .prog_type = BPF_PROG_TYPE_SOCKET_FILTER,
        .insns = (uintptr_t)nothing,
        .insn_cnt = sizeof(nothing) / sizeof(nothing[0]),
        .license = (uintptr_t) "GPL",
    };
    int program = call(BPF_PROG_LOAD, &load);
    if (program < 0)
        return failed("an empty program cannot be loaded");

    union bpf_attr run = {.test = {
                              .prog_fd = program,
                              .data_in = (uintptr_t)packet,
                              .data_size_in = sizeof(packet),
                              .repeat = RUNS,
                          }};
    if (call(BPF_PROG_TEST_RUN, &run) < 0)
        return failed("the empty program cannot be run");

    union bpf_attr ask = {
        .info = {.bpf_fd = program, .info_len = sizeof(info), .info = (uintptr_t)&info}};
    if (call(BPF_OBJ_GET_INFO_BY_FD, &ask) < 0)
        return failed("the empty program's statistics cannot be read");
    printf("{\"nanos\": %llu, \"runs\": %llu}\n", (unsigned long long)info.run_time_ns,
           (unsigned long long)info.run_cnt);
    return 0;
}
