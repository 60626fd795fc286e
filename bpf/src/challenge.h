/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * Asks the source of a SYN to an armed destination whether it is real, in the destination's place and without keeping
 * anything: the SYN comes back as a SYN+ACK that acknowledges what was never sent, a cookie. Whoever has sent the SYN
 * resets that with the cookie as sequence number (RFC 9293, 3.10.7.3), becomes known good, and sends the SYN again, in
 * Linux at once. Whoever has not keeps silent, or resets with what it cannot know. It works from anywhere on the path.
 *
 * On the host itself the answer can as well be the right one, with a SYN cookie of the kernel's, which then takes the
 * client's ACK for the whole handshake.
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

/* What a SYN+ACK says, numbers in host order. */
struct synack {
	__u32 seq;
	__u32 ack;
	__u16 window; /* 0: as it is */
	__u16 mss;    /* if not 0, the options are this and nothing else; else they stay, for nobody will read them */
};

/* Replaces the options of the header of hlen bytes at off; returns the checksum's sum with them. */
INLINE __u64 answer_options(struct xdp_md *ctx, __u32 off, __u32 hlen, __u16 mss, __u64 sum)
{
	__u32 *word = at(ctx, off + sizeof(struct tcphdr));

	for (int i = 0; i < 10; i++) {
		__u32 is = i ? 0x01010101 * TCPOPT_NOP : ntohl((__u32)TCPOPT_MSS << 24 | 4 << 16 | mss);

		if (sizeof(struct tcphdr) + i * 4 >= hlen || !FITS(ctx, word + i, 4))
			break;
		sum = resum(sum, word[i], is);
		word[i] = is;
	}
	return sum;
}

/* Makes the SYN at off the answer: ports swapped, SYN+ACK. */
INLINE int answer_tcp(struct xdp_md *ctx, __u32 off, const struct synack *a)
{
	struct tcphdr *tcp = at(ctx, off);
	__u32 *word, seq = ntohl(a->seq), ack = ntohl(a->ack), last;
	__be16 port;
	__u64 sum;

	if (!FITS(ctx, tcp, sizeof(*tcp)))
		return 0;
	word = (__u32 *)tcp;
	last = (word[3] & ~0xff00u) | (TCP_SYN | TCP_ACK) << 8;
	if (a->window)
		last = (last & 0xffff) | (__u32)htons(a->window) << 16;
	sum = resum(resum(resum((__u16)~tcp->check, word[1], seq), word[2], ack), word[3], last);
	if (a->mss)
		sum = answer_options(ctx, off, (tcp->off >> 4) * 4, a->mss, sum);
	word[1] = seq;
	word[2] = ack;
	word[3] = last;
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

/* What of the packet an answer is made from; 0 if it is not there. */
INLINE struct pkt *to_answer(struct stats *st)
{
	struct pkt *p;

	if (!st)
		return 0;
	p = (struct pkt *)st->scratch;
	return p->l3 > MAX_OFF || p->l4 > MAX_OFF || p->outer > MAX_OFF ? 0 : p;
}

/* Sends the SYN back as the answer. */
INLINE int send_answer(struct xdp_md *ctx, struct stats *st, const struct pkt *p, const struct synack *a)
{
	if (!answer_tcp(ctx, p->l4, a) || !answer_ip(ctx, p->l3, p->version) || !swap_macs(ctx))
		return XDP_DROP;
	if (mode == MODE_GWLB) {
		drop_outer_checksum(ctx, p->outer);
		if (!swap_ips(ctx, p->outer))
			return XDP_DROP;
	}
	st->paths[PATH_CHALLENGED]++;
	return XDP_TX;
}

/* Answers with a cookie of our own where the acknowledgement belongs. */
INLINE int challenge(struct xdp_md *ctx, struct stats *st, const struct pkt *p)
{
	__u64 c = cookie(p, p->now >> CHALLENGE_EPOCH);
	struct synack a = {.ack = c, .seq = c >> 32};

	return send_answer(ctx, st, p, &a);
}
