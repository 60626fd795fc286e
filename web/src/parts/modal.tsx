import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Problem } from "../lib/api";
import { explain } from "../lib/live";
import { waited } from "../lib/trying";
import type { FieldError } from "../lib/types";
import { text } from "../text";
import { Close, Warn } from "./icons";

export function useModal(close: () => void) {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => { ref.current!.showModal(); }, []);
  return { ref, class: "dialog", onClose: close, onClick: (e: Event) => { if (e.target === ref.current) close(); } };
}

/** Runs what a form does and keeps what went wrong. An order that waits for a second person is done with: done is called. */
export function useSubmit(act: () => Promise<void>, done?: () => void) {
  const [errors, setErrors] = useState<FieldError[]>([]);
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  const submit = async (e: Event) => {
    e.preventDefault();
    setBusy(true);
    try { await act(); setErrors([]); setProblem(""); } catch (err) {
      if (waited(err)) { setBusy(false); done?.(); return; }
      setErrors(err instanceof Problem ? err.fields : []);
      setProblem(err instanceof Problem && err.fields.length ? "" : explain(err));
    }
    setBusy(false);
  };
  const named = useRef(new Set<FieldError>()).current; // mistakes that stand beside their field
  named.clear();
  return {
    submit, busy,
    of: (name: string) => { const e = errors.find((x) => x.field.endsWith(name)); if (e) named.add(e); return e?.detail ?? ""; },
    /** What went wrong and stands beside no field; ask for it last. */
    rest: () => [problem, ...errors.filter((e) => !named.has(e)).map((e) => `${e.field}: ${e.detail}`)].filter(Boolean).join(" · "),
  };
}

/** What went wrong, beneath the fields: drawn after them. */
export function Rest({ form }: { form: ReturnType<typeof useSubmit> }) {
  const bad = form.rest();
  return bad ? <p class="problem" role="alert"><Warn />{bad}</p> : null;
}

/** A form in a dialog: a title, fields, what went wrong, and the two ways out. */
export function FormDialog(p: { id: string; title: string; act: string; danger?: boolean; ready?: boolean; form: ReturnType<typeof useSubmit>; close: () => void; children: ComponentChildren }) {
  const modal = useModal(p.close);
  return (
    <dialog {...modal} aria-labelledby={p.id}>
      <form onSubmit={p.form.submit}>
        <header class="panel-head"><h2 id={p.id}>{p.title}</h2><button type="button" class="tool" aria-label={text.dialog.cancel} onClick={p.close}><Close /></button></header>
        {p.children}
        <Rest form={p.form} />
        <footer>
          <button type="button" class="button" onClick={p.close}>{text.dialog.cancel}</button>
          <button class={"button " + (p.danger ? "danger" : "accent")} disabled={p.form.busy || p.ready === false}>{p.act}</button>
        </footer>
      </form>
    </dialog>
  );
}
