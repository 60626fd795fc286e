import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { alertsOfIncident, getAlert, getIncident, hitsOf, Problem, reportURL } from "../lib/api";
import { blockAddress, matchText } from "../lib/act";
import { now } from "../lib/fleet";
import { bytes, count, endpoint, exactly, plain, short, span, when } from "../lib/format";
import { decideIncident, type Decision } from "../lib/incidents";
import { explain } from "../lib/live";
import { go } from "../lib/place";
import { refusal, session } from "../lib/session";
import type { Alert, IncidentDetail, Parties, Party } from "../lib/types";
import { text } from "../text";
import { Act } from "./act";
import { Back, Block, Check, Print, Warn } from "./icons";
import { Status, Weight } from "./incidents";
import { Runbook } from "./runbook";
import { Severity } from "./severity";
import { Stopped } from "./stopped";
import { VerdictCard } from "./verdicts";

const t = text.incident;

/** One attack on one page. */
export function IncidentPage({ id }: { id: string }) {
  const [d, setD] = useState<IncidentDetail | null>(null);
  const [problem, setProblem] = useState("");
  const due = Math.floor(now.value / 4000);
  useEffect(() => {
    const abort = new AbortController();
    getIncident(id, abort.signal).then((x) => { setD(x); setProblem(""); }, (e) => {
      if (!abort.signal.aborted) setProblem(e instanceof Problem && e.status === 404 ? t.gone : explain(e));
    });
    return () => abort.abort();
  }, [id, due]);
  const decide = async (x: Decision) => { const next = d && await decideIncident(d, x); if (next) setD(next); };
  return (
    <section class="column incident scroll" aria-label={t.label}>
      <p class="crumbs"><button class="button ghost small" onClick={() => go({ incident: "" }, "push")}><Back />{text.incidents.title}</button><span class="mono quiet">{id}</span></p>
      {problem && <p class="problem" role="alert"><Warn />{problem}</p>}
      {d && <Whole d={d} decide={decide} />}
    </section>
  );
}

function Whole({ d, decide }: { d: IncidentDetail; decide: (x: Decision) => Promise<void> }) {
  return (
    <>
      <Head d={d} decide={decide} />
      <KillChain d={d} />
      <div class="incident-grid">
        <div class="incident-main">
          {d.vectors.length > 0 && <Floods d={d} />}
          <Done d={d} />
          <Story d={d} decide={decide} />
          <Members d={d} />
        </div>
        <div class="incident-side">
          <Box title={t.sources} n={d.sources.distinct}><People d={d} of={d.sources} filter="src" block /></Box>
          <Box title={t.targets} n={d.targets.distinct}><People d={d} of={d.targets} filter="dst" /></Box>
          <Box title={t.signatures} n={d.signatures.length}><Signatures d={d} /></Box>
          <Box title={t.sensors} n={d.sensors.length}><Rows list={d.sensors} filter="sensor" /></Box>
          <Runbook d={d} />
        </div>
      </div>
    </>
  );
}

export function Box({ title, n, why, children }: { title: string; n?: number; why?: string; children: ComponentChildren }) {
  return <section class="panel box" aria-label={title}><header class="panel-head"><h2 title={why}>{title}{n !== undefined && <span class="badge">{count(n)}</span>}</h2></header>{children}</section>;
}

/** What it is in a sentence or two, and what one can decide about it. */
function Head({ d, decide }: { d: IncidentDetail; decide: (x: Decision) => Promise<void> }) {
  const [resolving, setResolving] = useState(false);
  const me = session.value?.name ?? "";
  const m = d.mitigation, stopped = m.packets_dropped + m.sensor_dropped, would = m.would_packets + m.sensor_would_drop;
  return (
    <header class="panel incident-head">
      <p class="overline"><Weight of={d.severity} /><Status i={d} /><span>{text.incidents.kinds[d.kind] ?? plain(d.kind)}</span>{d.ongoing ? <b class="now">{text.incidents.ongoing}</b> : <span>{t.over(span((now.value - Date.parse(d.last)) / 1000))}</span>}
        <span>{d.assignee ? t.assigned(plain(d.assignee)) : t.unassigned}</span></p>
      <h1>{plain(d.title)}</h1>
      <p class="lead">{t.lead(count(d.alerts), span((Date.parse(d.last) - Date.parse(d.first)) / 1000), count(d.sources.distinct), count(d.targets.distinct), when(d.first), d.sensors.length)} {stopped > 0 ? t.stopped(count(stopped), String(m.active)) : would > 0 ? t.wouldHave(count(would)) : t.nothingStopped}</p>
      <div class="acts">
        {d.state === "open" && <Act needs="analyst" class="button accent" on={() => void decide({ state: "acknowledged", assignee: d.assignee || me || undefined })}><Check />{t.acknowledge}</Act>}
        {d.state !== "resolved" && <Act needs="analyst" on={() => setResolving(!resolving)}>{t.resolve}</Act>}
        {d.state === "resolved" && <Act needs="analyst" on={() => void decide({ state: "open" })}>{t.reopen}</Act>}
        {d.assignee !== me && <Act needs="analyst" on={() => void decide({ assignee: me })}>{t.take}</Act>}
        {d.assignee === me && me && <Act needs="analyst" on={() => void decide({ assignee: "" })}>{t.giveBack}</Act>}
        <label class="inline-select"><span class="quiet">{t.severity}</span>
          <select value={d.severity} disabled={!!refusal("analyst")} title={refusal("analyst") || t.severityWhy} onChange={(e) => void decide({ severity: e.currentTarget.value })}>
            {Object.entries(text.incidents.severities).map(([k, name]) => <option key={k} value={k}>{name}</option>)}
          </select></label>
        <a class="button" href={reportURL(d.id)} target="_blank" rel="noopener" title={t.reportWhy}><Print />{t.report}</a>
      </div>
      {resolving && d.state !== "resolved" && (
        <div class="resolve" role="group" aria-label={t.resolve}>
          {["true-positive", "benign", "false-positive"].map((r) => (
            <button key={r} class="button" title={t.resolutionWhy[r]} onClick={() => { setResolving(false); void decide({ state: "resolved", resolution: r }); }}>{text.incidents.resolutions[r]}<span class="quiet">{t.resolutionWhy[r]}</span></button>
          ))}
        </div>
      )}
    </header>
  );
}

/** ATT&CK's tactics in their order; those that were reached say when and how often. */
function KillChain({ d }: { d: IncidentDetail }) {
  const reached = new Map(d.stages.map((s) => [s.tactic, s]));
  return (
    <section class="panel chain" aria-label={t.chain}>
      <ol>
        {Object.entries(text.tactics).map(([id, name]) => {
          const s = reached.get(id);
          return <li key={id} class={s ? "reached" : ""} data-stage={s ? id : undefined} title={s ? t.stage(name, id, count(s.alerts), exactly(s.first)) : t.stageNot(name)}><b>{name}</b>{s && <span>{when(s.first)} · {count(s.alerts)}</span>}</li>;
        })}
      </ol>
    </section>
  );
}

interface Step { step: string; what: string; why: string; dropped: number; would_drop: number; since?: string }

/** Floods as sensors measured them, and the ladder of what they do against each. */
function Floods({ d }: { d: IncidentDetail }) {
  const ladder = useLadder(d);
  return (
    <Box title={t.floods} n={d.vectors.length} why={t.floodsWhy}>
      <div class="sideways"><table class="plain-table">
        <thead><tr><th>{t.vector}</th><th>{t.sensor}</th><th>{t.phase}</th><th class="n">{t.peak}</th><th class="n">{t.threshold}</th><th class="n">{t.counted}</th><th class="n">{t.from}</th><th class="n">{t.dropped}</th></tr></thead>
        <tbody>{d.vectors.map((v) => (
          <tr key={v.attack + v.sensor} title={plain(v.explanation)}>
            <td><b>{plain(v.vector)}</b></td><td class="mono">{plain(v.sensor)}</td><td>{v.phase === "end" ? t.phases.end : <span class="now">{t.phases[v.phase] ?? plain(v.phase)}</span>}</td>
            <td class="n">{short(v.peak)} <span class="quiet">{plain(v.unit)}</span></td><td class="n">{short(v.threshold)}</td><td class="n">{short(v.counted)}</td><td class="n">{short(v.sources)}</td>
            <td class="n">{v.dropped ? <b class="some">{short(v.dropped)}</b> : v.would_drop ? t.would(short(v.would_drop)) : "0"}</td>
          </tr>
        ))}</tbody>
      </table></div>
      <h3 class="sub" title={t.ladderWhy}>{t.ladder}</h3>
      <ol class="ladder">
        {Object.entries(text.ladder).map(([step, [name, what]]) => {
          const now_ = ladder.filter((x) => x.step === step);
          const n = now_.reduce((s, x) => s + x.dropped, 0), w = now_.reduce((s, x) => s + x.would_drop, 0);
          return (
            <li key={step} class={now_.length ? "taken" : ""} data-step={step}>
              <b>{name}</b><span class="quiet">{what}</span>
              {now_.length > 0 ? <span class="did">{now_.map((x) => <span key={x.what} title={plain(x.why)}>{plain(x.what)}</span>)}<b>{n ? t.droppedBy(count(n)) : w ? t.wouldBy(count(w)) : t.ready}</b></span> : <span class="did quiet">{t.notTaken}</span>}
            </li>
          );
        })}
        {d.vectors.some((v) => v.measures.length) && ladder.length === 0 && d.vectors.flatMap((v) => v.measures).map((m) => <li key={m} class="taken"><b>{plain(m)}</b></li>)}
      </ol>
    </Box>
  );
}

/** The steps as the latest record of each attack has them. */
function useLadder(d: IncidentDetail): Step[] {
  const [steps, setSteps] = useState<Step[]>([]);
  const last = d.members.slice(-4).join();
  useEffect(() => {
    let gone = false;
    Promise.all(d.members.slice(-4).map((m) => getAlert(m).catch(() => null))).then((all) => {
      if (gone) return;
      const by = new Map<string, Step[]>();
      for (const a of all) {
        const x = a?.eve?.alert?.context?.weir?.detection;
        if (x?.measures) by.set(`${a!.sensor} ${x.id ?? x.vector}`, x.measures);
      }
      setSteps([...by.values()].flat());
    });
    return () => { gone = true; };
  }, [last]);
  return steps;
}

/** Verdicts about it and what they stopped over time. */
function Done({ d }: { d: IncidentDetail }) {
  const m = d.mitigation;
  const lines = useHits(d);
  return (
    <Box title={t.done} n={d.verdicts.length} why={t.doneWhy}>
      <dl class="numbers wide-numbers">
        <div title={t.packetsWhy}><dd>{count(m.packets_dropped)}</dd><dt>{t.packets(bytes(m.bytes_dropped))}</dt></div>
        <div title={t.bySensorsWhy}><dd>{count(m.sensor_dropped)}</dd><dt>{t.bySensors}</dt></div>
        <div title={t.wouldWhy}><dd>{count(m.would_packets + m.sensor_would_drop)}</dd><dt>{t.wouldShort}</dt></div>
        <div title={t.activeWhy}><dd>{count(m.active)}</dd><dt>{t.active}</dt></div>
      </dl>
      {lines && <Stopped since={lines.since} step={lines.step} lines={lines.lines} />}
      {d.verdicts.length === 0 && <p class="quiet rank-none">{t.noVerdicts}</p>}
      <ul class="cards">{d.verdicts.slice(0, 20).map((v) => <VerdictCard key={v.id} v={v} />)}</ul>
    </Box>
  );
}

function useHits(d: IncidentDetail) {
  const [got, setGot] = useState<{ since: string; step: number; lines: { name: string; packets: number[] }[] } | null>(null);
  const some = d.verdicts.filter((v) => v.hits.packets > 0).slice(0, 5);
  const due = some.map((v) => v.id + v.hits.packets).join();
  useEffect(() => {
    if (!some.length) { setGot(null); return; }
    let gone = false;
    Promise.all(some.map(async (v) => ({ v, h: await hitsOf(v.id) }))).then((all) => {
      if (!gone) setGot({ since: all[0].h.since, step: all[0].h.step_seconds, lines: all.map(({ v, h }) => ({ name: matchText(v.match), packets: h.packets })) });
    }, () => { /* the verdicts stand without a line */ });
    return () => { gone = true; };
  }, [due]);
  return got;
}

/** What happened, as the collector and people wrote it down. */
function Story({ d, decide }: { d: IncidentDetail; decide: (x: Decision) => Promise<void> }) {
  const [comment, setComment] = useState("");
  const why = refusal("analyst");
  const send = async (e: Event) => { e.preventDefault(); if (!comment.trim()) return; await decide({ comment: comment.trim() }); setComment(""); };
  return (
    <Box title={t.story} n={d.timeline.length}>
      <ol class="story">
        {d.timeline.map((e, i) => <li key={i} class={"k-" + e.kind + (e.actor ? " by-people" : "")}><time title={exactly(e.time)}>{when(e.time)}</time><i aria-hidden="true" /><span>{t.entry(e.kind, plain(e.text))}{e.actor && <b class="quiet"> · {plain(e.actor)}</b>}</span></li>)}
      </ol>
      <form class="comment" onSubmit={(e) => void send(e)}>
        <input aria-label={t.comment} placeholder={why || t.comment} disabled={!!why} maxLength={2000} value={comment} onInput={(e) => setComment(e.currentTarget.value)} />
        <button class="button" disabled={!!why || !comment.trim()}>{t.send}</button>
      </form>
    </Box>
  );
}

function Members({ d }: { d: IncidentDetail }) {
  const [list, setList] = useState<Alert[] | null>(null);
  useEffect(() => {
    const abort = new AbortController();
    alertsOfIncident(d.id, abort.signal).then(setList, () => { /* the next reading may do */ });
    return () => abort.abort();
  }, [d.id, d.alerts]);
  if (!list) return null;
  return (
    <Box title={t.alerts} n={d.alerts} why={t.alertsWhy}>
      {list.length === 0 && <p class="quiet rank-none">{t.noAlerts}</p>}
      <ul class="same-flow member-list">
        {list.slice(0, 30).map((a) => (
          <li key={a.id}><button class="plain-row" onClick={() => go({ view: "alerts", alert: a.id, q: "" }, "push")}>
            <span class="mono quiet">{when(a.time)}</span><Severity n={a.severity} /><span class="name">{plain(a.signature)}</span><span class="mono quiet ends">{endpoint(a.src_ip, 0)} → {endpoint(a.dest_ip, a.dest_port)}</span>
          </button></li>
        ))}
      </ul>
    </Box>
  );
}

const seen = (filter: string, name: string) => go({ view: "alerts", q: `${filter}:${name}`, all: true, since: "", until: "", span: "24h", alert: "" }, "push");

function People({ d, of, filter, block }: { d: IncidentDetail; of: Parties; filter: string; block?: boolean }) {
  if (!of.list.length) return <p class="quiet rank-none">{t.unnamed}</p>;
  return (
    <>
      <Rows list={of.list} filter={filter} act={block ? (p) => blockAddress(p.name, t.reasonFor(d.id, d.title), d.members.slice(0, 20)) : undefined} />
      {of.more > 0 && <p class="quiet rank-none">{t.andMore(count(of.more))}</p>}
    </>
  );
}

function Rows({ list, filter, act }: { list: Party[]; filter: string; act?: (p: Party) => void }) {
  const [all, setAll] = useState(false);
  const shown = all ? list : list.slice(0, 8);
  return (
    <ul class="parties">
      {shown.map((p) => (
        <li key={p.name}>
          <button class="plain-link mono" title={`${t.seenFrom(exactly(p.first), exactly(p.last))}`} onClick={() => seen(filter, p.name)}>{plain(p.name)}</button>
          <b>{count(p.alerts)}</b>
          {act && <Act needs="responder" class="tool small" label={t.blockLabel(p.name)} title={t.blockLabel(p.name)} on={() => act(p)}><Block /></Act>}
        </li>
      ))}
      {list.length > shown.length && <li><button class="button ghost small" onClick={() => setAll(true)}>{t.showAll(list.length)}</button></li>}
    </ul>
  );
}

function Signatures({ d }: { d: IncidentDetail }) {
  return (
    <ul class="parties">
      {d.signatures.map((s) => (
        <li key={s.sid}><Severity n={s.severity} /><button class="plain-link" title={`${s.sid} ${plain(s.signature)}`} onClick={() => seen("sid", String(s.sid))}>{plain(s.signature)}</button><b>{count(s.alerts)}</b></li>
      ))}
    </ul>
  );
}
