import { useState } from "preact/hooks";
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

/** Lines of 16 bytes: offset, hex, text. */
function dump(b: Uint8Array): string {
  const lines: string[] = [];
  for (let at = 0; at < b.length; at += 16) {
    const row = Array.from(b.subarray(at, at + 16));
    const hex = row.map((x) => x.toString(16).padStart(2, "0"));
    const left = hex.slice(0, 8).join(" "), right = hex.slice(8).join(" ");
    lines.push(`${at.toString(16).padStart(4, "0")}  ${left.padEnd(23)}  ${right.padEnd(23)}  ${row.map(printable).join("")}`);
  }
  return lines.join("\n");
}

/** The payload as text, its line ends kept. */
function ascii(b: Uint8Array): string {
  let s = "";
  for (const x of b) s += x === 10 ? "\n" : x === 13 ? "" : x === 9 ? "\t" : printable(x);
  return s;
}

export function Payload({ eve }: { eve: Record<string, any> }) {
  const [hex, setHex] = useState(false);
  const all = payloadOf(eve);
  if (!all || all.length === 0) return <p class="quiet">{text.detail.payloadNone}</p>;
  const some = all.subarray(0, shown);
  return (
    <>
      <div class="payload-head">
        <div class="segments small" role="group" aria-label={text.detail.payload}>
          <button aria-pressed={!hex} onClick={() => setHex(false)}>{text.detail.ascii}</button>
          <button aria-pressed={hex} onClick={() => setHex(true)}>{text.detail.hex}</button>
        </div>
        <span class="quiet">{text.detail.bytes(count(all.length))}{all.length > shown ? ` · ${text.detail.cut(count(shown))}` : ""}</span>
      </div>
      <pre class={hex ? "payload hex" : "payload wrap"} tabIndex={0} data-testid="payload">{hex ? dump(some) : ascii(some).trimEnd()}</pre>
    </>
  );
}
