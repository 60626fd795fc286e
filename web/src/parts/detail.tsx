import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { getAlert, packetURL, Problem, ruleOf } from "../lib/api";
import { blockSource } from "../lib/act";
import { bytes, count, endpoint, exactly, plain, unspecified, when } from "../lib/format";
import { explain } from "../lib/live";
import { go, place } from "../lib/place";
import { narrow } from "../lib/query";
import type { Alert } from "../lib/types";
import { text } from "../text";
import { deciding, quick, some, suppressing } from "../lib/triage";
import { Block, Check, Close, Comment, Copy, Flag, Mute } from "./icons";
import { choose } from "./list";
import { Payload } from "./payload";
import { Concerning, SameFlow } from "./related";
import { Act } from "./act";
import { Severity } from "./severity";
import { Way } from "./way";

export const closeDetail = () => { choose(""); go({ alert: "" }); };

export function Detail({ id }: { id: string }) {
  const [alert, setAlert] = useState<Alert | null>(null);
  const [problem, setProblem] = useState("");
  useEffect(() => {
    const abort = new AbortController();
    choose(id);
    getAlert(id, abort.signal).then(setAlert, (e) => {
      if (!abort.signal.aborted) setProblem(e instanceof Problem && e.status === 404 ? text.detail.gone : explain(e));
    });
    return () => abort.abort();
  }, [id]);
  return (
    <aside class="detail" role="complementary" aria-label={text.detail.label}>
      <button class="tool close" aria-label={text.detail.close} title={text.detail.close + " (Esc)"} onClick={closeDetail}><Close /></button>
      {problem && <p class="problem" role="alert">{problem}</p>}
      {alert && <Whole a={alert} />}
    </aside>
  );
}

function Whole({ a }: { a: Alert }) {
  const t = text.detail;
  const eve = a.eve ?? {};
  const rule = useRule(a);
  return (
    <>
      <header>
        <p class="overline"><Severity n={a.severity} /><span class="mono">{a.gid}:{a.sid}:{a.rev}</span><span>{when(a.time)}</span>
          <span class={"outcome " + (a.action === "blocked" ? "blocked" : "allowed")}>{a.action === "blocked" ? text.alerts.blocked : text.alerts.allowed}</span></p>
        <h2>{plain(a.signature)}</h2>
        <p class="route"><b class="mono">{endpoint(a.src_ip, a.src_port)}</b><span aria-hidden="true">→</span><b class="mono">{endpoint(a.dest_ip, a.dest_port)}</b></p>
        <div class="acts">
          {!unspecified(a.src_ip) && <Act needs="responder" class="button danger" on={() => blockSource(a)}><Block />{t.block}</Act>}
          <Act needs="analyst" on={() => quick([a], "archived")}><Check />{text.triage.archive}</Act><Act needs="analyst" on={() => quick([a], "escalated")}><Flag />{text.triage.escalate}</Act><Act needs="analyst" on={() => { deciding.value = some([a]); }}><Comment />{text.triage.more}</Act><Act needs="analyst" on={() => { suppressing.value = a; }}><Mute />{text.groups.suppress}</Act>
        </div>
        <div class="acts pivots"><span class="quiet">{t.pivot}</span>{!unspecified(a.src_ip) && <Pivot name={t.only.src} k="src" v={a.src_ip} />}<Pivot name={t.only.dst} k="dst" v={a.dest_ip} /><Pivot name={t.only.sid} k="sid" v={a.sid} />
        </div>
      </header>
      <Facts a={a} eve={eve} />
      {a.comments && <Section title={t.comments}><ul class="comments">{a.comments.map((c, i) => <li key={i}><p class="quiet">{plain(c.actor)} · {when(c.time)}</p><p>{plain(c.text)}</p></li>)}</ul></Section>}
      <Section title={t.way}><Way a={a} /></Section>
      <Section title={t.payload}><Payload eve={eve} rule={rule ?? ""} packet={typeof eve.packet === "string" && eve.packet ? packetURL(a.id) : undefined} /></Section>
      {decoded(eve).map(([name, value]) => <Section key={name} title={`${t.decoded}: ${name}`}><Tree value={value} /></Section>)}
      <Section title={t.rule}>{rule === null ? null : rule ? <RuleText rule={rule} /> : <p class="quiet">{t.ruleNone}</p>}</Section>
      <Section title={t.concerning}><Concerning a={a} /></Section>
      <Section title={t.sameFlow}><SameFlow a={a} /></Section>
      {eve.flow && <Section title={t.flowTitle}><Flow f={eve.flow} /></Section>}
      <Record eve={eve} />
    </>
  );
}

function Section({ title, children }: { title: string; children: ComponentChildren }) {
  return <section class="part"><h3>{title}</h3>{children}</section>;
}

function Pivot({ name, k, v }: { name: string; k: string; v: string | number }) {
  return <button class="button ghost" title={`${text.detail.pivot} ${k}:${v}`} onClick={() => { choose(""); go({ q: narrow(place.value.q, k, v), alert: "" }, "push"); }}>{name}</button>;
}

function Facts({ a, eve }: { a: Alert; eve: Record<string, any> }) {
  const t = text.detail;
  const rows: [string, string][] = [
    [t.time, exactly(a.time)],
    [t.sensor, plain(a.sensor) + (eve.in_iface ? ` · ${plain(eve.in_iface)}` : "")],
    [t.protocol, plain(a.proto) + (a.app_proto ? ` · ${plain(a.app_proto)}` : "")],
    [t.verdict, a.action === "blocked" ? t.blocked : t.allowed],
    [t.category, plain(a.category) || "–"],
    [t.flow, String(a.flow_id)],
    [text.triage.state, a.state + (a.assignee ? ` · ${plain(a.assignee)}` : "")],
  ];
  const mitre = techniques(eve);
  if (mitre) rows.push([t.mitre, mitre]);
  const tactic = tactics(eve);
  if (tactic) rows.push([t.tactic, tactic]);
  return <Section title={t.facts}><dl class="facts">{rows.map(([k, v]) => <div key={k}><dt>{k}</dt><dd>{v}</dd></div>)}</dl></Section>;
}

/** MITRE techniques as rules' metadata has them. */
function techniques(eve: Record<string, any>): string {
  const m = eve.alert?.metadata ?? {};
  const ids: unknown[] = Array.isArray(m.mitre_technique_id) ? m.mitre_technique_id : [];
  const names: unknown[] = Array.isArray(m.mitre_technique_name) ? m.mitre_technique_name : [];
  return ids.map((id, i) => plain(`${id} ${String(names[i] ?? "").replaceAll("_", " ")}`)).join(", ");
}

/** Its tactics, likewise. */
function tactics(eve: Record<string, any>): string {
  const m = eve.alert?.metadata ?? {};
  const ids: unknown[] = Array.isArray(m.mitre_tactic_id) ? m.mitre_tactic_id : [];
  return ids.map((id) => plain(`${id} ${text.tactics[String(id)] ?? ""}`)).join(", ");
}

const notDecoded = new Set(["alert", "flow", "metadata", "packet_info", "tunnel", "verdict", "ether", "vlan", "stats"]);

/** The application protocol's objects in the record. */
const decoded = (eve: Record<string, any>): [string, unknown][] =>
  Object.entries(eve).filter(([k, v]) => v && typeof v === "object" && !Array.isArray(v) && !notDecoded.has(k));

/** Any JSON as names and values. Everything in it may come from the attacker: text only. */
function Tree({ value, depth = 0 }: { value: unknown; depth?: number }) {
  if (value === null || typeof value !== "object") return <span class="leaf mono">{plain(value)}</span>;
  if (depth > 6) return <span class="leaf mono">{plain(JSON.stringify(value))}</span>;
  const entries = Object.entries(value);
  if (Array.isArray(value) && entries.every(([, v]) => v === null || typeof v !== "object")) return <span class="leaf mono">{value.map(plain).join(", ")}</span>;
  return <dl class="tree">{entries.map(([k, v]) => <div key={k}><dt>{plain(k)}</dt><dd><Tree value={v} depth={depth + 1} /></dd></div>)}</dl>;
}

/** The rule as the record has it, else as the collector knows it now; null while it is asked for. */
function useRule(a: Alert): string | null {
  const own = a.eve?.alert?.rule as string | undefined;
  const [rule, setRule] = useState(own ?? null);
  useEffect(() => { if (!own) ruleOf(a.sid).then((r) => setRule(r.trim()), () => setRule("")); }, [a.sid]);
  return rule;
}

/** A rule, its contents marked as they are in the payload. */
function RuleText({ rule }: { rule: string }) {
  const parts = rule.split(/((?<=[;(]\s*content\s*:\s*)"(?:[^"\\]|\\.)*")/);
  return <pre class="wrap">{parts.map((p, i) => (i % 2 ? <mark key={i}>{plain(p)}</mark> : plain(p)))}</pre>;
}

function Flow({ f }: { f: Record<string, any> }) {
  const t = text.detail;
  const side = (name: string, pkts: unknown, size: unknown) => <div><dt>{name}</dt><dd>{count(Number(pkts ?? 0))} {t.packets} · {bytes(Number(size ?? 0))}</dd></div>;
  return (
    <dl class="facts">
      {side(t.toServer, f.pkts_toserver, f.bytes_toserver)}
      {side(t.toClient, f.pkts_toclient, f.bytes_toclient)}
      {f.start && <div><dt>{t.began}</dt><dd>{exactly(String(f.start).replace(/([+-]\d\d)(\d\d)$/, "$1:$2"))}</dd></div>}
    </dl>
  );
}

function Record({ eve }: { eve: Record<string, any> }) {
  const [copied, setCopied] = useState(false);
  const json = JSON.stringify(eve, null, 2);
  const copy = () => navigator.clipboard?.writeText(json).then(() => { setCopied(true); setTimeout(() => setCopied(false), 1500); });
  return (
    <details class="part">
      <summary><h3>{text.detail.record}</h3></summary>
      <button class="button ghost small" onClick={copy}><Copy />{copied ? text.detail.copied : text.detail.copy}</button>
      <pre class="record">{json.split("\n").map(plain).join("\n")}</pre>
    </details>
  );
}
