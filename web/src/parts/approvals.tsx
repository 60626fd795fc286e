import { useEffect, useState } from "preact/hooks";
import { preview } from "../lib/api";
import { agree, approvals, decline, own } from "../lib/approvals";
import { matchText } from "../lib/act";
import { now } from "../lib/fleet";
import { exactly, plain, span, when } from "../lib/format";
import { refusal } from "../lib/session";
import type { Approval, Preview } from "../lib/types";
import { text } from "../text";
import { Act } from "./act";
import { Radius } from "./dialog";
import { Check, Close, Warn } from "./icons";
import { Rest, useSubmit } from "./modal";

const t = text.approvals;

/** Orders for which one person is not enough: who asks for what, what it would hit, and the two answers. */
export function Approvals() {
  const list = approvals.value;
  return (
    <div class="approvals">
      <p class="quiet small-note">{t.why}</p>
      {list?.length === 0 && <div class="panel empty"><h3>{t.emptyTitle}</h3><p>{t.empty}</p></div>}
      {list?.map((a) => <Order key={a.id} a={a} />)}
    </div>
  );
}

function Order({ a }: { a: Approval }) {
  const [answer, setAnswer] = useState<"" | "approve" | "decline">("");
  const [note, setNote] = useState("");
  const form = useSubmit(() => (answer === "approve" ? agree : decline)(a, note.trim()));
  const mine = own(a), v = a.verdict;
  return (
    <article class="panel order" data-approval={a.kind} aria-label={a.summary}>
      <header>
        <div class="line"><span class="status st-warn">{t.state}</span><span class="quiet" title={t.classWhy[a.class]}>{t.classes[a.class] ?? plain(a.class)}</span><span class="left quiet" title={exactly(a.expires_at)}>{t.expires(span((Date.parse(a.expires_at) - now.value) / 1000))}</span></div>
        <h2>{v ? <><span class={"action a-" + v.action}>{text.verdicts.actions[v.action] ?? plain(v.action)}</span> <span class="mono">{matchText(v.match)}</span> <span class="quiet">{t.for(span(a.ttl_seconds ?? 0), v.scope || "all")}</span></> : t.kinds[a.kind]?.(plain(a.prefix ?? text.kill.what({ scopes: a.scopes ?? [], origins: a.origins ?? [], rules: a.rules ?? [] }))) ?? plain(a.summary)}</h2>
        <p>{a.reason ? <q>{plain(a.reason)}</q> : <span class="quiet">{t.noReason}</span>} <span class="quiet" title={exactly(a.at)}>{t.by(plain(a.by), when(a.at))}</span></p>
        <p class="quorum" title={t.quorumWhy}><Check /> {plain(a.by)} <span class="quiet">{t.asked}</span> <i aria-hidden="true" /> {mine ? t.elseMust : t.oneMore}</p>
      </header>
      {v && <Blast a={a} />}
      {!v && <p class="caution"><Warn />{t.effect[a.kind]}</p>}
      <form onSubmit={form.submit}>
        {answer && <label class="field"><span>{t.note}</span><input value={note} maxLength={500} autofocus ref={(e) => e?.focus()} required={answer === "decline" && !mine} placeholder={t.noteHint} onInput={(e) => setNote(e.currentTarget.value)} /></label>}
        <Rest form={form} />
        <footer>
          {answer ? (
            <>
              <button type="button" class="button" onClick={() => setAnswer("")}>{text.dialog.cancel}</button>
              <button class={"button " + (answer === "approve" ? "accent" : "danger")} disabled={form.busy}>{answer === "approve" ? t.doApprove : mine ? t.doWithdraw : t.doDecline}</button>
            </>
          ) : (
            <>
              <Act needs="responder" on={() => setAnswer("decline")}><Close />{mine ? t.withdraw : t.decline}</Act>
              {mine && !refusal("approver") ? <button type="button" class="button refused" aria-disabled="true" title={t.ownWhy}><Check />{t.approve}</button> : <Act needs="approver" class="button accent" on={() => setAnswer("approve")}><Check />{t.approve}</Act>}
            </>
          )}
        </footer>
      </form>
    </article>
  );
}

/** What the verdict would hit if it were put into force now. */
function Blast({ a }: { a: Approval }) {
  const [looked, setLooked] = useState<Preview | null>(null);
  const v = a.verdict!;
  const due = Math.floor(now.value / 15_000);
  useEffect(() => {
    const abort = new AbortController();
    preview({ match: v.match, action: v.action, scope: v.scope, rate: v.rate || undefined, ttl_seconds: Math.max(1, a.ttl_seconds ?? 1), reason: v.reason || "preview" }, abort.signal).then(setLooked, () => { /* shown as unknown */ });
    return () => abort.abort();
  }, [a.id, due]);
  return <Radius preview={looked && { ...looked, approval: "" }} evidence={v.evidence?.length ?? 0} />;
}
