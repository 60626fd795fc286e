import { dismiss, toasts } from "../lib/toast";
import { text } from "../text";
import { Close } from "./icons";

export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map((t) => (
        <div key={t.id} class={"toast " + (t.bad ? "bad" : "")}>
          <span>{t.text}</span>
          {t.undo && <button class="button ghost small" onClick={() => { dismiss(t.id); t.undo!(); }}>{t.act ?? text.toasts.undo}</button>}
          <button class="tool small" aria-label={text.toasts.dismiss} onClick={() => dismiss(t.id)}><Close /></button>
        </div>
      ))}
    </div>
  );
}
