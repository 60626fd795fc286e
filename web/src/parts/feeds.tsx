import { useState } from "preact/hooks";
import { acceptFeed, addFeed, listFeeds, pauseFeed, removeFeed, resumeFeed } from "../lib/api";
import { refreshVerdicts, sensors } from "../lib/fleet";
import { count, exactly, plain, span, when } from "../lib/format";
import { toast } from "../lib/toast";
import { trying } from "../lib/trying";
import type { Feed } from "../lib/types";
import { text } from "../text";
import { Act, Sure } from "./act";
import { Field, Segments } from "./dialog";
import { Plus } from "./icons";
import { Box } from "./incident";
import { FormDialog, useSubmit } from "./modal";
import { Bad, State, useRead } from "./settings";

const f = text.settings.feeds;
const tone: Record<string, "ok" | "warn" | "bad" | "quiet"> = { ok: "ok", waiting: "quiet", held: "warn", paused: "warn", failed: "bad" };

/** Lists of hostile addresses: from elsewhere, or one's own. */
export function Feeds() {
  const { value, problem, refresh } = useRead(listFeeds, 3000);
  const [adding, setAdding] = useState(false), [pausing, setPausing] = useState("");
  return (
    <Box title={text.settings.parts.feeds} n={value?.length} why={f.why}>
      <Bad text={problem} />
      <p class="rank-none"><Act needs="rule-admin" on={() => setAdding(true)}><Plus />{f.add}</Act></p>
      <p class="quiet rank-none">{f.why}</p>
      {value?.length === 0 && <div class="empty"><h3>{f.emptyTitle}</h3><p>{f.empty}</p><pre>{f.example}</pre></div>}
      <ul class="cards">{value?.map((x) => <Card key={x.name} x={x} refresh={refresh} pause={() => setPausing(x.name)} />)}</ul>
      {adding && <Add close={() => setAdding(false)} done={refresh} />}
      {pausing && <Pause name={pausing} close={() => setPausing("")} done={refresh} />}
    </Box>
  );
}

function Card({ x, refresh, pause }: { x: Feed; refresh: () => Promise<void>; pause: () => void }) {
  const does = (act: (name: string) => Promise<unknown>, said: string) => void trying(async () => { await act(x.name); toast({ text: said }); await Promise.all([refresh(), refreshVerdicts()]); });
  return (
    <li class="card" data-feed={x.name}>
      <div class="line"><State of={tone[x.state] ?? "bad"} why={f.stateWhy[x.state]}>{f.states[x.state] ?? plain(x.state)}</State><b>{plain(x.name)}</b><span class={"action a-" + x.action}>{text.verdicts.actions[x.action] ?? plain(x.action)}</span>
        <span class="left" title={f.entriesWhy}>{f.entries(count(x.entries))}{x.left_out > 0 && `, ${f.leftOut(count(x.left_out))}`}</span>
        <span class="acts-inline">
          {x.state === "held" && <Act needs="approver" class="button small accent" title={f.acceptWhy} on={() => does(acceptFeed, f.accepted(x.name))}>{f.accept}</Act>}
          {x.state === "paused" ? <Act needs="approver" class="button small" on={() => does(resumeFeed, f.resumed(x.name))}>{f.resume}</Act> : <Act needs="responder" class="button small" title={f.pauseWhy} on={pause}>{f.pause}</Act>}
          {x.added_by && <Sure needs="rule-admin" label={f.removeLabel(x.name)} act={f.remove} on={() => does(removeFeed, f.removed(x.name))} />}
        </span></div>
      <p class="why mono quiet">{x.own ? f.own : plain(x.url)}</p>
      <div class="line small"><span class="quiet">{f.every(span(x.every_seconds))}</span><span class="quiet">{f.on(plain(x.scope) || "all")}</span><span class="quiet" title={x.renewed_at && exactly(x.renewed_at)}>{x.renewed_at ? f.renewed(when(x.renewed_at)) : f.never}</span><span class="quiet">{x.added_by ? f.addedBy(plain(x.added_by)) : f.configured}</span></div>
      {x.paused_by && <p class="caution">{f.pausedBy(plain(x.paused_by), x.paused_at ? when(x.paused_at) : "")}: <q>{plain(x.paused_why)}</q></p>}
      {x.error && <p class="caution">{plain(x.error)}</p>}
    </li>
  );
}

function Add({ close, done }: { close: () => void; done: () => Promise<void> }) {
  const [v, setV] = useState({ name: "", from: "url", url: "", list: "", action: "observe", every: "3600", scope: "all" });
  const set = (c: Partial<typeof v>) => setV((was) => ({ ...was, ...c }));
  const form = useSubmit(async () => {
    await addFeed({ name: v.name.trim(), action: v.action, scope: v.scope, every_seconds: Number(v.every), ...(v.from === "url" ? { url: v.url.trim() } : { list: v.list }) });
    toast({ text: f.added(v.name.trim()) });
    close();
    await done();
  });
  const groups = [...new Set((sensors.value ?? []).map((s) => s.group).filter(Boolean))];
  return (
    <FormDialog id="feed-title" title={f.add} act={f.submit} form={form} close={close} ready={!!v.name.trim() && !!(v.from === "url" ? v.url : v.list).trim()}>
      <Field name="feed-name" label={f.name} error={form.of("name")}><input id="f-feed-name" required autofocus spellcheck={false} value={v.name} onInput={(e) => set({ name: e.currentTarget.value })} /></Field>
      <Field name="feed-from" label={f.from} error=""><Segments name="feed-from" options={Object.entries(f.froms)} value={v.from} onChange={(from) => set({ from })} /></Field>
      {v.from === "url"
        ? <Field name="feed-url" label={f.url} hint={f.urlHint} error={form.of("url")}><input id="f-feed-url" type="url" class="mono" required spellcheck={false} value={v.url} onInput={(e) => set({ url: e.currentTarget.value })} /></Field>
        : <Field name="feed-list" label={f.list} hint={f.listHint} error={form.of("list")}><textarea id="f-feed-list" class="mono" rows={6} required spellcheck={false} value={v.list} onInput={(e) => set({ list: e.currentTarget.value })} /></Field>}
      <Field name="feed-action" label={text.dialog.action} hint={text.dialog.actionHints[v.action]} error={form.of("action")}><Segments name="feed-action" options={["observe", "drop"].map((a) => [a, text.verdicts.actions[a]])} value={v.action} onChange={(action) => set({ action })} /></Field>
      {v.from === "url" && <Field name="feed-every" label={f.fetched} error={form.of("every_seconds")}><Segments name="feed-every" options={Object.entries(f.everies)} value={v.every} onChange={(every) => set({ every })} /></Field>}
      <Field name="feed-scope" label={text.dialog.scope} error={form.of("scope")}><select id="f-feed-scope" value={v.scope} onChange={(e) => set({ scope: e.currentTarget.value })}><option value="all">{text.dialog.scopeAll}</option>{[...groups, ...(sensors.value ?? []).map((s) => s.id)].map((s) => <option key={s} value={s}>{plain(s)}</option>)}</select></Field>
    </FormDialog>
  );
}

function Pause({ name, close, done }: { name: string; close: () => void; done: () => Promise<void> }) {
  const [reason, setReason] = useState("");
  const form = useSubmit(async () => { await pauseFeed(name, reason.trim()); toast({ text: f.paused(name), undo: () => void trying(async () => { await resumeFeed(name); await done(); }) }); close(); await Promise.all([done(), refreshVerdicts()]); });
  return (
    <FormDialog id="pause-title" title={f.pauseTitle(name)} act={f.pause} form={form} close={close} ready={!!reason.trim()}>
      <p class="caution inset">{f.pauseWhy}</p>
      <Field name="pause-reason" label={text.dialog.reason} hint={text.dialog.reasonHint} error={form.of("reason")}><input id="f-pause-reason" required autofocus maxLength={500} value={reason} onInput={(e) => setReason(e.currentTarget.value)} /></Field>
    </FormDialog>
  );
}
