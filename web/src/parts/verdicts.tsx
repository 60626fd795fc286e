import { approvals } from "../lib/approvals";
import { active, ended, inForce, now, verdicts } from "../lib/fleet";
import { extend, matchText, newVerdict, remove } from "../lib/act";
import { bytes, count, exactly, plain, span } from "../lib/format";
import { go } from "../lib/place";
import type { Verdict } from "../lib/types";
import { text } from "../text";
import { Act } from "./act";
import { Clock, Close, Plus, Warn } from "./icons";

export function Verdicts() {
  const t = text.verdicts;
  return (
    <section class="column verdicts panel" aria-label={t.title}>
      <header class="panel-head">
        <h2>{t.title}{active.value.length > 0 && <span class="badge">{count(active.value.length)}</span>}</h2>
        <Act needs="responder" class="button small" on={newVerdict}><Plus />{t.add}</Act>
      </header>
      <div class="scroll">
        {approvals.value && approvals.value.length > 0 && <p class="caution inset wait-link"><Warn /><button class="plain-link" onClick={() => go({ view: "verdicts", of: "waiting", alert: "" }, "push")}>{text.approvals.badge(count(approvals.value.length))}</button></p>}
        {verdicts.value && active.value.length === 0 && <div class="empty"><h3>{t.emptyTitle}</h3><p>{t.empty}</p></div>}
        <ul class="cards">{active.value.slice(0, 500).map((v) => <VerdictCard key={v.id} v={v} />)}</ul>
        {ended.value.length > 0 && <><h3 class="divider">{t.ended}</h3><ul class="cards faded">{ended.value.map((v) => <VerdictCard key={v.id} v={v} />)}</ul></>}
      </div>
    </section>
  );
}

export function VerdictCard({ v }: { v: Verdict }) {
  const t = text.verdicts;
  const m = matchText(v.match);
  const live = inForce(v);
  const left = (Date.parse(v.expires_at) - now.value) / 1000;
  const life = Math.max(1, (Date.parse(v.expires_at) - Date.parse(v.created_at)) / 1000);
  return (
    <li class="card verdict" data-verdict={v.id}>
      <div class="line">
        <span class={"action a-" + v.action}>{t.actions[v.action] ?? plain(v.action)}</span>
        <b class="mono match" title={m}>{m}</b>
        {v.state === "canary" && <span class="status st-warn" title={t.canaryWhy}>{t.canary}</span>}
        <span class="left" title={exactly(v.expires_at)}>{live ? t.expiresIn(span(left)) : v.state === "expired" ? t.expired : t.revoked}</span>
        {live && <Extend v={v} />}
        {live && <Act needs="responder" class="tool small" label={t.removeLabel(m)} title={t.remove} on={() => void remove(v)}><Close /></Act>}
      </div>
      {live && <div class="life" aria-hidden="true"><i style={{ width: Math.max(0, Math.min(100, (100 * left) / life)) + "%" }} /></div>}
      <p class="why" title={plain(v.reason)}>{plain(v.reason)}</p>
      <div class="line small">
        <span class="quiet">{t.by(plain(v.created_by))}{v.origin !== "analyst" ? ` · ${t.origins[v.origin] ?? plain(v.origin)}` : ""}</span>
        <span class={"hits " + (v.hits.packets ? "some" : "")} title={t.hitsWhy}>{hits(v)}</span>
        {live && <Spread v={v} />}
      </div>
    </li>
  );
}

function hits(v: Verdict): string {
  const t = text.verdicts;
  if (!v.hits.packets) return t.noHits;
  return (v.action === "observe" ? t.wouldHits : t.hits)(count(v.hits.packets), bytes(v.hits.bytes));
}

export function Spread({ v }: { v: Verdict }) {
  const { sensors, of, missing } = v.applied;
  const behind = sensors < of;
  const settled = now.value - Date.parse(v.created_at) > 12_000; // two reports of every sensor
  return (
    <span class={"spread " + (behind && settled ? "warn" : "")} title={missing.length ? text.verdicts.missing(missing.slice(0, 10).join(", ")) : ""}>
      {behind && settled && <Warn />}{text.verdicts.applied(count(sensors), count(of))}{behind && settled && missing.length > 0 && <span class="missing mono">{text.verdicts.not(missing.slice(0, 3).map(plain).join(", "), missing.length - 3)}</span>}
    </span>
  );
}

const longer = [3600, 14400, 86400];

/** Lets a verdict last longer, or shorter. */
export function Extend({ v }: { v: Verdict }) {
  return (
    <label class="tool small extend" title={text.verdicts.extend}>
      <Clock />
      <select aria-label={text.verdicts.extendLabel(matchText(v.match))} value="" onChange={(e) => { const s = Number(e.currentTarget.value); e.currentTarget.value = ""; if (s) void extend(v, s); }}>
        <option value="">{text.verdicts.extend}</option>
        {longer.map((s) => <option key={s} value={s}>{text.verdicts.lasts(span(s))}</option>)}
      </select>
    </label>
  );
}
