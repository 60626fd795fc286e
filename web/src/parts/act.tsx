import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { allowed, refusal } from "../lib/session";
import type { Role } from "../lib/types";
import { text } from "../text";

/** A button for what needs a role: without it, it looks so, says why on hover, on focus and when it is pressed, and does nothing. */
export function Act(p: { needs: Role; class?: string; title?: string; label?: string; disabled?: boolean; on: () => void; children: ComponentChildren }) {
  const why = refusal(p.needs);
  return (
    <button type="button" class={(p.class ?? "button") + (why ? " refused" : "")} title={why || p.title} aria-label={p.label} aria-disabled={why ? "true" : undefined} disabled={p.disabled}
      onClick={() => { if (allowed(p.needs)) p.on(); }}>{p.children}</button>
  );
}

/** A second look before what cannot be undone. */
export function Sure(p: { needs: Role; label: string; act: string; why?: string; on: () => void }) {
  const [asked, setAsked] = useState(false);
  return asked
    ? <button type="button" class="button small danger" onBlur={() => setAsked(false)} ref={(b) => b?.focus()} onClick={() => { setAsked(false); p.on(); }}>{text.settings.sure(p.act)}</button>
    : <Act needs={p.needs} class="button small" label={p.label} title={p.why} on={() => setAsked(true)}>{p.act}</Act>;
}
