import { useEffect, useState } from "preact/hooks";
import { listIncidents, type Params } from "../lib/api";
import { now } from "../lib/fleet";
import { count, exactly, plain, span, when } from "../lib/format";
import { incidentProblem, incidents, unresolved, unresolvedMore, waitingCount, waitingStates, worstFirst } from "../lib/incidents";
import { explain } from "../lib/live";
import { go, place } from "../lib/place";
import { session } from "../lib/session";
import type { Incident } from "../lib/types";
import { text } from "../text";
import { IncidentPage } from "./incident";
import { Warn } from "./icons";

const t = text.incidents;
const choices = ["", "mine", "resolved", "all"];

export function Incidents() {
  const id = place.value.incident;
  return id ? <IncidentPage key={id} id={id} /> : <List />;
}

export const openIncident = (id: string) => go({ view: "incidents", incident: id }, "push");

/** What the collector is asked for, where the list at hand does not do. */
function paramsOf(of: string, word: string): Params {
  const params: Params = { limit: "100", brief: "true" };
  if (of !== "all") params.state = of === "resolved" ? "resolved" : waitingStates;
  if (of === "mine") params.assignee = session.value?.name ?? "";
  if (/^[\d.]+\.[\d.]+$|:.*:/.test(word)) params.address = word;
  else if (word) params.q = word;
  return params;
}

function List() {
  const of = place.value.of;
  const [word, setWord] = useState("");
  const [found, setFound] = useState<Incident[] | null>(null); // of those that are not at hand
  const [next, setNext] = useState("");
  const [bad, setBad] = useState("");
  const ask = of !== "" || word !== "";
  const due = ask ? Math.floor(now.value / 10_000) : 0;
  const read = async (cursor: string, signal?: AbortSignal) => {
    try {
      const page = await listIncidents({ ...paramsOf(of, word), cursor }, signal);
      if (signal?.aborted) return;
      setFound((was) => (cursor ? [...(was ?? unresolved.value), ...page.incidents] : page.incidents));
      setNext(page.next ?? "");
      setBad("");
    } catch (e) { if (!signal?.aborted) { setFound([]); setBad(explain(e)); } }
  };
  useEffect(() => { setFound(null); setNext(""); }, [of, ask]);
  useEffect(() => {
    if (!ask || (found && found.length > 100)) return; // who has turned pages keeps them
    const abort = new AbortController();
    const timer = setTimeout(() => void read("", abort.signal), word ? 250 : 0);
    return () => { clearTimeout(timer); abort.abort(); };
  }, [of, word, due]);
  const list = found ?? (ask ? [] : unresolved.value), more = found ? next : ask ? "" : unresolvedMore.value;
  return (
    <section class="column verdict-page" aria-label={t.title}>
      <header class="overview-head">
        <h1>{t.title}</h1>
        <div class="segments tall" role="group" aria-label={t.which}>
          {choices.map((c) => <button key={c} aria-pressed={of === c} onClick={() => go({ of: c }, "push")}>{t.choices[c]}{c === "" && unresolved.value.length > 0 ? ` ${waitingCount()}` : ""}</button>)}
        </div>
        <input class="find" aria-label={t.find} placeholder={t.find} value={word} spellcheck={false} onInput={(e) => { setFound(null); setWord(e.currentTarget.value.trim()); }} />
      </header>
      {(bad || incidentProblem.value) && <p class="problem" role="alert"><Warn />{bad || incidentProblem.value}</p>}
      <div class="panel scroll">
        {(ask ? found : incidents.value) && !bad && list.length === 0 && <div class="empty"><h3>{ask ? t.noneTitle : t.emptyTitle}</h3><p>{ask ? t.none : t.empty}</p></div>}
        {list.length > 0 && <IncidentTable list={found ? list : worstFirst(list)} />}
        {more && <p class="foot"><button class="button" onClick={() => void read(more)}>{t.more}</button></p>}
      </div>
    </section>
  );
}

export function IncidentTable({ list }: { list: Incident[] }) {
  return (
    <table class="incident-table" aria-label={t.title}>
      <thead><tr><th>{t.columns.severity}</th><th>{t.columns.what}</th><th class="stage-col">{t.columns.stages}</th><th class="who-col">{t.columns.from}</th><th class="who-col">{t.columns.to}</th><th class="n">{t.columns.alerts}</th><th class="n">{t.columns.last}</th><th class="state-col">{t.columns.state}</th></tr></thead>
      <tbody>{list.map((i) => <Row key={i.id} i={i} />)}</tbody>
    </table>
  );
}

function Row({ i }: { i: Incident }) {
  const ago = (now.value - Date.parse(i.last)) / 1000;
  return (
    <tr data-incident={i.id} onClick={() => openIncident(i.id)}>
      <td><Weight of={i.severity} /></td>
      <td class="title-col"><button class="plain-link title" title={plain(i.title)} onClick={(e) => { e.stopPropagation(); openIncident(i.id); }}>{plain(i.title)}</button>
        <span class="quiet cut" title={t.kindWhy[i.kind]}>{t.kinds[i.kind] ?? plain(i.kind)} · {t.lasted(span((Date.parse(i.last) - Date.parse(i.first)) / 1000))}{i.assignee ? ` · ${plain(i.assignee)}` : ""}</span></td>
      <td class="stage-col"><span class="cut" title={i.stages.map((s) => s.name).join(" → ")}>{i.stages.length ? i.stages.map((s) => plain(s.name)).join(" → ") : "–"}</span></td>
      <td class="who-col mono"><Who list={i.sources.list.map((p) => p.name)} of={i.sources.distinct} /></td>
      <td class="who-col mono"><Who list={i.targets.list.map((p) => p.name)} of={i.targets.distinct} /></td>
      <td class="n"><b>{count(i.alerts)}</b></td>
      <td class="n" title={exactly(i.last)}>{i.ongoing ? <span class="now">{t.ongoing}</span> : ago < 86400 ? t.ago(span(ago)) : when(i.last)}</td>
      <td class="state-col"><Status i={i} /></td>
    </tr>
  );
}

function Who({ list, of }: { list: string[]; of: number }) {
  return <span class="cut" title={list.slice(0, 20).join("\n")}>{list.length ? plain(list[0]) : text.alerts.many}{of > 1 && <i class="quiet"> +{count(of - 1)}</i>}</span>;
}

/** How bad an incident is: by word, shape and colour. */
export function Weight({ of }: { of: string }) {
  return <span class={"weight w-" + of} title={t.severityWhy[of]}><i aria-hidden="true" />{t.severities[of] ?? plain(of)}</span>;
}

export function Status({ i }: { i: Incident }) {
  const s = i.state === "resolved" ? t.resolutions[i.resolution ?? ""] ?? t.states.resolved : t.states[i.state] ?? plain(i.state);
  return <span class={"status s-" + i.state} title={t.stateWhy[i.state]}>{s}</span>;
}
