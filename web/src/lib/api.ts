// Requests to the collector.

import { text } from "../text";
import type { Alert, AuditEntry, Change, FieldError, Group, Page, Preview, Sensor, State, Suppression, Timeline, Traffic, Verdict, VerdictRequest } from "./types";

const root = "/api/v1";

/** A request that failed, as the collector explains it (RFC 9457). */
export class Problem extends Error {
  constructor(readonly status: number, message: string, readonly fields: FieldError[] = []) {
    super(message);
  }
}

async function request(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
  let res: Response;
  try {
    res = await fetch(root + path, {
      method, signal,
      headers: body === undefined ? undefined : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (e) {
    if (signal?.aborted) throw e;
    throw new Problem(0, text.problems.network);
  }
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
export const hitsOf = async (id: string): Promise<{ step_seconds: number; packets: number[] }> => get(`/verdicts/${encodeURIComponent(id)}/hits`);
export const packetURL = (id: string) => `${root}/alerts/${encodeURIComponent(id)}/packet`;
export const listSensors = async (): Promise<Sensor[]> => (await get("/sensors")).sensors;
export const preview = async (v: VerdictRequest, signal: AbortSignal): Promise<Preview> => (await request("POST", "/verdicts/preview", v, signal)).json();
export const addVerdict = async (v: VerdictRequest): Promise<Verdict> => (await request("POST", "/verdicts", v)).json();
export const removeVerdict = async (id: string): Promise<void> => { await request("DELETE", "/verdicts/" + encodeURIComponent(id)); };
export const ruleOf = async (sid: number): Promise<string> => (await get("/rules?sid=" + sid)).rules;

/** Reads an alert keeping whole numbers that JavaScript cannot hold, such as flow ids, as text. */
export async function getAlert(id: string, signal?: AbortSignal): Promise<Alert> {
  const body = await (await request("GET", "/alerts/" + encodeURIComponent(id), undefined, signal)).text();
  const exact = (_: string, v: unknown, ctx?: { source?: string }) =>
    typeof v === "number" && Math.abs(v) > Number.MAX_SAFE_INTEGER && ctx?.source ? ctx.source : v;
  return JSON.parse(body, exact as (k: string, v: unknown) => unknown);
}
