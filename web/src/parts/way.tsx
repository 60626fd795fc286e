import { useEffect, useState } from "preact/hooks";
import { matchText } from "../lib/act";
import { verdictsOf } from "../lib/api";
import { inForce, now } from "../lib/fleet";
import { apart, count, exactly, micros, plain, when } from "../lib/format";
import type { Alert, Verdict } from "../lib/types";
import { text } from "../text";

const t = text.way;

/** The stages an alert's packet went through, with what each found, as far as the record says. */
export function Way({ a }: { a: Alert }) {
  const eve = a.eve ?? {};
  const made = useMade(a);
  const at = micros(a.time);
  const offset = (iso: unknown) => { const us = micros(iso) - at; return isNaN(us) ? "" : apart(us); };
  const tunnel = eve.tunnel ? t.tunnel(plain(eve.tunnel.proto ?? ""), plain(eve.tunnel.src_ip ?? ""), plain(eve.tunnel.dest_ip ?? "")) : "";
  const action = eve.verdict?.action ?? (a.action === "blocked" ? "drop" : "alert");
  const steps: [string, string, string, string][] = [
    ["capture", "0 s", `${when(a.time)}.${String(at % 1e6).padStart(6, "0")} · ${plain(a.sensor)}${eve.in_iface ? " · " + plain(eve.in_iface) : ""}`, exactly(a.time)],
    ["decode", "", [plain(a.proto), tunnel, eve.vlan ? `VLAN ${plain([eve.vlan].flat().join("/"))}` : "", eve.pkt_src ? plain(eve.pkt_src) : ""].filter(Boolean).join(" · "), ""],
    ["flow", eve.flow?.start ? offset(eve.flow.start) : "", eve.flow ? t.packetNo(Number(eve.flow.pkts_toserver ?? 0) + Number(eve.flow.pkts_toclient ?? 0)) : t.noFlow, String(a.flow_id)],
    ["app", "", a.app_proto && a.app_proto !== "failed" ? plain(a.app_proto) + (eve.tx_id !== undefined ? ` · ${t.transaction(Number(eve.tx_id) + 1)}` : "") : t.noApp, ""],
    ["rule", "0 s", `${a.gid}:${a.sid}:${a.rev}${eve.direction ? " · " + plain(eve.direction).replaceAll("_", " ") : ""}`, ""],
    ["verdict", "0 s", t.verdicts[action] ?? plain(action), [eve.verdict?.["reject-target"] ? t.reject(plain(eve.verdict["reject-target"])) : "", eve.verdict?.reason ? plain(eve.verdict.reason) : ""].filter(Boolean).join(" · ")],
  ];
  let before = at;
  /** A row for what comes after the row before it: when it did not, two clocks differ. */
  const stamp = (name: string, iso: string, what: string) => {
    const us = micros(iso);
    steps.push([name, offset(iso), us < before ? `${what} · ${t.clocks}` : what, exactly(iso)]);
    before = us;
  };
  for (const name of ["inspected", "sent", "bus", "received", "stored"] as const) {
    const passed = a.stages?.[name];
    if (passed) stamp(name, passed, t.where[name]!);
  }
  for (const v of made) {
    const what = text.verdicts.actions[v.action] ?? plain(v.action);
    steps.push(["decided", offset(v.created_at), t.decided(what, matchText(v.match), plain(v.created_by), v.seq ? "#" + v.seq : ""), plain(v.reason)]);
    const stopped = v.hits.packets ? (v.action === "observe" ? t.would : t.stopped)(count(v.hits.packets)) : text.verdicts.noHits;
    steps.push(["applied", "", inForce(v) ? t.applied(count(v.applied.sensors), count(v.applied.of), stopped) : `${v.state === "expired" ? text.verdicts.expired : text.verdicts.revoked}, ${stopped}`, v.applied.missing.length ? text.verdicts.missing(v.applied.missing.slice(0, 10).join(", ")) : ""]);
    before = micros(v.created_at);
    const { first, last } = v.applied;
    if (first) stamp("first", first.at, plain(first.sensor));
    if (last && last.sensor !== first?.sensor) stamp("last", last.at, plain(last.sensor));
  }
  if (!made.length) steps.push(["decided", "", t.undecided, ""]);
  return (
    <ol class="way">
      {steps.map(([name, time, what, note], i) => <li key={i} class={name === "verdict" ? "v-" + action : ""} title={note}><b title={t.why[name]}>{t.stages[name]}</b><span class="mono quiet" title={time && t.why[name]}>{time}</span><span>{what}</span></li>)}
    </ol>
  );
}

/** Verdicts that were made because of the alert, oldest first. */
function useMade(a: Alert): Verdict[] {
  const [list, setList] = useState<Verdict[]>([]);
  useEffect(() => {
    let gone = false;
    verdictsOf(a.src_ip).then((all) => { if (!gone) setList(all.filter((v) => v.evidence?.includes(a.id)).reverse().slice(0, 5)); }, () => { /* the sensor's part stands */ });
    return () => { gone = true; };
  }, [a.id, Math.floor(now.value / 3000)]);
  return list;
}
