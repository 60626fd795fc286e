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

export const thrown = computed(() => (killSwitch.value?.scopes ?? []).length > 0);

/** Sensors whose own operator has stopped them: the fleet's switch does not cover them, and they say that one is on. */
export const stoppedLocally = computed(() => (sensors.value ?? []).filter((s) => !s.killed && /kill switch/.test(s.reason)).map((s) => s.id));

export async function refreshKillSwitch() {
  try { killSwitch.value = await api.getKillSwitch(); } catch { /* verdicts say so */ }
}

export async function setKillSwitch(scopes: string[], reason: string) {
  const before = killSwitch.value;
  killSwitch.value = await api.putKillSwitch(scopes, reason);
  toasts.value = toasts.value.filter((t) => t.about !== "kill-switch"); // its undoing would be out of date
  toast({
    about: "kill-switch",
    text: scopes.length ? text.kill.didStop(text.kill.where(scopes)) : text.kill.didResume,
    undo: () => void trying(async () => { killSwitch.value = await api.putKillSwitch(before?.scopes ?? [], before?.reason ?? ""); }),
  });
}

export const resume = () => { if (allowed("responder")) void trying(() => setKillSwitch([], "")); };
export const openKillSwitch = () => { if (allowed("responder")) throwing.value = true; };

void refreshKillSwitch();
setInterval(() => { if (!document.hidden) void refreshKillSwitch(); }, 3000);
