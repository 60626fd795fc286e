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
  stages?: { inspected?: string; sent?: string; bus?: string; received?: string; stored?: string };
}

export interface Page { alerts: Alert[]; next?: string }
export interface Batch { alerts: Alert[]; skipped: number }

export interface FlowKey { tenant?: number; src: string; dst: string; proto: number }
export interface Match { src?: string; dst?: string; proto?: number; port?: number; flow?: FlowKey }

export interface Reached { sensor: string; at: string }

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
  applied: { sensors: number; of: number; missing: string[]; first?: Reached; last?: Reached };
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
  approval: string; // class of orders that a second person must agree to, or ""
  traffic: {
    asked: number; answered: number; missing: string[]; seconds: number; flows: number; packets: number; bytes: number;
    established: number; long_lived: number; peers: number; at_least: boolean;
  };
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
  reason: string;
  policy: string;
  group: string;
  started_at?: string;
  rules: number;
  bundle: string;
  bundle_error: string;
  killed: boolean;
  maps: Record<string, { used: number; max: number }>;
  counters: Record<string, number>;
  refused: { id: string; reason: string }[];
  spool: { events: number; bytes: number; sent: number; shed: Record<string, number> };
  clock_skew_seconds: number;
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

export type Role = "viewer" | "analyst" | "responder" | "approver" | "rule-admin" | "admin";

export interface Session {
  signed_in: boolean;
  name?: string;
  kind?: string;
  roles: Role[];
  may: Role[];
  id?: string;
  expires_at?: string;
  open: boolean;
  warning?: string;
  setup: boolean;
  provider?: string;
}

export interface Party { name: string; first: string; last: string; alerts: number }
export interface Parties { list: Party[]; distinct: number; more: number }
export interface Stage { tactic: string; name: string; first: string; last: string; alerts: number }
export interface Vector {
  attack: string; vector: string; sensor: string; phase: string; explanation: string; unit: string; peak: number; threshold: number;
  counted: number; bytes: number; sources: number; since: string; last: string; measures: string[]; dropped: number; would_drop: number;
}

export interface Incident {
  id: string;
  kind: string;
  title: string;
  state: string;
  resolution?: string;
  severity: string;
  assignee?: string;
  active: boolean;
  ongoing: boolean;
  first: string;
  last: string;
  updated: string;
  alerts: number;
  stages: Stage[];
  sources: Parties;
  targets: Parties;
  signatures: { sid: number; signature: string; severity: number; tactic?: string; first: string; last: string; alerts: number }[];
  sensors: Party[];
  vectors: Vector[];
}

export interface IncidentDetail extends Incident {
  timeline: { time: string; kind: string; text: string; actor?: string }[];
  members: string[];
  verdicts: Verdict[];
  mitigation: { active: number; packets_dropped: number; bytes_dropped: number; would_packets: number; sensor_dropped: number; sensor_would_drop: number };
}

/** Something that one person has asked for and another must agree to. */
export interface Approval {
  id: string; kind: string; class: string; summary: string; by: string; at: string; expires_at: string;
  verdict?: Verdict; prefix?: string; reason?: string; scopes?: string[]; origins?: string[]; rules?: number[]; ttl_seconds?: number;
}

export interface KillSwitch { scopes: string[]; origins: string[]; rules: number[]; reason?: string; by?: string; at?: string }

export interface Protected { prefix: string; source: string; reason: string; by: string; at?: string }

export interface Feed {
  name: string; url: string; format: string; action: string; scope: string; every_seconds: number; state: string; entries: number;
  error?: string; tried_at?: string; renewed_at?: string; added_by?: string; own: boolean; left_out: number; paused_by?: string; paused_at?: string; paused_why?: string;
}
export interface NewFeed { name: string; url?: string; list?: string; action: string; every_seconds?: number; scope?: string }
export interface NewExport { name: string; type: string; url: string; secret?: string; events?: string[]; severity?: number }

export interface PolicyRule {
  severity?: number; signatures?: number[]; categories?: string[]; require?: string; action?: string; rate?: number; ttl_seconds?: number;
  scope?: string; escalate_seconds?: number[]; quorum?: { sensors?: number; signatures?: number; within_seconds?: number };
}
export interface Policy {
  block: PolicyRule[];
  limits: { per_minute: number; per_sensor_minute: number; per_signature_minute: number; hold_seconds: number; addresses: number; feed_addresses: number };
  canary_seconds: number; at_most: { alerts?: string; feeds?: string };
  changed: boolean; changed_by?: string; changed_at?: string;
}

export interface User { name: string; roles: Role[]; state: string; created_at?: string; last_login?: string }
export interface APIToken { id: string; name: string; owner: string; roles: Role[]; created_at: string; expires_at: string; last_used?: string; last_remote?: string }
export interface EnrolmentToken { id: string; group: string; uses: number; created_at: string; expires_at: string }
export interface SensorCredential { sensor: string; kind: string; group?: string; serials?: string[]; key?: string; since: string; renewed_at?: string; expires_at?: string }
export interface SavedSearch { id: string; owner: string; name: string; query: string; place?: string; shared: boolean }
export interface Export { name: string; type: string; state: string; sent: number; dropped: number; refused: number; waiting: number; dead: number; target: string; events: string[]; severity: number; added_by?: string }

export interface Settings {
  version: string; started_at: string; data: string; console: string; console_tls: boolean; bus: string; bus_tls: boolean; ca?: string;
  provider?: string; alerts_keep_seconds: number; alerts_max_bytes: number; session_idle_seconds: number; session_lifetime_seconds: number;
  incident_quiet_seconds: number; incident_auto_close_seconds: number; sensors: number; alerts: number; epoch: number; seq: number; exports: Export[];
}

export interface RuleSet { version: string; rules: string; count: number; updated_at?: string; updated_by?: string }

/** Rules on their way to a scope, by a sensor that tries them. */
export interface Rollout { id: string; version: string; scope: string; canary: string; state: string; reason?: string; at: string; changes?: { counts: number[] } }
