import { useState } from "preact/hooks";
import { getPolicy, putPolicy } from "../lib/api";
import { exactly, plain, span } from "../lib/format";
import { toast } from "../lib/toast";
import type { Policy, PolicyRule } from "../lib/types";
import { text } from "../text";
import { Act } from "./act";
import { Field } from "./dialog";
import { Plus } from "./icons";
import { Box } from "./incident";
import { FormDialog, useSubmit } from "./modal";
import { Bad, useRead } from "./settings";

const t = text.settings.policy;

/** What alerts become verdicts by themselves, and how the time grows with every repetition. */
export function PolicyPart() {
  const { value: p, problem, refresh } = useRead(getPolicy);
  const [editing, setEditing] = useState<number | null>(null); // -1: a new one
  const [bounds, setBounds] = useState(false);
  const put = async (block: PolicyRule[], said: string) => {
    const before = p!;
    await putPolicy({ ...kept(before), block });
    toast({ text: said, undo: () => void putPolicy(kept(before)).then(refresh, () => refresh()) });
    await refresh();
  };
  return (
    <Box title={text.settings.parts.policy} n={p?.block.length} why={t.why}>
      <Bad text={problem} />
      <p class="rank-none"><Act needs="rule-admin" on={() => setEditing(-1)}><Plus />{t.add}</Act> <Act needs="rule-admin" on={() => setBounds(true)}>{t.bounds}…</Act></p>
      <p class="quiet rank-none">{t.why} {p && t.limits(p.limits.per_minute, p.limits.per_sensor_minute, p.limits.per_signature_minute)} {p && p.canary_seconds > 0 && t.canaried(span(p.canary_seconds))} {p?.changed ? t.changed(plain(p.changed_by), p.changed_at ? exactly(p.changed_at) : "") : t.fromFile}</p>
      {p?.block.length === 0 && <div class="empty"><h3>{t.emptyTitle}</h3><p>{t.empty}</p></div>}
      <ol class="cards policy-rules">
        {p?.block.map((r, i) => (
          <li key={i} class="card" data-policy={i}>
            <div class="line"><span class={"action a-" + (r.action || "drop")}>{text.verdicts.actions[r.action || "drop"] ?? plain(r.action)}</span><b class="name">{conditions(r)}</b>
              <span class="left acts-inline"><Act needs="rule-admin" class="button small" on={() => setEditing(i)}>{t.edit}</Act><Act needs="rule-admin" class="button small" label={t.removeLabel(i + 1)} on={() => void put(p.block.filter((_, k) => k !== i), t.removed)}>{t.remove}</Act></span></div>
            <Ladder r={r} />
            <div class="line small">{r.quorum && <span class="quiet">{t.quorum(r.quorum.sensors ?? 0, r.quorum.signatures ?? 0, r.quorum.within_seconds ? span(r.quorum.within_seconds) : "")}</span>}{r.require && <span class="quiet">{t.require(plain(r.require))}</span>}<span class="quiet">{t.on(plain(r.scope || "all"))}</span></div>
          </li>
        ))}
      </ol>
      {p && bounds && <BoundsDialog p={p} close={() => setBounds(false)} done={refresh} />}
      {p && editing !== null && <RuleDialog rule={p.block[editing] ?? {}} close={() => setEditing(null)} save={(r) => put(editing < 0 ? [...p.block, r] : p.block.map((x, k) => (k === editing ? r : x)), t.saved)} />}
    </Box>
  );
}

/** What of a policy is put. */
const kept = ({ block, limits, canary_seconds, at_most }: Policy) => ({ block, limits, canary_seconds, at_most });

/** How far automation may go at most, and how fast. */
function BoundsDialog({ p, close, done }: { p: Policy; close: () => void; done: () => Promise<void> }) {
  const [f, setF] = useState({
    alerts: p.at_most.alerts || "drop", feeds: p.at_most.feeds || "drop", canary: String(p.canary_seconds ?? 0), minute: String(p.limits.per_minute), sensor: String(p.limits.per_sensor_minute), signature: String(p.limits.per_signature_minute),
    hold: String(p.limits.hold_seconds / 60),
  });
  const set = (c: Partial<typeof f>) => setF((was) => ({ ...was, ...c }));
  const form = useSubmit(async () => {
    await putPolicy({
      ...kept(p), canary_seconds: Number(f.canary), at_most: { alerts: f.alerts, feeds: f.feeds },
      limits: { ...p.limits, per_minute: Number(f.minute), per_sensor_minute: Number(f.sensor), per_signature_minute: Number(f.signature), hold_seconds: Math.round(60 * Number(f.hold)) },
    });
    toast({ text: t.saved, undo: () => void putPolicy(kept(p)).then(done, () => done()) });
    close();
    await done();
  });
  const rung = (key: "alerts" | "feeds", among: string[]) => <Field name={"p-" + key} label={t.atMost[key]} hint={t.atMostHint} error={form.of("at_most." + key)}><select id={"f-p-" + key} value={f[key]} onChange={(e) => set({ [key]: e.currentTarget.value })}>{among.map((a) => <option key={a} value={a}>{text.verdicts.actions[a]}</option>)}</select></Field>;
  const number = (key: "canary" | "minute" | "sensor" | "signature" | "hold", label: string, hint: string, field: string) => <Field name={"p-" + key} label={label} hint={hint} error={form.of(field)}><input id={"f-p-" + key} type="number" min="0" step="any" required value={f[key]} onInput={(e) => set({ [key]: e.currentTarget.value })} /></Field>;
  return (
    <FormDialog id="bounds-title" title={t.bounds} act={t.save} form={form} close={close}>
      {rung("alerts", ["observe", "ratelimit", "drop"])}{rung("feeds", ["observe", "drop"])}
      {number("canary", t.canary, t.canaryHint, "canary_seconds")}{number("minute", t.perMinute, t.perMinuteHint, "per_minute")}{number("sensor", t.perSensor, "", "per_sensor_minute")}{number("signature", t.perSignature, "", "per_signature_minute")}{number("hold", t.hold, t.holdHint, "hold_seconds")}
    </FormDialog>
  );
}

function conditions(r: PolicyRule): string {
  const parts = [];
  if (r.severity) parts.push(t.severity(r.severity));
  if (r.signatures?.length) parts.push(t.signatures(r.signatures.slice(0, 6).join(", ") + (r.signatures.length > 6 ? " …" : "")));
  if (r.categories?.length) parts.push(t.categories(r.categories.map(plain).join(", ")));
  return parts.join(", ") || t.anyAlert;
}

/** First time, second time, …: how long the verdict lasts. */
function Ladder({ r }: { r: PolicyRule }) {
  const steps = [r.ttl_seconds ?? 0, ...(r.escalate_seconds ?? [])];
  return <ol class="steps" aria-label={t.ladder} title={t.ladderWhy}>{steps.map((s, i) => <li key={i}><span class="quiet">{t.time(i + 1, i === steps.length - 1 && steps.length > 1)}</span><b>{s ? span(s) : t.usual}</b></li>)}</ol>;
}

const numbers = (s: string) => s.split(/[\s,]+/).filter(Boolean).map(Number);

function RuleDialog({ rule, close, save }: { rule: PolicyRule; close: () => void; save: (r: PolicyRule) => Promise<void> }) {
  const [f, setF] = useState({
    severity: String(rule.severity ?? ""), signatures: (rule.signatures ?? []).join(", "), action: rule.action || "drop", rate: String(rule.rate || 1000),
    ladder: [rule.ttl_seconds ?? 3600, ...(rule.escalate_seconds ?? [])].map((s) => s / 60).join(", "), sensors: String(rule.quorum?.sensors ?? ""), within: String((rule.quorum?.within_seconds ?? 300) / 60),
  });
  const set = (c: Partial<typeof f>) => setF((was) => ({ ...was, ...c }));
  const form = useSubmit(async () => {
    const minutes = numbers(f.ladder).map((m) => Math.round(m * 60));
    const next: PolicyRule = { ...rule, action: f.action, ttl_seconds: minutes[0], escalate_seconds: minutes.slice(1) };
    next.severity = f.severity ? Number(f.severity) : undefined;
    next.signatures = f.signatures.trim() ? numbers(f.signatures) : undefined;
    next.rate = f.action === "ratelimit" ? Number(f.rate) : undefined;
    next.quorum = Number(f.sensors) > 1 ? { ...rule.quorum, sensors: Number(f.sensors), within_seconds: Math.round(Number(f.within) * 60) } : rule.quorum?.signatures ? { ...rule.quorum, sensors: undefined } : undefined;
    await save(next);
    close();
  });
  return (
    <FormDialog id="policy-title" title={t.title} act={t.save} form={form} close={close}>
      <p class="caution inset">{t.caution}</p>
      <Field name="p-severity" label={t.worst} hint={t.worstHint} error={form.of("severity")}><select id="f-p-severity" value={f.severity} onChange={(e) => set({ severity: e.currentTarget.value })}><option value="">{t.any}</option><option value="1">1</option><option value="2">1, 2</option><option value="3">1, 2, 3</option></select></Field>
      <Field name="p-signatures" label={t.sids} hint={t.sidsHint} error={form.of("signatures")}><input id="f-p-signatures" class="mono" spellcheck={false} value={f.signatures} onInput={(e) => set({ signatures: e.currentTarget.value })} /></Field>
      <Field name="p-action" label={text.dialog.action} hint={text.dialog.actionHints[f.action]} error={form.of("action")}><select id="f-p-action" value={f.action} onChange={(e) => set({ action: e.currentTarget.value })}>{["observe", "ratelimit", "drop"].map((a) => <option key={a} value={a}>{text.verdicts.actions[a]}</option>)}</select></Field>
      {f.action === "ratelimit" && <Field name="p-rate" label={text.dialog.rate} error={form.of("rate")}><input id="f-p-rate" type="number" min="1" value={f.rate} onInput={(e) => set({ rate: e.currentTarget.value })} /></Field>}
      <Field name="p-ladder" label={t.ladder} hint={t.ladderHint} error={form.of("ttl_seconds") || form.of("escalate_seconds")}><input id="f-p-ladder" class="mono" required spellcheck={false} value={f.ladder} onInput={(e) => set({ ladder: e.currentTarget.value })} /></Field>
      <Field name="p-sensors" label={t.agree} hint={t.agreeHint} error={form.of("quorum") || form.of("sensors")}><input id="f-p-sensors" type="number" min="1" value={f.sensors} onInput={(e) => set({ sensors: e.currentTarget.value })} /></Field>
    </FormDialog>
  );
}
