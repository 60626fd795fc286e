import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { timeline } from "../lib/fleet";
import { count, span, when } from "../lib/format";
import { past } from "../lib/live";
import { allSpans, go, place } from "../lib/place";
import { theme } from "../lib/screen";
import type { Timeline } from "../lib/types";
import { text } from "../text";

/** Times, and by severity what stacks up: all, 1 and 2, 1 alone; drawn over one another. */
function stacked(t: Timeline): uPlot.AlignedData {
  const x: number[] = [], all: number[] = [], two: number[] = [], one: number[] = [];
  for (const b of t.buckets) {
    const s1 = b.severity[1] ?? 0, s2 = b.severity[2] ?? 0;
    x.push(Date.parse(b.time) / 1000 + t.step_seconds / 2);
    all.push(b.total);
    two.push(s1 + s2);
    one.push(s1);
  }
  return [x, all, two, one];
}

const height = 124;

export function TimelinePlot() {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const caption = useRef<HTMLSpanElement>(null);
  const t = timeline.value;
  const mode = theme.value;

  useEffect(() => {
    const el = box.current!;
    const say = (i: number | null | undefined) => { if (caption.current) caption.current.textContent = describe(timeline.peek(), i); };
    const p = plot.current = new uPlot(options(el.clientWidth, say), [[], [], [], []], el);
    const size = new ResizeObserver(() => p.setSize({ width: el.clientWidth, height }));
    size.observe(el);
    if (timeline.peek()) p.setData(stacked(timeline.peek()!));
    return () => { size.disconnect(); p.destroy(); };
  }, [mode]);

  useEffect(() => { if (t) plot.current?.setData(stacked(t)); }, [t]);

  const total = t?.buckets.reduce((n, b) => n + b.total, 0) ?? 0;
  return (
    <section class="timeline panel" aria-label={text.timeline.label}>
      <div class="timeline-head">
        <span class="legend" aria-hidden="true">
          <i class="key s1" />{text.timeline.severity1}<i class="key s2" />{text.timeline.severity2}<i class="key s3" />{text.timeline.severity3}
        </span>
        <span class="caption" ref={caption} />
        <Span />
      </div>
      <div class="plot" ref={box} role="img" aria-label={`${text.timeline.label}: ${count(total)}`} />
      {t && total === 0 && <p class="plot-empty">{text.timeline.empty}</p>}
    </section>
  );
}

/** The bar under the pointer, in words; without one, how to read the plot. */
function describe(t: Timeline | null, i: number | null | undefined): string {
  const b = t && i != null ? t.buckets[i] : undefined;
  if (!t || !b) return t ? `${text.timeline.step(span(t.step_seconds))} · ${text.timeline.hint}` : "";
  const by = [1, 2, 3].map((s) => s < 3 ? b.severity[s] ?? 0 : b.total - (b.severity[1] ?? 0) - (b.severity[2] ?? 0));
  return `${when(b.time).slice(0, -3)} · ${count(b.total)} (${by.map(count).join(" / ")}) · ${count(b.blocked)} ${text.alerts.blocked}`;
}

function Span() {
  const p = place.value;
  return (
    <div class="segments" role="group" aria-label={text.spanLabel}>
      {past.value && <span class="on chosen">{when(p.since).slice(0, -3)}–{when(p.until).slice(0, -3)}</span>}
      {allSpans.map((s) => (
        <button key={s} aria-pressed={!past.value && p.span === s} title={text.spans[s]} onClick={() => go({ span: s, since: "", until: "" }, "push")}>{text.spanShort[s]}</button>
      ))}
    </div>
  );
}

function options(width: number, say: (i: number | null | undefined) => void): uPlot.Options {
  const css = getComputedStyle(document.documentElement);
  const color = (name: string) => css.getPropertyValue(name).trim();
  const bars = uPlot.paths.bars!({ size: [0.82, 64, 1], gap: 1, radius: 0.12 });
  const series = (name: string): uPlot.Series => ({ fill: color(name), stroke: color(name), width: 0, paths: bars, points: { show: false } });
  const axis: uPlot.Axis = {
    stroke: color("--muted"), font: `11px ${css.getPropertyValue("--sans")}`, ticks: { show: false },
    grid: { stroke: color("--line"), width: 1 },
  };
  return {
    width, height, padding: [8, 18, 0, 0], legend: { show: false },
    cursor: { y: false, points: { show: false }, drag: { x: true, y: false, setScale: false } },
    scales: { x: { range: (_u, min, max) => { const half = (timeline.peek()?.step_seconds ?? 60) / 2; return [min - half, max + half]; } }, y: { range: (_u, _min, max) => [0, Math.max(4, max * 1.08)] } },
    axes: [
      { ...axis, grid: { show: false }, size: 24, values: (_u, at) => at.map((s) => when(new Date(s * 1000).toISOString()).slice(0, -3)), space: 90 },
      { ...axis, size: 46, values: (_u, at) => at.map((n) => n === Math.round(n) ? count(n) : ""), space: 28 },
    ],
    series: [{}, series("--sev3"), series("--sev2"), series("--sev1")],
    hooks: {
      setCursor: [(u) => say(u.cursor.idx)],
      setData: [(u) => say(u.cursor.idx)],
      setSelect: [(u) => {
        if (u.select.width < 6) return;
        const at = (px: number) => new Date(Math.floor(u.posToVal(px, "x") / 60) * 60_000);
        const since = at(u.select.left), until = new Date(+at(u.select.left + u.select.width) + 60_000);
        u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        go({ since: since.toISOString(), until: until.toISOString(), alert: "" }, "push");
      }],
    },
  };
}
