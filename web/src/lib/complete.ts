// What could follow in the filter.

import { signal } from "@preact/signals";
import { listSearches, removeSearch, saveSearch, top } from "./api";
import { sensors } from "./fleet";
import { go, place } from "./place";
import { fieldsOf } from "./query";
import { toast } from "./toast";
import { trying } from "./trying";
import type { SavedSearch } from "./types";
import { text } from "../text";

export interface Choice { insert: string; note: string }

const fixed: Record<string, string[]> = {
  severity: ["1", "2", "3"], action: ["blocked", "allowed"], is: ["open", "escalated", "archived"], proto: ["tcp", "udp", "icmp"], port: ["22", "53", "80", "443", "445", "3389"],
};
const ranked = ["sid", "src", "dst", "app"]; // what the collector counts
const cache = new Map<string, { at: number; rows: Choice[] }>();

export const choices = signal<Choice[]>([]);
let asked = 0;

/** Looks for what could be meant by the word that ends at the caret. */
export async function look(word: string) {
  const mine = ++asked;
  const found = await find(word);
  if (mine === asked) choices.value = found;
}
export const forget = () => { asked++; choices.value = []; };

async function find(word: string): Promise<Choice[]> {
  const negated = word.startsWith("-") ? "-" : "";
  const body = word.slice(negated.length);
  const m = /^([a-z]+):(.*)$/i.exec(body);
  if (!m) return body ? fieldsOf.filter((f) => f.startsWith(body.toLowerCase())).map((f) => ({ insert: `${negated}${f}:`, note: text.filter.fields[f] ?? "" })) : [];
  const key = m[1].toLowerCase(), done = m[2].lastIndexOf(",") + 1, begun = m[2].slice(done).toLowerCase();
  const values = await valuesOf(key);
  return values
    .filter((v) => v.insert.toLowerCase() !== begun && (v.insert.toLowerCase().startsWith(begun) || (begun.length > 1 && v.note.toLowerCase().includes(begun))))
    .slice(0, 8)
    .map((v) => ({ insert: `${negated}${key}:${m[2].slice(0, done)}${v.insert}`, note: v.note }));
}

async function valuesOf(key: string): Promise<Choice[]> {
  if (fixed[key]) return fixed[key].map((insert) => ({ insert, note: text.filter.values[`${key}:${insert}`] ?? "" }));
  if (key === "sensor") return (sensors.value ?? []).map((s) => ({ insert: s.id, note: s.mode }));
  if (!ranked.includes(key)) return [];
  const had = cache.get(key);
  if (had && Date.now() - had.at < 30_000) return had.rows;
  try {
    const rows = (await top({ by: key, since: place.value.span, n: "200" })).filter((c) => c.key).map((c) => ({ insert: c.key, note: c.label === c.key ? "" : c.label }));
    cache.set(key, { at: Date.now(), rows });
    return rows;
  } catch { return []; } // the list says what is wrong
}

/** Searches that are kept: one's own, and what others share. */
export const saved = signal<SavedSearch[]>([]);

export async function refreshSearches() {
  try { saved.value = await listSearches(); } catch { /* none to offer */ }
}

/** Keeps the search on the page, under its own words. */
export const keep = (q: string, shared: boolean) => trying(async () => {
  const p = new URLSearchParams(location.search);
  p.delete("q");
  p.delete("alert");
  await saveSearch({ name: q.slice(0, 100), query: q, place: p.toString(), shared });
  await refreshSearches();
});

export const drop = (s: SavedSearch) => trying(async () => {
  await removeSearch(s.id);
  await refreshSearches();
  toast({ text: text.filter.forgotten(s.name), undo: () => void trying(async () => { await saveSearch({ name: s.name, query: s.query, place: s.place ?? "", shared: s.shared }); await refreshSearches(); }) });
});

/** Goes where a search was kept. */
export function recall(s: SavedSearch) {
  const p = new URLSearchParams(s.place);
  go({ view: "alerts", q: s.query, span: p.get("span") ?? "1h", group: p.get("group") ?? "", all: p.get("all") === "1", since: "", until: "", alert: "" }, "push");
}

void refreshSearches();
