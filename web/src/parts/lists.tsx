import { useState } from "preact/hooks";
import { addNeverBlock, listNeverBlock, removeNeverBlock } from "../lib/api";
import { exactly, plain } from "../lib/format";
import { toast } from "../lib/toast";
import { trying } from "../lib/trying";
import type { Protected } from "../lib/types";
import { text } from "../text";
import { Act } from "./act";
import { Field } from "./dialog";
import { Plus } from "./icons";
import { Box } from "./incident";
import { FormDialog, useSubmit } from "./modal";
import { Bad, useRead } from "./settings";

const t = text.settings;

/** What is never blocked, whoever says so. */
export function NeverBlock() {
  const { value, problem, refresh } = useRead(listNeverBlock);
  const [adding, setAdding] = useState(false), [word, setWord] = useState("");
  const l = t.lists;
  const list = value?.filter((p) => [p.prefix, p.reason, p.by, p.source].some((s) => s.toLowerCase().includes(word.toLowerCase())));
  const remove = (p: Protected) => trying(async () => {
    await removeNeverBlock(p.prefix);
    toast({ text: l.removed(p.prefix), undo: () => void trying(async () => { await addNeverBlock(p.prefix, p.reason); await refresh(); }) });
    await refresh();
  });
  return (
    <Box title={t.parts.lists} n={value?.length} why={l.why}>
      <Bad text={problem} />
      <p class="rank-none with-find"><Act needs="approver" on={() => setAdding(true)}><Plus />{l.add}</Act><input class="find" aria-label={l.find} placeholder={l.find} value={word} spellcheck={false} onInput={(e) => setWord(e.currentTarget.value.trim())} /></p>
      <p class="quiet rank-none">{l.why}</p>
      {value?.length === 0 && <div class="empty"><h3>{l.emptyTitle}</h3><p>{l.empty}</p></div>}
      {list && list.length > 0 && (
        <div class="sideways"><table class="plain-table"><thead><tr><th>{l.prefix}</th><th>{l.reason}</th><th>{l.source}</th><th /></tr></thead>
          <tbody>{list.slice(0, 500).map((p) => <tr key={p.prefix + p.source} data-protected={p.prefix}><td class="mono"><b>{plain(p.prefix)}</b></td><td class="wraps">{plain(p.reason)}</td><td class="quiet" title={p.at && exactly(p.at)}>{l.sources[p.source] ?? plain(p.source)}{p.source === "added" ? ` · ${plain(p.by)}` : ""}</td>
            <td class="acts-inline">{p.source === "added" && <Act needs="approver" class="button small" label={l.removeLabel(p.prefix)} on={() => void remove(p)}>{l.remove}</Act>}</td></tr>)}</tbody></table></div>
      )}
      {adding && <Add close={() => setAdding(false)} done={refresh} />}
    </Box>
  );
}

function Add({ close, done }: { close: () => void; done: () => Promise<void> }) {
  const [prefix, setPrefix] = useState(""), [reason, setReason] = useState("");
  const l = t.lists;
  const form = useSubmit(async () => { const x = await addNeverBlock(prefix.trim(), reason.trim()); toast({ text: l.added(prefix.trim(), x.lifted) }); close(); await done(); }, close);
  return (
    <FormDialog id="protect-title" title={l.add} act={l.submit} form={form} close={close} ready={!!prefix.trim() && !!reason.trim()}>
      <p class="caution inset">{l.lifts}</p>
      <Field name="prefix" label={l.prefix} hint={text.dialog.srcHint} error={form.of("prefix")}><input id="f-prefix" class="mono" required autofocus spellcheck={false} value={prefix} onInput={(e) => setPrefix(e.currentTarget.value)} /></Field>
      <Field name="protect-reason" label={text.dialog.reason} hint={text.dialog.reasonHint} error={form.of("reason")}><input id="f-protect-reason" required maxLength={500} value={reason} onInput={(e) => setReason(e.currentTarget.value)} /></Field>
    </FormDialog>
  );
}
