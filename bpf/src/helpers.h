/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/* BPF helpers by their numbers (include/uapi/linux/bpf.h), and the macros that describe maps to the loader. */
#include "kern.h"

#define SEC(name) __attribute__((section(name), used))
#define __uint(name, val) int (*name)[val]
#define __type(name, val) typeof(val) *name
#define __array(name, val) typeof(val) *name[]

#define INLINE static inline __attribute__((always_inline))
#define NOINLINE __attribute__((noinline))
#define UNROLL _Pragma("clang loop unroll(full)")
#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

#define htons(x) ((__be16)__builtin_bswap16(x))
#define ntohs(x) __builtin_bswap16(x)
#define ntohl(x) __builtin_bswap32(x)
#define ntohll(x) __builtin_bswap64(x)

/* Hides a value from the optimiser, so that a bound just checked is the one the verifier sees. */
#define HIDE(x) asm volatile("" : "+r"(x))

/* BPF_ATOMIC without fetch: Linux 3.18 and later. */
#define ADD(p, n) ((void)__sync_fetch_and_add(p, n))

static void *(*map_lookup)(void *map, const void *key) = (void *)1;
static __u64 (*ktime_ns)(void) = (void *)5;
static long (*redirect_map)(void *map, __u64 key, __u64 flags) = (void *)51;
static __u64 (*jiffies64)(void) = (void *)118;
static void *(*ringbuf_reserve)(void *ring, __u64 size, __u64 flags) = (void *)131;
static void (*ringbuf_submit)(void *data, __u64 flags) = (void *)132;
static void (*ringbuf_discard)(void *data, __u64 flags) = (void *)133;
static __u64 (*xdp_buff_len)(struct xdp_md *ctx) = (void *)188;                             /* 5.18 */
/* 6.0; the cookie | MSS << 32, or an error; 0 if the cookie is one of ours */
static __s64 (*gen_syncookie4)(const struct iphdr *ip, const struct tcphdr *tcp, __u32 len) = (void *)204;
static __s64 (*gen_syncookie6)(const struct ip6hdr *ip, const struct tcphdr *tcp, __u32 len) = (void *)205;
static long (*check_syncookie4)(const struct iphdr *ip, const struct tcphdr *tcp) = (void *)206;
static long (*check_syncookie6)(const struct ip6hdr *ip, const struct tcphdr *tcp) = (void *)207;
static long (*xdp_load_bytes)(struct xdp_md *ctx, __u32 off, void *to, __u32 len) = (void *)189; /* 5.18 */
