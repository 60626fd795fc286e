import { useEffect, useState } from "preact/hooks";
import { audit, listSuppressions, unsuppress } from "../lib/api";
import { toast } from "../lib/toast";
import { count, exactly, plain, span, when } from "../lib/format";
import { now } from "../lib/fleet";
import { explain, reread } from "../lib/live";
import { go } from "../lib/place";
import { refusal } from "../lib/session";
import { trying } from "../lib/trying";
import type { AuditEntry, Suppression } from "../lib/types";
import { text } from "../text";
import { Act } from "./act";
import { Close, Search } from "./icons";

const t = text.record;

/** What people changed, and what is out of sight because of it. */
export function Record() {
  return <section class="column record scroll" aria-label={text.views.record}><Suppressions />{refusal("analyst") ? <section class="panel empty"><h3>{t.audit}</h3><p>{refusal("analyst")}</p></section> : <Audit />}</section>;
}

function Suppressions() {
  const [list, setList] = useState<Suppression[] | null>(null);
  const refresh = () => trying(async () => setList(await listSuppressions()));
  useEffect(() => { void refresh(); }, []);
  const remove = (s: Suppression) => trying(async () => { await unsuppress(s.id); toast({ text: t.unsuppressed(s.query) }); reread(); await refresh(); });
  return (
    <section class="panel" aria-label={t.suppressions}>
      <header class="panel-head"><h2>{t.suppressions}{list && list.length > 0 && <span class="badge">{list.length}</span>}</h2></header>
      {list?.length === 0 && <p class="quiet rank-none">{t.noSuppressions}</p>}
      <ul class="cards">
        {list?.map((s) => (
          <li key={s.id} class="card" data-suppression={s.id}>
            <div class="line">
              <button class="plain-link mono match" title={t.show} onClick={() => go({ view: "alerts", q: s.query, all: true, span: "24h" }, "push")}>{plain(s.query)}</button>
              <span class="left" title={exactly(s.expires_at)}>{text.verdicts.expiresIn(span((Date.parse(s.expires_at) - now.value) / 1000))}</span>
              <Act needs="analyst" class="tool small" label={t.unsuppress(s.query)} title={t.unsuppress("")} on={() => void remove(s)}><Close /></Act>
            </div>
            <p class="why">{plain(s.reason)}</p>
            <div class="line small"><span class="quiet">{text.verdicts.by(plain(s.created_by))}</span><span title={t.matchedWhy}>{t.matched(count(s.matched_24h))}</span></div>
          </li>
        ))}
      </ul>
    </section>
  );
}

const page = 100;

function Audit() {
  const [filter, setFilter] = useState({ q: "", actor: "", action: "", object: "", since: "", until: "" });
  const [list, setList] = useState<AuditEntry[] | null>(null);
  const [more, setMore] = useState(false);
  const [bad, setBad] = useState("");
  const read = async (before: AuditEntry[], signal?: AbortSignal) => {
    try {
      const got = await audit({ ...filter, since: moment(filter.since), until: moment(filter.until), limit: String(page), before: before.length ? String(before[before.length - 1].seq) : "" }, signal);
      if (signal?.aborted) return;
      setList([...before, ...got]);
      setMore(got.length === page);
      setBad("");
    } catch (e) { if (!signal?.aborted) setBad(explain(e)); }
  };
  useEffect(() => {
    const abort = new AbortController();
    const timer = setTimeout(() => void read([], abort.signal), list ? 250 : 0);
    return () => { clearTimeout(timer); abort.abort(); };
  }, [JSON.stringify(filter)]);
  const box = (key: "q" | "actor" | "object", label: string) => (
    <label class={"search " + (key === "q" ? "" : "short")}><Search /><input aria-label={label} placeholder={label} value={filter[key]} spellcheck={false} autocomplete="off" onInput={(e) => setFilter({ ...filter, [key]: key === "q" ? e.currentTarget.value : e.currentTarget.value.trim() })} /></label>
  );
  const time = (key: "since" | "until", label: string) => (
    <label class="search when"><span class="quiet">{label}</span><input type="datetime-local" aria-label={label} value={filter[key]} onInput={(e) => setFilter({ ...filter, [key]: e.currentTarget.value })} /></label>
  );
  const filtered = Object.values(filter).some(Boolean);
  return (
    <section class="panel audit" aria-label={t.audit}>
      <header class="panel-head"><h2>{t.audit}</h2></header>
      <div class="audit-filter">
        {box("q", t.find)}
        {box("actor", t.actor)}
        <select aria-label={t.action} value={filter.action} onChange={(e) => setFilter({ ...filter, action: e.currentTarget.value })}>
          <option value="">{t.anyAction}</option>
          {Object.entries(t.actions).map(([k, name]) => <option key={k} value={k}>{name}</option>)}
        </select>
        {box("object", t.object)}
        {time("since", t.since)}
        {time("until", t.until)}
        {filtered && <button class="button ghost" onClick={() => setFilter({ q: "", actor: "", action: "", object: "", since: "", until: "" })}>{text.filter.clear}</button>}
      </div>
      {bad && <p class="problem" role="alert">{bad}</p>}
      {list?.length === 0 && <p class="quiet rank-none">{filtered ? t.noneFound : t.noEntries}</p>}
      <ol class="entries">{list?.map((e) => <Entry key={e.seq} e={e} />)}</ol>
      {more && <button class="button more" onClick={() => void read(list ?? [])}>{t.older}</button>}
    </section>
  );
}

/** What a field for a local time says, as the API takes it. */
const moment = (local: string) => (local ? new Date(local).toISOString() : "");

function Entry({ e }: { e: AuditEntry }) {
  return (
    <li data-audit={e.action}>
      <details>
        <summary>
          <span class="quiet mono">#{e.seq}</span><span title={exactly(e.time)}>{when(e.time)}</span><b>{plain(e.actor)}</b><span>{t.actions[e.action] ?? plain(e.action)}</span><span class="mono object">{plain(summary(e))}</span>
        </summary>
        <dl class="facts"><div><dt>{t.object}</dt><dd class="mono">{plain(e.object)}</dd></div><div><dt>{t.remote}</dt><dd class="mono">{plain(e.remote) || "–"}</dd></div><div><dt>{t.hash}</dt><dd class="mono">{e.hash}</dd></div></dl>
        <pre class="wrap" tabIndex={0}>{JSON.stringify(e.detail, null, 2).split("\n").map(plain).join("\n")}</pre>
      </details>
    </li>
  );
}

/** What an entry is about, in a few words. */
function summary(e: AuditEntry): string {
  const v = e.detail?.after ?? e.detail?.before;
  if (e.action.startsWith("approval.")) return [v?.summary, e.detail?.note].filter(Boolean).join(" · ");
  if (typeof v?.match?.src === "string" && v.match.src) return `${v.match.src} · ${v.reason ?? ""}`;
  if (typeof v?.query === "string") return `${v.query} · ${v.reason ?? ""}`;
  if (e.action === "alerts.triage") return t.triaged(count(Number(e.detail?.changed ?? 0)), e.detail?.decision?.state ?? "", e.object);
  return e.object;
}
