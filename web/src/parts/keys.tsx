import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { blockSource, draft, newVerdict } from "../lib/act";
import { allViews, go, place } from "../lib/place";
import { openKillSwitch, throwing } from "../lib/killswitch";
import { allowed } from "../lib/session";
import { past } from "../lib/live";
import { toggleTheme } from "../lib/screen";
import { show } from "../lib/views";
import { text } from "../text";
import { deciding, mark, marked, quick, some, suppressing, unmark } from "../lib/triage";
import type { Alert } from "../lib/types";
import { closeDetail } from "./detail";
import { filterInput } from "./filter";
import { choose, current, openAlert, select } from "./list";
import { Close } from "./icons";

export const keysOpen = signal(false);

/** The marked alerts, else the one that is selected. */
const subject = (): Alert[] => { const a = current(); return marked.value.size ? [...marked.value.values()] : a ? [a] : []; };
const groupings = ["", "sid", "src", "dst"];

/** The next row: of alerts, or of the table on the page. */
function step(by: number) {
  if (place.value.view === "alerts" && !place.value.group) return select(by);
  const rows = [...document.querySelectorAll<HTMLElement>(".incident-table .title, .verdict-table .match, .fleet-table .plain-link, .rule-list summary")];
  rows[Math.max(0, Math.min(rows.length - 1, rows.indexOf(document.activeElement as HTMLElement) + by))]?.focus();
}

/** What a key does outside of fields and dialogs. */
const keys: Record<string, () => void> = {
  j: () => step(1), ArrowDown: () => step(1),
  k: () => step(-1), ArrowUp: () => step(-1),
  Enter: () => { const a = place.value.view === "alerts" ? current() : null; if (a) openAlert(a.id); },
  b: () => { const a = place.value.view === "alerts" ? current() : null; if (a) blockSource(a); },
  x: () => { const a = current(); if (a) { mark(a); select(1); } },
  e: () => decide("archived"), s: () => decide("escalated"),
  c: () => { const list = subject(); if (list.length && allowed("analyst")) deciding.value = some(list); },
  m: () => { const a = current(); if (a && allowed("analyst")) suppressing.value = a; },
  g: () => { if (place.value.view === "alerts") go({ group: groupings[(groupings.indexOf(place.value.group) + 1) % 4], alert: "" }); },
  "/": () => { if (place.value.view === "alerts") filterInput.focus(); else { go({ view: "alerts" }, "push"); setTimeout(() => filterInput.focus()); } },
  " ": () => { if (!past.value) go({ paused: !place.value.paused }); },
  ...Object.fromEntries(allViews.map((view, i) => [String(i + 1), () => show(view)])),
  n: newVerdict, t: toggleTheme, K: openKillSwitch,
  "?": () => { keysOpen.value = true; },
  Escape: () => (place.value.view === "incidents" ? go({ incident: "" }, "push") : marked.value.size ? unmark() : place.value.alert ? closeDetail() : choose("")),
};

/** Decides about the subject and goes on to the next alert. */
function decide(state: "archived" | "escalated") {
  const list = subject();
  if (!marked.value.size) select(1);
  quick(list, state);
}

const inField = (e: Event) => e.target instanceof HTMLElement && e.target.matches("input, textarea, select, [contenteditable]");
const onControl = (e: Event) => e.target instanceof HTMLElement && e.target.matches("button, a, summary, label");

export function useKeys() {
  useEffect(() => {
    const onKey = (e: KeyboardEvent) => {
      if (e.ctrlKey || e.metaKey || e.altKey || draft.value || deciding.value || suppressing.value || keysOpen.value || throwing.value || document.querySelector("dialog[open]")) return;
      if (inField(e)) {
        if (e.key === "Escape") (e.target as HTMLElement).blur();
        return;
      }
      if (onControl(e) && (e.key === "Enter" || e.key === " ")) return;
      if (e.key.startsWith("Arrow") && e.target instanceof HTMLElement && e.target.closest(".detail, .scroll")) return;
      const act = keys[e.key];
      if (!act) return;
      e.preventDefault();
      act();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
}

export function Keys() {
  const ref = useRef<HTMLDialogElement>(null);
  const open = keysOpen.value;
  useEffect(() => { if (open) ref.current!.showModal(); }, [open]);
  if (!open) return null;
  const close = () => { keysOpen.value = false; };
  return (
    <dialog ref={ref} class="dialog keys" aria-labelledby="keys-title" onClose={close} onClick={(e) => { if (e.target === ref.current) close(); }}>
      <header class="panel-head"><h2 id="keys-title">{text.keys.title}</h2><button class="tool" aria-label={text.detail.close} onClick={close}><Close /></button></header>
      <dl>{text.keys.rows.map(([k, what]) => <div key={k}><dt>{k.split("  ").map((x) => <kbd key={x}>{x}</kbd>)}</dt><dd>{what}</dd></div>)}</dl>
    </dialog>
  );
}
