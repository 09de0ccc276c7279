// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
//
// Stands where libbpf's header of this name does.

#ifndef SEALANE_OUTSIDE_BPF_ENDIAN_H
#define SEALANE_OUTSIDE_BPF_ENDIAN_H

#include <arpa/inet.h>

#define bpf_htonl(word) htonl(word)
#define bpf_htons(word) htons(word)

#endif
