// Incidents: the latest are asked for while the page is seen, as the frame and the overview show them too.

import { computed, signal } from "@preact/signals";
import * as api from "./api";
import { allowed } from "./session";
import { explain } from "./live";
import { toast } from "./toast";
import { text } from "../text";
import type { Incident, IncidentDetail } from "./types";

const most = "100";
export const waitingStates = "open,acknowledged";
/** How many wait: "100+" where there are more than were asked for. */
export const waitingCount = () => unresolved.value.length + (unresolvedMore.value ? "+" : "");

export const incidents = signal<Incident[] | null>(null); // that wait for somebody, latest changed first
export const unresolvedMore = signal(""); // cursor of those beyond the latest, "" when there are none
export const incidentProblem = signal("");

/** What waits for somebody, the worst first. */
export const unresolved = computed(() => worstFirst((incidents.value ?? []).filter((i) => i.state !== "resolved")));

const ranks = ["critical", "high", "medium", "low"];
export const worstFirst = (list: Incident[]) => [...list].sort((a, b) =>
  Number(b.active) - Number(a.active) || ranks.indexOf(a.severity) - ranks.indexOf(b.severity) || (a.last < b.last ? 1 : -1));

export async function refreshIncidents() {
  try {
    const page = await api.listIncidents({ limit: most, brief: "true", state: waitingStates });
    incidents.value = page.incidents;
    unresolvedMore.value = page.next ?? "";
    incidentProblem.value = "";
  } catch (e) { incidentProblem.value = explain(e); }
}

export interface Decision { state?: string; resolution?: string; severity?: string; assignee?: string; comment?: string }

/** Decides about an incident; null when that failed, which is said. */
export async function decideIncident(i: Incident, d: Decision): Promise<IncidentDetail | null> {
  if (!allowed("analyst")) return null;
  try {
    const next = await api.changeIncident(i.id, d);
    incidents.value = incidents.value?.map((x) => (x.id === i.id ? next : x)) ?? null;
    const back: Decision = d.state ? { state: i.state, resolution: i.resolution } : d.assignee !== undefined ? { assignee: i.assignee ?? "" } : {};
    const undoable = back.state ? back.state !== "resolved" || !!back.resolution && back.resolution !== "quiet" : back.assignee !== undefined;
    if (!d.comment || d.state) toast({ text: text.incidents.done(d.state ?? "", d.assignee, i.title), undo: undoable ? () => void undo(i, back) : undefined });
    return next;
  } catch (e) {
    toast({ text: `${text.toasts.failed}: ${explain(e)}`, bad: true });
    return null;
  }
}

async function undo(i: Incident, back: Decision) {
  try {
    await api.changeIncident(i.id, back);
    await refreshIncidents();
  } catch (e) { toast({ text: `${text.toasts.failed}: ${explain(e)}`, bad: true }); }
}

void refreshIncidents();
setInterval(() => { if (!document.hidden) void refreshIncidents(); }, 4000);
