import { useState } from "preact/hooks";
import { sensors } from "../lib/fleet";
import { exactly, plain, when } from "../lib/format";
import { killSwitch, openKillSwitch, resume, stop, stoppedLocally, throwing, throwingRule, thrown } from "../lib/killswitch";
import { refusal } from "../lib/session";
import { text } from "../text";
import { Act } from "./act";
import { Field } from "./dialog";
import { Power, Warn } from "./icons";
import { FormDialog, useSubmit } from "./modal";

const t = text.kill;

/** In the bar of every page: how one stops all dropping, and whether that is so. */
export function KillButton() {
  const on = thrown.value;
  const why = refusal("responder");
  return (
    <button class={"kill " + (on ? "thrown" : "") + (why ? " refused" : "")} title={why || (on ? t.onWhy : t.offWhy)} aria-disabled={why ? "true" : undefined} aria-pressed={on} onClick={on ? resume : openKillSwitch}>
      <Power /><span>{on ? t.resume : t.name}</span>
    </button>
  );
}

/** Under the bar of every page, while something is not dropped that should be. */
export function KillBanner() {
  const k = killSwitch.value, local = stoppedLocally.value;
  if (!k || (!thrown.value && !local.length)) return null;
  return (
    <div class="banner bad" role="alert" data-testid="kill-banner">
      <Warn />
      <p>
        {thrown.value && <><b>{t.banner(t.what(k))}</b> {t.by(plain(k.by), k.at ? when(k.at) : "")}{k.reason ? <>: <q title={k.at && exactly(k.at)}>{plain(k.reason)}</q></> : null}. </>}
        {local.length > 0 && <><b>{t.local(local.slice(0, 5).map(plain).join(", ") + (local.length > 5 ? ` +${local.length - 5}` : ""))}</b> {t.localWhy}</>}
      </p>
      {thrown.value && <Act needs="responder" class="button small" on={resume}>{t.resume}</Act>}
    </div>
  );
}

const origins = ["rule", "flood", "feed"];

export function KillDialog() {
  const rule = throwingRule.value;
  const [what, setWhat] = useState(rule ? "sid" : "all");
  const [scope, setScope] = useState("all"), [sid, setSid] = useState(rule ? String(rule) : ""), [reason, setReason] = useState("");
  const close = () => { throwing.value = false; };
  const more = what === "all" ? { scopes: [scope] } : what === "sid" ? { rules: [Number(sid)] } : { origins: [what] };
  const form = useSubmit(async () => { await stop(more, reason.trim()); close(); }, close);
  const groups = [...new Set((sensors.value ?? []).map((s) => s.group).filter(Boolean))].sort();
  return (
    <FormDialog id="kill-title" title={t.title} act={what === "all" ? t.submit(scope === "all" ? t.everywhere : scope) : t.submitPart} danger ready={reason.trim() !== "" && (what !== "sid" || Number(sid) > 0)} form={form} close={close}>
      <p class="caution inset"><Warn />{what === "all" ? t.warning : t.warningPart}</p>
      <Field name="kill-what" label={t.stopWhat} error={form.of("origins")}>
        <select id="f-kill-what" value={what} onChange={(e) => setWhat(e.currentTarget.value)}>
          <option value="all">{t.allDropping}</option>
          {origins.map((o) => <option key={o} value={o}>{t.origins[o]}</option>)}
          <option value="sid">{t.oneRule}</option>
        </select>
      </Field>
      {what === "all" && (
        <Field name="kill-scope" label={t.scope} error={form.of("scopes")}>
          <select id="f-kill-scope" value={scope} onChange={(e) => setScope(e.currentTarget.value)}>
            <option value="all">{t.all}</option>
            {groups.map((g) => <option key={"g" + g} value={g}>{t.group(plain(g))}</option>)}
            {(sensors.value ?? []).map((s) => <option key={s.id} value={s.id}>{plain(s.id)}</option>)}
          </select>
        </Field>
      )}
      {what === "sid" && <Field name="kill-sid" label={t.sid} error={form.of("rules")}><input id="f-kill-sid" class="mono" inputMode="numeric" required value={sid} onInput={(e) => setSid(e.currentTarget.value)} /></Field>}
      <Field name="kill-reason" label={text.dialog.reason} hint={text.dialog.reasonHint} error={form.of("reason")}>
        <input id="f-kill-reason" required maxLength={500} autofocus value={reason} onInput={(e) => setReason(e.currentTarget.value)} />
      </Field>
    </FormDialog>
  );
}
