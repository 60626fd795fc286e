/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/* A close look at packets to armed destinations: what they look like, whether that is the attack, and a copy for user space. */
#include "drop.h"

/* TCP options in len bytes at off: kinds | MSS << 32 | (window scale + 1) << 48. A function of its own: verified once. */
NOINLINE __u64 tcp_options(struct xdp_md *ctx, __u32 off, __u32 len)
{
	__u32 end = off + len, kinds = control.zero; /* which the verifier does not know, so paths stay alike to it */
	__u64 rest = control.zero;

	for (int i = 0; i < 8; i++) {
		__u8 *opt;
		__u32 size = 1;

		if (off >= end || off > MAX_OFF)
			break;
		opt = at(ctx, off);
		if (!FITS(ctx, opt, 1) || opt[0] == TCPOPT_END)
			break;
		kinds |= (opt[0] > 14 ? 15 : opt[0]) << 4 * i;
		if (opt[0] != TCPOPT_NOP) {
			if (!FITS(ctx, opt, 2))
				break;
			size = opt[1];
			if (size < 2 || size > end - off)
				break;
			if (opt[0] == TCPOPT_MSS && size == 4 && FITS(ctx, opt, 4))
				rest |= (__u64)((__u32)opt[2] << 8 | opt[3]) << 32;
			if (opt[0] == TCPOPT_SCALE && size == 3 && FITS(ctx, opt, 3))
				rest |= (__u64)((opt[2] + 1) & 0xff) << 48;
		}
		off += size;
	}
	return rest | kinds;
}

INLINE void see_ip(struct xdp_md *ctx, const struct pkt *p, struct features *s)
{
	if (p->version == 4) {
		struct iphdr *ip = at(ctx, p->l3);

		if (!FITS(ctx, ip, sizeof(*ip)))
			return;
		s->length = ntohs(ip->len);
		s->id = ntohs(ip->id);
		s->fragment = ntohs(ip->frag);
		s->ttl = ip->ttl;
		s->tos = ip->tos;
		s->src = ntohl(ip->src);
	} else {
		struct ip6hdr *ip = at(ctx, p->l3);

		if (!FITS(ctx, ip, sizeof(*ip)))
			return;
		s->length = ntohs(ip->len) + sizeof(*ip);
		s->ttl = ip->hops;
		s->tos = ntohl(ip->vtf) >> 20;
		s->src = ntohl(*(__be32 *)ip->src);
	}
}

/* Reads what TCP says at off; returns the length of its header. */
INLINE __u32 see_tcp(struct xdp_md *ctx, __u32 off, struct features *s)
{
	struct tcphdr *tcp = at(ctx, off);
	__u32 hlen;
	__u64 options;

	if (!FITS(ctx, tcp, sizeof(*tcp)))
		return 0;
	hlen = (tcp->off >> 4) * 4;
	s->window = ntohs(tcp->window);
	s->seq = ntohl(tcp->seq);
	s->ack = ntohl(tcp->ack);
	if (hlen <= sizeof(*tcp))
		return hlen;
	options = tcp_options(ctx, off + sizeof(*tcp), hlen - sizeof(*tcp));
	s->options = options;
	s->mss = options >> 32;
	s->scale = options >> 48;
	return hlen;
}

/* Reads the first bytes of the payload at off; of a short one, those before it too, which then are shifted out. */
INLINE void see_head(struct xdp_md *ctx, __u32 off, struct features *s)
{
	__u32 missing = s->payload < 8 ? 8 - s->payload : 0;
	__u64 *word;

	off -= missing;
	if (off > MAX_OFF)
		return;
	word = at(ctx, off);
	if (FITS(ctx, word, 8))
		*(__u64 *)s->head = *word >> missing * 8;
}

/* Fills p->seen. */
INLINE void see(struct xdp_md *ctx, struct pkt *p)
{
	struct features *s = &p->seen;
	__u32 l4 = p->l4, hlen = 0;

	__builtin_memset(s, 0, sizeof(*s));
	s->sport = p->sport;
	s->dport = p->dport;
	s->flags = p->flags;
	s->proto = p->proto;
	s->version = p->version;
	see_ip(ctx, p, s);
	if (l4 > MAX_OFF)
		return;
	if (p->frag != FRAG_LATER) {
		if (p->proto == PROTO_TCP) {
			hlen = see_tcp(ctx, l4, s);
		} else if (p->proto == PROTO_UDP) {
			hlen = sizeof(struct udphdr);
		} else if (p->class == CLASS_ICMP) {
			__u8 *icmp = at(ctx, l4);

			hlen = 8;
			if (FITS(ctx, icmp, 1))
				s->flags = icmp[0];
		}
	}
	if (hlen >= p->left)
		return;
	s->payload = p->left - hlen;
	see_head(ctx, l4 + hlen, s);
}

/* Shows the packet to user space if this tick's share is not used up. */
INLINE void sight(struct xdp_md *ctx, const struct pkt *p, struct stats *st, struct filter *f, __u32 good)
{
	struct sighting *s;

	if (f->sight_tick != p->now) {
		f->sight_tick = p->now;
		f->sights = 0;
	}
	if (f->sights >= SIGHTS_PER_TICK)
		return;
	f->sights++;
	s = ringbuf_reserve(&sightings, sizeof(*s), 0);
	if (!s) {
		st->paths[PATH_SIGHT_LOST]++;
		return;
	}
	s->time = ktime_ns();
	__builtin_memcpy(s->src, p->src, 16);
	__builtin_memcpy(s->dst, p->dst, 16);
	__builtin_memcpy(&s->features, &p->seen, sizeof(s->features));
	s->ifindex = ctx->ingress_ifindex;
	s->wirelen = p->len;
	s->class = p->class;
	s->good = good;
	s->offset = p->l3;
	s->pad = 0;
	s->caplen = copy_head(ctx, (__u64 *)s->head);
	ringbuf_submit(s, 0);
	st->paths[PATH_SIGHTED]++;
}

/* 0 if the packet is alike. Without branches, of which each doubles what the verifier looks at. */
INLINE __u64 unlike(const struct features *seen, const struct fingerprint *g)
{
	const __u64 *s = (const __u64 *)seen, *v = (const __u64 *)&g->value, *m = (const __u64 *)&g->mask;
	__u64 differs = 0;

	UNROLL
	for (int i = 0; i < FEATURE_WORDS; i++)
		differs |= (s[i] ^ v[i]) & m[i];
	/* what is out of its range makes a difference negative */
	return differs | ((__u32)(seen->length - g->min_length) | (__u32)(g->max_length - seen->length) |
			  (__u32)(seen->ttl - g->min_ttl) | (__u32)(g->max_ttl - seen->ttl)) >> 31;
}
