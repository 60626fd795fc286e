import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { short, when } from "../lib/format";
import { theme } from "../lib/screen";

/** One layer of a stack: a name, a colour token, values a step. */
export interface Layer { name: string; color: string; values: number[] }

const height = 150;

/** Rates stacked over time. The legend is the caller's; the pointer's step is told through say. */
export function Rates({ label, times, layers, say }: { label: string; times: number[]; layers: Layer[]; say: (i: number | null) => void }) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const shape = theme.value + layers.map((l) => l.color).join();

  useEffect(() => {
    const el = box.current!;
    const p = plot.current = new uPlot(options(el.clientWidth, layers, say), data(times, layers), el);
    const size = new ResizeObserver(() => p.setSize({ width: el.clientWidth, height }));
    size.observe(el);
    return () => { size.disconnect(); p.destroy(); };
  }, [shape]);
  useEffect(() => { plot.current?.setData(data(times, layers)); }, [times, layers]);
  return <div class="plot rates" ref={box} role="img" aria-label={label} />;
}

/** Sums from the top layer down: drawn over one another they look stacked. */
function data(times: number[], layers: Layer[]): uPlot.AlignedData {
  const sums: number[][] = [];
  let below = new Array<number>(times.length).fill(0);
  for (const l of layers) sums.unshift(below = below.map((n, i) => n + (l.values[i] ?? 0)));
  return [times, ...sums];
}

function options(width: number, layers: Layer[], say: (i: number | null) => void): uPlot.Options {
  const css = getComputedStyle(document.documentElement);
  const color = (name: string) => css.getPropertyValue(name).trim();
  const axis: uPlot.Axis = { stroke: color("--muted"), font: `11px ${css.getPropertyValue("--sans")}`, ticks: { show: false }, grid: { stroke: color("--line"), width: 1 } };
  return {
    width, height, padding: [8, 26, 0, 0], legend: { show: false },
    cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
    scales: { y: { range: (_u, _min, max) => [0, Math.max(1, max * 1.1)] } },
    axes: [
      { ...axis, grid: { show: false }, size: 24, values: (_u, at, _a, _s, step) => at.map((s) => when(new Date(s * 1000).toISOString()).slice(0, step < 60 ? undefined : -3)), space: 80 },
      { ...axis, size: 46, values: (_u, at) => at.map((n) => n === 0 || n >= 1 ? short(n) : at[at.length - 1] <= 2 ? String(+n.toFixed(2)) : ""), space: 28 },
    ],
    series: [{}, ...[...layers].reverse().map((l): uPlot.Series => ({ fill: color(l.color), stroke: color(l.color), width: 0, points: { show: false } }))],
    hooks: { setCursor: [(u) => say(u.cursor.idx ?? null)] },
  };
}

/** A line without axes: how one number went. */
export function Spark({ values, label }: { values: number[]; label: string }) {
  const most = Math.max(1e-9, ...values), w = 120, h = 22;
  const at = (v: number, i: number) => `${((i * w) / Math.max(1, values.length - 1)).toFixed(1)},${(h - 1 - (v / most) * (h - 3)).toFixed(1)}`;
  const line = values.map(at).join(" ");
  return (
    <svg class="spark" viewBox={`0 0 ${w} ${h}`} preserveAspectRatio="none" role="img" aria-label={label}>
      <polygon points={`0,${h} ${line} ${w},${h}`} /><polyline points={line} />
    </svg>
  );
}
