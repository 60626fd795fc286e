// Where the user is: everything that a link should bring back lives in the URL's query.

import { signal } from "@preact/signals";

export type View = "overview" | "incidents" | "alerts" | "verdicts" | "sensors" | "rules" | "record" | "settings";
export const allViews: View[] = ["overview", "incidents", "alerts", "verdicts", "sensors", "rules", "record", "settings"];

export interface Place {
  view: View;
  q: string; // the filter as written
  span: string; // 15m, 1h, 6h, 24h, 7d: from now back
  since: string; // RFC 3339; with until, looks at the past and stands still
  until: string;
  alert: string; // id of the alert that is open
  paused: boolean;
  group: string; // "", or what alerts are summed up by: sid, src, dst
  all: boolean; // archived and suppressed alerts too
  incident: string; // id of the incident that is open
  of: string; // which incidents ("" waiting, resolved, mine, all), which verdicts ("" in force, waiting, ended)
  part: string; // of the settings
}

const spans = ["15m", "1h", "6h", "24h", "7d"];

function read(): Place {
  const p = new URLSearchParams(location.search);
  const view = p.get("view") as View;
  const looks = p.has("q") || p.has("alert") || p.has("since"); // such links are about alerts
  const span = p.get("span") ?? "";
  return {
    view: allViews.includes(view) ? view : looks ? "alerts" : "overview",
    q: p.get("q") ?? "",
    span: spans.includes(span) ? span : "1h",
    since: p.get("since") ?? "",
    until: p.get("until") ?? "",
    alert: p.get("alert") ?? "",
    paused: p.get("paused") === "1",
    group: ["sid", "src", "dst"].includes(p.get("group") ?? "") ? p.get("group")! : "",
    all: p.get("all") === "1",
    incident: p.get("incident") ?? "",
    of: p.get("of") ?? "",
    part: p.get("part") ?? "",
  };
}

function write(p: Place): string {
  const q = new URLSearchParams();
  if (p.view !== "overview") q.set("view", p.view);
  if (p.q) q.set("q", p.q);
  if (p.span !== "1h") q.set("span", p.span);
  if (p.since) q.set("since", p.since);
  if (p.until) q.set("until", p.until);
  if (p.alert) q.set("alert", p.alert);
  if (p.group) q.set("group", p.group);
  if (p.all) q.set("all", "1");
  if (p.view === "incidents" && p.incident) q.set("incident", p.incident);
  if ((p.view === "incidents" || p.view === "verdicts") && p.of) q.set("of", p.of);
  if (p.view === "settings" && p.part) q.set("part", p.part);
  if (p.paused) q.set("paused", "1");
  return q.size ? "/?" + q : "/";
}

export const place = signal<Place>(read());
export const allSpans = spans;

/** Changes part of the place. "push" makes a step that the browser's back button undoes. */
export function go(change: Partial<Place>, how: "push" | "replace" = "replace") {
  const next = { ...place.value, ...change };
  const url = write(next);
  if (url !== location.pathname + location.search) {
    if (how === "push") history.pushState(null, "", url);
    else history.replaceState(null, "", url);
  }
  place.value = next;
}

addEventListener("popstate", () => { place.value = read(); });
