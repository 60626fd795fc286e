// What the overview shows: asked for while it is looked at.

import { effect, signal } from "@preact/signals";
import * as api from "./api";
import { explain } from "./live";
import { place } from "./place";
import type { Change, Timeline, Traffic } from "./types";

export interface Overview {
  traffic: Traffic;
  alerts: Timeline; // this span
  before: Timeline; // as long, before it
  sid: Change[];
  src: Change[];
  dst: Change[];
  changed: Change[];
}

export const overview = signal<Overview | null>(null);
export const overviewProblem = signal("");

const seconds: Record<string, number> = { "15m": 900, "1h": 3600, "6h": 21600, "24h": 86400, "7d": 604800 };
const rows = "8";
let asked = new AbortController();

async function read(span: string) {
  asked.abort();
  const { signal } = asked = new AbortController();
  const until = Date.now(), long = (seconds[span] ?? 3600) * 1000;
  const at = (ms: number) => new Date(ms).toISOString();
  const since = { since: span };
  try {
    const [traffic, alerts, before, sid, src, dst, changed] = await Promise.all([
      api.traffic({ since: span === "7d" ? "24h" : span, n: "50" }, signal),
      api.timeline(since, signal),
      api.timeline({ since: at(until - 2 * long), until: at(until - long) }, signal),
      api.changes({ ...since, by: "sid", n: rows }, signal),
      api.changes({ ...since, by: "src", n: rows }, signal),
      api.changes({ ...since, by: "dst", n: rows }, signal),
      api.changes({ ...since, by: "sid", order: "change", n: rows }, signal),
    ]);
    if (signal.aborted) return;
    overview.value = { traffic, alerts, before, sid, src, dst, changed };
    overviewProblem.value = "";
  } catch (e) {
    if (!signal.aborted) overviewProblem.value = explain(e);
  }
}

effect(() => {
  const { view, span } = place.value;
  if (view !== "overview") return;
  void read(span);
  const timer = setInterval(() => { if (!document.hidden) void read(span); }, 5000);
  return () => clearInterval(timer);
});
