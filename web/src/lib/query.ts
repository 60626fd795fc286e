// The filter language is the collector's (see /api/v1/openapi.json, parameter query). Here it is only written.

import type { Params } from "./api";

/** The API's parameters for the filter q; what is still being written at its end is left out. */
export function paramsOf(q: string, all: boolean): Params {
  const query = q.replace(/(^|\s)-?([a-z_]+(:|[<>]=?|=))?$/i, "").trim();
  const params: Params = query ? { query } : {};
  if (!all && !/(^|\s)-?is:/i.test(q)) params.hide = "true"; // who asks for a state wants to see it
  return params;
}

const quoted = (v: string) => (/[\s",]/.test(v) ? `"${v.replaceAll('"', "")}"` : v);

/** The filter q with key set to value, replacing what it said about key. */
export function narrow(q: string, key: string, value: string | number): string {
  const said = new RegExp(`^-?${key}[:<>=]`, "i");
  const rest = (q.match(/(?:[^\s"]|"[^"]*"?)+/g) ?? []).filter((t) => !said.test(t));
  return [...rest, key + ":" + quoted(String(value))].join(" ");
}

export const fieldsOf = ["sid", "src", "dst", "ip", "port", "severity", "action", "app", "proto", "sensor", "is", "assigned", "flow", "sport", "gid"];
