import { active, dropped, sensors, timeline, verdicts } from "../lib/fleet";
import { count } from "../lib/format";
import { past } from "../lib/live";
import { place } from "../lib/place";
import { text } from "../text";

function Tile(p: { name: string; why: string; value: string; tone?: string }) {
  return (
    <div class={"tile " + (p.tone ?? "")} title={p.why}>
      <dt>{p.name}</dt>
      <dd>{p.value}</dd>
    </div>
  );
}

export function Tiles() {
  const t = text.tiles;
  const buckets = timeline.value?.buckets;
  const sum = (f: (b: { total: number; blocked: number; severity: Record<string, number> }) => number) =>
    buckets ? count(buckets.reduce((n, b) => n + f(b), 0)) : "–";
  const over = past.value ? text.spanChosen : text.spans[place.value.span];
  const all = sensors.value;
  const ok = all?.filter((s) => s.state === "ok").length ?? 0;
  const worst = buckets?.reduce((n, b) => n + (b.severity[1] ?? 0), 0) ?? 0;
  return (
    <dl class="tiles" aria-label={over}>
      <Tile name={t.alerts} why={t.alertsWhy(over)} value={sum((b) => b.total)} />
      <Tile name={t.worst} why={t.worstWhy(over)} value={buckets ? count(worst) : "–"} tone={worst ? "bad" : ""} />
      <Tile name={t.blocked} why={t.blockedWhy(over)} value={sum((b) => b.blocked)} />
      <Tile name={t.verdicts} why={t.verdictsWhy} value={verdicts.value ? count(active.value.length) : "–"} />
      <Tile name={t.dropped} why={t.droppedWhy} value={count(dropped.value)} tone={dropped.value ? "good" : ""} />
      <Tile name={t.sensors} why={t.sensorsWhy} value={all ? t.of(String(ok), String(all.length)) : "–"} tone={all && ok < all.length ? "warn" : ""} />
    </dl>
  );
}
