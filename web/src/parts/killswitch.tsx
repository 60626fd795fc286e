import { useState } from "preact/hooks";
import { sensors } from "../lib/fleet";
import { exactly, plain, when } from "../lib/format";
import { killSwitch, openKillSwitch, resume, setKillSwitch, stoppedLocally, throwing, thrown } from "../lib/killswitch";
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
  if (!k || (!k.scopes.length && !local.length)) return null;
  return (
    <div class="banner bad" role="alert" data-testid="kill-banner">
      <Warn />
      <p>
        {k.scopes.length > 0 && <><b>{t.banner(t.where(k.scopes))}</b> {t.by(plain(k.by), k.at ? when(k.at) : "")}{k.reason ? <>: <q title={k.at && exactly(k.at)}>{plain(k.reason)}</q></> : null}. </>}
        {local.length > 0 && <><b>{t.local(local.slice(0, 5).map(plain).join(", ") + (local.length > 5 ? ` +${local.length - 5}` : ""))}</b> {t.localWhy}</>}
      </p>
      {k.scopes.length > 0 && <Act needs="responder" class="button small" on={resume}>{t.resume}</Act>}
    </div>
  );
}

export function KillDialog() {
  const [scope, setScope] = useState("all");
  const [reason, setReason] = useState("");
  const close = () => { throwing.value = false; };
  const form = useSubmit(async () => { await setKillSwitch([scope], reason.trim()); close(); }, close);
  const groups = [...new Set((sensors.value ?? []).map((s) => s.group).filter(Boolean))].sort();
  return (
    <FormDialog id="kill-title" title={t.title} act={t.submit(scope === "all" ? t.everywhere : scope)} danger ready={reason.trim() !== ""} form={form} close={close}>
      <p class="caution inset"><Warn />{t.warning}</p>
      <Field name="kill-scope" label={t.scope} error={form.of("scopes")}>
        <select id="f-kill-scope" value={scope} onChange={(e) => setScope(e.currentTarget.value)}>
          <option value="all">{t.all}</option>
          {groups.map((g) => <option key={"g" + g} value={g}>{t.group(plain(g))}</option>)}
          {(sensors.value ?? []).map((s) => <option key={s.id} value={s.id}>{plain(s.id)}</option>)}
        </select>
      </Field>
      <Field name="kill-reason" label={text.dialog.reason} hint={text.dialog.reasonHint} error={form.of("reason")}>
        <input id="f-kill-reason" required maxLength={500} autofocus value={reason} onInput={(e) => setReason(e.currentTarget.value)} />
      </Field>
    </FormDialog>
  );
}
