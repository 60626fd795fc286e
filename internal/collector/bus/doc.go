// Package bus is the collector's side of the message bus: the embedded NATS server, who may connect and say what, and the
// intake of alerts and health reports.
package bus
