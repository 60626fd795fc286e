import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { sections, sectionsFor, type Section } from "../lib/runbook";
import { plain } from "../lib/format";
import type { IncidentDetail } from "../lib/types";
import { text } from "../text";

/** The steps of the runbook that belong to an incident, from the documentation this program was built with. */
export function Runbook({ d }: { d: IncidentDetail }) {
  const [all, setAll] = useState<Section[] | null>(null);
  useEffect(() => { sections().then(setAll, () => setAll([])); }, []);
  const t = text.incident;
  const list = all ? sectionsFor(d, all) : [];
  if (all && !list.length) return <section class="panel box"><header class="panel-head"><h2>{t.runbook}</h2></header><p class="quiet rank-none">{t.noRunbook}</p></section>;
  return (
    <section class="panel box runbook" aria-label={t.runbook}>
      <header class="panel-head"><h2>{t.runbook}</h2><a class="quiet small-note" href="/runbook.md" target="_blank" rel="noopener">{t.wholeRunbook}</a></header>
      {list.map((s) => (
        <article key={s.title}>
          <h3>{s.title}</h3>
          {s.blocks.map((b, i) => b.steps ? <ol key={i}>{b.steps.map((x, k) => <li key={k}>{inline(x)}</li>)}</ol> : <p key={i}>{inline(b.text ?? "")}</p>)}
        </article>
      ))}
    </section>
  );
}

/** Markdown's code and emphasis as nodes. */
const inline = (s: string): ComponentChildren[] => s.split(/(`[^`]+`|\*[^*]+\*)/).map((part, i) =>
  part.startsWith("`") ? <code key={i} class="mono">{part.slice(1, -1)}</code> : part.startsWith("*") ? <b key={i}>{part.replaceAll("*", "")}</b> : plain(part.replace(/\[([^\]]+)\]\([^)]*\)/g, "$1")));
