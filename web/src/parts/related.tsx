import { useEffect, useState } from "preact/hooks";
import { listAlerts, verdictsOf } from "../lib/api";
import { count, endpoint, plain, when } from "../lib/format";
import { matchText } from "../lib/act";
import { inForce, now } from "../lib/fleet";
import { span } from "../lib/format";
import { go } from "../lib/place";
import type { Alert, Verdict } from "../lib/types";
import { text } from "../text";
import { openAlert } from "./list";
import { Severity } from "./severity";

const around = 10 * 60_000; // ms before and after
const most = 50;

/** What else happened in the alert's flow, oldest first. */
export function SameFlow({ a }: { a: Alert }) {
  const [list, setList] = useState<Alert[] | null>(null);
  const at = Date.parse(a.time);
  const time = (ms: number) => new Date(ms).toISOString();
  useEffect(() => {
    const abort = new AbortController();
    listAlerts({ query: `flow:${a.flow_id}`, since: time(at - around), until: time(at + around), limit: String(most) }, abort.signal)
      .then((p) => setList(p.alerts.reverse()), () => setList([]));
    return () => abort.abort();
  }, [a.id]);
  const t = text.detail;
  if (!list) return null;
  if (list.length <= 1) return <p class="quiet">{t.flowAlone}</p>;
  return (
    <ul class="same-flow">
      {list.map((x) => (
        <li key={x.id}><button class={"plain-row " + (x.id === a.id ? "this" : "")} aria-current={x.id === a.id ? "true" : undefined} onClick={() => openAlert(x.id)}>
          <span class="mono">{offset(Date.parse(x.time) - at)}</span><Severity n={x.severity} /><span class="name">{plain(x.signature)}</span><span class="mono quiet">{endpoint(x.src_ip, x.src_port)}</span>
        </button></li>
      ))}
    </ul>
  );
}

/** +1.234 s: from the alert on the page. */
const offset = (ms: number) => (ms === 0 ? "0" : (ms < 0 ? "−" : "+") + (Math.abs(ms) / 1000).toFixed(3)) + " " + text.units.s;

/** Verdicts about the alert's source or target. */
export function Concerning({ a }: { a: Alert }) {
  const [list, setList] = useState<Verdict[] | null>(null);
  useEffect(() => {
    let gone = false;
    Promise.all([verdictsOf(a.src_ip), verdictsOf(a.dest_ip)]).then(([x, y]) => {
      if (!gone) setList([...x, ...y.filter((v) => !x.some((w) => w.id === v.id))]);
    }, () => { if (!gone) setList([]); });
    return () => { gone = true; };
  }, [a.id, Math.floor(now.value / 3000)]);
  const t = text.verdicts;
  if (!list) return null;
  if (!list.length) return <p class="quiet">{text.detail.noVerdicts}</p>;
  return (
    <ul class="concerning">
      {list.slice(0, 20).map((v) => (
        <li key={v.id} class={inForce(v) ? "" : "faded"}>
          <span class={"action a-" + v.action}>{t.actions[v.action] ?? plain(v.action)}</span>
          <button class="plain-link mono" onClick={() => go({ view: "verdicts", alert: "" }, "push")}>{matchText(v.match)}</button>
          <span class="name">{plain(v.reason)}</span>
          <span class="quiet" title={when(v.created_at)}>{t.by(plain(v.created_by))}</span>
          <span class="quiet">{inForce(v) ? t.expiresIn(span((Date.parse(v.expires_at) - now.value) / 1000)) : v.state === "expired" ? t.expired : t.revoked}</span>
          <span class={"hits " + (v.hits.packets ? "some" : "")}>{v.hits.packets ? text.detail.hits(count(v.hits.packets)) : t.noHits}</span>
        </li>
      ))}
    </ul>
  );
}
