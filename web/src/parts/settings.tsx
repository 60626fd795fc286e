import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { getSettings } from "../lib/api";
import { now } from "../lib/fleet";
import { bytes, count, exactly, plain, span } from "../lib/format";
import { explain } from "../lib/live";
import { go, place } from "../lib/place";
import { refusal } from "../lib/session";
import type { Role, Settings as All } from "../lib/types";
import { text } from "../text";
import { Box } from "./incident";
import { Warn } from "./icons";
import { Exports } from "./exports";
import { Feeds } from "./feeds";
import { NeverBlock } from "./lists";
import { Enrolment, Tokens, Users } from "./people";
import { PolicyPart } from "./policy";

const t = text.settings;

const parts: [string, Role, () => ComponentChildren][] = [
  ["general", "viewer", () => <General />], ["users", "admin", () => <Users />], ["tokens", "viewer", () => <Tokens />], ["enrolment", "admin", () => <Enrolment />],
  ["lists", "viewer", () => <NeverBlock />], ["feeds", "viewer", () => <Feeds />], ["policy", "viewer", () => <PolicyPart />], ["exports", "viewer", () => <Exports />],
];

export function Settings() {
  const [name, role, page] = parts.find(([n]) => n === place.value.part) ?? parts[0];
  const why = refusal(role);
  return (
    <section class="settings" aria-label={t.title}>
      <nav class="panel settings-nav" aria-label={t.title}>
        {parts.map(([n, r]) => <button key={n} ref={(b) => { if (b && n === name) b.scrollIntoView({ inline: "center", block: "nearest" }); }} class={refusal(r) ? "refused" : ""} title={refusal(r) || undefined} aria-current={n === name ? "page" : undefined} onClick={() => go({ part: n === "general" ? "" : n }, "push")}>{t.parts[n]}</button>)}
      </nav>
      <div class="settings-page scroll">{why ? <div class="panel empty"><h3>{t.parts[name]}</h3><p>{why}</p></div> : page()}</div>
    </section>
  );
}

/** Reads something now and again when it is said to have changed. */
export function useRead<T>(read: () => Promise<T>, every = 0): { value: T | null; problem: string; refresh: () => Promise<void> } {
  const [value, setValue] = useState<T | null>(null);
  const [problem, setProblem] = useState("");
  const refresh = async () => { try { setValue(await read()); setProblem(""); } catch (e) { setProblem(explain(e)); } };
  const due = every ? Math.floor(now.value / every) : 0;
  useEffect(() => { void refresh(); }, [due]);
  return { value, problem, refresh };
}

export const Bad = ({ text: s }: { text: string }) => (s ? <p class="problem inset" role="alert"><Warn />{s}</p> : null);

export const Facts = ({ rows }: { rows: [string, ComponentChildren, string?][] }) => (
  <dl class="facts padded">{rows.map(([k, v, why]) => <div key={k} title={why}><dt>{k}</dt><dd>{v}</dd></div>)}</dl>
);

function General() {
  const { value: s, problem } = useRead<All>(getSettings, 5000);
  const g = t.general;
  return (
    <Box title={t.parts.general}>
      <Bad text={problem} />
      {s && <Facts rows={[
        [g.version, plain(s.version)], [g.up, t.since(span((now.value - Date.parse(s.started_at)) / 1000), exactly(s.started_at))], [g.data, <span class="mono">{plain(s.data)}</span>],
        [g.console, <><span class="mono">{plain(s.console)}</span> {s.console_tls ? g.tls : g.plain}</>], [g.bus, <><span class="mono">{plain(s.bus)}</span> {s.bus_tls ? g.tls : g.plain}</>],
        [g.ca, s.ca ? <span class="mono">{s.ca}</span> : g.otherCA, g.caWhy], [g.provider, plain(s.provider) || g.none], [g.keep, t.forTime(span(s.alerts_keep_seconds), s.alerts_max_bytes ? bytes(s.alerts_max_bytes) : "")],
        [g.session, t.session(span(s.session_idle_seconds), span(s.session_lifetime_seconds))], [g.quiet, span(s.incident_quiet_seconds), g.quietWhy], [g.close, span(s.incident_auto_close_seconds), g.closeWhy],
        [g.alerts, count(s.alerts), g.alertsWhy], [g.log, `#${s.seq} · ${g.epoch} ${s.epoch}`, g.logWhy],
      ]} />}
      <p class="quiet rank-none">{g.file}</p>
    </Box>
  );
}

export const State = ({ of, why, children }: { of: "ok" | "warn" | "bad" | "quiet"; why?: string; children: ComponentChildren }) => <span class={"status st-" + of} title={why}>{children}</span>;
