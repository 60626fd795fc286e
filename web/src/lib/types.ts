// What the API sends (see /api/v1/openapi.json).

export type State = "open" | "archived" | "escalated";

export interface Alert {
  id: string;
  time: string;
  sensor: string;
  sid: number;
  gid: number;
  rev: number;
  signature: string;
  category: string;
  severity: number;
  action: string;
  src_ip: string;
  src_port: number;
  dest_ip: string;
  dest_port: number;
  proto: string;
  app_proto: string;
  flow_id: number | string;
  state: State;
  assignee?: string;
  comments?: { time: string; actor: string; text: string }[];
  eve?: Record<string, any>;
}

export interface Page { alerts: Alert[]; next?: string }
export interface Batch { alerts: Alert[]; skipped: number }

export interface FlowKey { tenant?: number; src: string; dst: string; proto: number }
export interface Match { src?: string; dst?: string; proto?: number; port?: number; flow?: FlowKey }

export interface Verdict {
  id: string;
  seq?: number;
  match: Match;
  action: string;
  scope?: string;
  origin: string;
  rule?: number;
  rate?: number;
  evidence?: string[];
  reason: string;
  created_by: string;
  created_at: string;
  expires_at: string;
  state: string;
  hits: { packets: number; bytes: number };
  applied: { sensors: number; of: number; missing: string[] };
}

export interface VerdictRequest {
  match: Match;
  action: string;
  ttl_seconds: number;
  reason: string;
  scope?: string;
  rate?: number;
  rule?: number;
  evidence?: string[];
}

export interface Preview {
  window_seconds: number;
  alerts: number;
  sources: number;
  sensors: number;
  targets: string[];
  duplicates: string[];
  warnings: string[];
  refusal: string;
}

export interface Sensor {
  id: string;
  mode: string;
  state: string;
  last_seen: string;
  version: string;
  epoch: number;
  applied_seq: number;
  lag: number;
  packets: number;
  bytes: number;
  drops: Record<string, number>;
  ruleset: string;
  verdicts: number;
  refusals: number;
}

export interface Bucket { time: string; total: number; blocked: number; severity: Record<string, number> }
export interface Timeline { since: string; until: string; step_seconds: number; buckets: Bucket[] }

/** Rates a second, one a step. */
export interface Traffic {
  since: string;
  until: string;
  step_seconds: number;
  began: string;
  sensors: { id: string; packets: number[]; bytes: number[]; dropped: number[] }[];
  drops: { reason: string; packets: number[] }[];
}

export interface Change { key: string; label: string; count: number; before: number }

export interface Group { key: string; label: string; severity: number; count: number; others: number; first: string; last: string }

export interface Suppression { id: string; query: string; reason: string; created_by: string; created_at: string; expires_at: string; matched_24h: number }

export interface AuditEntry { seq: number; time: string; actor: string; action: string; object: string; remote: string; detail: any; hash: string }

export interface FieldError { field: string; detail: string; at?: { offset: number; end: number } }
