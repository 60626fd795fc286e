// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

/*
 * Makes each frame of a flood out of a template, run by BPF_PROG_TEST_RUN in live-frame mode: fills in what differs from frame
 * to frame, and the checksums, and sends the frame out of where it is said to have come in. What is not wanted is pruned at load.
 */
#include "helpers.h"

/* Offsets are into the frame; 0: there is no such field. Addresses and ports are as they lie there. Go mirror: plan. */
struct plan {
	__u32 src[4]; /* IPv4: the first alone */
	__u32 src_random[4]; /* which bits are */
	__u32 dst[4];
	__u32 dst_random[4];
	__u32 sum_ip;     /* of all 16-bit words that do not differ */
	__u32 sum_l4;
	__u16 size;
	__u16 ip;
	__u16 check;      /* transport checksum */
	__u16 sport_at;
	__u16 sport;      /* 0: random, above 1023 */
	__u16 words_at[3];/* 32 bits that are random: sequence number, acknowledgement, identification */
	__u16 head_at;    /* 64 bits that are random */
	__u8 version;
	__u8 pseudo;      /* the transport checksum covers the addresses */
};

volatile const struct plan plan = {};

/* The frame's first bytes: frames come back from their receivers, who may have written into them. */
#define HEAD 160
volatile const __u64 head[HEAD / 8] = {};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} state SEC(".maps");

/* A linear congruence (Knuth, MMIX), of which the upper half is random enough for addresses. */
INLINE __u32 next(__u64 *s)
{
	*s = *s * 6364136223846793005ULL + 1442695040888963407ULL;
	return *s >> 32;
}

INLINE __u16 folded(__u64 sum)
{
	UNROLL
	for (int i = 0; i < 3; i++)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* Of both halves, in as many bits as the sum needs. */
INLINE __u64 halves(__u32 word) { return (word & 0xffff) + (word >> 16); }

INLINE __u64 put_address(__u32 *to, int words, const volatile __u32 *fixed, const volatile __u32 *random, __u64 *s)
{
	__u64 sum = 0;

	UNROLL
	for (int i = 0; i < words; i++) {
		to[i] = random[i] ? fixed[i] | (next(s) & random[i]) : fixed[i];
		sum += halves(to[i]);
	}
	return sum;
}

SEC("xdp")
int flood(struct xdp_md *ctx)
{
	__u8 *b = (void *)(long)ctx->data;
	__u32 zero = 0;
	__u64 *s = map_lookup(&state, &zero), addresses, sum = plan.sum_l4;
	__u16 check;

	if (!s || b + plan.size > (__u8 *)(long)ctx->data_end)
		return XDP_DROP;
	UNROLL
	for (int i = 0; i < HEAD / 8; i++)
		if (i * 8 + 8 <= plan.size)
			((__u64 *)b)[i] = head[i];
	if (plan.version == 4) {
		struct iphdr *ip = (void *)(b + plan.ip);

		addresses = put_address(&ip->src, 1, plan.src, plan.src_random, s);
		addresses += put_address(&ip->dst, 1, plan.dst, plan.dst_random, s);
		ip->id = next(s);
		ip->ttl = 48 + (*s >> 28 & 15);
		ip->check = ~folded(plan.sum_ip + addresses + ip->id + ip->ttl);
	} else {
		struct ip6hdr *ip = (void *)(b + plan.ip);

		addresses = put_address((__u32 *)ip->src, 4, plan.src, plan.src_random, s);
		addresses += put_address((__u32 *)ip->dst, 4, plan.dst, plan.dst_random, s);
		ip->hops = 48 + (*s >> 28 & 15);
	}
	if (plan.pseudo)
		sum += addresses;
	if (plan.sport_at) {
		__u16 sport = plan.sport ? plan.sport : next(s) | 4; /* in memory the high byte */

		*(__u16 *)(b + plan.sport_at) = sport;
		sum += sport;
	}
	UNROLL
	for (int i = 0; i < 3; i++)
		if (plan.words_at[i]) {
			__u32 word = next(s);

			*(__u32 *)(b + plan.words_at[i]) = word;
			sum += halves(word);
		}
	if (plan.head_at) {
		__u32 *start = (void *)(b + plan.head_at);

		start[0] = next(s);
		start[1] = next(s);
		sum += halves(start[0]) + halves(start[1]);
	}
	if (plan.check) {
		check = ~folded(sum);
		*(__u16 *)(b + plan.check) = check ? check : 0xffff; /* RFC 768; the same number in one's complement */
	}
	return XDP_TX;
}

char _license[] SEC("license") = "Dual BSD/GPL";
