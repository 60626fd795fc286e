// Command collector gathers alerts, decides on verdicts, and hands them to the sensors.
package main

import "github.com/weir-ips/weir/internal/subcommand"

// commands are the sub-commands in the order of the help text.
func commands() []subcommand.Command {
	return []subcommand.Command{
		{Name: "run", Summary: "run the collector: bus, store, verdict log, API and console", Run: runCommand},
		{Name: "sensor", Summary: "give sensors credentials, list them, take them away", Run: sensorCommand},
		{Name: "token", Summary: "let new sensors enrol: create, list and remove tokens", Run: tokenCommand},
		{Name: "user", Summary: "accounts of the console: add, invite, list, change and remove them", Run: userCommand},
		{Name: "apitoken", Summary: "tokens of the API: create, list and revoke them", Run: apiTokenCommand},
		{Name: "backup", Summary: "write everything that the collector keeps to a file, while it runs or not", Run: backupCommand},
		{Name: "restore", Summary: "make a data directory of a backup", Run: restoreCommand},
		{Name: "cluster", Summary: "make keys and certificates for a NATS cluster", Run: clusterCommand},
		{Name: "kill-switch", Summary: "stop all dropping by sensors, or resume it", Run: killCommand},
		{Name: "never-block", Summary: "list what must never be blocked, add to it, remove from it", Run: neverBlockCommand},
		{Name: "rollback", Summary: "make the verdicts in force those of an earlier position", Run: rollbackCommand},
		{Name: "rules", Summary: "rule bundles: upload, compare, try on one sensor, promote, roll back", Run: rulesCommand},
		{Name: "feed", Summary: "let a feed's list pass that is held because it changed too much", Run: feedCommand},
		{Name: "export", Summary: "send again what a destination refused", Run: exportCommand},
		{Name: "version", Summary: "print the version", Run: versionCommand},
	}
}

func main() { subcommand.Main("collector", commands()) }
