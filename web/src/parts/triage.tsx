import { useEffect, useState } from "preact/hooks";
import { suppress, timeline } from "../lib/api";
import { toast } from "../lib/toast";
import { count, plain, span } from "../lib/format";
import { explain, reread } from "../lib/live";
import { timeline as counted } from "../lib/fleet";
import { allMatching, deciding, marked, quick, some, suppressing, triage, unmark, type Subject } from "../lib/triage";
import type { Alert, State } from "../lib/types";
import { text } from "../text";
import { Field, Segments } from "./dialog";
import { Act } from "./act";
import { Rest, useModal, useSubmit } from "./modal";
import { Check, Close, Comment, Flag, Mute, Warn } from "./icons";

const t = text.triage;

/** What can be done with the marked alerts. */
export function MarkedBar() {
  const list = [...marked.value.values()];
  const all = counted.value?.buckets.reduce((n, b) => n + b.total, 0) ?? 0;
  if (!list.length) return null;
  return (
    <div class="marked" role="toolbar" aria-label={t.bar}>
      <b>{t.marked(list.length)}</b>
      <Act needs="analyst" class="button small" on={() => quick(list, "archived")}><Check />{t.archive}</Act>
      <Act needs="analyst" class="button small" on={() => quick(list, "escalated")}><Flag />{t.escalate}</Act>
      <Act needs="analyst" class="button small" on={() => { deciding.value = some(list); }}><Comment />{t.more}</Act>
      <Act needs="analyst" class="button small ghost" on={() => { deciding.value = allMatching("", all); }}>{t.all}</Act>
      <button class="tool small" aria-label={t.unmark} title={t.unmark + " (Esc)"} onClick={unmark}><Close /></button>
    </div>
  );
}

export function TriageDialog({ subject }: { subject: Subject }) {
  const close = () => { deciding.value = null; };
  const modal = useModal(close);
  const [state, setState] = useState<State | "">("archived");
  const [assignee, setAssignee] = useState("");
  const [comment, setComment] = useState("");
  const s = useSubmit(async () => {
    await triage(subject, { state: state || undefined, assignee: assignee.trim() || undefined, comment: comment.trim() || undefined });
    close();
  });
  return (
    <dialog {...modal} aria-labelledby="triage-title">
      <form onSubmit={s.submit}>
        <header class="panel-head"><h2 id="triage-title">{subject.match ? t.titleAll : t.title}</h2><button type="button" class="tool" aria-label={text.dialog.cancel} onClick={close}><Close /></button></header>
        <p class="subject mono">{plain(subject.about)}</p>
        {subject.match && <p class="caution inset"><Warn />{t.allWarning(subject.count ? count(subject.count) : "")}</p>}
        <Field name="state" label={t.state} hint={t.stateHint[state]} error={s.of("state")}>
          <Segments name="state" options={(["archived", "escalated", "open", ""] as const).map((x) => [x, t.states[x]])} value={state} onChange={(v) => setState(v as State | "")} />
        </Field>
        <Field name="assignee" label={t.assignee} error={s.of("assignee")}><input id="f-assignee" value={assignee} maxLength={200} onInput={(e) => setAssignee(e.currentTarget.value)} /></Field>
        <Field name="comment" label={t.comment} hint={t.commentHint} error={s.of("comment")}><textarea id="f-comment" rows={3} maxLength={2000} value={comment} onInput={(e) => setComment(e.currentTarget.value)} /></Field>
        <Rest form={s} />
        <footer>
          <button type="button" class="button" onClick={close}>{text.dialog.cancel}</button>
          <button class="button accent" disabled={s.busy || (!state && !assignee.trim() && !comment.trim())}>{t.submit(subject.count ? count(subject.count) : t.allOfThem)}</button>
        </footer>
      </form>
    </dialog>
  );
}

/** The scopes that make sense for an alert, narrowest last. */
const scopesOf = (a: Alert): [string, string][] => [
  [`sid:${a.sid}`, t.scopes.sid], [`sid:${a.sid} src:${a.src_ip}`, t.scopes.sidSrc], [`sid:${a.sid} dst:${a.dest_ip}`, t.scopes.sidDst], [`src:${a.src_ip}`, t.scopes.src],
];

export function SuppressDialog({ about }: { about: Alert | { query: string } }) {
  const close = () => { suppressing.value = null; };
  const modal = useModal(close);
  const scopes = "sid" in about ? scopesOf(about) : [];
  const [query, setQuery] = useState("query" in about ? about.query : scopes[1][0]);
  const [reason, setReason] = useState("");
  const [ttl, setTTL] = useState("86400");
  const matched = useMatched(query);
  const s = useSubmit(async () => {
    const x = await suppress({ query, reason, ttl_seconds: Number(ttl) });
    close();
    toast({ text: t.suppressed(x.query, span(Number(ttl))) });
    reread();
  });
  return (
    <dialog {...modal} aria-labelledby="suppress-title">
      <form onSubmit={s.submit}>
        <header class="panel-head"><h2 id="suppress-title">{t.suppressTitle}</h2><button type="button" class="tool" aria-label={text.dialog.cancel} onClick={close}><Close /></button></header>
        <p class="quiet inset">{t.suppressIntro}</p>
        {scopes.length > 0 && (
          <Field name="scope" label={t.scope} error="">
            <select id="f-scope" value={scopes.some(([q]) => q === query) ? query : ""} onChange={(e) => setQuery(e.currentTarget.value)}>
              {scopes.map(([q, name]) => <option key={q} value={q}>{name}</option>)}
              {!scopes.some(([q]) => q === query) && <option value="">{t.scopes.own}</option>}
            </select>
          </Field>
        )}
        <Field name="query" label={t.query} hint={t.queryHint} error={s.of("query") || matched.error}><input id="f-query" class="mono" required spellcheck={false} autocomplete="off" value={query} onInput={(e) => setQuery(e.currentTarget.value)} /></Field>
        <Field name="ttl" label={text.dialog.ttl} error={s.of("ttl_seconds")}><Segments name="ttl" options={Object.entries(t.ttls)} value={ttl} onChange={setTTL} /></Field>
        <Field name="reason" label={text.dialog.reason} hint={text.dialog.reasonHint} error={s.of("reason")}><input id="f-reason" required autofocus maxLength={500} value={reason} onInput={(e) => setReason(e.currentTarget.value)} /></Field>
        <section class="radius" aria-live="polite" data-testid="would-hide"><h3>{t.wouldHide}</h3><dl class="numbers"><div><dd>{matched.n === null ? "–" : count(matched.n)}</dd><dt>{t.in24h}</dt></div></dl></section>
        <Rest form={s} />
        <footer>
          <button type="button" class="button" onClick={close}>{text.dialog.cancel}</button>
          <button class="button accent" disabled={s.busy || !!matched.error}><Mute />{t.suppressSubmit(span(Number(ttl)))}</button>
        </footer>
      </form>
    </dialog>
  );
}

/** Counts what a query describes in the last 24 hours, a moment after it was last changed. */
function useMatched(query: string): { n: number | null; error: string } {
  const [got, setGot] = useState<{ n: number | null; error: string }>({ n: null, error: "" });
  useEffect(() => {
    const abort = new AbortController();
    const timer = setTimeout(async () => {
      try {
        const tl = await timeline({ query, since: "24h", step: "3600" }, abort.signal);
        if (!abort.signal.aborted) setGot({ n: tl.buckets.reduce((n, b) => n + b.total, 0), error: "" });
      } catch (e) { if (!abort.signal.aborted) setGot({ n: null, error: explain(e) }); }
    }, 250);
    return () => { clearTimeout(timer); abort.abort(); };
  }, [query]);
  return got;
}
