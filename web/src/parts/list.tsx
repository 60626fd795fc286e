import { useEffect, useRef } from "preact/hooks";
import { signal } from "@preact/signals";
import { sensors } from "../lib/fleet";
import { endpoint, plain, unspecified, when } from "../lib/format";
import { alerts, complete, loading, looking, older, parsed, past, problem, scrolled } from "../lib/live";
import { go, place } from "../lib/place";
import { narrow } from "../lib/screen";
import { marked } from "../lib/triage";
import type { Alert } from "../lib/types";
import { text } from "../text";
import { Severity } from "./severity";

export const selected = signal(""); // id
const top = signal(0); // scroll position
const view = signal(600); // height seen

const rowHeight = () => (narrow.value ? 56 : 30);
const spare = 6; // rows drawn beyond what is seen

let box: HTMLDivElement | null = null;

/** Moves the selection, and the list with it. */
export function select(step: number) {
  const list = alerts.value;
  if (!list.length) return;
  const i = list.findIndex((a) => a.id === selected.value);
  const n = i < 0 ? 0 : Math.min(Math.max(i + step, 0), list.length - 1);
  choose(list[n].id);
  const y = n * rowHeight();
  if (!box) return;
  if (y < box.scrollTop) box.scrollTop = y;
  else if (y + rowHeight() > box.scrollTop + box.clientHeight - rowHeight()) box.scrollTop = y + 2 * rowHeight() - box.clientHeight;
  if (place.value.alert) go({ alert: list[n].id });
}

export function choose(id: string) {
  selected.value = id;
  looking.value = id !== "";
}

export const current = (): Alert | undefined => alerts.value.find((a) => a.id === (selected.value || place.value.alert));

export const openAlert = (id: string) => { choose(id); go({ alert: id }, place.value.alert ? "replace" : "push"); };

export function AlertList() {
  const ref = useRef<HTMLDivElement>(null);
  useEffect(() => {
    box = ref.current;
    const size = new ResizeObserver(() => { view.value = box!.clientHeight; });
    size.observe(box!);
    return () => { size.disconnect(); box = null; scrolled.value = false; };
  }, []);

  const list = alerts.value;
  const h = rowHeight();
  const first = Math.max(0, Math.floor(top.value / h) - spare);
  const last = Math.min(list.length, Math.ceil((top.value + view.value) / h) + spare);

  const onScroll = () => {
    top.value = box!.scrollTop;
    scrolled.value = box!.scrollTop > h * 1.5;
    if (box!.scrollTop + box!.clientHeight > box!.scrollHeight - 20 * h) older();
  };
  const t = text.alerts;
  return (
    <div class="list panel">
      <div class="row head" aria-hidden="true">
        <span>{t.time}</span><span>{t.severity}</span><span>{t.signature}</span><span>{t.source}</span><span>{t.target}</span><span>{t.proto}</span><span>{t.sensor}</span><span>{t.action}</span>
      </div>
      <div id="alerts" class="rows" ref={ref} role="grid" tabIndex={0} aria-label={t.label} aria-rowcount={list.length} aria-busy={loading.value}
        aria-activedescendant={selected.value ? "alert-" + selected.value : undefined} onScroll={onScroll}>
        {list.length === 0 && <Empty />}
        <div class="canvas" role="rowgroup" style={{ height: list.length * h + "px" }}>
          {list.slice(first, last).map((a, i) => <Row key={a.id} a={a} n={first + i} h={h} />)}
        </div>
        {list.length > 0 && <p class="foot">{complete.value ? t.end : loading.value ? t.older : ""}</p>}
      </div>
    </div>
  );
}

function Row({ a, n, h }: { a: Alert; n: number; h: number }) {
  const on = selected.value === a.id, m = marked.value.has(a.id);
  const src = endpoint(a.src_ip, a.src_port), dst = endpoint(a.dest_ip, a.dest_port);
  return (
    <div id={"alert-" + a.id} class={"row " + (on ? "on " : "") + (m ? "marked-row " : "") + (a.state === "archived" ? "archived " : "") + (a.action === "blocked" ? "was-blocked" : "")} role="row" aria-rowindex={n + 1} aria-selected={on}
      style={{ transform: `translateY(${n * h}px)`, height: h + "px" }} onClick={() => openAlert(a.id)}>
      <span role="gridcell" class="time">{when(a.time)}</span>
      <span role="gridcell"><Severity n={a.severity} /></span>
      <span role="gridcell" class="sig" title={plain(a.signature)}>{a.state === "escalated" && <i class="tag">{text.triage.escalated}</i>}{a.assignee && <i class="tag who">{plain(a.assignee)}</i>}{plain(a.signature)}</span>
      <span role="gridcell" class="addr src" title={src}><Address ip={a.src_ip} port={a.src_port} /></span>
      <span role="gridcell" class="addr dst" title={dst}><Address ip={a.dest_ip} port={a.dest_port} /></span>
      <span role="gridcell" class="proto">{plain(a.app_proto && a.app_proto !== "failed" ? a.app_proto : a.proto.toLowerCase())}</span>
      <span role="gridcell" class="sensor">{plain(a.sensor)}</span>
      <span role="gridcell" class={"outcome " + (a.action === "blocked" ? "blocked" : "allowed")}>{a.action === "blocked" ? text.alerts.blocked : text.alerts.allowed}</span>
    </div>
  );
}

function Address({ ip, port }: { ip: string; port: number }) {
  if (unspecified(ip)) return <i>{text.alerts.many}</i>;
  if (!port) return <>{ip}</>;
  return <>{ip.includes(":") ? `[${ip}]` : ip}<i>:{port}</i></>;
}

function Empty() {
  const t = text.alerts;
  if (problem.value) return null;
  if (loading.value) return <p class="empty quiet">{t.loading}</p>;
  const filtered = !!parsed.value.params.query || past.value;
  if (filtered) return <div class="empty"><h3>{t.noneTitle}</h3><p>{t.none}</p><button class="button" onClick={() => go({ q: "", all: true, since: "", until: "", span: "7d" }, "push")}>{text.filter.clear}</button></div>;
  return (
    <div class="empty">
      <h3>{t.emptyTitle}</h3>
      {sensors.value?.length === 0 ? <p>{t.emptySensors}</p> : <><p>{t.empty}</p><pre>{t.emptyCommand}</pre></>}
    </div>
  );
}
