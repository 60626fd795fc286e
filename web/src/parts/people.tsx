import { useState } from "preact/hooks";
import { addEnrolmentToken, addToken, addUser, changeUser, getSettings, inviteUser, listCredentials, listEnrolmentTokens, listTokens, listUsers, removeEnrolmentToken, removeToken, removeUser, revokeSensor } from "../lib/api";
import { now } from "../lib/fleet";
import { exactly, plain, span, when } from "../lib/format";
import { may, session } from "../lib/session";
import { toast } from "../lib/toast";
import { trying } from "../lib/trying";
import type { Role, User } from "../lib/types";
import { text } from "../text";
import { Sure } from "./act";
import { Field, Segments } from "./dialog";
import { Close, Copy, Plus } from "./icons";
import { Box } from "./incident";
import { FormDialog, useSubmit } from "./modal";
import { Bad, State, useRead } from "./settings";

const t = text.settings;
const roles = Object.keys(text.session.roles) as Role[];

/** A secret that is shown once. */
function Secret({ title, note, value, done }: { title: string; note: string; value: string; done: () => void }) {
  const [copied, setCopied] = useState(false);
  const copy = () => navigator.clipboard?.writeText(value).then(() => setCopied(true), () => { /* it can be selected */ });
  return (
    <div class="secret" role="status">
      <b>{title}</b><p class="quiet">{note}</p>
      <p class="secret-line"><code class="mono" data-testid="secret">{value}</code><button class="button small" onClick={copy}><Copy />{copied ? text.detail.copied : text.detail.copy}</button><button class="tool small" aria-label={text.toasts.dismiss} onClick={done}><Close /></button></p>
    </div>
  );
}

function RolePicker({ value, among, set }: { value: Role[]; among: Role[]; set: (r: Role[]) => void }) {
  return (
    <div class="roles">
      {among.map((r) => <label key={r}><input type="checkbox" checked={value.includes(r)} onChange={() => set(value.includes(r) ? value.filter((x) => x !== r) : [...value, r])} /><b>{text.session.roles[r]}</b><span class="quiet">{text.session.roleWhy[r]}</span></label>)}
    </div>
  );
}

const linkOf = (path: string) => location.origin + path;
export function Users() {
  const { value: list, problem, refresh } = useRead(listUsers);
  const [adding, setAdding] = useState(false), [editing, setEditing] = useState<User | null>(null), [link, setLink] = useState<{ name: string; link: string } | null>(null);
  const u = t.users;
  const invite = (name: string) => trying(async () => { const x = await inviteUser(name); setLink({ name, link: linkOf(x.link) }); await refresh(); });
  const toggle = (x: User) => trying(async () => { await changeUser(x.name, { state: x.state === "disabled" ? "active" : "disabled" }); await refresh(); });
  return (
    <Box title={t.parts.users} n={list?.length}>
      <Bad text={problem} />
      <p class="rank-none"><button class="button" onClick={() => setAdding(true)}><Plus />{u.add}</button></p>
      {link && <Secret title={u.link(link.name)} note={u.linkNote} value={link.link} done={() => setLink(null)} />}
      {list?.length === 0 && <div class="empty"><h3>{u.emptyTitle}</h3><p>{u.empty}</p></div>}
      {list && list.length > 0 && (
        <div class="sideways"><table class="plain-table"><thead><tr><th>{u.name}</th><th>{u.roles}</th><th>{u.state}</th><th /></tr></thead>
          <tbody>{list.map((x) => (
            <tr key={x.name} data-user={x.name}><td><b>{plain(x.name)}</b>{x.name === session.value?.name && <span class="quiet"> {u.you}</span>}</td><td>{x.roles.map((r) => text.session.roles[r] ?? r).join(", ")}</td>
              <td><State of={x.state === "active" ? "ok" : x.state === "disabled" ? "bad" : "warn"}>{u.states[x.state] ?? plain(x.state)}</State></td>
              <td class="acts-inline"><button class="button small" onClick={() => setEditing(x)}>{u.change}</button><button class="button small" title={u.inviteWhy} onClick={() => void invite(x.name)}>{u.invite}</button><button class="button small" onClick={() => void toggle(x)}>{x.state === "disabled" ? u.enable : u.disable}</button>
                <Sure needs="viewer" label={u.removeLabel(x.name)} act={u.remove} on={() => void trying(async () => { await removeUser(x.name); toast({ text: u.removed(x.name) }); await refresh(); })} /></td></tr>
          ))}</tbody></table></div>
      )}
      {(adding || editing) && <UserDialog user={editing} close={() => { setAdding(false); setEditing(null); }} done={async (name, l) => { if (l) setLink({ name, link: linkOf(l) }); await refresh(); }} />}
    </Box>
  );
}

function UserDialog({ user, close, done }: { user: User | null; close: () => void; done: (name: string, link?: string) => Promise<void> }) {
  const [name, setName] = useState(user?.name ?? ""), [chosen, setChosen] = useState<Role[]>(user?.roles ?? ["analyst"]);
  const u = t.users;
  const form = useSubmit(async () => {
    const link = user ? (await changeUser(user.name, { roles: chosen }), undefined) : (await addUser(name.trim(), chosen)).link;
    close();
    await done(name.trim(), link);
  });
  return (
    <FormDialog id="user-title" title={user ? u.changeTitle(user.name) : u.add} act={user ? u.save : u.make} form={form} close={close} ready={chosen.length > 0}>
      {!user && <Field name="user-name" label={u.name} error={form.of("name")}><input id="f-user-name" required autofocus autocapitalize="none" spellcheck={false} value={name} onInput={(e) => setName(e.currentTarget.value)} /></Field>}
      <Field name="user-roles" label={u.roles} error={form.of("roles")}><RolePicker value={chosen} among={roles} set={setChosen} /></Field>
    </FormDialog>
  );
}

export function Tokens() {
  const [all, setAll] = useState(false);
  const { value: list, problem, refresh } = useRead(() => listTokens(all && may("admin")));
  const [adding, setAdding] = useState(false), [secret, setSecret] = useState("");
  const k = t.tokens;
  return (
    <Box title={t.parts.tokens} n={list?.length} why={k.why}>
      <Bad text={problem} />
      <p class="rank-none"><button class="button" onClick={() => setAdding(true)}><Plus />{k.add}</button> {may("admin") && <button class="button" aria-pressed={all} onClick={() => { setAll(!all); setTimeout(() => void refresh()); }}>{k.all}</button>}</p>
      {secret && <Secret title={k.made} note={k.once} value={secret} done={() => setSecret("")} />}
      {list?.length === 0 && <div class="empty"><h3>{k.emptyTitle}</h3><p>{k.empty}</p><pre>{k.example}</pre></div>}
      {list && list.length > 0 && (
        <div class="sideways"><table class="plain-table"><thead><tr><th>{k.name}</th><th>{k.owner}</th><th>{k.roles}</th><th>{k.expires}</th><th>{k.used}</th><th /></tr></thead>
          <tbody>{list.map((x) => <tr key={x.id} data-token={x.name}><td><b>{plain(x.name)}</b></td><td>{plain(x.owner)}</td><td>{x.roles.map((r) => text.session.roles[r] ?? r).join(", ")}</td><td title={exactly(x.expires_at)}>{left(x.expires_at)}</td><td>{x.last_used ? when(x.last_used) : k.never}</td>
            <td class="acts-inline"><Sure needs="viewer" label={k.removeLabel(x.name)} act={k.remove} on={() => void trying(async () => { await removeToken(x.id); toast({ text: k.removed(x.name) }); await refresh(); })} /></td></tr>)}</tbody></table></div>
      )}
      {adding && <TokenDialog close={() => setAdding(false)} done={async (s) => { setSecret(s); await refresh(); }} />}
    </Box>
  );
}

const left = (iso: string) => { const s = (Date.parse(iso) - now.value) / 1000; return s > 0 ? text.verdicts.expiresIn(span(s)) : text.verdicts.expired; };

function TokenDialog({ close, done }: { close: () => void; done: (secret: string) => Promise<void> }) {
  const [name, setName] = useState(""), [chosen, setChosen] = useState<Role[]>(["viewer"]), [ttl, setTTL] = useState("2592000");
  const k = t.tokens;
  const form = useSubmit(async () => { const x = await addToken(name.trim(), chosen, Number(ttl)); close(); await done(x.token); });
  return (
    <FormDialog id="token-title" title={k.add} act={k.make} form={form} close={close} ready={chosen.length > 0}>
      <Field name="token-name" label={k.name} hint={k.nameHint} error={form.of("name")}><input id="f-token-name" required autofocus spellcheck={false} value={name} onInput={(e) => setName(e.currentTarget.value)} /></Field>
      <Field name="token-roles" label={k.roles} error={form.of("roles")}><RolePicker value={chosen} among={session.value?.may ?? []} set={setChosen} /></Field>
      <Field name="token-ttl" label={text.dialog.ttl} error={form.of("ttl_seconds")}><Segments name="token-ttl" options={Object.entries(k.ttls)} value={ttl} onChange={setTTL} /></Field>
    </FormDialog>
  );
}

export function Enrolment() {
  const bus = useRead(getSettings), tokens = useRead(listEnrolmentTokens), sensors = useRead(listCredentials);
  const [adding, setAdding] = useState(false), [secret, setSecret] = useState("");
  const e = t.enrolment;
  return (
    <>
      <Box title={e.tokens} n={tokens.value?.length} why={e.tokensWhy}>
        <Bad text={tokens.problem} />
        <p class="rank-none"><button class="button" onClick={() => setAdding(true)}><Plus />{e.add}</button></p>
        {secret && <Secret title={e.made} note={e.once} value={e.command(secret, `${location.hostname}:${bus.value?.bus.split(":").pop() ?? "4222"}`)} done={() => setSecret("")} />}
        {tokens.value?.length === 0 && !secret && <div class="empty"><h3>{e.emptyTitle}</h3><p>{e.empty}</p></div>}
        {tokens.value && tokens.value.length > 0 && (
          <div class="sideways"><table class="plain-table"><thead><tr><th>{e.id}</th><th>{e.group}</th><th class="n">{e.uses}</th><th>{e.expires}</th><th /></tr></thead>
            <tbody>{tokens.value.map((x) => <tr key={x.id} data-enrolment={x.id}><td class="mono">{plain(x.id)}</td><td>{plain(x.group) || "–"}</td><td class="n">{x.uses}</td><td title={exactly(x.expires_at)}>{left(x.expires_at)}</td>
              <td class="acts-inline"><Sure needs="viewer" label={e.removeLabel(x.id)} act={e.remove} on={() => void trying(async () => { await removeEnrolmentToken(x.id); await tokens.refresh(); })} /></td></tr>)}</tbody></table></div>
        )}
      </Box>
      <Box title={e.sensors} n={sensors.value?.length} why={e.sensorsWhy}>
        <Bad text={sensors.problem} />
        {sensors.value?.length === 0 && <div class="empty"><h3>{e.noSensorsTitle}</h3><p>{e.noSensors}</p></div>}
        {sensors.value && sensors.value.length > 0 && (
          <div class="sideways"><table class="plain-table"><thead><tr><th>{e.sensor}</th><th>{e.kind}</th><th>{e.group}</th><th>{e.since}</th><th>{e.expires}</th><th /></tr></thead>
            <tbody>{sensors.value.map((x) => <tr key={x.sensor} data-credential={x.sensor}><td class="mono"><b>{plain(x.sensor)}</b></td><td title={x.serials?.join(", ") ?? x.key}>{e.kinds[x.kind] ?? plain(x.kind)}</td><td>{plain(x.group) || "–"}</td><td>{when(x.since)}</td><td title={x.expires_at && exactly(x.expires_at)}>{x.expires_at ? left(x.expires_at) : "–"}</td>
              <td class="acts-inline"><Sure needs="viewer" label={e.revokeLabel(x.sensor)} act={e.revoke} on={() => void trying(async () => { await revokeSensor(x.sensor); toast({ text: e.revoked(x.sensor) }); await sensors.refresh(); })} /></td></tr>)}</tbody></table></div>
        )}
      </Box>
      {adding && <EnrolmentDialog close={() => setAdding(false)} done={async (s) => { setSecret(s); await tokens.refresh(); }} />}
    </>
  );
}

function EnrolmentDialog({ close, done }: { close: () => void; done: (secret: string) => Promise<void> }) {
  const [group, setGroup] = useState(""), [uses, setUses] = useState("1"), [ttl, setTTL] = useState("3600");
  const e = t.enrolment;
  const form = useSubmit(async () => { const x = await addEnrolmentToken(group.trim(), Number(uses), Number(ttl)); close(); await done(x.token); });
  return (
    <FormDialog id="enrol-title" title={e.add} act={e.make} form={form} close={close}>
      <Field name="enrol-group" label={e.group} hint={e.groupHint} error={form.of("group")}><input id="f-enrol-group" autofocus spellcheck={false} value={group} onInput={(x) => setGroup(x.currentTarget.value)} /></Field>
      <Field name="enrol-uses" label={e.uses} hint={e.usesHint} error={form.of("uses")}><input id="f-enrol-uses" type="number" min="1" max="10000" value={uses} onInput={(x) => setUses(x.currentTarget.value)} /></Field>
      <Field name="enrol-ttl" label={text.dialog.ttl} error={form.of("ttl_seconds")}><Segments name="enrol-ttl" options={Object.entries(e.ttls)} value={ttl} onChange={setTTL} /></Field>
    </FormDialog>
  );
}
