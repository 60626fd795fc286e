// The filter language: key:value and words, turned into the API's parameters.

import { text } from "../text";
import type { Params } from "./api";

const keys: Record<string, string> = {
  sid: "sid", src: "src", dst: "dst", dest: "dst", severity: "severity", sev: "severity",
  action: "action", app: "app", sensor: "sensor",
};

export interface Parsed { params: Params; error: string }

export function parse(q: string): Parsed {
  const params: Params = {};
  const words: string[] = [];
  let error = "";
  for (const token of q.split(/\s+/).filter(Boolean)) {
    const m = /^([a-z_]+):(.*)$/i.exec(token);
    const key = m && keys[m[1].toLowerCase()];
    if (m && key && !m[2]) continue; // still being written
    if (m && key) params[key] = m[2];
    else if (m && !m[2].includes(":")) error ||= text.filter.unknown(m[1]);
    else words.push(token); // 2001:db8::1 is a word, too
  }
  if (words.length) params.q = words.join(" ");
  return { params, error };
}

/** The filter q with key set to value, replacing what it said about key. */
export function narrow(q: string, key: string, value: string | number): string {
  const rest = q.split(/\s+/).filter((t) => t && !t.toLowerCase().startsWith(key + ":"));
  return [...rest, key + ":" + value].join(" ");
}
