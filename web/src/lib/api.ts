// Requests to the collector.

import { text } from "../text";
import type { Approval, APIToken, EnrolmentToken, Export, Feed, Incident, IncidentDetail, KillSwitch, NewExport, NewFeed, Policy, Protected, Role, Rollout, RuleSet, SavedSearch, SensorCredential, Session, Settings, User } from "./types";
import type { Alert, AuditEntry, Change, FieldError, Group, Page, Preview, Sensor, State, Suppression, Timeline, Traffic, Verdict, VerdictRequest } from "./types";

const root = "/api/v1";

/** A request that failed, as the collector explains it (RFC 9457). */
export class Problem extends Error {
  constructor(readonly status: number, message: string, readonly fields: FieldError[] = []) {
    super(message);
  }
}

/** An order that was taken, and waits until a second person agrees. */
export class Waits extends Error {
  constructor(readonly approval: Approval) { super(text.approvals.waits(approval.summary)); }
}

async function request(method: string, path: string, body?: unknown, signal?: AbortSignal, more?: Record<string, string>): Promise<Response> {
  let res: Response;
  try {
    res = await fetch(root + path, {
      method, signal,
      headers: body === undefined ? more : { "Content-Type": "application/json", ...more },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (e) {
    if (signal?.aborted) throw e;
    throw new Problem(0, text.problems.network);
  }
  if (res.status === 202) throw new Waits(await res.json());
  if (res.ok) return res;
  if (res.status === 401) location.assign("/login");
  const p = await res.json().catch(() => ({}));
  throw new Problem(res.status, p.detail || p.title || res.statusText, p.errors ?? []);
}

const get = async (path: string, signal?: AbortSignal) => (await request("GET", path, undefined, signal)).json();

export type Params = Record<string, string>;

export function queryOf(params: Params): string {
  const q = new URLSearchParams(Object.entries(params).filter(([, v]) => v !== "")).toString();
  return q && "?" + q;
}

export const streamURL = (params: Params) => root + "/alerts/stream" + queryOf(params);
export const listAlerts = (params: Params, signal?: AbortSignal): Promise<Page> => get("/alerts" + queryOf(params), signal);
export const timeline = (params: Params, signal?: AbortSignal): Promise<Timeline> => get("/stats/timeline" + queryOf(params), signal);
export const traffic = (params: Params, signal?: AbortSignal): Promise<Traffic> => get("/stats/traffic" + queryOf(params), signal);
export const changes = async (params: Params, signal?: AbortSignal): Promise<Change[]> => (await get("/stats/changes" + queryOf(params), signal)).rows;
export const top = async (params: Params): Promise<{ key: string; label: string; count: number }[]> => (await get("/stats/top" + queryOf(params))).rows;
export const groups = async (params: Params, signal?: AbortSignal): Promise<Group[]> => (await get("/alerts/groups" + queryOf(params), signal)).groups;
export const triage = async (body: { ids?: string[]; match?: object; state?: State; assignee?: string; comment?: string }): Promise<number> =>
  (await (await request("POST", "/alerts/triage", body)).json()).changed;
export const listSuppressions = async (): Promise<Suppression[]> => (await get("/suppressions")).suppressions;
export const suppress = async (body: { query: string; reason: string; ttl_seconds: number }): Promise<Suppression> => (await request("POST", "/suppressions", body)).json();
export const unsuppress = async (id: string): Promise<void> => { await request("DELETE", "/suppressions/" + encodeURIComponent(id)); };
export const audit = async (params: Params, signal?: AbortSignal): Promise<AuditEntry[]> => (await get("/audit" + queryOf(params), signal)).entries;
export const listVerdicts = async (): Promise<Verdict[]> => (await get("/verdicts")).verdicts;
export const verdictsOf = async (address: string): Promise<Verdict[]> => (await get("/verdicts" + queryOf({ address }))).verdicts;
export const extendVerdict = async (id: string, ttl_seconds: number): Promise<Verdict> => (await request("POST", `/verdicts/${encodeURIComponent(id)}/extend`, { ttl_seconds })).json();
export const hitsOf = async (id: string): Promise<{ since: string; step_seconds: number; packets: number[]; bytes: number[] }> => get(`/verdicts/${encodeURIComponent(id)}/hits`);
export const packetURL = (id: string) => `${root}/alerts/${encodeURIComponent(id)}/packet`;
export const listSensors = async (): Promise<Sensor[]> => (await get("/sensors")).sensors;
export const preview = async (v: VerdictRequest, signal: AbortSignal): Promise<Preview> => (await request("POST", "/verdicts/preview", v, signal)).json();
export const addVerdict = async (v: VerdictRequest): Promise<Verdict> => (await request("POST", "/verdicts", v)).json();
export const removeVerdict = async (id: string): Promise<void> => { await request("DELETE", "/verdicts/" + encodeURIComponent(id)); };
export const listApprovals = async (): Promise<Approval[]> => (await get("/approvals")).approvals;
export const approve = async (id: string, note: string): Promise<Approval> => (await request("POST", `/approvals/${encodeURIComponent(id)}/approve`, { note })).json();
export const decline = async (id: string, note: string): Promise<void> => { await request("DELETE", `/approvals/${encodeURIComponent(id)}` + queryOf({ note })); };
export const getSession = (): Promise<Session> => get("/session");
export const signOut = async (): Promise<void> => { await request("DELETE", "/session"); };
export const changePassword = async (old: string, next: string): Promise<void> => { await request("PUT", "/session/password", { old, new: next }); };
export const listIncidents = (params: Params, signal?: AbortSignal): Promise<{ incidents: Incident[]; next?: string }> => get("/incidents" + queryOf(params), signal);
export const getIncident = (id: string, signal?: AbortSignal): Promise<IncidentDetail> => get("/incidents/" + encodeURIComponent(id), signal);
export const changeIncident = async (id: string, body: object): Promise<IncidentDetail> => (await request("PATCH", "/incidents/" + encodeURIComponent(id), body)).json();
export const alertsOfIncident = async (id: string, signal?: AbortSignal): Promise<Alert[]> => (await get(`/incidents/${encodeURIComponent(id)}/alerts?limit=100`, signal)).alerts;
export const reportURL = (id: string) => `${root}/incidents/${encodeURIComponent(id)}/report`;
export const getKillSwitch = (): Promise<KillSwitch> => get("/kill-switch");
/** What of dropping is stopped: all of it in scopes, and everywhere what origins and rules ask for. */
export interface Stopped { scopes: string[]; origins: string[]; rules: number[] }
export const putKillSwitch = async (s: Stopped, reason: string): Promise<KillSwitch> => (await request("PUT", "/kill-switch", { ...s, reason })).json();
export const listNeverBlock = async (): Promise<Protected[]> => (await get("/never-block")).prefixes;
export const addNeverBlock = async (prefix: string, reason: string): Promise<{ lifted: number }> => (await request("POST", "/never-block", { prefix, reason })).json();
export const removeNeverBlock = async (prefix: string): Promise<void> => { await request("DELETE", "/never-block" + queryOf({ prefix })); };
export const listFeeds = async (): Promise<Feed[]> => (await get("/feeds")).feeds;
export const acceptFeed = async (name: string): Promise<Feed> => (await request("POST", `/feeds/${encodeURIComponent(name)}/accept`, {})).json();
export const addFeed = async (f: NewFeed): Promise<Feed> => (await request("POST", "/feeds", f)).json();
export const pauseFeed = async (name: string, reason: string): Promise<Feed> => (await request("POST", `/feeds/${encodeURIComponent(name)}/pause`, { reason })).json();
export const resumeFeed = async (name: string): Promise<Feed> => (await request("POST", `/feeds/${encodeURIComponent(name)}/resume`, {})).json();
export const removeFeed = async (name: string): Promise<void> => { await request("DELETE", "/feeds/" + encodeURIComponent(name)); };
export const addExport = async (e: NewExport): Promise<Export> => (await request("POST", "/exports", e)).json();
export const removeExport = async (name: string): Promise<void> => { await request("DELETE", "/exports/" + encodeURIComponent(name)); };
export const testExport = async (name: string): Promise<{ took_ms: number }> => (await request("POST", `/exports/${encodeURIComponent(name)}/test`, {})).json();
export const getPolicy = (): Promise<Policy> => get("/policy");
export const putPolicy = async (p: Pick<Policy, "block" | "limits" | "canary_seconds" | "at_most">): Promise<Policy> => (await request("PUT", "/policy", p)).json();
export const listUsers = async (): Promise<User[]> => (await get("/users")).users;
export const addUser = async (name: string, roles: Role[]): Promise<{ link: string; expires_at: string }> => (await request("POST", "/users", { name, roles })).json();
export const changeUser = async (name: string, body: { roles?: Role[]; state?: string }): Promise<User> => (await request("PATCH", "/users/" + encodeURIComponent(name), body)).json();
export const removeUser = async (name: string): Promise<void> => { await request("DELETE", "/users/" + encodeURIComponent(name)); };
export const inviteUser = async (name: string): Promise<{ link: string; expires_at: string }> => (await request("POST", `/users/${encodeURIComponent(name)}/invitation`, {})).json();
export const listTokens = async (all: boolean): Promise<APIToken[]> => (await get("/tokens" + (all ? "?all=true" : ""))).tokens;
export const addToken = async (name: string, roles: Role[], ttl_seconds: number): Promise<{ token: string }> => (await request("POST", "/tokens", { name, roles, ttl_seconds })).json();
export const removeToken = async (id: string): Promise<void> => { await request("DELETE", "/tokens/" + encodeURIComponent(id)); };
export const listEnrolmentTokens = async (): Promise<EnrolmentToken[]> => (await get("/enrolment/tokens")).tokens;
export const addEnrolmentToken = async (group: string, uses: number, ttl_seconds: number): Promise<{ token: string }> => (await request("POST", "/enrolment/tokens", { group, uses, ttl_seconds })).json();
export const removeEnrolmentToken = async (id: string): Promise<void> => { await request("DELETE", "/enrolment/tokens/" + encodeURIComponent(id)); };
export const listCredentials = async (): Promise<SensorCredential[]> => (await get("/enrolment/sensors")).sensors;
export const revokeSensor = async (sensor: string): Promise<void> => { await request("DELETE", "/enrolment/sensors/" + encodeURIComponent(sensor)); };
export const listSearches = async (): Promise<SavedSearch[]> => (await get("/searches")).searches;
export const saveSearch = async (body: { name: string; query: string; place: string; shared: boolean }): Promise<SavedSearch> => (await request("POST", "/searches", body)).json();
export const removeSearch = async (id: string): Promise<void> => { await request("DELETE", "/searches/" + encodeURIComponent(id)); };
export const getSettings = (): Promise<Settings> => get("/settings");
export const getRules = (): Promise<RuleSet> => get("/rules");
/** Puts rules in the place of those of version; others fail. */
export const putRules = async (rules: string, version: string): Promise<RuleSet> => (await request("PUT", "/rules", { rules }, undefined, { "If-Match": `"${version}"` })).json();
export const listRollouts = async (): Promise<Rollout[]> => (await get("/rules/rollouts")).rollouts;
/** Keeps the text as a bundle and gives it to one sensor, of all. */
export async function stageRules(rules: string, canary: string, watch_seconds: number): Promise<Rollout> {
  const { version } = await (await request("POST", "/rules/bundles", { rules })).json();
  return (await request("POST", "/rules/rollouts", { version, scope: "all", canary, watch_seconds, auto: false })).json();
}
export const promoteRollout = async (id: string): Promise<Rollout> => (await request("POST", `/rules/rollouts/${encodeURIComponent(id)}/promote`, {})).json();
export const rollbackRollout = async (id: string): Promise<Rollout> => (await request("POST", `/rules/rollouts/${encodeURIComponent(id)}/rollback`, {})).json();
export const rollback = async (to: number): Promise<{ removed: number; restored: number; skipped: number }> => (await request("POST", "/verdicts/rollback", { to })).json();
export const ruleOf = async (sid: number): Promise<string> => (await get("/rules?sid=" + sid)).rules;

/** Reads an alert keeping whole numbers that JavaScript cannot hold, such as flow ids, as text. */
export async function getAlert(id: string, signal?: AbortSignal): Promise<Alert> {
  const body = await (await request("GET", "/alerts/" + encodeURIComponent(id), undefined, signal)).text();
  const exact = (_: string, v: unknown, ctx?: { source?: string }) =>
    typeof v === "number" && Math.abs(v) > Number.MAX_SAFE_INTEGER && ctx?.source ? ctx.source : v;
  return JSON.parse(body, exact as (k: string, v: unknown) => unknown);
}
