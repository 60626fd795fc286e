import type { ComponentChildren } from "preact";
import { useMemo, useState } from "preact/hooks";
import { contentsOf, occurrences, type Range } from "../lib/contents";
import { count } from "../lib/format";
import { text } from "../text";

const shown = 4096; // bytes: beyond, the page would be slow and nobody reads on

/** The bytes of an EVE record's payload, else of its packet. */
function payloadOf(eve: Record<string, any>): Uint8Array | null {
  for (const key of ["payload", "packet"]) {
    if (typeof eve[key] !== "string" || !eve[key]) continue;
    try { return Uint8Array.from(atob(eve[key]), (c) => c.charCodeAt(0)); } catch { /* not base64: the next */ }
  }
  return typeof eve.payload_printable === "string" ? new TextEncoder().encode(eve.payload_printable) : null;
}

const printable = (b: number) => (b >= 0x20 && b < 0x7f ? String.fromCharCode(b) : "·");

/** Writes bytes one by one, those within marks marked; separated where sep says so. */
function written(b: Uint8Array, from: number, to: number, marks: Range[], one: (b: number) => string, sep: (i: number) => string): ComponentChildren[] {
  const out: ComponentChildren[] = [];
  let run = "", on = false;
  const flush = () => { if (run) out.push(on ? <mark>{run}</mark> : run); run = ""; };
  let m = marks.findIndex((r) => r.to > from);
  for (let i = from; i < to; i++) {
    while (m >= 0 && m < marks.length && marks[m].to <= i) m++;
    const inside = m >= 0 && m < marks.length && marks[m].from <= i;
    if (inside !== on) { flush(); on = inside; }
    run += one(b[i]);
    const gap = i + 1 < to ? sep(i) : "";
    if (gap) {
      const goes = inside && marks[m].to > i + 1; // a mark goes through the gap
      if (!goes) { flush(); on = false; }
      run += gap;
      if (!goes) flush();
    }
  }
  flush();
  return out;
}

/** Lines of 16 bytes: offset, hex, text. */
function Dump({ b, marks }: { b: Uint8Array; marks: Range[] }) {
  const lines: ComponentChildren[] = [];
  for (let at = 0; at < b.length; at += 16) {
    const end = Math.min(at + 16, b.length), n = end - at;
    const pad = " ".repeat((16 - n) * 3 + (n <= 8 ? 1 : 0));
    lines.push(
      at.toString(16).padStart(4, "0") + "  ",
      written(b, at, end, marks, (x) => x.toString(16).padStart(2, "0"), (i) => (i - at === 7 ? "  " : " ")),
      pad + "  ", written(b, at, end, marks, printable, () => ""), "\n");
  }
  return <>{lines}</>;
}

const asText = (x: number) => (x === 10 ? "\n" : x === 13 ? "" : x === 9 ? "\t" : printable(x));

/** The length of b without line ends and blanks behind. */
function trimmed(b: Uint8Array): number {
  let n = b.length;
  while (n > 0 && (b[n - 1] === 10 || b[n - 1] === 13 || b[n - 1] === 32)) n--;
  return n;
}

export function Payload({ eve, rule, packet }: { eve: Record<string, any>; rule: string; packet?: string }) {
  const [hex, setHex] = useState(false);
  const all = useMemo(() => payloadOf(eve), [eve]);
  const contents = useMemo(() => contentsOf(rule), [rule]);
  const t = text.detail;
  if (!all || all.length === 0) return <p class="quiet">{t.payloadNone}</p>;
  const some = all.subarray(0, shown);
  const marks = occurrences(some, contents);
  return (
    <>
      <div class="payload-head">
        <div class="segments small" role="group" aria-label={t.payload}>
          <button aria-pressed={!hex} onClick={() => setHex(false)}>{t.ascii}</button>
          <button aria-pressed={hex} onClick={() => setHex(true)}>{t.hex}</button>
        </div>
        <span class="quiet">{t.bytes(count(all.length))}{all.length > shown ? ` · ${t.cut(count(shown))}` : ""}</span>
        {contents.length > 0 && <span class="quiet" title={t.matchedWhy}>{marks.length ? <><mark>{t.matched}</mark> {t.matches(marks.length)}</> : t.noMatches}</span>}
        {packet && <a class="button small" href={packet} download>{t.download}</a>}
      </div>
      <pre class={hex ? "payload hex" : "payload wrap"} tabIndex={0} data-testid="payload">{hex ? <Dump b={some} marks={marks} /> : written(some, 0, trimmed(some), marks, asText, () => "")}</pre>
    </>
  );
}
