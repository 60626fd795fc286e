import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { blockSource, draft, newVerdict } from "../lib/act";
import { go, place, type View } from "../lib/place";
import { past } from "../lib/live";
import { toggleTheme } from "../lib/screen";
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

const view = (v: View) => () => go({ view: v }, "push");

/** What a key does outside of fields and dialogs. */
const keys: Record<string, () => void> = {
  j: () => select(1), ArrowDown: () => select(1),
  k: () => select(-1), ArrowUp: () => select(-1),
  Enter: () => { const a = current(); if (a) openAlert(a.id); },
  b: () => { const a = current(); if (a) blockSource(a); },
  x: () => { const a = current(); if (a) { mark(a); select(1); } },
  e: () => decide("archived"), s: () => decide("escalated"),
  c: () => { const list = subject(); if (list.length) deciding.value = some(list); },
  m: () => { const a = current(); if (a) suppressing.value = a; },
  g: () => { if (place.value.view === "alerts") go({ group: groupings[(groupings.indexOf(place.value.group) + 1) % 4], alert: "" }); },
  "/": () => { if (place.value.view === "alerts") filterInput.focus(); else { go({ view: "alerts" }, "push"); setTimeout(() => filterInput.focus()); } },
  " ": () => { if (!past.value) go({ paused: !place.value.paused }); },
  "1": view("overview"), "2": view("alerts"), "3": view("verdicts"), "4": view("sensors"), "5": view("record"),
  n: newVerdict, t: toggleTheme,
  "?": () => { keysOpen.value = true; },
  Escape: () => (marked.value.size ? unmark() : place.value.alert ? closeDetail() : choose("")),
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
      if (e.ctrlKey || e.metaKey || e.altKey || draft.value || deciding.value || suppressing.value || keysOpen.value) return;
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
