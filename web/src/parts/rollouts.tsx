import { useState } from "preact/hooks";
import { listRollouts, promoteRollout, rollbackRollout, stageRules } from "../lib/api";
import { sensors } from "../lib/fleet";
import { plain, when } from "../lib/format";
import { toast } from "../lib/toast";
import { trying } from "../lib/trying";
import { text } from "../text";
import { Act } from "./act";
import { Box } from "./incident";
import { Bad, State, useRead } from "./settings";

const t = text.rollouts;
const tone: Record<string, "ok" | "warn" | "bad" | "quiet"> = { loading: "warn", watching: "warn", passed: "ok", failed: "bad", promoted: "ok", "rolled-back": "quiet" };

/** Rules on their way: tried on one sensor before the others. */
export function Rollouts({ after }: { after: () => void }) {
  const { value, problem, refresh } = useRead(listRollouts, 4000);
  if (!value?.length && !problem) return null;
  const end = (f: (id: string) => Promise<unknown>, id: string, said: string) => trying(async () => { await f(id); toast({ text: said }); await refresh(); after(); });
  return (
    <Box title={t.title} n={value?.length} why={t.why}>
      <Bad text={problem} />
      <ul class="cards">{value?.slice(0, 5).map((r) => (
        <li key={r.id} class="card" data-rollout={r.state}>
          <div class="line"><State of={tone[r.state] ?? "quiet"}>{t.states[r.state] ?? plain(r.state)}</State><b class="mono">{plain(r.version.slice(0, 12))}</b><span class="quiet">{t.on(plain(r.canary), plain(r.scope || "all"))}</span>
            <span class="left acts-inline">{r.state === "passed" && <Act needs="rule-admin" class="button small accent" on={() => void end(promoteRollout, r.id, t.promoted)}>{t.promote}</Act>}{["loading", "watching", "passed", "promoted"].includes(r.state) && <Act needs="rule-admin" class="button small" on={() => void end(rollbackRollout, r.id, t.rolledBack)}>{t.rollback}</Act>}</span></div>
          <p class="why">{plain(r.reason) || t.counts(r.changes?.counts ?? [0, 0, 0])}</p>
          <div class="line small"><span class="quiet">{r.id}</span><span class="quiet">{when(r.at)}</span></div>
        </li>
      ))}</ul>
    </Box>
  );
}

/** Gives the text to one sensor, which is watched for some time. */
export function TryFirst({ rules, done }: { rules: string; done: () => void }) {
  const [canary, setCanary] = useState(""), [minutes, setMinutes] = useState("10");
  const go = () => trying(async () => { await stageRules(rules, canary, Math.max(1, Math.round(60 * Number(minutes)))); toast({ text: t.staged }); done(); });
  return (
    <>
      <select class="inline" aria-label={t.canary} value={canary} onChange={(e) => setCanary(e.currentTarget.value)}><option value="">{t.any}</option>{(sensors.value ?? []).map((s) => <option key={s.id} value={s.id}>{plain(s.id)}</option>)}</select>
      <label class="inline-select" title={t.watchWhy}><span class="quiet">{t.watch}</span><input class="inline" type="number" min="0.02" max="1440" step="any" aria-label={t.watch} value={minutes} onInput={(e) => setMinutes(e.currentTarget.value)} /><span class="quiet">{text.units.min}</span></label>
      <Act needs="rule-admin" title={t.why} on={() => void go()}>{t.stage}</Act>
    </>
  );
}
