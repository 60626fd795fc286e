import { useEffect, useState } from "preact/hooks";
import { hitsOf } from "../lib/api";
import { matchText, newVerdict, remove, rollBackTo } from "../lib/act";
import { approvals } from "../lib/approvals";
import { active, ended, inForce, now, verdicts } from "../lib/fleet";
import { bytes, count, exactly, plain, short, span } from "../lib/format";
import { go, place } from "../lib/place";
import type { Verdict } from "../lib/types";
import { text } from "../text";
import { openKillSwitchFor } from "../lib/killswitch";
import { Act, Sure } from "./act";
import { Approvals } from "./approvals";
import { Close, Plus } from "./icons";
import { Spark } from "./rates";
import { Stopped } from "./stopped";
import { Extend, Spread } from "./verdicts";

const t = text.verdicts;

/** All verdicts in one table: what they are for, how far they have spread, what they stop. */
export function VerdictPage() {
  const [word, setWord] = useState("");
  const match = (v: Verdict) => [matchText(v.match), v.reason, v.created_by, v.origin, v.action, v.id, String(v.rule ?? "")].some((s) => s.toLowerCase().includes(word.toLowerCase()));
  const of = place.value.of;
  const live = active.value.filter(match), past = ended.value.filter(match);
  const numbers: Record<string, number> = { "": active.value.length, waiting: approvals.value?.length ?? 0, ended: 0 };
  return (
    <section class="column verdict-page" aria-label={t.title}>
      <header class="overview-head">
        <h1>{t.title}</h1>
        <div class="segments tall" role="group" aria-label={t.which}>
          {["", "waiting", "ended"].map((c) => <button key={c} aria-pressed={of === c} onClick={() => go({ of: c }, "push")}>{t.choices[c]}{numbers[c] > 0 && <span class={"badge " + (c === "waiting" ? "bad" : "")}>{count(numbers[c])}</span>}</button>)}
        </div>
        <input class="find" aria-label={t.find} placeholder={t.find} value={word} spellcheck={false} onInput={(e) => setWord(e.currentTarget.value.trim())} />
        <Act needs="responder" on={newVerdict}><Plus />{t.add}</Act>
      </header>
      {of === "waiting" ? <div class="scroll"><Approvals /></div> : of === "ended" ? (
        <div class="panel scroll">{past.length ? <Table list={past} label={t.ended} /> : <div class="empty"><h3>{t.noneEnded}</h3></div>}</div>
      ) : <div class="panel scroll">
        {verdicts.value && active.value.length === 0 && <div class="empty"><h3>{t.emptyTitle}</h3><p>{t.empty}</p></div>}
        {live.length > 0 && <Table list={live.slice(0, 500)} label={t.title} />}
        {past.length > 0 && <><h3 class="divider">{t.ended}</h3><Table list={past} label={t.ended} /></>}
      </div>}
    </section>
  );
}

function Table({ list, label }: { list: Verdict[]; label: string }) {
  return (
    <table class="verdict-table" aria-label={label}>
      <thead><tr><th>{t.columns.what}</th><th>{t.columns.match}</th><th class="why-col">{t.columns.why}</th><th class="spread-col">{t.columns.where}</th><th class="n">{t.columns.hits}</th><th class="hour">{t.columns.hour}</th><th class="n">{t.columns.left}</th><th /></tr></thead>
      <tbody>{list.map((v) => <Row key={v.id} v={v} />)}</tbody>
    </table>
  );
}

function Row({ v }: { v: Verdict }) {
  const m = matchText(v.match), live = inForce(v);
  const [open, setOpen] = useState(false);
  const src = v.match.src || v.match.flow?.src.replace(/:\d+$/, "").replace(/^\[|\]$/g, "") || "";
  return (
    <>
      <tr class={live ? "" : "faded"} data-verdict={v.id}>
        <td><span class={"action a-" + v.action}>{t.actions[v.action] ?? plain(v.action)}</span></td>
        <td><button class="plain-link mono match" aria-expanded={open} title={t.more} onClick={() => setOpen(!open)}>{m}</button></td>
        <td class="why-col"><span class="cut" title={plain(v.reason)}>{plain(v.reason)}</span><span class="quiet cut">{t.by(plain(v.created_by))}{v.origin !== "analyst" ? ` · ${t.origins[v.origin] ?? plain(v.origin)}` : ""}</span></td>
        <td class="spread-col">{v.state === "canary" ? <span class="status st-warn" title={t.canaryWhy}>{t.canary}</span> : live && <Spread v={v} />}</td>
        <td class="n" title={v.action === "observe" ? t.wouldWhy : t.hitsWhy}><b class={"hits " + (v.hits.packets ? "some" : "")}>{short(v.hits.packets)}</b><span class="quiet cut">{v.action === "observe" && v.hits.packets ? t.would : bytes(v.hits.bytes)}</span></td>
        <td class="hour"><Hits v={v} /></td>
        <td class="n" title={exactly(v.expires_at)}>{live ? span((Date.parse(v.expires_at) - now.value) / 1000) : v.state === "expired" ? t.expired : t.revoked}</td>
        <td class="acts-inline">{live && <>
          <Extend v={v} />
          <Act needs="responder" class="tool small" label={t.removeLabel(m)} title={t.remove} on={() => void remove(v)}><Close /></Act>
        </>}</td>
      </tr>
      {open && (
        <tr class="verdict-more"><td colSpan={8}>
          <Effect v={v} />
          <dl class="facts">
            <div><dt>{t.id}</dt><dd class="mono">{v.id}{v.seq ? ` · #${v.seq}` : ""}</dd></div>
            <div><dt>{t.since}</dt><dd>{exactly(v.created_at)}</dd></div>
            <div><dt>{t.until}</dt><dd>{exactly(v.expires_at)}</dd></div>
            {v.rule ? <div><dt>{t.rule}</dt><dd><button class="plain-link mono" onClick={() => go({ view: "alerts", q: `sid:${v.rule}` }, "push")}>{v.rule}</button></dd></div> : null}
            {v.evidence?.length ? <div><dt>{t.evidence}</dt><dd>{v.evidence.map((id) => <button key={id} class="plain-link mono" onClick={() => go({ view: "alerts", alert: id }, "push")}>{id}</button>)}</dd></div> : null}
            {v.applied.missing.length ? <div><dt>{t.notOn}</dt><dd class="mono">{v.applied.missing.map(plain).join(", ")}</dd></div> : null}
          </dl>
          {src && <button class="button small" onClick={() => go({ view: "alerts", q: `ip:${src}`, all: true, since: "", until: "" }, "push")}>{t.alertsOf}</button>} {v.origin === "rule" && v.rule ? <Act needs="responder" class="button small" on={() => openKillSwitchFor(v.rule!)}>{text.kill.forRule}</Act> : null} {v.seq ? <Sure needs="approver" label={t.rollBackLabel(m)} act={t.rollBack} why={t.rollBackWhy} on={() => void rollBackTo(v)} /> : null}
        </td></tr>
      )}
    </>
  );
}

/** What a verdict stopped over the last hour, in packets or bytes. */
function Effect({ v }: { v: Verdict }) {
  const [got, setGot] = useState<Awaited<ReturnType<typeof hitsOf>> | null>(null);
  const [inBytes, setInBytes] = useState(false);
  const due = inForce(v) ? Math.floor(now.value / 5000) : 0;
  useEffect(() => {
    if (!v.hits.packets) return;
    let gone = false;
    hitsOf(v.id).then((h) => { if (!gone) setGot(h); }, () => { /* the totals stand */ });
    return () => { gone = true; };
  }, [v.id, v.hits.packets > 0, due]);
  if (!got) return null;
  const values = inBytes ? got.bytes.map((b) => b * 8) : got.packets;
  return (
    <div class="effect">
      <div class="segments small" role="group" aria-label={t.unit}><button aria-pressed={!inBytes} onClick={() => setInBytes(false)}>{t.packetsPerSecond}</button><button aria-pressed={inBytes} onClick={() => setInBytes(true)}>{t.bitsPerSecond}</button></div>
      <Stopped since={got.since} step={got.step_seconds} lines={[{ name: v.action === "observe" ? t.would : t.stopped, packets: values }]} title={v.action === "observe" ? t.effectWould : t.effect} />
    </div>
  );
}

/** A line of the last hour's hits, asked for again when the total has changed. */
function Hits({ v }: { v: Verdict }) {
  const [line, setLine] = useState<number[]>([]);
  const due = v.hits.packets > 0 ? Math.floor(now.value / (active.value.length > 50 ? 15_000 : 5_000)) : 0;
  useEffect(() => {
    if (!v.hits.packets) return;
    let gone = false;
    hitsOf(v.id).then((h) => { if (!gone) setLine(h.packets); }, () => { /* the list says so */ });
    return () => { gone = true; };
  }, [v.id, due]);
  return line.some((n) => n > 0) ? <Spark values={line} label={t.columns.hour} /> : <span class="quiet">{v.hits.packets ? "" : t.noHits}</span>;
}
