// Package export hands what the collector learns to other systems: alerts, verdicts and incidents, to files, HTTP, syslog, chat
// and paging services, Kafka, Security Lake and Security Hub; and it answers the bouncers of CrowdSec.
//
// Each destination has its own bounded queue and goroutine, so that one that is down delays nobody else, and nothing ever waits
// for a destination: what a full queue cannot take is dropped and counted. The store keeps everything regardless.
//
//	Offer ─▶ filter ─▶ queue ─▶ batch ─▶ Sink.Send ─▶ try again with growing pauses
package export
