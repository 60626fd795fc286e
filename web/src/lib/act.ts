// What the user does to verdicts, each with a way back.

import { signal } from "@preact/signals";
import { text } from "../text";
import * as api from "./api";
import { refreshVerdicts } from "./fleet";
import { span, unspecified } from "./format";
import { allowed } from "./session";
import { toast, toasts } from "./toast";
import { trying } from "./trying";
import type { Alert, Match, Verdict, VerdictRequest } from "./types";

/** What the dialog begins with; null when it is closed. */
export interface Draft { src: string; reason: string; evidence: string[]; rule?: number }
export const draft = signal<Draft | null>(null);

export function blockSource(a: Alert) {
  if (!allowed("responder")) return;
  draft.value = { src: unspecified(a.src_ip) ? "" : a.src_ip, reason: text.dialog.reasonFor(a.signature), evidence: [a.id], rule: a.sid };
}
/** Begins a verdict about an address that is not an alert's. */
export function blockAddress(src: string, reason: string, evidence: string[]) {
  if (allowed("responder")) draft.value = { src, reason, evidence };
}
export const newVerdict = () => { if (allowed("responder")) draft.value = { src: "", reason: "", evidence: [] }; };

export const matchText = (m: Match): string => {
  if (m.flow) return `${m.flow.src} → ${m.flow.dst}`;
  const one = (p = "") => p.replace(p.includes(":") ? /\/128$/ : /\/32$/, "");
  let s = one(m.src);
  if (m.dst) s += ` → ${one(m.dst)}`;
  if (m.port) s += `:${m.port}`;
  if (m.proto) s += ` (${({ 1: "ICMP", 6: "TCP", 17: "UDP", 58: "ICMPv6" } as Record<number, string>)[m.proto] ?? "proto " + m.proto})`;
  return s.trim() || text.verdicts.everything;
};

export async function decide(v: VerdictRequest): Promise<void> {
  const added = await api.addVerdict(v); // the dialog shows what goes wrong
  await refreshVerdicts();
  toast({
    about: added.id,
    text: text.toasts.added(text.toasts.doing[v.action] ?? v.action, matchText(added.match), span(v.ttl_seconds)),
    undo: () => void trying(async () => { await api.removeVerdict(added.id); await refreshVerdicts(); }),
  });
}

/** Lets v last so many seconds from now. */
export const extend = (v: Verdict, seconds: number) => trying(async () => {
  if (!allowed("responder")) return;
  const next = await api.extendVerdict(v.id, seconds);
  await refreshVerdicts();
  const had = Math.max(1, Math.round((Date.parse(v.expires_at) - Date.now()) / 1000));
  toast({ about: next.id, text: text.toasts.extended(matchText(v.match), span(seconds)), undo: () => void trying(async () => { await api.extendVerdict(next.id, had); await refreshVerdicts(); }) });
});

export async function remove(v: Verdict): Promise<void> {
  if (!allowed("responder")) return;
  await trying(async () => {
    await api.removeVerdict(v.id);
    toasts.value = toasts.value.filter((t) => t.about !== v.id); // there is nothing left of it to undo
    await refreshVerdicts();
    toast({
      text: text.toasts.removed(matchText(v.match)),
      undo: () => void trying(async () => { await api.addVerdict(again(v)); await refreshVerdicts(); }),
    });
  });
}

/** The request that brings v back for the time it had left. */
function again(v: Verdict): VerdictRequest {
  return {
    match: v.match, action: v.action, scope: v.scope, rate: v.rate, rule: v.rule, evidence: v.evidence, reason: v.reason,
    ttl_seconds: Math.max(1, Math.round((Date.parse(v.expires_at) - Date.now()) / 1000)),
  };
}

/** Makes the verdicts in force those before v was decided. */
export const rollBackTo = (v: Verdict) => trying(async () => {
  const done = await api.rollback((v.seq ?? 1) - 1);
  await refreshVerdicts();
  toast({ text: text.verdicts.rolledBack(done.removed, done.restored, done.skipped) });
});
