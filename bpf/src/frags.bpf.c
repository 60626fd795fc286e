// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

/* Frames over several buffers (Linux 5.18): see features.h. */
#include "helpers.h"

SEC("xdp")
__u32 frame_length(struct xdp_md *ctx) { return xdp_buff_len(ctx); }

char _license[] SEC("license") = "Dual BSD/GPL";
