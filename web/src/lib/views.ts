// Going from one view to another.

import { mine } from "./approvals";
import { go, type View } from "./place";

/** Shows a view from its beginning: verdicts at those that wait for the person who looks. */
export const show = (view: View) => go({ view, incident: "", part: "", of: view === "verdicts" && mine.value.length ? "waiting" : "" }, "push");
