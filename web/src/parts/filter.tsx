import { useEffect, useRef, useState } from "preact/hooks";
import { past, problem, release, scrolled, skipped, waiting } from "../lib/live";
import { count } from "../lib/format";
import { go, place } from "../lib/place";
import { text } from "../text";
import { Close, Help, Pause, Play, Search, Warn } from "./icons";

export const filterInput: { focus(): void } = { focus() {} };

export function FilterBar() {
  const input = useRef<HTMLInputElement>(null);
  const [help, setHelp] = useState(false);
  const q = place.value.q;
  filterInput.focus = () => input.current?.focus();

  useEffect(() => { if (input.current && input.current !== document.activeElement) input.current.value = q; }, [q]);
  const timer = useRef(0);
  const apply = (value: string, wait: number) => {
    clearTimeout(timer.current);
    timer.current = window.setTimeout(() => go({ q: value.trim(), alert: "" }, wait ? "replace" : "push"), wait);
  };
  const clear = () => { input.current!.value = ""; apply("", 0); input.current!.focus(); };

  return (
    <div class="filter">
      <form class="search" role="search" onSubmit={(e) => { e.preventDefault(); apply(input.current!.value, 0); input.current!.blur(); }}>
        <Search />
        <input ref={input} type="text" aria-label={text.filter.label} placeholder={text.filter.placeholder} defaultValue={q} spellcheck={false} autocomplete="off" autocapitalize="off"
          aria-invalid={problem.value ? "true" : undefined} onInput={(e) => apply(e.currentTarget.value, 350)} />
        {q && <button type="button" class="tool small" aria-label={text.filter.clear} title={text.filter.clear} onClick={clear}><Close /></button>}
        <button type="button" class="tool small" aria-label={text.filter.help} title={text.filter.help} aria-expanded={help} onClick={() => setHelp(!help)}><Help /></button>
      </form>
      <LiveButtons />
      {help && <FilterHelp onClose={() => setHelp(false)} />}
      {problem.value && <p class="problem" role="alert"><Warn />{problem.value}</p>}
      {skipped.value > 0 && !problem.value && <p class="note" title={text.live.skippedWhy}>{text.live.skipped(count(skipped.value))}</p>}
    </div>
  );
}

function LiveButtons() {
  if (past.value) return <button class="button" onClick={() => go({ since: "", until: "" }, "push")}><Play />{text.live.back}</button>;
  const paused = place.value.paused;
  return (
    <>
      {waiting.value > 0 && (
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
    </div>
  );
}
