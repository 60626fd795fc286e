// What an action says when it fails, or has to wait for a second person.

import { text } from "../text";
import { Waits } from "./api";
import { refreshApprovals } from "./approvals";
import { explain } from "./live";
import { go } from "./place";
import { toast } from "./toast";

/** Does f, and says what went wrong. */
export async function trying(f: () => Promise<unknown>): Promise<void> {
  try { await f(); } catch (e) { if (!waited(e)) toast({ text: `${text.toasts.failed}: ${explain(e)}`, bad: true }); }
}

/** Reports whether e is no failure, but an order that waits for a second person, and says so. */
export function waited(e: unknown): boolean {
  if (!(e instanceof Waits)) return false;
  void refreshApprovals();
  toast({ text: text.approvals.waits(e.approval.summary), act: text.approvals.show, undo: () => go({ view: "verdicts", of: "waiting", alert: "" }, "push") });
  return true;
}
