import type { ComponentChildren } from "preact";
import { allowed, refusal } from "../lib/session";
import type { Role } from "../lib/types";

/** A button for what needs a role: without it, it looks so, says why on hover, on focus and when it is pressed, and does nothing. */
export function Act(p: { needs: Role; class?: string; title?: string; label?: string; disabled?: boolean; on: () => void; children: ComponentChildren }) {
  const why = refusal(p.needs);
  return (
    <button type="button" class={(p.class ?? "button") + (why ? " refused" : "")} title={why || p.title} aria-label={p.label} aria-disabled={why ? "true" : undefined} disabled={p.disabled}
      onClick={() => { if (allowed(p.needs)) p.on(); }}>{p.children}</button>
  );
}
