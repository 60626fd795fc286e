// Package event writes what the sensor saw as EVE records: one JSON object a line, in the schema of Suricata 8.0.
//
//	packet, flow, transaction ──Logger──▶ one reused buffer ──Sink──▶ eve.json, the collector
//
// A Logger belongs to one worker. It encodes without reflection and without allocating: fields are appended to a
// buffer that is reused for the next record. A Sink (File, or what the caller brings) may be shared between workers.
//
// Bytes from the network never break a record: text that is not UTF-8 has its high bytes written as \xHH, control
// characters are escaped as JSON demands.
package event
