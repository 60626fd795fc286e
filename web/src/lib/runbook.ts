// The runbook of attacks, as docs/runbooks/attacks.md has it.

import type { IncidentDetail } from "./types";

export interface Section { title: string; blocks: { text?: string; steps?: string[] }[] }

let read: Promise<Section[]> | undefined;

export function sections(): Promise<Section[]> {
  read ??= fetch("/runbook.md").then((r) => { if (!r.ok) throw new Error(r.statusText); return r.text(); }).then(parse);
  read.catch(() => { read = undefined; }); // ask again next time
  return read;
}

/** Reads the little of Markdown that the runbook uses: sections, paragraphs, numbered steps. */
export function parse(markdown: string): Section[] {
  return markdown.split(/^## /m).slice(1).map((part) => {
    const [title, ...rest] = part.split("\n");
    const blocks: Section["blocks"] = [];
    for (const block of rest.join("\n").split(/\n\s*\n/)) {
      const body = block.trim();
      if (!body) continue;
      if (/^\d+\. /.test(body)) blocks.push({ steps: body.split(/\n(?=\d+\. )/).map((s) => s.replace(/^\d+\. /, "").replace(/\s*\n\s*/g, " ")) });
      else blocks.push({ text: body.replace(/\s*\n\s*/g, " ") });
    }
    return { title: title.trim(), blocks };
  });
}

const cloud = [1000004, 1000010, 1000011, 1000012, 1000013, 1000014, 1000015, 1000016, 1000017];

/** Which sections are about this incident: by its vectors and by the ids of Weir's own rules. */
export function sectionsFor(d: IncidentDetail, all: Section[]): Section[] {
  const vectors = d.vectors.map((v) => v.vector), sids = d.signatures.map((s) => s.sid);
  const words: [boolean, RegExp][] = [
    [vectors.some((v) => /^(syn|ack)-flood|carpet|tcp-reflection/.test(v)), /^SYN flood/],
    [vectors.some((v) => /^(udp|icmp|fragment)|amplification|carpet/.test(v)), /^UDP flood/],
    [vectors.some((v) => /carpet/.test(v)), /^Carpet/],
    [vectors.some((v) => /http|rapid/.test(v)), /^HTTP flood/],
    [vectors.some((v) => /scan|sweep|brute/.test(v)) || d.stages.some((s) => s.tactic === "TA0043"), /^Scan/],
    [sids.some((s) => cloud.includes(s)), /^Metadata/],
    [sids.includes(1000020), /^Mail/],
    [sids.some((s) => [1000005, 1000021, 1000022, 1000023].includes(s)), /^DNS/],
    [sids.some((s) => s >= 1000030 && s <= 1000033), /^Kubernetes/],
  ];
  return all.filter((s) => words.some(([about, title]) => about && title.test(s.title)));
}
