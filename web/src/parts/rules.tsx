import { useEffect, useMemo, useState } from "preact/hooks";
import { getRules, putRules } from "../lib/api";
import { count, exactly, plain } from "../lib/format";
import { explain } from "../lib/live";
import { sensors } from "../lib/fleet";
import { go } from "../lib/place";
import { toast } from "../lib/toast";
import type { RuleSet } from "../lib/types";
import { text } from "../text";
import { Act } from "./act";
import { Warn } from "./icons";
import { Rollouts, TryFirst } from "./rollouts";
import { Rest, useSubmit } from "./modal";

const t = text.rules;
const most = 300;

interface Line { text: string; sid: number; msg: string; action: string; off: boolean }

function parse(rules: string): Line[] {
  const out: Line[] = [];
  for (const raw of rules.split("\n")) {
    const m = /^\s*(#*)\s*(alert|drop|pass|reject\w*)\s/.exec(raw);
    if (!m) continue;
    const sid = Number(/[;(]\s*sid\s*:\s*(\d+)\s*;/.exec(raw)?.[1] ?? 0);
    if (sid) out.push({ text: raw.trim(), sid, msg: /[;(]\s*msg\s*:\s*"((?:[^"\\]|\\.)*)"/.exec(raw)?.[1] ?? "", action: m[2], off: m[1] !== "" });
  }
  return out;
}

/** The collector's rules: what they look for, and who runs which version. */
export function RulesPage() {
  const [set, setSet] = useState<RuleSet | null>(null);
  const [word, setWord] = useState(""), [bad, setBad] = useState(""), [editing, setEditing] = useState(false);
  const refresh = () => getRules().then((x) => { setSet(x); setBad(""); }, (e) => setBad(explain(e)));
  useEffect(() => { void refresh(); }, []);
  const lines = useMemo(() => parse(set?.rules ?? ""), [set]);
  const w = word.toLowerCase();
  const list = lines.filter((l) => !w || l.text.toLowerCase().includes(w));
  const fleet = sensors.value ?? [], current = fleet.filter((s) => s.bundle && s.bundle === set?.version).length, failed = fleet.filter((s) => s.bundle_error);
  return (
    <section class="column verdict-page" aria-label={t.title}>
      <header class="overview-head">
        <h1>{t.title}{set && <span class="badge">{count(set.count)}</span>}</h1>
        {set && <span class="quiet small-note" title={set.version}>{t.version(set.version.slice(0, 12), plain(set.updated_by), set.updated_at ? exactly(set.updated_at) : "")} · {t.loaded(current, fleet.length)}</span>}
        <input class="find" aria-label={t.find} placeholder={t.find} value={word} spellcheck={false} onInput={(e) => setWord(e.currentTarget.value.trim())} />
        <Act needs="rule-admin" on={() => setEditing(!editing)}>{editing ? text.dialog.cancel : t.edit}</Act>
      </header>
      {bad && <p class="problem" role="alert"><Warn />{bad}</p>}
      {failed.length > 0 && <p class="caution"><Warn />{t.failed(failed.slice(0, 5).map((s) => `${s.id}: ${plain(s.bundle_error)}`).join(" · "))}</p>}
      {!editing && <Rollouts after={() => void refresh()} />}
      {editing && set ? <Editor set={set} done={() => { setEditing(false); void refresh(); }} /> : (
        <div class="panel scroll">
          {set && lines.length === 0 && <div class="empty"><h3>{t.emptyTitle}</h3><p>{t.empty}</p></div>}
          {lines.length > 0 && list.length === 0 && <div class="empty"><h3>{text.alerts.noneTitle}</h3></div>}
          <ul class="rule-list">
            {list.slice(0, most).map((l) => (
              <li key={l.sid} data-rule={l.sid}><details><summary><span class={"action a-" + (l.action === "alert" ? "observe" : l.action === "pass" ? "pass" : "drop")}>{l.off ? t.off : l.action}</span><span class="mono quiet">{l.sid}</span><b class="name">{plain(l.msg)}</b></summary><pre class="wrap" tabIndex={0}>{plain(l.text)}</pre>
                <p class="rank-none"><button class="button small" onClick={() => go({ view: "alerts", q: `sid:${l.sid}`, span: "24h" }, "push")}>{t.alerts}</button></p></details></li>
            ))}
          </ul>
          {list.length > most && <p class="foot">{t.cut(count(most), count(list.length))}</p>}
        </div>
      )}
    </section>
  );
}

/** Changes the text, shows what differs, and puts it into force; the collector checks it first. */
function Editor({ set, done }: { set: RuleSet; done: () => void }) {
  const [rules, setRules] = useState(set.rules);
  const [looked, setLooked] = useState(false);
  const diff = useMemo(() => difference(set.rules, rules), [rules, set]);
  const form = useSubmit(async () => {
    const next = await putRules(rules, set.version);
    toast({ text: t.done(count(next.count)), undo: () => void putRules(set.rules, next.version).then(() => toast({ text: t.undone }), (e) => toast({ text: `${text.toasts.failed}: ${explain(e)}`, bad: true })) });
    done();
  });
  const same = !diff.added.length && !diff.removed.length;
  return (
    <form class="panel editor" onSubmit={(e) => { if (!looked) { e.preventDefault(); setLooked(true); } else void form.submit(e); }}>
      {!looked ? <textarea class="mono" aria-label={t.title} spellcheck={false} value={rules} onInput={(e) => setRules(e.currentTarget.value)} />
        : <div class="diff" role="region" aria-label={t.diff}>{same ? <p class="quiet">{t.same}</p> : <pre class="wrap">{diff.removed.map((l) => <del key={"-" + l}>− {plain(l)}{"\n"}</del>)}{diff.added.map((l) => <ins key={"+" + l}>+ {plain(l)}{"\n"}</ins>)}</pre>}</div>}
      {form.of("rules") && <p class="problem" role="alert"><Warn />{form.of("rules")}</p>}
      <Rest form={form} />
      <footer>
        <span class="quiet">{t.counts(diff.added.length, diff.removed.length)}</span>
        {looked && <button type="button" class="button" onClick={() => setLooked(false)}>{t.back}</button>}
        {looked && !same && <TryFirst rules={rules} done={done} />}
        <button class={"button " + (looked ? "accent" : "")} disabled={form.busy || (looked && same)}>{looked ? t.put : t.look}</button>
      </footer>
    </form>
  );
}

/** Lines that only one of the texts has. */
function difference(a: string, b: string) {
  const one = new Set(a.split("\n")), two = new Set(b.split("\n"));
  return { removed: [...one].filter((l) => l.trim() && !two.has(l)), added: [...two].filter((l) => l.trim() && !one.has(l)) };
}
