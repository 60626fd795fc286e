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

/*
 * Whether to let a SYN through although cookies are sent: a listening socket takes a cookie's ACK only if it has lately
 * sent one itself, as with tcp_syncookies 2 it does for every SYN. About one a second, processor, address and port.
 */
INLINE int reminds(struct stats *st, const struct pkt *p)
{
	__u16 *at = &st->reminded[mix(control.seed, p->dst[0] ^ p->dst[1] ^ p->dport) >> 40 & (REMINDERS - 1)];

	if ((__u16)((__u16)p->now - *at) < REMIND_EVERY && *at)
		return 0;
	*at = p->now;
	return 1;
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

#define COOKIE_WINDOW 29200 /* what the host will have in any case */

/*
 * Has the kernel make a SYN cookie of the packet. The whole header is copied because the kernel reads its options, and a
 * packet's bytes cannot be given to it by a length that varies.
 */
INLINE int kernel_cookie(struct xdp_md *ctx, const struct pkt *p, struct synack *a)
{
	__u8 header[60] = {};
	struct tcphdr *tcp = at(ctx, p->l4);
	void *ip = at(ctx, p->l3);
	__u32 hlen;
	__s64 made;

	if (!FITS(ctx, tcp, sizeof(*tcp)))
		return 0;
	hlen = (tcp->off >> 4) * 4;
	a->ack = ntohl(tcp->seq) + 1;
	HIDE(hlen);
	if (hlen < sizeof(*tcp) || hlen > sizeof(header) || hlen != p->left || xdp_load_bytes(ctx, p->l4, header, hlen))
		return 0; /* what has data with its SYN is no ordinary client */
	if (p->version == 4) {
		if (!FITS(ctx, ip, sizeof(struct iphdr)))
			return 0;
		made = gen_syncookie4(ip, (struct tcphdr *)header, hlen);
	} else {
		if (!FITS(ctx, ip, sizeof(struct ip6hdr)))
			return 0;
		made = gen_syncookie6(ip, (struct tcphdr *)header, hlen);
	}
	if (made < 0)
		return 0;
	a->seq = made;
	a->mss = made >> 32;
	a->window = COOKIE_WINDOW;
	return 1;
}

/* Whether the packet acknowledges a SYN cookie. Global, so that it is verified once. */
NOINLINE __u32 acknowledges(struct xdp_md *ctx)
{
	__u32 zero = 0;
	struct stats *st = map_lookup(&stats, &zero);
	struct tcphdr *tcp;
	struct pkt *p;
	void *ip;

	if (!st || !has_syncookies)
		return 0;
	p = (struct pkt *)st->scratch;
	if (p->l3 > MAX_OFF || p->l4 > MAX_OFF)
		return 0;
	ip = at(ctx, p->l3);
	tcp = at(ctx, p->l4);
	if (!FITS(ctx, tcp, sizeof(*tcp)))
		return 0;
	if (p->version == 4)
		return FITS(ctx, ip, sizeof(struct iphdr)) && !check_syncookie4(ip, tcp);
	return FITS(ctx, ip, sizeof(struct ip6hdr)) && !check_syncookie6(ip, tcp);
}

/* Sends the SYN back, answered. Global, so that it is verified once. */
NOINLINE int answer_syn(struct xdp_md *ctx)
{
	__u32 zero = 0;
	struct stats *st = map_lookup(&stats, &zero);
	struct synack a = {};
	struct pkt *p;

	if (!st)
		return XDP_DROP;
	p = (struct pkt *)st->scratch;
	if (p->l3 > MAX_OFF || p->l4 > MAX_OFF || p->outer > MAX_OFF)
		return XDP_DROP;
	if (!has_syncookies || p->answer != ANSWER_COOKIE || !kernel_cookie(ctx, p, &a)) {
		__u64 c = cookie(p, p->now >> CHALLENGE_EPOCH);

		a.ack = c;
		a.seq = c >> 32;
		a.window = a.mss = 0;
	}
	if (!answer_tcp(ctx, p->l4, &a) || !answer_ip(ctx, p->l3, p->version) || !swap_macs(ctx))
		return XDP_DROP;
	if (mode == MODE_GWLB) {
		drop_outer_checksum(ctx, p->outer);
		if (!swap_ips(ctx, p->outer))
			return XDP_DROP;
	}
	st->paths[PATH_CHALLENGED]++;
	return XDP_TX;
}
