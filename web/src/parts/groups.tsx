import { useEffect, useState } from "preact/hooks";
import { groups as read } from "../lib/api";
import { count, plain, span, when } from "../lib/format";
import { explain, parsed, problem, range } from "../lib/live";
import { go, place } from "../lib/place";
import { narrow } from "../lib/query";
import { allMatching, mayJudge, suppressing, triage } from "../lib/triage";
import { trying } from "../lib/trying";
import type { Group } from "../lib/types";
import { text } from "../text";
import { Check, Mute } from "./icons";
import { Severity } from "./severity";

const most = 200;

/** Alerts summed up, the latest first. */
export function Groups({ by }: { by: string }) {
  const [list, setList] = useState<Group[] | null>(null);
  const [bad, setBad] = useState("");
  const paused = place.value.paused;
  const params = { ...parsed.value.params, ...range.value, by, n: String(most) };
  const subject = JSON.stringify(params);
  const refresh = async (signal?: AbortSignal) => {
    try {
      const got = await read(params, signal);
      if (!signal?.aborted) { setList(got); setBad(""); }
    } catch (e) { if (!signal?.aborted) setBad(explain(e)); }
  };
  useEffect(() => {
    const abort = new AbortController();
    setList(null);
    void refresh(abort.signal);
    const timer = setInterval(() => { if (!document.hidden && !paused) void refresh(abort.signal); }, 3000);
    return () => { abort.abort(); clearInterval(timer); };
  }, [subject, paused]);
  const t = text.groups;
  return (
    <div class="list panel groups" role="table" aria-label={t.by[by]}>
      <div role="rowgroup"><div class="group head" role="row"><span role="columnheader">{text.alerts.severity}</span><span role="columnheader">{t.by[by]}</span><span role="columnheader" class="n">{t.count}</span><span role="columnheader" class="n">{t.others[by]}</span><span role="columnheader">{t.last}</span><span role="columnheader" class="over">{t.over}</span><span role="columnheader" aria-label={t.acts} /></div></div>
      <div class="rows" role="rowgroup" tabIndex={0}>
        {bad && !problem.value && <p class="problem" role="alert">{bad}</p>}
        {list?.length === 0 && <div class="empty"><h3>{text.alerts.noneTitle}</h3><p>{text.alerts.none}</p></div>}
        {list?.map((g) => <Row key={g.key} g={g} by={by} after={() => void refresh()} />)}
        {list && list.length >= most && <p class="foot">{t.cut(most)}</p>}
      </div>
    </div>
  );
}

function Row({ g, by, after }: { g: Group; by: string; after: () => void }) {
  const t = text.groups;
  const open = () => go({ q: narrow(place.value.q, by, g.key), group: "" }, "push");
  const lasted = (Date.parse(g.last) - Date.parse(g.first)) / 1000;
  const archive = () => mayJudge() && trying(async () => { await triage(allMatching(`${by}:${g.key}`, g.count), { state: "archived" }); after(); });
  return (
    <div class="group" role="row" data-group={g.key} onClick={open}>
      <span role="cell"><Severity n={g.severity} /></span>
      <span role="cell" class={"name " + (by === "sid" ? "" : "mono")} title={plain(g.label)}><button class="plain-link" onClick={(e) => { e.stopPropagation(); open(); }}>{plain(g.label)}</button>{by === "sid" && <i class="mono">{g.key}</i>}</span>
      <span role="cell" class="n"><b>{count(g.count)}</b></span>
      <span role="cell" class="n">{count(g.others)}</span>
      <span role="cell" class="quiet">{when(g.last)}</span>
      <span role="cell" class="quiet over">{span(lasted)}</span>
      <span role="cell" class="acts-inline">
        <button class="tool small" title={t.archive(count(g.count))} aria-label={t.archive(count(g.count)) + ": " + plain(g.label)} onClick={(e) => { e.stopPropagation(); void archive(); }}><Check /></button>
        <button class="tool small" title={t.suppress} aria-label={t.suppress + ": " + plain(g.label)} onClick={(e) => { e.stopPropagation(); if (mayJudge()) suppressing.value = { query: `${by}:${g.key}` }; }}><Mute /></button>
      </span>
    </div>
  );
}
