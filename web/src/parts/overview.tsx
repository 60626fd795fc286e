import type { ComponentChildren } from "preact";
import { useMemo, useState } from "preact/hooks";
import { active, dropped, rates, sensors } from "../lib/fleet";
import { count, plain, short, unspecified, when } from "../lib/format";
import { overview, overviewProblem, type Overview as Data } from "../lib/now";
import { incidents, unresolved, waitingCount } from "../lib/incidents";
import { allSpans, go, place } from "../lib/place";
import { narrow as narrowed } from "../lib/query";
import type { Change, Incident, Timeline, Traffic } from "../lib/types";
import { text } from "../text";
import { Warn } from "./icons";
import { IncidentTable } from "./incidents";
import { Rates, Spark, type Layer } from "./rates";

const t = text.overview;

export function Overview() {
  const d = overview.value;
  const span = text.spans[place.value.span];
  const alone = d !== null && sum(d.before, (b) => b.total) === 0; // there is nothing to compare with
  return (
    <section class="overview scroll" aria-label={t.label}>
      <header class="overview-head">
        <h1>{t.label}</h1>
        <div class="segments" role="group" aria-label={text.spanLabel}>
          {allSpans.map((s) => <button key={s} aria-pressed={place.value.span === s} title={text.spans[s]} onClick={() => go({ span: s })}>{text.spanShort[s]}</button>)}
        </div>
      </header>
      {overviewProblem.value && <p class="problem" role="alert"><Warn />{overviewProblem.value}</p>}
      <Numbers d={d} span={span} />
      <Incidents />
      <div class="overview-plots">
        <AlertsPlot d={d} />
        <DropsPlot d={d} />
      </div>
      <div class="overview-ranks">
        <Ranking title={t.signatures} why={t.rankWhy(span)} filter="sid" rows={d?.sid} alone={alone} />
        <Ranking title={t.sources} why={t.rankWhy(span)} filter="src" rows={d?.src} mono alone={alone} />
        <Ranking title={t.targets} why={t.rankWhy(span)} filter="dst" rows={d?.dst} mono alone={alone} />
        <Ranking title={t.changed} why={t.changedWhy(span)} filter="sid" rows={alone ? [] : d?.changed.filter((r) => r.count !== r.before)} changes alone={alone} />
      </div>
      <Fleet d={d} />
    </section>
  );
}

/** What waits for somebody leads. */
function Incidents() {
  const list = unresolved.value;
  if (!incidents.value) return null;
  return (
    <section class="panel overview-incidents" aria-label={text.incidents.title}>
      <header class="panel-head"><h2>{text.incidents.waiting}{list.length > 0 && <span class="badge">{waitingCount()}</span>}</h2><span class="quiet small-note">{news(list)}</span>
        <button class="button ghost small" onClick={() => go({ view: "incidents", incident: "", of: "" }, "push")}>{text.incidents.see}</button></header>
      {list.length === 0 ? <p class="quiet rank-none">{text.incidents.calm}</p> : <IncidentTable list={list.slice(0, 6)} />}
    </section>
  );
}

/** "3 began in the last hour, 1 goes on" */
function news(list: Incident[]): string {
  const hour = Date.now() - 3_600_000;
  const began = (incidents.value ?? []).filter((i) => Date.parse(i.first) > hour).length, on = list.filter((i) => i.ongoing).length;
  return text.incidents.news(count(began), count(on));
}

/** The newest of some rates; the page measures its own once a sensor has reported twice. */
const last = (v?: number[]) => (v?.length ? v[v.length - 1] : 0);

const sum = (tl: Timeline | undefined, f: (b: Timeline["buckets"][0]) => number) => tl?.buckets.reduce((n, b) => n + f(b), 0) ?? 0;

function Numbers({ d, span }: { d: Data | null; span: string }) {
  const all = sensors.value ?? [];
  const ok = all.filter((s) => s.state === "ok").length;
  let packets = 0, bits = 0;
  const lines = new Map(d?.traffic.sensors.map((x) => [x.id, x]));
  for (const s of all) {
    const r = rates.value.get(s.id), h = lines.get(s.id);
    packets += r?.packets ?? last(h?.packets);
    bits += 8 * (r?.bytes ?? last(h?.bytes));
  }
  const w = text.tiles;
  const total = sum(d?.alerts, (b) => b.total), worst = sum(d?.alerts, (b) => b.severity[1] ?? 0), blocked = sum(d?.alerts, (b) => b.blocked);
  const tile = (name: string, why: string, value: string, note: string, tone = "") => (
    <div class={"tile " + tone} title={why}><dt>{name}</dt><dd>{value}</dd><dd class="note-line">{note}</dd></div>
  );
  const against = (now: number, f: (b: Timeline["buckets"][0]) => number) => d ? compare(now, sum(d.before, f)) : "";
  return (
    <dl class="tiles noted">
      {tile(w.alerts, w.alertsWhy(span), d ? count(total) : "–", against(total, (b) => b.total))}
      {tile(w.worst, w.worstWhy(span), d ? count(worst) : "–", against(worst, (b) => b.severity[1] ?? 0), worst ? "bad" : "")}
      {tile(w.blocked, w.blockedWhy(span), d ? count(blocked) : "–", against(blocked, (b) => b.blocked))}
      {tile(w.verdicts, w.verdictsWhy, count(active.value.length), t.droppedBy(count(dropped.value)))}
      {tile(t.traffic, t.trafficWhy, t.bits(short(bits).trim()), t.packets(short(packets)))}
      {tile(w.sensors, w.sensorsWhy, w.of(String(ok), String(all.length)), t.inspecting, all.length && ok < all.length ? "warn" : "")}
    </dl>
  );
}

/** "+12 % against before" */
function compare(now: number, before: number): string {
  if (now === before) return t.same;
  if (!before) return t.nothingBefore;
  return t.compared(percent(now, before));
}

function percent(now: number, before: number): string {
  const times = now / before;
  if (times >= 10) return t.times(short(times));
  const p = Math.round(100 * (times - 1));
  return (p < 0 ? "−" : "+") + Math.abs(p) + " %";
}

function Plot(p: { title: string; unit: string; why?: string; label: string; times: number[]; layers: Layer[]; bare?: [string, string] }) {
  const [at, setAt] = useState<number | null>(null);
  const i = at ?? p.times.length - 1;
  const value = (l: Layer) => l.values[i] ?? 0;
  return (
    <section class="panel overview-plot" aria-label={p.title} title={p.why}>
      <header class="plot-head">
        <h2>{p.title} <span class="quiet">{p.unit}</span></h2>
        <span class="quiet mono">{at === null || !p.times[at] ? "" : when(new Date(p.times[at] * 1000).toISOString())}</span>
      </header>
      {p.bare ? <div class="plot-bare"><h3>{p.bare[0]}</h3><p>{p.bare[1]}</p></div> : <Rates label={p.label} times={p.times} layers={p.layers} say={setAt} />}
      <ul class="layers">{[...p.layers].reverse().map((l) => <li key={l.name}><i class="key" style={{ background: `var(${l.color})` }} />{plain(l.name)} <b>{short(value(l))}</b></li>)}</ul>
    </section>
  );
}

function AlertsPlot({ d }: { d: Data | null }) {
  const made = useMemo(() => {
    const tl = d?.alerts;
    const b = tl?.buckets.slice(0, -1) ?? []; // the last is not over yet
    const per = 60 / (tl?.step_seconds ?? 60);
    const of = (f: (x: (typeof b)[0]) => number) => b.map((x) => f(x) * per);
    return {
      times: b.map((x) => Date.parse(x.time) / 1000 + (tl?.step_seconds ?? 60) / 2),
      layers: [
        { name: text.timeline.severity1, color: "--sev1", values: of((x) => x.severity[1] ?? 0) },
        { name: text.timeline.severity2, color: "--sev2", values: of((x) => x.severity[2] ?? 0) },
        { name: text.timeline.severity3, color: "--sev3", values: of((x) => x.total - (x.severity[1] ?? 0) - (x.severity[2] ?? 0)) },
      ],
    };
  }, [d?.alerts]);
  const none = d && sum(d.alerts, (b) => b.total) === 0;
  return <Plot title={t.alerts} unit={t.perMinute} label={text.timeline.label} {...made} bare={none ? [text.alerts.emptyTitle, text.alerts.empty + " " + text.alerts.emptyCommand] : undefined} />;
}

const colors = ["--c1", "--c2", "--c3", "--c4", "--c5"];

function DropsPlot({ d }: { d: Data | null }) {
  const made = useMemo(() => ({ times: timesOf(d?.traffic), layers: dropLayers(d?.traffic) }), [d?.traffic]);
  return <Plot title={t.drops} unit={t.perSecond} why={t.dropsWhy} label={t.dropsWhy} {...made} bare={d && !made.layers.length ? [t.noDrops, t.noDropsWhy] : undefined} />;
}

function timesOf(tr?: Traffic): number[] {
  if (!tr) return [];
  const from = Date.parse(tr.since) / 1000, n = Math.round((Date.parse(tr.until) / 1000 - from) / tr.step_seconds);
  return Array.from({ length: n }, (_, i) => from + (i + 0.5) * tr.step_seconds);
}

/** The five greatest reasons, and the others as one. */
function dropLayers(tr?: Traffic): Layer[] {
  const all = tr?.drops ?? [];
  const layers = all.slice(0, colors.length).map((r, i) => ({ name: text.reasons[r.reason] ?? r.reason, color: colors[i], values: r.packets }));
  const rest = all.slice(colors.length);
  if (rest.length) layers.push({ name: t.other, color: "--c6", values: rest[0].packets.map((_, i) => rest.reduce((n, r) => n + r.packets[i], 0)) });
  return layers;
}

function Ranking(p: { title: string; why: string; filter: string; rows?: Change[]; mono?: boolean; changes?: boolean; alone: boolean }) {
  const most = Math.max(1, ...(p.rows ?? []).map((r) => Math.max(r.count, p.changes ? r.before : 0)));
  const open = (r: Change) => go({ view: "alerts", q: narrowed("", p.filter, r.key), since: "", until: "" }, "push");
  const rows = p.rows?.filter((r) => p.changes || r.count > 0);
  return (
    <section class="panel rank" aria-label={p.title}>
      <header class="plot-head" title={p.why}><h2>{p.title}</h2></header>
      {rows?.length === 0 && <p class="quiet rank-none">{!p.changes ? t.none : p.alone ? t.alone : t.noChange}</p>}
      <ol>
        {rows?.map((r) => (
          <li key={r.key}>
            <button title={`${plain(r.label)} · ${t.was(count(r.count), count(r.before))}`} onClick={() => open(r)}>
              <span class={"name " + (p.mono ? "mono" : "")}>{p.mono && unspecified(r.key) ? text.alerts.many : plain(r.label)}</span>
              <b>{short(r.count)}</b>
              {p.alone ? <span /> : <Delta r={r} />}
              <i class="share" style={{ width: `calc((100% - 16px) * ${(r.count / most).toFixed(3)})` }} aria-hidden="true" />
            </button>
          </li>
        ))}
      </ol>
    </section>
  );
}

function Delta({ r }: { r: Change }): ComponentChildren {
  if (r.count === r.before) return <span class="delta quiet">=</span>;
  if (!r.before) return <span class="delta up">{t.began}</span>;
  if (!r.count) return <span class="delta">{t.over}</span>;
  return <span class={"delta " + (r.count > r.before ? "up" : "")}>{percent(r.count, r.before)}</span>;
}

function Fleet({ d }: { d: Data | null }) {
  const all = sensors.value;
  const s = text.sensors;
  if (all?.length === 0) return <section class="panel empty"><h3>{s.emptyTitle}</h3><p>{s.empty}</p><pre>{s.emptyCommand}</pre></section>;
  const by = new Map(d?.traffic.sensors.map((x) => [x.id, x]));
  const sorted = [...(all ?? [])].sort((a, b) => (rates.value.get(b.id)?.packets ?? 0) - (rates.value.get(a.id)?.packets ?? 0) || (a.id < b.id ? -1 : 1));
  return (
    <section class="panel overview-fleet" aria-label={t.sensors}>
      <table>
        <thead><tr><th>{t.sensor}</th><th>{t.mode}</th><th>{t.lost}</th><th class="wide">{t.traffic}</th><th class="n">{s.packets}</th><th class="n">{s.bytes}</th><th class="n">{t.dropped}</th></tr></thead>
        <tbody>
          {sorted.slice(0, 50).map((x) => {
            const h = by.get(x.id), r = rates.value.get(x.id);
            return (
              <tr key={x.id}>
                <td class="mono">{plain(x.id)}</td>
                <td class="quiet" title={s.modes[x.mode]}>{plain(x.mode)}</td>
                <td><span class={"health " + x.state} title={s.stateWhy[x.state]}><i class="dot" />{s.states[x.state] ?? plain(x.state)}</span></td>
                <td class="wide">{h && <Spark values={h.packets} label={t.trafficWhy} />}</td>
                <td class="n">{r || h ? short(r?.packets ?? last(h?.packets)) : "–"}</td>
                <td class="n">{r || h ? short(8 * (r?.bytes ?? last(h?.bytes))) : "–"}</td>
                <td class={"n " + (last(h?.dropped) ? "some" : "quiet")}>{short(last(h?.dropped))}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </section>
  );
}
