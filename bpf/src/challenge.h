/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * Asks the source of a SYN to an armed destination whether it is real, in the destination's place and without keeping
 * anything: the SYN comes back as a SYN+ACK that acknowledges what was never sent, a cookie. Whoever has sent the SYN
 * resets that with the cookie as sequence number (RFC 9293, 3.10.7.3), becomes known good, and sends the SYN again, in
 * Linux at once. Whoever has not keeps silent, or resets with what it cannot know. It works from anywhere on the path.
 */
#include "act.h"

INLINE __u64 rotl(__u64 x, int by) { return x << by | x >> (64 - by); }

struct sip {
	__u64 a, b, c, d;
};

INLINE void sip_round(struct sip *s)
{
	s->a += s->b;
	s->c += s->d;
	s->b = rotl(s->b, 13) ^ s->a;
	s->d = rotl(s->d, 16) ^ s->c;
	s->a = rotl(s->a, 32);
	s->c += s->b;
	s->a += s->d;
	s->b = rotl(s->b, 17) ^ s->c;
	s->d = rotl(s->d, 21) ^ s->a;
	s->c = rotl(s->c, 32);
}

INLINE void sip_word(struct sip *s, __u64 word)
{
	s->d ^= word;
	sip_round(s);
	sip_round(s);
	s->a ^= word;
}

/*
 * SipHash-2-4 (Aumasson, Bernstein 2012) of the packet's addresses and ports and an epoch, under a key of its own: who has
 * seen any number of cookies cannot tell another.
 */
INLINE __u64 cookie(const struct pkt *p, __u32 epoch)
{
	struct sip s = {control.key[0] ^ 0x736f6d6570736575ULL, control.key[1] ^ 0x646f72616e646f6dULL,
			control.key[0] ^ 0x6c7967656e657261ULL, control.key[1] ^ 0x7465646279746573ULL};

	sip_word(&s, p->src[0]);
	sip_word(&s, p->src[1]);
	sip_word(&s, p->dst[0]);
	sip_word(&s, p->dst[1]);
	sip_word(&s, (__u64)p->sport << 48 | (__u64)p->dport << 32 | epoch);
	sip_word(&s, 40ULL << 56); /* the length, as the algorithm has it */
	s.c ^= 0xff;
	sip_round(&s);
	sip_round(&s);
	sip_round(&s);
	sip_round(&s);
	return s.a ^ s.b ^ s.c ^ s.d;
}

/* Whether the packet is a reset that proves its source: it knows the cookie of now or a moment ago. Global: verified once. */
NOINLINE __u32 proves(struct xdp_md *ctx)
{
	__u32 zero = 0, seq, epoch;
	struct stats *st = map_lookup(&stats, &zero);
	struct tcphdr *tcp;
	struct pkt *p;

	if (!st)
		return 0;
	p = (struct pkt *)st->scratch;
	if (p->l4 > MAX_OFF)
		return 0;
	tcp = at(ctx, p->l4);
	if (!FITS(ctx, tcp, sizeof(*tcp)))
		return 0;
	seq = ntohl(tcp->seq);
	epoch = p->now >> CHALLENGE_EPOCH;
	return seq == (__u32)cookie(p, epoch) || seq == (__u32)cookie(p, epoch - 1);
}

/* Whether the processor may send another challenge in this tick. */
INLINE int may_challenge(struct stats *st, __u32 now)
{
	if (UNLIKELY(st->challenge_tick != now)) {
		st->challenge_tick = now;
		st->challenges = 0;
	}
	return st->challenges++ < control.challenges;
}

/* A checksum's sum after a word has changed (RFC 1624). */
INLINE __u64 resum(__u64 sum, __u32 was, __u32 is) { return sum + (__u32)~was + is; }

INLINE __u16 fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* Makes the SYN at off the answer: ports swapped, SYN+ACK, the cookie acknowledged. Options stay: nobody will read them. */
INLINE int answer_tcp(struct xdp_md *ctx, __u32 off, __u64 cookie)
{
	struct tcphdr *tcp = at(ctx, off);
	__u32 seq, ack, *word;
	__be16 port;
	__u64 sum;

	if (!FITS(ctx, tcp, sizeof(*tcp)))
		return 0;
	word = (__u32 *)tcp;
	seq = ntohl((__u32)(cookie >> 32));
	ack = ntohl((__u32)cookie);
	sum = resum(resum(resum((__u16)~tcp->check, tcp->seq, seq), tcp->ack, ack), word[3],
		    (word[3] & ~0xff00u) | (TCP_SYN | TCP_ACK) << 8);
	tcp->seq = seq;
	tcp->ack = ack;
	tcp->flags = TCP_SYN | TCP_ACK;
	tcp->check = fold(sum);
	port = tcp->sport;
	tcp->sport = tcp->dport;
	tcp->dport = port;
	return 1;
}

#define ANSWER_TTL 64

/* Swaps the addresses of the IP header at off. */
INLINE int answer_ip(struct xdp_md *ctx, __u32 off, __u32 version)
{
	struct iphdr *ip = at(ctx, off);
	struct ip6hdr *ip6 = at(ctx, off);

	if (!FITS(ctx, ip, sizeof(*ip)))
		return 0;
	if (version == 4) {
		ip->check = fold(resum((__u16)~ip->check, ip->ttl, ANSWER_TTL));
		ip->ttl = ANSWER_TTL;
		return swap_ip4(ctx, off);
	}
	if (!FITS(ctx, ip6, sizeof(*ip6)))
		return 0;
	ip6->hops = ANSWER_TTL;
	return swap_ip6(ctx, off);
}

/* The tunnel's datagram has other contents: it does without a checksum (RFC 6935, RFC 8926 §3.3). */
INLINE void drop_outer_checksum(struct xdp_md *ctx, __u32 off)
{
	struct iphdr *ip = at(ctx, off);
	struct udphdr *udp;

	if (!FITS(ctx, ip, sizeof(*ip)))
		return;
	off += ip->vihl >> 4 == 4 ? (ip->vihl & 15) * 4 : sizeof(struct ip6hdr);
	udp = at(ctx, off);
	if (FITS(ctx, udp, sizeof(*udp)))
		udp->check = 0;
}

/* Sends the SYN back as a challenge. Global, so that it is verified once. */
NOINLINE int challenge(struct xdp_md *ctx)
{
	__u32 zero = 0;
	struct stats *st = map_lookup(&stats, &zero);
	struct pkt *p;

	if (!st)
		return XDP_DROP;
	p = (struct pkt *)st->scratch;
	if (p->l3 > MAX_OFF || p->l4 > MAX_OFF || p->outer > MAX_OFF)
		return XDP_DROP;
	if (!answer_tcp(ctx, p->l4, cookie(p, p->now >> CHALLENGE_EPOCH)) || !answer_ip(ctx, p->l3, p->version) || !swap_macs(ctx))
		return XDP_DROP;
	if (mode == MODE_GWLB) {
		drop_outer_checksum(ctx, p->outer);
		if (!swap_ips(ctx, p->outer))
			return XDP_DROP;
	}
	st->paths[PATH_CHALLENGED]++;
	return XDP_TX;
}
