import { useEffect, useRef, useState } from "preact/hooks";
import { choices, drop, forget, keep, look, recall, saved, type Choice } from "../lib/complete";
import { plain } from "../lib/format";
import { session } from "../lib/session";
import { past, problem, release, scrolled, skipped, waiting, wrongAt } from "../lib/live";
import { count } from "../lib/format";
import { go, place } from "../lib/place";
import { text } from "../text";
import { Close, Eye, Help, Pause, Play, Search, Star, Warn } from "./icons";

export const filterInput: { focus(): void } = { focus() {} };

export function FilterBar() {
  const [help, setHelp] = useState(false);
  return (
    <div class="filter">
      <Query help={help} setHelp={setHelp} />
      <Grouping />
      <LiveButtons />
      {help && <FilterHelp onClose={() => setHelp(false)} />}
      {problem.value && <Problem />}
      {skipped.value > 0 && !problem.value && <p class="note" title={text.live.skippedWhy}>{text.live.skipped(count(skipped.value))}</p>}
    </div>
  );
}

function Query({ help, setHelp }: { help: boolean; setHelp: (on: boolean) => void }) {
  const input = useRef<HTMLInputElement>(null);
  const [at, setAt] = useState(-1); // the choice that the arrow keys are on
  const timer = useRef(0);
  const q = place.value.q;
  filterInput.focus = () => input.current?.focus();
  useEffect(() => { if (input.current && input.current !== document.activeElement) input.current.value = q; }, [q]);

  const apply = (value: string, wait: number) => {
    clearTimeout(timer.current);
    timer.current = window.setTimeout(() => go({ q: value.trim(), alert: "" }, wait ? "replace" : "push"), wait);
  };
  const clear = () => { input.current!.value = ""; apply("", 0); input.current!.focus(); };
  const typed = () => { const el = input.current!; setAt(-1); void look(wordAt(el)); apply(el.value, 350); };
  const accept = (c: Choice) => { replaceWord(input.current!, c.insert); typed(); input.current!.focus(); };
  const list = choices.value;
  const star = saved.value.find((s) => s.query === q && s.owner === session.value?.name);

  const onKey = (e: KeyboardEvent) => {
    if (!list.length) return;
    if (e.key === "ArrowDown" || e.key === "ArrowUp") { e.preventDefault(); setAt((at + (e.key === "ArrowDown" ? 1 : -1) + list.length) % list.length); }
    else if (e.key === "Tab" && !e.shiftKey) { e.preventDefault(); accept(list[Math.max(at, 0)]); }
    else if (e.key === "Enter" && at >= 0) { e.preventDefault(); accept(list[at]); }
    else if (e.key === "Escape") { e.stopPropagation(); forget(); }
  };
  return (
    <form class="search" role="search" onSubmit={(e) => { e.preventDefault(); forget(); apply(input.current!.value, 0); input.current!.blur(); }}>
      <Search />
      <input ref={input} type="text" role="combobox" aria-label={text.filter.label} aria-expanded={list.length > 0} aria-controls="choices" aria-autocomplete="list"
        aria-activedescendant={at >= 0 ? "choice-" + at : undefined} placeholder={text.filter.placeholder} defaultValue={q} spellcheck={false} autocomplete="off" autocapitalize="off"
        aria-invalid={wrongAt.value ? "true" : undefined} onInput={typed} onKeyDown={onKey} onBlur={() => setTimeout(forget, 150)} />
      {q && <button type="button" class={"tool small " + (star ? "starred" : "")} aria-pressed={!!star} aria-label={text.filter.save} title={text.filter.save}
        onClick={() => void (star ? drop(star) : keep(q, false))}><Star /></button>}
      {q && <button type="button" class="tool small" aria-label={text.filter.clear} title={text.filter.clear} onClick={clear}><Close /></button>}
      <button type="button" class="tool small" aria-label={text.filter.help} title={text.filter.help} aria-expanded={help} onClick={() => setHelp(!help)}><Help /></button>
      {list.length > 0 && (
        <ul id="choices" class="choices" role="listbox" aria-label={text.filter.choices}>
          {list.map((c, i) => (
            <li key={c.insert} id={"choice-" + i} role="option" aria-selected={i === at} class={i === at ? "on" : ""} onMouseDown={(e) => { e.preventDefault(); accept(c); }}>
              <span class="mono">{c.insert}</span><span class="quiet">{c.note}</span>
            </li>
          ))}
        </ul>
      )}
    </form>
  );
}

/** The word that ends at the caret. */
const wordAt = (el: HTMLInputElement) => /\S*$/.exec(el.value.slice(0, el.selectionStart ?? undefined))![0];

function replaceWord(el: HTMLInputElement, by: string) {
  const end = el.selectionStart ?? el.value.length, start = end - wordAt(el).length;
  const space = by.endsWith(":") || el.value[end] === " " ? "" : " ";
  el.value = el.value.slice(0, start) + by + space + el.value.slice(end);
  el.setSelectionRange(start + by.length + space.length, start + by.length + space.length);
}

/** What is wrong, and which part of the filter it is about. */
function Problem() {
  const at = wrongAt.value;
  const bytes = new TextEncoder().encode(place.value.q);
  const part = (a: number, b: number) => new TextDecoder().decode(bytes.slice(a, b));
  return (
    <p class="problem" role="alert">
      <Warn />
      <span>{problem.value}</span>
      {at && <code class="mono">{part(0, at.offset)}<mark>{part(at.offset, at.end) || "…"}</mark>{part(at.end, bytes.length)}</code>}
    </p>
  );
}

function Grouping() {
  const g = place.value.group;
  const all = place.value.all;
  return (
    <>
      <div class="segments tall" role="group" aria-label={text.groups.label}>
        {["", "sid", "src", "dst"].map((k) => <button key={k} aria-pressed={g === k} title={text.groups.why[k]} onClick={() => go({ group: k, alert: "" }, "push")}>{text.groups.by[k]}</button>)}
      </div>
      <button class="button" aria-pressed={all} title={text.filter.allWhy} onClick={() => go({ all: !all })}><Eye /><span>{all ? text.filter.all : text.filter.inbox}</span></button>
    </>
  );
}

function LiveButtons() {
  if (past.value) return <button class="button back" onClick={() => go({ since: "", until: "" }, "push")}><Play />{text.live.back}</button>;
  const paused = place.value.paused;
  return (
    <>
      {waiting.value > 0 && !place.value.group && (
        <button class="button accent" onClick={() => { scrolled.value = false; go({ paused: false, alert: "" }); release(); document.getElementById("alerts")?.scrollTo({ top: 0 }); }}>
          {text.live.waiting(count(waiting.value))}
        </button>
      )}
      <button class="button" aria-pressed={paused} onClick={() => go({ paused: !paused })}>
        {paused ? <Play /> : <Pause />}<span>{paused ? text.live.resume : text.live.pause}</span>
      </button>
    </>
  );
}

function FilterHelp({ onClose }: { onClose: () => void }) {
  return (
    <div class="popover" role="dialog" aria-label={text.filter.title} onKeyDown={(e) => { if (e.key === "Escape") onClose(); }}>
      <h3>{text.filter.title}</h3>
      <p>{text.filter.intro}</p>
      <dl>{text.filter.rows.map(([k, v]) => <div key={k}><dt><button class="code" onClick={() => { go({ q: k }, "push"); onClose(); }}>{k}</button></dt><dd>{v}</dd></div>)}</dl>
      <h3 class="saved-head">{text.filter.saved}</h3>
      {saved.value.length === 0 && <p>{text.filter.savedNone}</p>}
      <ul class="saved">
        {saved.value.map((s) => (
          <li key={s.id} data-search={s.name}>
            <button class="code" onClick={() => { recall(s); onClose(); }}>{plain(s.query || s.name)}</button>
            {s.owner !== session.value?.name && <span class="quiet">{text.filter.sharedBy(plain(s.owner))}</span>}
            {s.owner === session.value?.name && !s.shared && <button class="button ghost small" title={text.filter.shareWhy} onClick={() => void drop(s).then(() => keep(s.query, true))}>{text.filter.share}</button>}
            {s.owner === session.value?.name && s.shared && <span class="quiet">{text.filter.shared}</span>}
            {s.owner === session.value?.name && <button class="tool small" aria-label={text.filter.unsave(s.name)} onClick={() => void drop(s)}><Close /></button>}
          </li>
        ))}
      </ul>
    </div>
  );
}
