package deploy

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
)

// alert is one of prometheus/weir.rules.yaml.
type alert struct {
	Alert       string
	Expr        string
	For         string
	Labels      map[string]string
	Annotations map[string]string
}

// trial is what one alert fires on and keeps quiet about: samples a minute apart of the instances "bad" and "good", as promtool notes
// them. The metrics of "good" come as near to the alert as they may.
type trial struct {
	bad, good string
	labels    map[string]string // of the alert, beside instance and severity
	summary   string
}

// trials have a line for each alert. In a series $ stands for the labels of the instance, and of what the series has itself.
var trials = map[string]trial{
	"WeirSensorDown":           {bad: "up$ 0x120", good: "up$ 1x120", summary: "Sensor bad does not answer"},
	"WeirSensorBlind":          {bad: "weir_sensor_allowance_blind$ 1x120", good: "weir_sensor_allowance_blind$ 0x120", summary: "AWS drops packets of bad before the sensor sees them"},
	"WeirSensorLosesCopies":    {bad: `weir_sensor_kernel_paths_total{path="capture-lost"}$ 0+600x120`, good: `weir_sensor_kernel_paths_total{path="capture-lost"}$ 7x120; weir_sensor_kernel_paths_total{path="packets"}$ 0+600x120; weir_sensor_capture_lost_total{worker="0"}$ 7x120`, labels: map[string]string{"path": "capture-lost"}, summary: "bad is not inspecting 10 packets a second"},
	"WeirSensorOverrun":        {bad: `weir_sensor_kernel_drops_total{reason="backlog"}$ 0+60x120`, good: `weir_sensor_kernel_drops_total{reason="flood-syn"}$ 0+60x120; weir_sensor_kernel_paths_total{path="credit-open"}$ 5x120`, labels: map[string]string{"reason": "backlog"}, summary: "Inspection on bad cannot keep up: on-failure decides about 1 packets a second"},
	"WeirSensorKilled":         {bad: `weir_sensor_kernel_paths_total{path="killed"}$ 0+60x120`, good: `weir_sensor_kernel_paths_total{path="killed"}$ 60x120`, labels: map[string]string{"path": "killed"}, summary: "The kill switch is on: bad drops nothing"},
	"WeirFlood":                {bad: `weir_sensor_kernel_drops_total{reason="fingerprint"}$ 0+6060x120`, good: `weir_sensor_kernel_drops_total{reason="fingerprint"}$ 0+6000x120; weir_sensor_kernel_drops_total{reason="verdict-source"}$ 0+60000x120`, labels: map[string]string{"reason": "fingerprint"}, summary: "fingerprint at bad: 101 packets a second dropped"},
	"WeirDropsMost":            {bad: `weir_sensor_kernel_drops_total{reason="flood-syn"}$ 0+600x120; weir_sensor_kernel_paths_total{path="packets"}$ 0+1000x120`, good: `weir_sensor_kernel_drops_total{reason="flood-syn"}$ 0+500x120; weir_sensor_kernel_paths_total{path="packets"}$ 0+1000x120; weir_sensor_kernel_paths_total{path="killed"}$ 0+10x120`, summary: "bad drops 60% of its packets"},
	"WeirFlowTableFull":        {bad: `weir_sensor_path_flow_flow_memcap_total{worker="1"}$ 0+60x120`, good: `weir_sensor_path_flow_flow_memcap_total{worker="1"}$ 3x120; weir_sensor_path_flow_tcp_ssn_memcap_total{worker="1"}$ 3x120`, labels: map[string]string{"worker": "1"}, summary: "bad has more conversations than it follows"},
	"WeirCollectorDown":        {bad: "up$ 0x120", good: "up$ 1x120", summary: "The collector does not answer"},
	"WeirCollectorLosesAlerts": {bad: "weir_collector_ingest_store_errors_total$ 0+120x120", good: "weir_collector_ingest_store_errors_total$ 9x120; weir_collector_store_refused_total$ 9x120", summary: "The collector cannot keep 2 alerts a second"},
	"WeirVerdictsLimited":      {bad: "weir_collector_policy_limited_total$ 0+1x120", good: "weir_collector_policy_limited_total$ 4x120", summary: "Alerts asked for more verdicts than policy.limits allows"},
	"WeirChangesUnrecorded":    {bad: "weir_collector_api_unrecorded_changes_total$ 0+1x120", good: "weir_collector_api_unrecorded_changes_total$ 4x120", summary: "A change was made that the audit log does not have"},
	"WeirSensorUnhealthy":      {bad: "weir_sensor_healthy$ 0x120", good: "weir_sensor_healthy$ 1x120", summary: "bad does not inspect; /healthz says why"},
	"WeirSensorFault":          {bad: `weir_sensor_trouble_panics_total{worker="0"}$ 0+1x120`, good: `weir_sensor_trouble_panics_total{worker="0"}$ 1x120`, labels: map[string]string{"worker": "0"}, summary: "Inspection on bad had a fault: worker 0 forgot its flows"},
	"WeirSensorBehind":         {bad: `weir_sensor_capture_behind_passed_total{worker="0"}$ 0+60x120`, good: `weir_sensor_capture_behind_passed_total{worker="0"}$ 2x120; weir_sensor_capture_behind_dropped_total{worker="0"}$ 2x120`, labels: map[string]string{"worker": "0"}, summary: "A worker of bad is behind: on-failure decides about 1 packets a second"},
	"WeirPacketsAbandoned":     {bad: `weir_sensor_capture_abandoned_total{worker="0"}$ 0+2x120`, good: `weir_sensor_capture_abandoned_total{worker="0"}$ 2x120`, labels: map[string]string{"worker": "0"}, summary: "bad was killed with 30 packets in its hands"},
	"WeirUpgradeRefused":       {bad: "weir_sensor_upgrade_refused$ 1x120", good: "weir_sensor_upgrade_refused$ 0x120", summary: "bad refused the program that was installed last and goes on with the one before"},
	"WeirSensorAlone":          {bad: "weir_sensor_collector_connected$ 0x120", good: "weir_sensor_collector_connected$ 1x120", summary: "bad has no collector: it enforces what it has and keeps its alerts"},
	"WeirAlertsShed":           {bad: `weir_sensor_uplink_shed_total{severity="3"}$ 0+1x120`, good: `weir_sensor_uplink_shed_total{severity="3"}$ 5x120`, labels: map[string]string{"severity": "3"}, summary: "bad gave up 10 alerts of severity 3: its spool is full"},
	"WeirAttackHeldLong":       {bad: "weir_sensor_attacks$ 1x120", good: "weir_sensor_attacks$ 1x50 0x4 1x50", summary: "An attack through bad has been on for an hour"},
	"WeirFlowRecordsLost":      {bad: "weir_sensor_flowlog_s3_lost_total$ 0+1x120", good: "weir_sensor_flowlog_s3_lost_total$ 5x120; weir_sensor_flowlog_lost_total$ 5x120", summary: "bad lost flow records"},
	"WeirFlowRecordsWait":      {bad: "weir_sensor_flowlog_s3_waiting_bytes$ 268435456x120; weir_sensor_flowlog_s3_failures_total$ 0+1x120", good: "weir_sensor_flowlog_s3_waiting_bytes$ 268435456x120; weir_sensor_flowlog_s3_failures_total$ 1x120", summary: "256MiB of flow records on bad wait for the bucket"},
	"WeirNoLeader":             {bad: "weir_collector_leads$ 0x120", good: "weir_collector_leads{job=\"another\"}$ 1x120", summary: "No collector leads: nobody makes verdicts or takes alerts in"},
	"WeirTwoLeaders":           {bad: "weir_collector_leads$ 1x120; weir_collector_leads{job=\"weir-collector\",instance=\"third\"} 1x120", good: "weir_collector_leads{job=\"another\"}$ 1x120", summary: "2 collectors believe that they lead"},
	"WeirExportFails":          {bad: `weir_collector_export_failing{export="splunk"}$ 1x120`, good: `weir_collector_export_failing{export="splunk"}$ 0x120`, labels: map[string]string{"export": "splunk"}, summary: "The export splunk takes nothing"},
	"WeirExportLosesEvents":    {bad: `weir_collector_export_dropped_total{export="splunk"}$ 0+3x120`, good: `weir_collector_export_dropped_total{export="splunk"}$ 3x120; weir_collector_export_refused_total{export="splunk"}$ 3x120`, labels: map[string]string{"export": "splunk"}, summary: "30 events did not reach the export splunk"},
	"WeirIncidentsNotKept":     {bad: "weir_collector_incident_failures_total$ 0+1x120", good: "weir_collector_incident_failures_total$ 1x120", summary: "The collector cannot write incidents"},
	"WeirIncidentsCrowded":     {bad: "weir_collector_incident_crowded_total$ 0+1x120", good: "weir_collector_incident_crowded_total$ 1x120", summary: "More incidents are open than can be kept: 10 ended early"},
	"WeirPasswordsGuessed":     {bad: "weir_collector_signin_failed_total$ 0+4x120", good: "weir_collector_signin_failed_total$ 0+2x120; weir_collector_signin_limited_total$ 4x120", summary: "Somebody guesses passwords of the console"},
}

// summed are alerts about all instances of a job together.
var summed = []string{"WeirNoLeader", "WeirTwoLeaders"}

// TestAlertsFire lets Prometheus's own tool compute each alert over the samples of a bad and of a good instance: it must not fire before its
// time, then for the bad one alone, with the words that are promised.
func TestAlertsFire(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed (apt-get install prometheus): nobody computes the alerts here")
	}
	alerts := alertRules(t)
	for name := range trials {
		if !slices.ContainsFunc(alerts, func(a alert) bool { return a.Alert == name }) {
			t.Errorf("there is no alert %s", name)
		}
	}
	dir := t.TempDir()
	args := []string{"test", "rules"}
	for _, a := range alerts {
		tried, ok := trials[a.Alert]
		if !ok {
			t.Errorf("nothing shows that %s fires, and when it does not", a.Alert)
			continue
		}
		rule := filepath.Join(dir, a.Alert+".rules.yaml") // alone: promtool computes every rule of a file for every test
		writeYAML(t, rule, map[string]any{"groups": []any{map[string]any{"name": "weir", "rules": []any{a}}}})
		test := filepath.Join(dir, a.Alert+".test.yaml")
		writeYAML(t, test, map[string]any{"rule_files": []string{rule}, "evaluation_interval": "15s", "tests": []any{tried.of(t, a)}})
		args = append(args, test)
	}
	run(t, ".", nil, promtool, args...)
}

func writeYAML(t *testing.T, path string, v any) {
	t.Helper()
	text, err := yaml.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// of is the trial in promtool's form (Prometheus, "Unit Testing for Rules").
func (tr trial) of(t *testing.T, a alert) map[string]any {
	t.Helper()
	wait, err := time.ParseDuration(a.For)
	if err != nil {
		t.Fatalf("%s: for: %v", a.Alert, err)
	}
	labels := map[string]string{"job": "weir-sensor", "instance": "bad"}
	if strings.Contains(a.Expr, "weir_collector_") || strings.Contains(a.Expr, "weir-collector") {
		labels["job"] = "weir-collector"
	}
	series := append(tr.series(t, tr.bad, labels["job"], "bad"), tr.series(t, tr.good, labels["job"], "good")...)
	for k, v := range tr.labels {
		labels[k] = v
	}
	if strings.Contains(a.Expr, "sum by (instance") {
		delete(labels, "job")
	}
	if slices.Contains(summed, a.Alert) {
		delete(labels, "instance")
	}
	for k, v := range a.Labels {
		labels[k] = v
	}
	annotations := map[string]string{"summary": tr.summary, "runbook_url": a.Annotations["runbook_url"]}
	fires := []any{map[string]any{"exp_labels": labels, "exp_annotations": annotations}}
	checks := []any{map[string]any{"eval_time": "100m", "alertname": a.Alert, "exp_alerts": fires}}
	if wait > 0 {
		checks = append(checks, map[string]any{"eval_time": (wait - 15*time.Second).String(), "alertname": a.Alert, "exp_alerts": []any{}})
	}
	return map[string]any{"interval": "1m", "input_series": series, "alert_rule_test": checks}
}

// series puts the labels of an instance into the trial's samples.
func (tr trial) series(t *testing.T, samples, job, instance string) (out []any) {
	t.Helper()
	own := fmt.Sprintf(`job=%q,instance=%q`, job, instance)
	for _, line := range strings.Split(samples, "; ") {
		name, values, ok := strings.Cut(line, " ")
		if !ok {
			t.Fatalf("%q: want a series and its values", line)
		}
		switch {
		case strings.HasSuffix(name, "}$") && strings.Contains(name, "job="):
			name = strings.TrimSuffix(name, "}$") + fmt.Sprintf(",instance=%q}", instance)
		case strings.HasSuffix(name, "}$"):
			name = strings.TrimSuffix(name, "}$") + "," + own + "}"
		case strings.HasSuffix(name, "$"):
			name = strings.TrimSuffix(name, "$") + "{" + own + "}"
		}
		out = append(out, map[string]any{"series": name, "values": values})
	}
	return out
}

// TestAlertsNameLabelsThereAre holds the labels in an alert's words against those of its metrics.
func TestAlertsNameLabelsThereAre(t *testing.T) {
	page := text(t, "../docs/reference/metrics.md")
	for _, a := range alertRules(t) {
		have := []string{"instance", "job"}
		for _, metric := range regexp.MustCompile(`\bweir_\w+`).FindAllString(a.Expr, -1) {
			row := regexp.MustCompile("(?m)^\\| `" + metric + "` \\| \\w+ \\| (.*?) \\|").FindStringSubmatch(page)
			if row == nil {
				t.Errorf("%s: %s is not in docs/reference/metrics.md", a.Alert, metric)
				continue
			}
			have = append(have, strings.Fields(strings.ReplaceAll(row[1], "`", ""))...)
		}
		for _, used := range regexp.MustCompile(`\$labels\.(\w+)`).FindAllStringSubmatch(a.Annotations["summary"], -1) {
			if !slices.Contains(have, used[1]) {
				t.Errorf("%s: its summary names the label %s; its metrics have %v", a.Alert, used[1], have)
			}
		}
	}
}

func alertRules(t *testing.T) []alert {
	t.Helper()
	var file struct{ Groups []struct{ Rules []alert } }
	if err := yaml.Unmarshal([]byte(text(t, "prometheus/weir.rules.yaml")), &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Groups) != 1 || len(file.Groups[0].Rules) == 0 {
		t.Fatalf("want one group of alerts: %+v", file)
	}
	return file.Groups[0].Rules
}
