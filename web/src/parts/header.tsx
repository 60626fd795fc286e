import type { ComponentType } from "preact";
import { signal } from "@preact/signals";
import { mine } from "../lib/approvals";
import { active, sensors, unreachable } from "../lib/fleet";
import { unresolved, unresolvedMore } from "../lib/incidents";
import { connection, past, rate } from "../lib/live";
import { count, short } from "../lib/format";
import { allViews, go, place, type View } from "../lib/place";
import { theme, toggleTheme } from "../lib/screen";
import { show } from "../lib/views";
import { text } from "../text";
import { Account } from "./account";
import { keysOpen } from "./keys";
import { KillButton } from "./killswitch";
import { Book, Flame, Gauge, Gear, Keyboard, List, Logo, Moon, More, Radar, Rule, Shield, Sun } from "./icons";

const drawn: Record<View, ComponentType> = { overview: Gauge, incidents: Flame, alerts: List, verdicts: Shield, sensors: Radar, rules: Rule, record: Book, settings: Gear };
const thumbs: View[] = ["overview", "incidents", "alerts", "verdicts"]; // on a phone; the others are behind one more tap

function badge(v: View): { text: string; why: string; bad?: boolean } | null {
  if (v === "incidents" && unresolved.value.length) {
    const open = unresolved.value.filter((i) => i.state === "open").length;
    return open ? { text: count(open) + (unresolvedMore.value ? "+" : ""), why: text.incidents.openWhy, bad: unresolved.value.some((i) => i.state === "open" && (i.severity === "critical" || i.severity === "high")) } : null;
  }
  if (v === "verdicts" && mine.value.length) return { text: count(mine.value.length), why: text.approvals.badge(count(mine.value.length)), bad: true };
  if (v === "verdicts" && active.value.length) return { text: count(active.value.length), why: text.tiles.verdictsWhy };
  if (v === "sensors") {
    const ill = (sensors.value ?? []).filter((s) => s.state !== "ok").length;
    return ill ? { text: "!", why: text.sensors.illWhy(count(ill)), bad: true } : null;
  }
  return null;
}

const open = (view: View) => { moreOpen.value = false; show(view); };

function Tab({ v }: { v: View }) {
  const Icon = drawn[v], b = badge(v);
  return (
    <button class="tab" data-view={v} title={text.views[v]} aria-current={place.value.view === v ? "page" : undefined} onClick={() => open(v)}>
      <Icon /><span>{text.views[v]}</span>{b && <span class={"badge " + (b.bad ? "bad" : "")} title={b.why}>{b.text}</span>}
    </button>
  );
}

function State() {
  const kind = unreachable.value || (connection.value === "lost" && !past.value) ? "lost" : past.value ? "past" : place.value.paused ? "paused" : connection.value;
  return (
    <span class={"state " + kind} role="status" title={text.live[kind]}>
      <i class="dot" />
      <span>{text.live[kind]}</span>
      {kind === "live" && <b class="rate" title={text.tiles.nowWhy}>{text.live.rate(short(rate.value))}</b>}
    </span>
  );
}

export function Header() {
  return (
    <header class="bar">
      <a class="brand" href="/" title={text.views.overview} onClick={(e) => { e.preventDefault(); go({ view: "overview", q: "", since: "", until: "", alert: "", paused: false }, "push"); }}>
        <Logo /><b>{text.product}</b>
      </a>
      <nav class="tabs" aria-label={text.product}>{allViews.map((v) => <Tab key={v} v={v} />)}</nav>
      <State />
      <KillButton />
      <button class="tool keyboard" title={text.keys.open} aria-label={text.keys.open} onClick={() => { keysOpen.value = true; }}><Keyboard /></button>
      <button class="tool" title={text.theme.toggle} aria-label={text.theme.toggle} onClick={toggleTheme}>{theme.value === "dark" ? <Sun /> : <Moon />}</button>
      <Account />
    </header>
  );
}

const moreOpen = signal(false);

/** The same tabs within a thumb's reach, on a phone. */
export function TabBar() {
  const rest = allViews.filter((v) => !thumbs.includes(v)), view = place.value.view;
  return (
    <nav class="tabbar" aria-label={text.product}>
      {moreOpen.value && <div class="more-tabs">{rest.map((v) => <Tab key={v} v={v} />)}</div>}
      {thumbs.map((v) => <Tab key={v} v={v} />)}
      <button class="tab more-tab" aria-expanded={moreOpen.value} aria-current={rest.includes(view) ? "page" : undefined} onClick={() => { moreOpen.value = !moreOpen.value; }}>
        <More /><span>{text.more}</span>{rest.some((v) => badge(v)?.bad) && <span class="badge bad">!</span>}
      </button>
    </nav>
  );
}
