import type { ComponentType } from "preact";
import { active, sensors, unreachable } from "../lib/fleet";
import { connection, past, rate } from "../lib/live";
import { short } from "../lib/format";
import { go, place, type View } from "../lib/place";
import { theme, toggleTheme } from "../lib/screen";
import { text } from "../text";
import { keysOpen } from "./keys";
import { Book, Gauge, Keyboard, List, Logo, Moon, Radar, Shield, Sun } from "./icons";

const views: [View, ComponentType][] = [["overview", Gauge], ["alerts", List], ["verdicts", Shield], ["sensors", Radar], ["record", Book]];

const numbers = (v: View): string => {
  if (v === "verdicts") return active.value.length ? String(active.value.length) : "";
  if (v === "sensors") {
    const ill = (sensors.value ?? []).filter((s) => s.state !== "ok").length;
    return ill ? "!" : "";
  }
  return "";
};

function Tabs() {
  return (
    <>
      {views.map(([v, Icon]) => (
        <button key={v} class="tab" aria-current={place.value.view === v ? "page" : undefined} onClick={() => go({ view: v }, "push")}>
          <Icon /><span>{text.views[v]}</span>{numbers(v) && <span class="badge">{numbers(v)}</span>}
        </button>
      ))}
    </>
  );
}

function State() {
  const kind = unreachable.value || (connection.value === "lost" && !past.value) ? "lost" : past.value ? "past" : place.value.paused ? "paused" : connection.value;
  return (
    <span class={"state " + kind} role="status">
      <i class="dot" />
      {text.live[kind]}
      {kind === "live" && <b class="rate" title={text.tiles.nowWhy}>{text.live.rate(short(rate.value))}</b>}
    </span>
  );
}

export function Header() {
  return (
    <header class="bar">
      <a class="brand" href="/" onClick={(e) => { e.preventDefault(); go({ view: "overview", q: "", since: "", until: "", alert: "", paused: false }, "push"); }}>
        <Logo /><b>{text.product}</b>
      </a>
      <nav class="tabs" aria-label={text.product}><Tabs /></nav>
      <State />
      <button class="tool" title={text.keys.open} aria-label={text.keys.open} onClick={() => { keysOpen.value = true; }}><Keyboard /></button>
      <button class="tool" title={text.theme.toggle} aria-label={text.theme.toggle} onClick={toggleTheme}>{theme.value === "dark" ? <Sun /> : <Moon />}</button>
    </header>
  );
}

/** The same tabs within a thumb's reach, on a phone. */
export function TabBar() {
  return <nav class="tabbar" aria-label={text.product}><Tabs /></nav>;
}
