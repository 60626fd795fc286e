// The list of alerts: what is stored, and what arrives while one looks.

import { batch, computed, effect, signal, untracked } from "@preact/signals";
import { listAlerts, Problem, streamURL, type Params } from "./api";
import { place } from "./place";
import { paramsOf } from "./query";
import type { Alert, Batch } from "./types";

const most = 5000; // alerts kept in memory
const pageSize = 200;

export const alerts = signal<Alert[]>([]); // newest first
export const waiting = signal(0); // arrived while the list stood still
export const skipped = signal(0); // arrived, match, and are not in the list
export const rate = signal(0); // alerts a second
export const connection = signal<"connecting" | "live" | "lost">("connecting");
export const loading = signal(true);
export const problem = signal("");
export const complete = signal(false); // there are no older ones
export const scrolled = signal(false); // the user reads further down: do not move the list
export const looking = signal(false); // an alert is selected: likewise

export const past = computed(() => place.value.until !== "");
export const parsed = computed(() => ({ params: paramsOf(place.value.q, place.value.all) }));
export const hides = computed(() => parsed.value.params.hide === "true"); // archived and suppressed alerts are left out
/** Where in the filter the mistake is that problem tells of. */
export const wrongAt = signal<{ offset: number; end: number } | null>(null);
const held = computed(() => place.value.paused || scrolled.value || looking.value);

let known = new Set<string>();
let queue: Alert[] = []; // waiting, newest first
let next = ""; // cursor
let source: EventSource | undefined;
let abort = new AbortController();
let recent: [at: number, n: number][] = [];

/** The time asked for, as the API's parameters. */
export const range = computed((): Params => {
  const p = place.value;
  return p.until ? { since: p.since, until: p.until } : { since: p.span };
});

const subject = computed(() => JSON.stringify([parsed.value.params, range.value])); // what, when changed, needs a new list

effect(() => { subject.value; untracked(restart); });
effect(() => { if (!held.value) release(); });

/** Reads the list anew. */
export const reread = () => restart();

function restart() {
  problem.value = "";
  wrongAt.value = null;
  source?.close();
  abort.abort();
  abort = new AbortController();
  known = new Set();
  queue = [];
  next = "";
  recent = [];
  batch(() => {
    alerts.value = [];
    waiting.value = skipped.value = rate.value = 0;
    complete.value = false;
    loading.value = true;
  });
  if (past.peek()) void read(true);
  else open();
}

async function read(first: boolean) {
  const { signal } = abort;
  try {
    const page = await listAlerts({ ...parsed.peek().params, ...range.peek(), limit: String(pageSize), cursor: first ? "" : next }, signal);
    if (signal.aborted) return;
    const older = page.alerts.filter((a) => !known.has(a.id));
    older.forEach((a) => known.add(a.id));
    if (first && held.peek() && alerts.peek().length > 0) { // the stream came back while the list stands still
      queue = byTime([...queue, ...older]);
      waiting.value += older.length;
      return;
    }
    batch(() => {
      alerts.value = first ? byTime([...alerts.value, ...older]).slice(0, most) : [...alerts.value, ...older];
      next = page.next ?? "";
      complete.value = next === "" || alerts.value.length >= most;
      problem.value = "";
    });
  } catch (e) {
    if (signal.aborted) return;
    problem.value = explain(e);
    wrongAt.value = (e instanceof Problem && e.fields.find((f) => f.field === "query")?.at) || null;
    if (wrongAt.value) source?.close(); // there is nothing to wait for until the filter can be read
  } finally {
    if (!signal.aborted) loading.value = false;
  }
}

/** Reads the next page of older alerts. */
export function older() {
  if (loading.value || complete.value || problem.value || !next) return;
  loading.value = true;
  void read(false);
}

export function explain(e: unknown): string {
  if (e instanceof Problem && e.fields.length) return e.fields.map((f) => f.detail).join(" · ");
  return e instanceof Error ? e.message : String(e);
}

function open() {
  connection.value = "connecting";
  const mine = source = new EventSource(streamURL(parsed.peek().params));
  mine.onopen = () => {
    connection.value = "live";
    void read(true); // now that the stream has begun, nothing can fall between
  };
  mine.onerror = () => {
    if (loading.value) void read(true); // what is stored can be read all the same
    if (wrongAt.value) return;
    connection.value = "lost"; // the browser tries again by itself, and says what it had last
    if (mine.readyState === EventSource.CLOSED) setTimeout(() => { if (source === mine && !wrongAt.peek()) open(); }, 2000);
  };
  mine.addEventListener("alerts", (e) => {
    const b: Batch = JSON.parse((e as MessageEvent).data);
    recent.push([performance.now(), b.alerts.length + b.skipped]);
    take(b);
  });
}

function take(b: Batch) {
  const fresh = b.alerts.filter((a) => !known.has(a.id));
  fresh.forEach((a) => known.add(a.id));
  skipped.value += b.skipped;
  if (!fresh.length) return;
  if (held.peek() && alerts.value.length > 0) { // an empty list has nothing to keep still
    queue = [...fresh, ...queue].slice(0, most);
    waiting.value += fresh.length;
    return;
  }
  show(fresh);
}

function show(fresh: Alert[]) {
  const list = [...fresh, ...alerts.value];
  // What a sensor kept while it was cut off comes late and belongs further down.
  if (alerts.value.length && fresh[fresh.length - 1].time < alerts.value[0].time) byTime(list);
  if (list.length > most) {
    list.splice(most).forEach((a) => known.delete(a.id));
    complete.value = true;
  }
  alerts.value = list;
}

/** Lets what waited into the list. */
export function release() {
  if (!queue.length) return;
  const fresh = queue;
  queue = [];
  waiting.value = 0;
  show(fresh);
}

const byTime = (list: Alert[]) => list.sort((a, b) => (a.time < b.time ? 1 : a.time > b.time ? -1 : 0));

setInterval(() => {
  const since = performance.now() - 3000;
  recent = recent.filter(([at]) => at > since);
  rate.value = recent.reduce((n, [, k]) => n + k, 0) / 3;
}, 1000);

// A page that the browser keeps for its back button would keep its stream, too, and a host gets six connections in all.
addEventListener("pagehide", () => source?.close());
addEventListener("pageshow", (e) => { if (e.persisted) restart(); });
