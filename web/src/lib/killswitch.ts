// The kill switch: where nothing is dropped, by the collector's word or by a host's own operator.

import { computed, signal } from "@preact/signals";
import { text } from "../text";
import * as api from "./api";
import { sensors } from "./fleet";
import { allowed } from "./session";
import { toast, toasts } from "./toast";
import { trying } from "./trying";
import type { KillSwitch } from "./types";

export const killSwitch = signal<KillSwitch | null>(null);
export const throwing = signal(false); // its dialog is open

/** Whether dropping is stopped somewhere, wholly or in part. */
export const thrown = computed(() => { const k = killSwitch.value; return !!k && k.scopes.length + k.origins.length + k.rules.length > 0; });

/** The signature whose verdicts the dialog begins with, 0 for none. */
export const throwingRule = signal(0);

/** Sensors whose own operator has stopped them: the fleet's switch does not cover them, and they say that one is on. */
export const stoppedLocally = computed(() => (sensors.value ?? []).filter((s) => !s.killed && /kill switch/.test(s.reason)).map((s) => s.id));

export async function refreshKillSwitch() {
  try { killSwitch.value = await api.getKillSwitch(); } catch { /* verdicts say so */ }
}

const nothing: api.Stopped = { scopes: [], origins: [], rules: [] };

/** Makes what is stopped so. */
export async function setKillSwitch(next: api.Stopped, reason: string) {
  const before = killSwitch.value;
  killSwitch.value = await api.putKillSwitch(next, reason);
  toasts.value = toasts.value.filter((t) => t.about !== "kill-switch"); // its undoing would be out of date
  toast({
    about: "kill-switch",
    text: next.scopes.length + next.origins.length + next.rules.length ? text.kill.didStop(text.kill.what(next)) : text.kill.didResume,
    undo: () => void trying(async () => { killSwitch.value = await api.putKillSwitch(before ? { scopes: before.scopes, origins: before.origins, rules: before.rules } : nothing, before?.reason ?? ""); }),
  });
}

/** Stops more: what is stopped already stays so. */
export function stop(more: Partial<api.Stopped>, reason: string) {
  const k = killSwitch.value, both = <T,>(a: T[] = [], b: T[] = []) => [...new Set([...a, ...b])];
  return setKillSwitch({ scopes: both(k?.scopes, more.scopes), origins: both(k?.origins, more.origins), rules: both(k?.rules, more.rules) }, reason);
}

export const resume = () => { if (allowed("responder")) void trying(() => setKillSwitch(nothing, "")); };
export const openKillSwitch = () => { if (allowed("responder")) { throwingRule.value = 0; throwing.value = true; } };
export const openKillSwitchFor = (rule: number) => { if (allowed("responder")) { throwingRule.value = rule; throwing.value = true; } };

void refreshKillSwitch();
setInterval(() => { if (!document.hidden) void refreshKillSwitch(); }, 3000);
