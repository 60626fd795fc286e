import { useState } from "preact/hooks";
import { changePassword } from "../lib/api";
import { exactly, plain } from "../lib/format";
import { go } from "../lib/place";
import { session, signOut } from "../lib/session";
import { toast } from "../lib/toast";
import { text } from "../text";
import { Field } from "./dialog";
import { Person, Warn } from "./icons";
import { FormDialog, useSubmit } from "./modal";

const t = text.session;

/** Who is signed in, what they may, and the way out. */
export function Account() {
  const s = session.value;
  const [password, setPassword] = useState(false);
  if (!s) return null;
  const signedIn = !s.open && s.kind !== "certificate";
  return (
    <>
      <details class="account" onBlur={(e) => { if (!e.currentTarget.contains(e.relatedTarget as Node)) e.currentTarget.open = false; }}>
        <summary class="tool" aria-label={t.account(s.name ?? "")} title={t.account(s.name ?? "")}><Person /></summary>
        <div class="menu">
          <p><b>{plain(s.name)}</b></p>
          <p class="quiet">{s.open ? t.openAccount : s.roles.map((r) => t.roles[r] ?? r).join(", ")}</p>
          {s.expires_at && <p class="quiet">{t.until(exactly(s.expires_at).slice(0, 16))}</p>}
          <button class="button small" onClick={() => go({ view: "settings", part: "tokens" }, "push")}>{t.tokens}</button>
          {s.kind === "local" && <button class="button small" onClick={() => setPassword(true)}>{t.password}</button>}
          {signedIn && <button class="button small" onClick={() => void signOut()}>{t.signOut}</button>}
        </div>
      </details>
      {password && <PasswordDialog close={() => setPassword(false)} />}
    </>
  );
}

/** While nobody has an account, everybody on the machine may do everything: that is said until it is changed. */
export function OpenBanner() {
  const s = session.value;
  if (!s?.open || !s.warning) return null;
  return <div class="banner warn" role="status"><Warn /><p>{s.warning.split("`").map((x, i) => (i % 2 ? <code key={i} class="mono">{x}</code> : x))}</p></div>;
}

function PasswordDialog({ close }: { close: () => void }) {
  const [old, setOld] = useState(""), [next, setNext] = useState("");
  const form = useSubmit(async () => { await changePassword(old, next); toast({ text: t.passwordDone }); close(); });
  return (
    <FormDialog id="password-title" title={t.password} act={t.password} form={form} close={close}>
      <Field name="old" label={t.old} error={form.of("old")}><input id="f-old" type="password" autocomplete="current-password" required autofocus value={old} onInput={(e) => setOld(e.currentTarget.value)} /></Field>
      <Field name="new" label={t.new} hint={t.newHint} error={form.of("new") || form.of("password")}><input id="f-new" type="password" autocomplete="new-password" minLength={12} required value={next} onInput={(e) => setNext(e.currentTarget.value)} /></Field>
    </FormDialog>
  );
}
