import { useState } from "preact/hooks";
import { addExport, getSettings, removeExport, testExport } from "../lib/api";
import { count, plain } from "../lib/format";
import { toast } from "../lib/toast";
import { trying } from "../lib/trying";
import type { Export, Settings } from "../lib/types";
import { text } from "../text";
import { Act, Sure } from "./act";
import { Field, Segments } from "./dialog";
import { Plus } from "./icons";
import { Box } from "./incident";
import { FormDialog, useSubmit } from "./modal";
import { Bad, State, useRead } from "./settings";

const e = text.settings.exports;

/** Where events are handed to, and how that goes. */
export function Exports() {
  const { value, problem, refresh } = useRead<Settings>(getSettings, 3000);
  const [adding, setAdding] = useState(false);
  return (
    <Box title={text.settings.parts.exports} n={value?.exports.length}>
      <Bad text={problem} />
      <p class="rank-none"><Act needs="admin" on={() => setAdding(true)}><Plus />{e.add}</Act></p>
      {value?.exports.length === 0 && <div class="empty"><h3>{e.emptyTitle}</h3><p>{e.empty}</p><pre>{e.example}</pre></div>}
      {value && value.exports.length > 0 && (
        <div class="sideways"><table class="plain-table"><thead><tr><th>{e.name}</th><th>{e.type}</th><th>{e.what}</th><th>{e.state}</th><th class="n" title={e.sentWhy}>{e.sent}</th><th class="n" title={e.waitingWhy}>{e.waiting}</th><th class="n" title={e.lostWhy}>{e.lost}</th><th /></tr></thead>
          <tbody>{value.exports.map((x) => <Row key={x.name} x={x} refresh={refresh} />)}</tbody>
        </table></div>
      )}
      {adding && <Add close={() => setAdding(false)} done={refresh} />}
    </Box>
  );
}

function Row({ x, refresh }: { x: Export; refresh: () => Promise<void> }) {
  const [busy, setBusy] = useState(false);
  const test = async () => {
    setBusy(true);
    await trying(async () => { const { took_ms } = await testExport(x.name); toast({ text: e.tested(x.name, took_ms) }); });
    setBusy(false);
  };
  return (
    <tr data-export={x.name}>
      <td><b>{plain(x.name)}</b><span class="quiet cut why-line">{x.added_by ? text.settings.feeds.addedBy(plain(x.added_by)) : text.settings.feeds.configured}</span></td>
      <td>{plain(x.type)}<span class="quiet cut why-line mono">{plain(x.target)}</span></td><td>{x.events.map((k) => e.kinds[k] ?? plain(k)).join(", ")}{x.severity ? ` · ${e.upTo(x.severity)}` : ""}</td>
      <td><State of={x.state === "ok" ? "ok" : "bad"}>{e.states[x.state]}</State></td><td class="n">{count(x.sent)}</td><td class="n">{count(x.waiting)}</td><td class="n">{x.dropped + x.refused ? <b class="lagging">{count(x.dropped + x.refused)}</b> : 0}</td>
      <td class="acts-inline"><Act needs="admin" class="button small" title={e.testWhy} disabled={busy} on={() => void test()}>{busy ? e.testing : e.test}</Act>
        {x.added_by && <Sure needs="admin" label={e.removeLabel(x.name)} act={e.remove} on={() => void trying(async () => { await removeExport(x.name); toast({ text: e.removed(x.name) }); await refresh(); })} />}</td>
    </tr>
  );
}

const kinds = ["alert", "incident", "verdict"];

function Add({ close, done }: { close: () => void; done: () => Promise<void> }) {
  const [v, setV] = useState({ name: "", type: "webhook", url: "", secret: "", events: ["incident"], severity: "" });
  const set = (c: Partial<typeof v>) => setV((was) => ({ ...was, ...c }));
  const form = useSubmit(async () => {
    await addExport({ name: v.name.trim(), type: v.type, url: v.url.trim(), secret: v.secret.trim() || undefined, events: v.events, severity: v.severity ? Number(v.severity) : undefined });
    toast({ text: e.added(v.name.trim()) });
    close();
    await done();
  });
  const toggle = (k: string) => set({ events: v.events.includes(k) ? v.events.filter((x) => x !== k) : [...v.events, k] });
  return (
    <FormDialog id="export-title" title={e.add} act={e.submit} form={form} close={close} ready={!!v.name.trim() && v.events.length > 0}>
      <Field name="export-name" label={e.name} error={form.of("name")}><input id="f-export-name" required autofocus spellcheck={false} value={v.name} onInput={(x) => set({ name: x.currentTarget.value })} /></Field>
      <Field name="export-type" label={e.type} hint={e.typeHint[v.type]} error={form.of("type")}><Segments name="export-type" options={Object.entries(e.types)} value={v.type} onChange={(type) => set({ type })} /></Field>
      <Field name="export-url" label={e.url} hint={v.type === "syslog" ? e.syslogHint : v.type === "pagerduty" ? e.pagerDutyHint : ""} error={form.of("url")}><input id="f-export-url" class="mono" required={v.type !== "pagerduty"} spellcheck={false} value={v.url} onInput={(x) => set({ url: x.currentTarget.value })} /></Field>
      {v.type !== "slack" && v.type !== "syslog" && <Field name="export-secret" label={e.secret} hint={e.secretHint[v.type]} error={form.of("secret")}><input id="f-export-secret" type="password" autocomplete="off" required={v.type !== "http"} value={v.secret} onInput={(x) => set({ secret: x.currentTarget.value })} /></Field>}
      <Field name="export-events" label={e.what} error={form.of("events")}><div class="roles" role="group" aria-labelledby="l-export-events">{kinds.map((k) => <label key={k}><input type="checkbox" checked={v.events.includes(k)} onChange={() => toggle(k)} /><b>{e.kinds[k]}</b><span /></label>)}</div></Field>
      <Field name="export-severity" label={text.settings.policy.worst} hint={text.settings.policy.worstHint} error={form.of("severity")}><select id="f-export-severity" value={v.severity} onChange={(x) => set({ severity: x.currentTarget.value })}><option value="">{text.settings.policy.any}</option><option value="1">1</option><option value="2">1, 2</option><option value="3">1, 2, 3</option></select></Field>
    </FormDialog>
  );
}
