import { now, rates, sensors } from "../lib/fleet";
import { count, plain, short, span } from "../lib/format";
import type { Sensor } from "../lib/types";
import { text } from "../text";
import { Warn } from "./icons";

const t = text.sensors;

export function Sensors() {
  const all = sensors.value;
  return (
    <section class="column sensors panel" aria-label={t.title}>
      <header class="panel-head"><h2>{t.title}{all && all.length > 0 && <span class="badge">{count(all.length)}</span>}</h2></header>
      <div class="scroll">
        {all?.length === 0 && <div class="empty"><h3>{t.emptyTitle}</h3><p>{t.empty}</p><pre>{t.emptyCommand}</pre></div>}
        <ul class="cards">{all?.slice(0, 1000).map((s) => <Card key={s.id} s={s} />)}</ul>
      </div>
    </section>
  );
}

function Card({ s }: { s: Sensor }) {
  const r = rates.value.get(s.id);
  const drops = Object.entries(s.drops).filter(([, n]) => n > 0).sort((a, b) => b[1] - a[1]);
  return (
    <li class={"card sensor is-" + s.state} data-sensor={s.id}>
      <div class="line">
        <span class={"health " + s.state} title={t.stateWhy[s.state]}><i class="dot" />{t.states[s.state] ?? plain(s.state)}</span>
        <b class="mono name">{plain(s.id)}</b>
        <span class="mode" title={t.modes[s.mode]}>{plain(s.mode)}</span>
        <span class="left quiet" title={plain(s.version)}>{t.seen(span((now.value - Date.parse(s.last_seen)) / 1000))}</span>
      </div>
      <dl class="gauges">
        <div><dd>{r ? short(r.packets) : "–"}</dd><dt>{t.packets}</dt></div>
        <div><dd>{r ? short(r.bytes * 8) : "–"}</dd><dt>{t.bytes}</dt></div>
        <div title={t.appliedWhy(String(s.applied_seq), String(s.epoch))}>
          <dd class={s.lag ? "warn" : ""}>#{s.applied_seq}</dd><dt>{s.lag ? t.behind(count(s.lag)) : t.inStep}</dt>
        </div>
        <div><dd>{count(s.verdicts)}</dd><dt>{t.verdicts}</dt></div>
      </dl>
      <p class="drops">
        <span class="quiet">{drops.length ? t.drops : t.noDrops}</span>
        {drops.slice(0, 6).map(([why, n]) => <span key={why} class="pill">{text.reasons[why] ?? plain(why)} <b>{short(n)}</b></span>)}
        {s.refusals > 0 && <span class="pill warn" title={t.refusalsWhy}><Warn />{t.refusals(count(s.refusals))}</span>}
      </p>
    </li>
  );
}
