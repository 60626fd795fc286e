import { useEffect, useRef, useState } from "preact/hooks";
import { preview, Problem } from "../lib/api";
import { decide, draft as openDraft, type Draft } from "../lib/act";
import { sensors } from "../lib/fleet";
import { count, plain, short, span } from "../lib/format";
import { explain } from "../lib/live";
import { waited } from "../lib/trying";
import type { FieldError, Preview, VerdictRequest } from "../lib/types";
import { text } from "../text";
import { Close, Warn } from "./icons";

const t = text.dialog;

interface Form { src: string; action: string; ttl: number; reason: string; scope: string; rate: number }

function requestOf(f: Form, d: Draft): VerdictRequest {
  return {
    match: { src: f.src.trim() }, action: f.action, ttl_seconds: f.ttl, reason: f.reason.trim(), scope: f.scope || undefined,
    rate: f.action === "ratelimit" ? f.rate : undefined, rule: d.rule, evidence: d.evidence.length ? d.evidence : undefined,
  };
}

export function VerdictDialog({ draft }: { draft: Draft }) {
  const ref = useRef<HTMLDialogElement>(null);
  const [f, setForm] = useState<Form>({ src: draft.src, action: "drop", ttl: 3600, reason: draft.reason, scope: "", rate: 100 });
  const [errors, setErrors] = useState<FieldError[]>([]);
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  const looked = usePreview(f, draft);
  const set = (change: Partial<Form>) => { setForm({ ...f, ...change }); setErrors([]); setProblem(""); };
  useEffect(() => { ref.current!.showModal(); }, []);

  const close = () => { openDraft.value = null; };
  const submit = async (e: Event) => {
    e.preventDefault();
    setBusy(true);
    try {
      await decide(requestOf(f, draft));
      close();
    } catch (err) {
      if (waited(err)) return close();
      setErrors(err instanceof Problem ? err.fields : []);
      setProblem(err instanceof Problem && err.fields.length ? "" : explain(err));
      setBusy(false);
    }
  };
  const bad = (field: string) => errors.find((x) => x.field === field)?.detail ?? (field === "match.src" ? looked.srcError : "");
  return (
    <dialog ref={ref} class="dialog" aria-labelledby="dialog-title" onClose={close} onClick={(e) => { if (e.target === ref.current) close(); }}>
      <form onSubmit={submit}>
        <header class="panel-head"><h2 id="dialog-title">{t.title}</h2><button type="button" class="tool" aria-label={t.cancel} onClick={close}><Close /></button></header>
        <Field name="src" label={t.src} hint={t.srcHint} error={bad("match.src")}>
          <input id="f-src" class="mono" value={f.src} required autofocus={!draft.src} spellcheck={false} autocomplete="off" onInput={(e) => set({ src: e.currentTarget.value })} />
        </Field>
        <Field name="action" label={t.action} hint={t.actionHints[f.action]} error={bad("action")}>
          <Segments name="action" options={["drop", "ratelimit", "observe", "pass"].map((a) => [a, text.verdicts.actions[a]])} value={f.action} onChange={(action) => set({ action })} />
        </Field>
        {f.action === "ratelimit" && (
          <Field name="rate" label={t.rate} error={bad("rate")}>
            <input id="f-rate" type="number" min="1" max="10000000" value={f.rate} onInput={(e) => set({ rate: Number(e.currentTarget.value) })} />
          </Field>
        )}
        <Field name="ttl" label={t.ttl} error={bad("ttl_seconds")}>
          <Segments name="ttl" options={Object.entries(t.ttls)} value={String(f.ttl)} onChange={(ttl) => set({ ttl: Number(ttl) })} />
        </Field>
        <Field name="reason" label={t.reason} hint={t.reasonHint} error={bad("reason")}>
          <input id="f-reason" value={f.reason} required maxLength={500} autofocus={!!draft.src} onInput={(e) => set({ reason: e.currentTarget.value })} />
        </Field>
        <Field name="scope" label={t.scope} error={bad("scope")}>
          <select id="f-scope" value={f.scope} onChange={(e) => set({ scope: e.currentTarget.value })}>
            <option value="">{t.scopeAll}</option>
            {(sensors.value ?? []).map((s) => <option key={s.id} value={s.id}>{plain(s.id)}</option>)}
          </select>
        </Field>
        <Radius preview={looked.preview} evidence={draft.evidence.length} />
        {problem && <p class="problem" role="alert"><Warn />{problem}</p>}
        <footer>
          <button type="button" class="button" onClick={close}>{t.cancel}</button>
          <button class={"button " + (f.action === "drop" ? "danger" : "accent")} disabled={busy || !!looked.preview?.refusal}>
            {looked.preview?.approval ? t.submitAsk(text.verdicts.actions[f.action], f.src.trim()) : f.src.trim() ? t.submit(text.verdicts.actions[f.action], f.src.trim(), span(f.ttl)) : t.submitAny}
          </button>
        </footer>
      </form>
    </dialog>
  );
}

export function Field(p: { name: string; label: string; hint?: string; error: string; children: any }) {
  return (
    <div class={"field " + (p.error ? "bad" : "")}>
      <label for={"f-" + p.name} id={"l-" + p.name}>{p.label}</label>
      {p.children}
      {p.error ? <p class="hint" role="alert">{p.error}</p> : p.hint && <p class="hint">{p.hint}</p>}
    </div>
  );
}

export function Segments(p: { name: string; options: [string, string][]; value: string; onChange: (v: string) => void }) {
  return (
    <div class="segments" role="radiogroup" aria-labelledby={"l-" + p.name}>
      {p.options.map(([value, label]) => (
        <label key={value} class={p.value === value ? "on" : ""}>
          <input type="radio" name={p.name} value={value} checked={p.value === value} onChange={() => p.onChange(value)} />{label}
        </label>
      ))}
    </div>
  );
}

/** What the sensors remember of its traffic: who would be cut off. */
function Traffic({ p }: { p: Preview }) {
  const x = p.traffic;
  return (
    <p class={x.established ? "caution" : "quiet"} title={t.trafficWhy}>
      {t.traffic(count(x.flows), count(x.packets), count(x.peers), span(x.seconds), x.at_least)}
      {x.established > 0 && ` ${t.established(count(x.established), count(x.long_lived))}`}
    </p>
  );
}

interface Looked { preview: Preview | null; srcError: string }

/** Asks what the verdict would hit, a moment after the last change. */
function usePreview(f: Form, draft: Draft): Looked {
  const [got, setGot] = useState<Looked>({ preview: null, srcError: "" });
  useEffect(() => {
    if (!f.src.trim()) { setGot({ preview: null, srcError: "" }); return; }
    const abort = new AbortController();
    const timer = setTimeout(async () => {
      try {
        const preview_ = await preview({ ...requestOf(f, draft), reason: f.reason.trim() || "preview" }, abort.signal);
        if (!abort.signal.aborted) setGot({ preview: preview_, srcError: "" });
      } catch (e) {
        if (!abort.signal.aborted) setGot({ preview: null, srcError: e instanceof Problem ? e.fields.find((x) => x.field === "match.src")?.detail ?? "" : "" });
      }
    }, 250);
    return () => { clearTimeout(timer); abort.abort(); };
  }, [f.src, f.action, f.ttl, f.scope, f.rate]);
  return got;
}

/** A verdict's blast radius. */
export function Radius({ preview: p, evidence }: { preview: Preview | null; evidence: number }) {
  return (
    <section class="radius" aria-live="polite" data-testid="preview">
      <h3>{t.preview}</h3>
      {!p ? <p class="quiet">{t.previewWaiting}</p> : (
        <>
          <dl class="numbers">
            <div><dd>{count(p.alerts)}</dd><dt>{t.previewAlerts(p.alerts, span(p.window_seconds))}</dt></div>
            <div><dd>{short(p.sources)}</dd><dt>{t.previewAddresses(p.sources)}</dt></div>
            <div><dd>{count(p.sensors)}</dd><dt>{t.previewSensors(p.sensors)}</dt></div>
          </dl>
          {p.targets.length > 0 && <p class="quiet">{t.previewTargets}: <span class="mono">{p.targets.slice(0, 5).join(", ")}{p.targets.length > 5 ? " …" : ""}</span></p>}
          {p.traffic.answered > 0 && <Traffic p={p} />}
          {p.approval && !p.refusal && <p class="caution" data-testid="needs-approval"><Warn />{text.approvals.needs(text.approvals.classes[p.approval] ?? plain(p.approval))}</p>}
          {p.refusal && <p class="problem"><Warn />{plain(p.refusal)}</p>}
          {p.warnings.map((w) => <p key={w} class="caution"><Warn />{plain(w)}</p>)}
          {p.duplicates.length > 0 && <p class="caution"><Warn />{t.covered(p.duplicates.length)}</p>}
        </>
      )}
      {evidence > 0 && <p class="quiet">{t.evidence(evidence)}</p>}
    </section>
  );
}
