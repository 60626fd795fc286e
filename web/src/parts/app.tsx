import { place } from "../lib/place";
import { narrow, wide } from "../lib/screen";
import { draft } from "../lib/act";
import { text } from "../text";
import { AlertList } from "./list";
import { Detail } from "./detail";
import { FleetPage } from "./fleetpage";
import { FilterBar } from "./filter";
import { Header, TabBar } from "./header";
import { Incidents } from "./incidents";
import { Keys, useKeys } from "./keys";
import { KillBanner, KillDialog } from "./killswitch";
import { OpenBanner } from "./account";
import { RulesPage } from "./rules";
import { Settings } from "./settings";
import { throwing } from "../lib/killswitch";
import { Overview } from "./overview";
import { Groups } from "./groups";
import { Record } from "./record";
import { MarkedBar, SuppressDialog, TriageDialog } from "./triage";
import { deciding, suppressing } from "../lib/triage";
import { Sensors } from "./sensors";
import { Tiles } from "./tiles";
import { TimelinePlot } from "./timeline";
import { Toasts } from "./toasts";
import { VerdictDialog } from "./dialog";
import { VerdictPage } from "./verdictpage";
import { Verdicts } from "./verdicts";

export function App() {
  useKeys();
  const { view, alert, group, of } = place.value;
  const aside = wide.value && view === "alerts";
  return (
    <>
      <a class="skip" href="#main" onClick={(e) => { e.preventDefault(); document.getElementById("main")?.focus(); }}>{text.skip}</a>
      <Header />
      <KillBanner />
      <OpenBanner />
      <main id="main" tabIndex={-1} class={"page " + (aside ? "with-aside" : "")}>
        {view === "overview" && <Overview />}
        {view === "alerts" && (
          <section class="column alerts" aria-label={text.views.alerts}>
            <Tiles />
            <TimelinePlot />
            <FilterBar />
            <MarkedBar />
            {group ? <Groups key={group} by={group} /> : <AlertList />}
          </section>
        )}
        {(aside || (view === "verdicts" && narrow.value && !of)) && <Verdicts />}
        {view === "verdicts" && (!narrow.value || of) && <VerdictPage />}
        {(aside || (view === "sensors" && narrow.value)) && <Sensors />}
        {view === "sensors" && !narrow.value && <FleetPage />}
        {view === "incidents" && <Incidents />}
        {view === "rules" && <RulesPage />}
        {view === "record" && <Record />}
        {view === "settings" && <Settings />}
        {alert && view === "alerts" && <Detail key={alert} id={alert} />}
      </main>
      <TabBar />
      {draft.value && <VerdictDialog draft={draft.value} />}
      {deciding.value && <TriageDialog subject={deciding.value} />}
      {suppressing.value && <SuppressDialog about={suppressing.value} />}
      {throwing.value && <KillDialog />}
      <Keys />
      <Toasts />
    </>
  );
}
