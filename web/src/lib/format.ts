// Numbers, times and foreign text for the eye.

import { text } from "../text";

const whole = new Intl.NumberFormat("en");

/** 1,234,567; from ten million on 12.3 M. */
export function count(n: number): string {
  if (!Number.isFinite(n)) return "–";
  if (n < 1e7) return whole.format(Math.round(n));
  for (const [size, unit] of [[1e15, "P"], [1e12, "T"], [1e9, "G"], [1e6, "M"]] as const) {
    if (n >= size) return (n / size).toFixed(n < 10 * size ? 2 : 1) + " " + unit;
  }
  return String(n);
}

/** 12.3 k: for rates, where the first digits are what counts. */
export function short(n: number): string {
  for (const [size, unit] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]] as const) {
    if (n >= size) return (n / size).toFixed(n < 10 * size ? 1 : 0) + " " + unit;
  }
  return n < 10 && n > 0 && n !== Math.round(n) ? n.toFixed(1) : String(Math.round(n));
}

export function bytes(n: number): string {
  return n < 1000 ? `${n} B` : short(n) + "B";
}

export function span(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  const u = text.units;
  if (s < 60) return `${s} ${u.s}`;
  if (s < 3600) return `${Math.floor(s / 60)} ${u.min}` + (s < 600 && s % 60 ? ` ${s % 60} ${u.s}` : "");
  if (s < 86400) return `${Math.floor(s / 3600)} ${u.h}` + (s % 3600 >= 60 ? ` ${Math.floor((s % 3600) / 60)} ${u.min}` : "");
  return `${Math.floor(s / 86400)} ${u.d}` + (s % 86400 >= 3600 ? ` ${Math.floor((s % 86400) / 3600)} ${u.h}` : "");
}

const two = (n: number) => String(n).padStart(2, "0");
const clock = (d: Date) => `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
const date = (d: Date) => `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}`;

/** 12:01:30, with the date when it is another day. */
export function when(iso: string, now = Date.now()): string {
  const d = new Date(iso);
  if (isNaN(+d)) return "–";
  return date(d) === date(new Date(now)) ? clock(d) : `${date(d).slice(5)} ${clock(d)}`;
}

/** 2026-11-24 12:01:30.123 +01:00 */
export function exactly(iso: string): string {
  const d = new Date(iso);
  if (isNaN(+d)) return "–";
  const off = -d.getTimezoneOffset();
  const zone = off === 0 ? "UTC" : (off < 0 ? "−" : "+") + two(Math.floor(Math.abs(off) / 60)) + ":" + two(Math.abs(off) % 60);
  return `${date(d)} ${clock(d)}.${String(d.getMilliseconds()).padStart(3, "0")} ${zone}`;
}

/** Microseconds since 1970, of which Date keeps milliseconds alone; EVE's zone without a colon is understood. */
export function micros(iso: unknown): number {
  const m = /^(.*?:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:?\d\d)$/.exec(String(iso));
  return m ? Date.parse(m[1] + m[3]!.replace(/([+-]\d\d)(\d\d)$/, "$1:$2")) * 1000 + Number((m[2] ?? "").padEnd(6, "0").slice(0, 6)) : NaN;
}

/** A time from another: +0.812 ms, −1.204 s. */
export function apart(us: number): string {
  const n = Math.abs(us), sign = us < 0 ? "−" : "+";
  if (n < 1e6) return us === 0 ? `0 ${text.units.s}` : `${sign}${(n / 1e3).toFixed(n < 1e4 ? 2 : 1)} ms`;
  return sign + (n < 6e7 ? `${(n / 1e6).toFixed(3)} ${text.units.s}` : span(n / 1e6));
}

/** Whether an alert is about no one address: a flood from many. */
export const unspecified = (ip: string) => ip === "0.0.0.0" || ip === "::" || ip === "";

export const endpoint = (ip: string, port: number) => unspecified(ip) ? text.alerts.many : port ? (ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`) : ip;

const escapes: Record<string, string> = { "\0": "\\0", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\x1b": "\\e" };

/**
 * Text that came from packets or sensors, with what could disturb the page's reading made visible: control characters as
 * escapes, marks that turn the direction of writing or hide as their code.
 */
export function plain(s: unknown): string {
  return String(s ?? "").replace(/[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]/g, (c) => {
    const n = c.charCodeAt(0);
    if (n < 0xa0) return escapes[c] ?? "\\x" + n.toString(16).padStart(2, "0");
    return "⟨" + n.toString(16).toUpperCase().padStart(4, "0") + "⟩";
  });
}
