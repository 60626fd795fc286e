// What waits for a second person: asked for while the page is seen, as the frame shows how much it is.

import { computed, signal } from "@preact/signals";
import { text } from "../text";
import * as api from "./api";
import { refreshVerdicts } from "./fleet";
import { session } from "./session";
import { toast } from "./toast";
import type { Approval } from "./types";

export const approvals = signal<Approval[] | null>(null);

/** Whether it is one's own order, which somebody else must agree to. */
export const own = (a: Approval) => a.by === session.value?.name;

/** What waits for the person who looks. */
export const mine = computed(() => (approvals.value ?? []).filter((a) => !own(a) && session.value?.may.includes("approver")));

export async function refreshApprovals() {
  try { approvals.value = await api.listApprovals(); } catch { /* verdicts say so */ }
}

export async function agree(a: Approval, note: string) {
  await api.approve(a.id, note);
  toast({ text: text.approvals.agreed(a.summary) });
  await Promise.all([refreshApprovals(), refreshVerdicts()]);
}

export async function decline(a: Approval, note: string) {
  await api.decline(a.id, note);
  toast({ text: own(a) ? text.approvals.withdrew(a.summary) : text.approvals.declined(a.summary) });
  await refreshApprovals();
}

void refreshApprovals();
setInterval(() => { if (!document.hidden) void refreshApprovals(); }, 3000);
