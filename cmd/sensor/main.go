// Command sensor watches a network for attacks and stops them.
package main

import "github.com/weir-ips/weir/internal/subcommand"

// commands are the sub-commands in the order of the help text.
func commands() []subcommand.Command {
	return []subcommand.Command{
		{Name: "run", Summary: "inspect and protect, as the configuration says", Run: runCommand},
		{Name: "enroll", Summary: "get this sensor's certificate from the collector, with a token", Run: enrollCommand},
		{Name: "status", Summary: "say how the running sensor is", Run: statusCommand},
		{Name: "verdicts", Summary: "list, add and remove what the running sensor blocks", Run: verdictsCommand},
		{Name: "floods", Summary: "list attacks that are on and what is done about them; export and import what is usual", Run: floodsCommand},
		{Name: "upgrade", Summary: "have the running sensor become the installed program, and wait until it is healthy", Run: upgradeCommand},
		{Name: "detach", Summary: "take a stopped sensor's program and verdicts out of the kernel", Run: detachCommand},
		{Name: "replay", Summary: "run capture files through the rules and write what they hold", Run: replayCommand},
		{Name: "rules", Summary: "check rule files", Run: rulesCommand},
		{Name: "doctor", Summary: "say whether this host is fit for a sensor, and what to change", Run: doctorCommand},
		{Name: "version", Summary: "say which build this is", Run: versionCommand},
	}
}

func main() { subcommand.Main("sensor", commands()) }
