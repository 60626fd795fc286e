import { useMemo, useState } from "preact/hooks";
import { short, when } from "../lib/format";
import { text } from "../text";
import { Rates } from "./rates";

const colors = ["--c1", "--c2", "--c3", "--c4", "--c5"];

/** Packets that verdicts stopped, over the last hour, by verdict. */
export function Stopped({ since, step, lines, title = text.incident.effect }: { since: string; step: number; lines: { name: string; packets: number[] }[]; title?: string }) {
  const [at, setAt] = useState<number | null>(null);
  const made = useMemo(() => {
    const n = Math.max(...lines.map((l) => l.packets.length)), from = Date.parse(since) / 1000;
    return {
      times: Array.from({ length: n }, (_, i) => from + (i + 0.5) * step),
      layers: lines.map((l, i) => ({ name: l.name, color: colors[i % colors.length], values: l.packets })),
    };
  }, [since, step, lines]);
  const i = at ?? made.times.length - 1;
  return (
    <div class="stopped" title={text.incident.effectWhy}>
      <p class="quiet small-note">{title}<span class="mono">{at !== null && made.times[at] ? " " + when(new Date(made.times[at] * 1000).toISOString()) : ""}</span></p>
      <Rates label={title} times={made.times} layers={made.layers} say={setAt} />
      <ul class="layers">{made.layers.map((l) => <li key={l.name}><i class="key" style={{ background: `var(${l.color})` }} />{l.name} <b>{short(l.values[i] ?? 0)}</b></li>)}</ul>
    </div>
  );
}
