// Package install proves what happens to the packages on a machine: they install, start under a real systemd, enrol, inspect, and
// are upgraded and removed. A machine is a minimal Debian root in a container.
package install
