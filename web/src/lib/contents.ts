// The bytes a rule looks for, found in a payload.

export interface Range { from: number; to: number }

interface Content { bytes: number[]; nocase: boolean }

/** The contents a rule wants to be there, in the order they are written; those it wants absent are left out. */
export function contentsOf(rule: string): Content[] {
  const found: Content[] = [];
  const option = /[;(]\s*(content|nocase)\s*(?::\s*(!?)\s*"((?:[^"\\]|\\.)*)")?\s*(?=;)/g;
  let last: Content | null = null;
  for (const [, name, negated, text] of rule.matchAll(option)) {
    if (name === "nocase") { if (last) last.nocase = true; continue; }
    last = text === undefined ? null : { bytes: bytesOf(text), nocase: false };
    if (last && !negated && last.bytes.length) found.push(last);
  }
  return found.slice(0, 64);
}

/** Reads a content's text: \" \\ \; \: and |48 65| for bytes. */
function bytesOf(text: string): number[] {
  const out: number[] = [];
  for (let i = 0; i < text.length; i++) {
    if (text[i] === "|") {
      const end = text.indexOf("|", i + 1);
      if (end < 0) return [];
      for (const h of text.slice(i + 1, end).match(/[0-9a-f]{2}/gi) ?? []) out.push(parseInt(h, 16));
      i = end;
    } else {
      if (text[i] === "\\" && i + 1 < text.length) i++;
      out.push(...new TextEncoder().encode(text[i]));
    }
  }
  return out;
}

const lower = (b: number) => (b >= 0x41 && b <= 0x5a ? b + 32 : b);

/** Where contents occur, joined and in order. Positions that a rule asks for (offset, distance) are not looked at. */
export function occurrences(data: Uint8Array, contents: Content[], most = 500): Range[] {
  const all: Range[] = [];
  for (const c of contents) {
    const same = c.nocase ? (a: number, b: number) => lower(a) === lower(b) : (a: number, b: number) => a === b;
    for (let i = 0; i + c.bytes.length <= data.length && all.length < most; i++) {
      if (c.bytes.every((b, k) => same(data[i + k], b))) all.push({ from: i, to: i + c.bytes.length });
    }
  }
  all.sort((a, b) => a.from - b.from);
  const joined: Range[] = [];
  for (const r of all) {
    const before = joined[joined.length - 1];
    if (before && r.from <= before.to) before.to = Math.max(before.to, r.to);
    else joined.push({ ...r });
  }
  return joined;
}
