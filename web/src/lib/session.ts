// Who is signed in, and what they may do. The collector checks every action again; here it is only said beforehand.

import { computed, signal } from "@preact/signals";
import { text } from "../text";
import * as api from "./api";
import { toast } from "./toast";
import type { Role, Session } from "./types";

export const session = signal<Session | null>(null);

const granted = computed(() => new Set(session.value?.may ?? []));

export const may = (role: Role) => granted.value.has(role);

/** Why an action that needs role is not to be had; "" when it is. */
export const refusal = (role: Role): string =>
  !session.value || may(role) ? "" : text.session.needs(text.session.roles[role], session.value.name ?? "", session.value.roles.map((r) => text.session.roles[r] ?? r).join(", "));

/** Reports whether the user may do what needs role, and says why not. */
export function allowed(role: Role): boolean {
  const why = refusal(role);
  if (why) toast({ text: why, bad: true });
  return !why;
}

export async function refreshSession() {
  try {
    const s = await api.getSession();
    if (!s.signed_in) { location.assign("/login"); return; }
    session.value = s;
  } catch { /* whatever is asked for next says so */ }
}

export async function signOut() {
  await api.signOut();
  location.assign("/login");
}

void refreshSession();
setInterval(() => { if (!document.hidden) void refreshSession(); }, 30_000);
