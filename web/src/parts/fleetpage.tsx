import { useEffect, useState } from "preact/hooks";
import { traffic } from "../lib/api";
import { now, rates, sensors } from "../lib/fleet";
import { bytes, count, plain, short, span } from "../lib/format";
import { go } from "../lib/place";
import type { Sensor, Traffic } from "../lib/types";
import { text } from "../text";
import { Warn } from "./icons";
import { Spark } from "./rates";

const t = text.sensors;
const worse: Record<string, number> = { blind: 0, gone: 1, late: 2, ok: 3 };

/** All sensors in one table, those that need somebody first. */
export function FleetPage() {
  const [tr, setTr] = useState<Traffic | null>(null);
  const [word, setWord] = useState("");
  const due = Math.floor(now.value / 10_000);
  useEffect(() => {
    const abort = new AbortController();
    traffic({ since: "1h", n: "200" }, abort.signal).then(setTr, () => { /* the table stands without lines */ });
    return () => abort.abort();
  }, [due]);
  const all = sensors.value ?? [];
  const list = all
    .filter((s) => [s.id, s.mode, s.state, s.version, s.ruleset, s.group, s.reason, s.policy].some((x) => x.toLowerCase().includes(word.toLowerCase())))
    .sort((a, b) => (worse[a.state] ?? 0) - (worse[b.state] ?? 0) || (a.id < b.id ? -1 : 1));
  const lines = new Map(tr?.sensors.map((s) => [s.id, s]));
  const rulesets = new Set(all.map((s) => s.ruleset));
  return (
    <section class="column verdict-page" aria-label={t.title}>
      <header class="overview-head">
        <h1>{t.title}{all.length > 0 && <span class="badge">{count(all.length)}</span>}</h1>
        {rulesets.size > 1 && <span class="caution small-note"><Warn />{t.rulesets(rulesets.size)}</span>}
        <input class="find" aria-label={t.find} placeholder={t.find} value={word} spellcheck={false} onInput={(e) => setWord(e.currentTarget.value.trim())} />
      </header>
      <div class="panel scroll">
        {sensors.value?.length === 0 && <div class="empty"><h3>{t.emptyTitle}</h3><p>{t.empty}</p><pre>{t.emptyCommand}</pre></div>}
        {list.length > 0 && (
          <table class="fleet-table">
            <thead><tr><th>{t.columns.state}</th><th>{t.columns.sensor}</th><th>{t.columns.mode}</th><th class="hour">{t.columns.traffic}</th><th class="n">{t.packets}</th><th class="n">{t.bytes}</th><th class="hour">{t.columns.dropped}</th><th>{t.columns.reasons}</th><th>{t.columns.log}</th><th>{t.columns.rules}</th><th class="n">{t.columns.heard}</th></tr></thead>
            <tbody>{list.slice(0, 1000).map((s) => <Row key={s.id} s={s} line={lines.get(s.id)} />)}</tbody>
          </table>
        )}
      </div>
    </section>
  );
}

function Row({ s, line }: { s: Sensor; line?: Traffic["sensors"][0] }) {
  const r = rates.value.get(s.id);
  const drops = Object.entries(s.drops).filter(([, n]) => n > 0).sort((a, b) => b[1] - a[1]);
  const [open, setOpen] = useState(false);
  const shed = Object.values(s.spool.shed).reduce((a, b) => a + b, 0), lost = losses(s).reduce((a, [, n]) => a + n, 0) + shed;
  return (
    <>
    <tr data-sensor={s.id}>
      <td><span class={"health " + s.state} title={t.stateWhy[s.state]}><i class="dot" />{t.states[s.state] ?? plain(s.state)}</span></td>
      <td><button class="plain-link mono" aria-expanded={open} title={text.verdicts.more} onClick={() => setOpen(!open)}>{plain(s.id)}</button>{s.reason && <span class="quiet cut why-line" title={plain(s.reason)}>{plain(s.reason)}</span>}</td>
      <td class="quiet" title={t.modes[s.mode]}>{plain(s.mode)}<span class={"cut why-line " + (s.killed || s.policy === "observe" ? "lagging" : "")} title={t.policyWhy[s.policy]}>{s.killed ? t.killed : plain(s.policy)}</span></td>
      <td class="hour">{line && <Spark values={line.packets} label={t.columns.traffic} />}</td>
      <td class="n">{r ? short(r.packets) : "–"}</td>
      <td class="n">{r ? short(r.bytes * 8) : "–"}</td>
      <td class="hour">{line?.dropped.some((n) => n > 0) && <Spark values={line.dropped} label={t.columns.dropped} />}</td>
      <td title={drops.map(([why, n]) => `${text.reasons[why] ?? plain(why)} ${count(n)}`).join("\n")}>
        <span class="cut">{drops.length ? drops.slice(0, 2).map(([why, n]) => `${text.reasons[why] ?? plain(why)} ${short(n)}`).join(", ") : <span class="quiet">{t.noDrops}</span>}</span>
        {s.refusals > 0 && <span class="pill warn" title={t.refusalsWhy}><Warn />{t.refusals(count(s.refusals))}</span>}
        {lost > 0 && <span class="pill warn" title={t.lostWhy}><Warn />{t.lost(short(lost))}</span>}
      </td>
      <td title={t.appliedWhy(String(s.applied_seq), String(s.epoch))}><span class={s.lag ? "lagging" : ""}>#{s.applied_seq}</span> <span class="quiet">{s.lag ? t.behind(count(s.lag)) : t.inStep}</span></td>
      <td class="quiet mono" title={`${t.rules} ${plain(s.ruleset)} · ${t.version} ${plain(s.version)}`}><span class="cut">{plain(s.ruleset.slice(0, 8))}</span>{s.bundle_error && <span class="pill warn" title={plain(s.bundle_error)}><Warn />{t.bundleError}</span>}</td>
      <td class="n quiet">{span((now.value - Date.parse(s.last_seen)) / 1000)}</td>
    </tr>
    {open && <More s={s} shed={shed} />}
    </>
  );
}

/** Packets that were not inspected or not let in, by what counted them. */
const losses = (s: Sensor) => Object.entries(s.counters).filter(([k, n]) => n > 0 && /(lost|overrun|ring_full|queue_full|not_inspected|truncated|spool_dropped)/.test(k));

function More({ s, shed }: { s: Sensor; shed: number }) {
  const refused = s.refused.slice(0, 5), full = Object.entries(s.maps).filter(([, m]) => m.max > 0).sort((a, b) => b[1].used / b[1].max - a[1].used / a[1].max).slice(0, 6);
  const rows: [string, string, string?][] = [
    [t.state, s.reason ? `${t.states[s.state]}: ${plain(s.reason)}` : t.stateWhy[s.state] ?? plain(s.state)],
    [t.policy, `${plain(s.policy)} · ${t.policyWhy[s.policy] ?? ""}`], [t.group, plain(s.group) || "–"],
    [t.columns.rules, `${count(s.rules)} · ${plain(s.ruleset.slice(0, 12))}${s.bundle ? ` · ${t.bundle} ${plain(s.bundle.slice(0, 12))}` : ""}`], ...(s.bundle_error ? [[t.bundleError, plain(s.bundle_error)] as [string, string]] : []),
    [t.applied, t.appliedWhy(String(s.applied_seq), String(s.epoch)) + (s.lag ? ` · ${t.behind(count(s.lag))}` : "")],
    [t.spool, t.spooled(count(s.spool.events), bytes(s.spool.bytes), count(s.spool.sent), count(shed)), t.spoolWhy],
    ...losses(s).map(([k, n]) => [plain(k.replace(/^weir_(sensor_)?/, "").replaceAll("_", " ")), count(n)] as [string, string]),
    [t.version, plain(s.version) + (s.started_at ? ` · ${t.started(span((now.value - Date.parse(s.started_at)) / 1000))}` : "")],
    ...(Math.abs(s.clock_skew_seconds) > 2 ? [[t.clock, `${s.clock_skew_seconds.toFixed(1)} s`, t.clockWhy] as [string, string, string]] : []),
    ...(full.length ? [[t.maps, full.map(([k, m]) => `${plain(k)} ${short(m.used)}/${short(m.max)}`).join(" · "), t.mapsWhy] as [string, string, string]] : []),
    ...refused.map((r) => [t.refusedOne, `${plain(r.id)}: ${plain(r.reason)}`] as [string, string]),
  ];
  return (
    <tr class="verdict-more"><td colSpan={11}>
      <dl class="facts">{rows.map(([k, v, why], i) => <div key={i} title={why}><dt>{k}</dt><dd>{v}</dd></div>)}</dl>
      <button class="button small" onClick={() => go({ view: "alerts", q: `sensor:${s.id}` }, "push")}>{t.alertsOf}</button>
    </td></tr>
  );
}
