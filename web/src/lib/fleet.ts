// Sensors, verdicts and the timeline: asked for every few seconds while the page is seen.

import { computed, effect, signal } from "@preact/signals";
import * as api from "./api";
import { parsed, range } from "./live";
import type { Sensor, Timeline, Verdict } from "./types";

export const sensors = signal<Sensor[] | null>(null);
export const verdicts = signal<Verdict[] | null>(null);
export const timeline = signal<Timeline | null>(null);
export const unreachable = signal(false);
export const now = signal(Date.now());

/** Packets and bytes a second by sensor, from two reports. */
export const rates = signal(new Map<string, { packets: number; bytes: number }>());
let before = new Map<string, Sensor>();

/** Whether a verdict counts now: everywhere, or on the one sensor that tries it. */
export const inForce = (v: Verdict) => v.state === "active" || v.state === "canary";
export const active = computed(() => (verdicts.value ?? []).filter(inForce));
export const ended = computed(() => (verdicts.value ?? []).filter((v) => !inForce(v)).slice(0, 50));
export const dropped = computed(() =>
  active.value.filter((v) => v.action === "drop" || v.action === "ratelimit").reduce((n, v) => n + v.hits.packets, 0));

export async function refreshVerdicts() {
  try {
    verdicts.value = await api.listVerdicts();
    unreachable.value = false;
  } catch { unreachable.value = true; }
}

async function refreshSensors() {
  try {
    const list = await api.listSensors();
    const next = new Map(rates.value);
    for (const s of list) {
      const old = before.get(s.id);
      const seconds = old ? (Date.parse(s.last_seen) - Date.parse(old.last_seen)) / 1000 : 0;
      if (old && seconds > 0.5) {
        next.set(s.id, { packets: Math.max(0, s.packets - old.packets) / seconds, bytes: Math.max(0, s.bytes - old.bytes) / seconds });
      }
      if (!old || seconds > 0.5) before.set(s.id, s);
    }
    sensors.value = list;
    rates.value = next;
  } catch { /* the verdicts say so */ }
}

let asked = new AbortController();

async function refreshTimeline() {
  asked.abort();
  const { signal } = asked = new AbortController();
  try {
    const got = await api.timeline({ ...parsed.peek().params, hide: "", ...range.peek() }, signal);
    if (!signal.aborted) timeline.value = got;
  } catch { /* the list says so */ }
}

effect(() => { parsed.value; range.value; void refreshTimeline(); });

function every(ms: number, f: () => void) {
  f();
  setInterval(() => { if (!document.hidden) f(); }, ms);
}
every(2000, refreshVerdicts);
every(2000, refreshSensors);
setInterval(() => { if (!document.hidden) void refreshTimeline(); }, 3000);
every(1000, () => { now.value = Date.now(); });
addEventListener("visibilitychange", () => {
  if (!document.hidden) { void refreshVerdicts(); void refreshSensors(); void refreshTimeline(); }
});
