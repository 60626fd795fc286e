// What the user decides about alerts.

import { signal } from "@preact/signals";
import * as api from "./api";
import { allowed } from "./session";
import { toast } from "./toast";
import { trying } from "./trying";
import { alerts, hides, parsed, past, range, reread } from "./live";
import { count } from "./format";
import { place } from "./place";
import type { Alert, State } from "./types";
import { text } from "../text";

/** Alerts that were marked, by id. */
export const marked = signal(new Map<string, Alert>());

export function mark(a: Alert) {
  const next = new Map(marked.value);
  if (!next.delete(a.id)) next.set(a.id, a);
  marked.value = next;
}
export const unmark = () => { if (marked.value.size) marked.value = new Map(); };

/** What a decision is about: some alerts, or all that match. */
export interface Subject { ids?: string[]; match?: { query: string; since: string; until: string; hide: boolean }; count?: number; about: string }

/** Reports whether the user may judge alerts, and says why not. */
export const mayJudge = () => allowed("analyst");

export const deciding = signal<Subject | null>(null); // a dialog is open about it
export const suppressing = signal<Alert | { query: string } | null>(null);

export const some = (list: Alert[]): Subject => ({
  ids: list.map((a) => a.id), count: list.length, about: list.length === 1 ? list[0].signature : text.triage.alerts(list.length),
});

/** All that match the filter and what is added to it, at this moment. */
export function allMatching(extra = "", n?: number): Subject {
  const { query = "", hide } = parsed.value.params;
  const until = past.value ? place.value.until : new Date().toISOString();
  const full = [query, extra].filter(Boolean).join(" ");
  return { match: { query: full, since: range.value.since, until, hide: hide === "true" }, count: n, about: full || text.triage.everything };
}

export interface Decision { state?: State; assignee?: string; comment?: string }

export async function triage(s: Subject, d: Decision): Promise<void> {
  const n = await api.triage({ ids: s.ids, match: s.match, ...d });
  const t = text.triage;
  const what = d.state ? t.done[d.state] : d.assignee ? t.assigned(d.assignee) : d.assignee === "" ? t.unassigned : t.commented;
  const ids = s.ids ?? [];
  const before = new Map(alerts.value.filter((a) => ids.includes(a.id)).map((a) => [a.id, a.state]));
  toast({ text: t.result(count(n), what), undo: d.state && ids.length ? () => void back(ids, before) : undefined });
  if (s.match) reread();
  else apply(ids, d);
  unmark();
}

/** Shows the decision in the list without reading it again. */
function apply(ids: string[], d: Decision) {
  const changed = new Set(ids);
  const gone = d.state === "archived" && hides.value;
  alerts.value = gone
    ? alerts.value.filter((a) => !changed.has(a.id))
    : alerts.value.map((a) => (changed.has(a.id) ? { ...a, state: d.state ?? a.state, assignee: d.assignee ?? a.assignee } : a));
}

async function back(ids: string[], before: Map<string, State>) {
  await trying(async () => {
    for (const state of ["open", "escalated", "archived"] as State[]) {
      const some = ids.filter((id) => (before.get(id) ?? "open") === state);
      if (some.length) await api.triage({ ids: some, state });
    }
    reread();
  });
}

export const quick = (list: Alert[], state: State) => { if (list.length && mayJudge()) void trying(() => triage(some(list), { state })); };
