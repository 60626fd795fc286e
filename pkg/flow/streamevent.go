package flow

import (
	"iter"
	"math/bits"
	"strings"
)

// StreamEvent is one thing that is wrong with a TCP session. Names are those of Suricata's stream-event keyword;
// handshake events are Suricata's 3whs_, four-way (simultaneous open) its 4whs_.
type StreamEvent uint8

// The stream events, by the session's state.
const (
	StreamHandshakeAckInWrongDirection StreamEvent = iota
	StreamHandshakeAsyncWrongSeq
	StreamHandshakeRightSeqWrongAckEvasion
	StreamHandshakeSynAckInWrongDirection
	StreamHandshakeSynAckResendWithDifferentAck
	StreamHandshakeSynAckResendWithDiffSeq
	StreamHandshakeSynAckToServerOnSynRecv
	StreamHandshakeSynAckWithWrongAck
	StreamHandshakeSynAckFlood
	StreamHandshakeSynAckFastOpenDataIgnored
	StreamHandshakeSynFlood
	StreamHandshakeSynResendDiffSeqOnSynRecv
	StreamHandshakeSynToClientOnSynRecv
	StreamHandshakeWrongSeqWrongAck
	StreamHandshakeAckDataInject
	StreamFourWaySynAckWithWrongAck
	StreamFourWaySynAckWithWrongSyn
	StreamFourWayWrongSeq
	StreamFourWayInvalidAck
	StreamCloseWaitAckOutOfWindow
	StreamCloseWaitFinOutOfWindow
	StreamCloseWaitPacketBeforeLastAck
	StreamCloseWaitInvalidAck
	StreamClosingAckWrongSeq
	StreamClosingInvalidAck
	StreamEstPacketOutOfWindow
	StreamEstPacketBeforeLastAck
	StreamEstSynAckResend
	StreamEstSynAckResendWithDifferentAck
	StreamEstSynAckResendWithDiffSeq
	StreamEstSynAckToServer
	StreamEstSynResend
	StreamEstSynResendDiffSeq
	StreamEstSynToClient
	StreamEstInvalidAck
	StreamEstAckZeroWindowProbeData
	StreamFinInvalidAck
	StreamFin1AckWrongSeq
	StreamFin1FinWrongSeq
	StreamFin1InvalidAck
	StreamFin2AckWrongSeq
	StreamFin2FinWrongSeq
	StreamFin2InvalidAck
	StreamFinButNoSession
	StreamFinOutOfWindow
	StreamFinSyn
	StreamLastAckAckWrongSeq
	StreamLastAckInvalidAck
	StreamRstButNoSession
	StreamRstInvalidAck
	StreamTimeWaitAckWrongSeq
	StreamTimeWaitInvalidAck
	StreamShutdownSynResend
	StreamPacketInvalidTimestamp
	StreamPacketInvalidAck
	StreamPacketBrokenAck
	StreamPacketBadWindowUpdate
	StreamPacketRetransmission
	StreamPacketSpuriousRetransmission
	StreamSuspectedRstInject
	StreamWrongThread
	StreamReassemblySegmentBeforeBaseSeq
	StreamReassemblyNoSegment
	StreamReassemblySeqGap
	StreamReassemblyOverlapDifferentData
	StreamReassemblyDepthReached
	StreamReassemblyInsertMemcap
	StreamReassemblyInsertLimit
	StreamReassemblyInsertInvalid
	StreamReassemblyUrgentOOBLimitReached
	NumStreamEvents
)

var streamEventNames = [NumStreamEvents]string{
	StreamHandshakeAckInWrongDirection:          "3whs_ack_in_wrong_dir",
	StreamHandshakeAsyncWrongSeq:                "3whs_async_wrong_seq",
	StreamHandshakeRightSeqWrongAckEvasion:      "3whs_right_seq_wrong_ack_evasion",
	StreamHandshakeSynAckInWrongDirection:       "3whs_synack_in_wrong_direction",
	StreamHandshakeSynAckResendWithDifferentAck: "3whs_synack_resend_with_different_ack",
	StreamHandshakeSynAckResendWithDiffSeq:      "3whs_synack_resend_with_diff_seq",
	StreamHandshakeSynAckToServerOnSynRecv:      "3whs_synack_toserver_on_syn_recv",
	StreamHandshakeSynAckWithWrongAck:           "3whs_synack_with_wrong_ack",
	StreamHandshakeSynAckFlood:                  "3whs_synack_flood",
	StreamHandshakeSynAckFastOpenDataIgnored:    "3whs_synack_tfo_data_ignored",
	StreamHandshakeSynFlood:                     "3whs_syn_flood",
	StreamHandshakeSynResendDiffSeqOnSynRecv:    "3whs_syn_resend_diff_seq_on_syn_recv",
	StreamHandshakeSynToClientOnSynRecv:         "3whs_syn_toclient_on_syn_recv",
	StreamHandshakeWrongSeqWrongAck:             "3whs_wrong_seq_wrong_ack",
	StreamHandshakeAckDataInject:                "3whs_ack_data_inject",
	StreamFourWaySynAckWithWrongAck:             "4whs_synack_with_wrong_ack",
	StreamFourWaySynAckWithWrongSyn:             "4whs_synack_with_wrong_syn",
	StreamFourWayWrongSeq:                       "4whs_wrong_seq",
	StreamFourWayInvalidAck:                     "4whs_invalid_ack",
	StreamCloseWaitAckOutOfWindow:               "closewait_ack_out_of_window",
	StreamCloseWaitFinOutOfWindow:               "closewait_fin_out_of_window",
	StreamCloseWaitPacketBeforeLastAck:          "closewait_pkt_before_last_ack",
	StreamCloseWaitInvalidAck:                   "closewait_invalid_ack",
	StreamClosingAckWrongSeq:                    "closing_ack_wrong_seq",
	StreamClosingInvalidAck:                     "closing_invalid_ack",
	StreamEstPacketOutOfWindow:                  "est_packet_out_of_window",
	StreamEstPacketBeforeLastAck:                "est_pkt_before_last_ack",
	StreamEstSynAckResend:                       "est_synack_resend",
	StreamEstSynAckResendWithDifferentAck:       "est_synack_resend_with_different_ack",
	StreamEstSynAckResendWithDiffSeq:            "est_synack_resend_with_diff_seq",
	StreamEstSynAckToServer:                     "est_synack_toserver",
	StreamEstSynResend:                          "est_syn_resend",
	StreamEstSynResendDiffSeq:                   "est_syn_resend_diff_seq",
	StreamEstSynToClient:                        "est_syn_toclient",
	StreamEstInvalidAck:                         "est_invalid_ack",
	StreamEstAckZeroWindowProbeData:             "est_ack_zwp_data",
	StreamFinInvalidAck:                         "fin_invalid_ack",
	StreamFin1AckWrongSeq:                       "fin1_ack_wrong_seq",
	StreamFin1FinWrongSeq:                       "fin1_fin_wrong_seq",
	StreamFin1InvalidAck:                        "fin1_invalid_ack",
	StreamFin2AckWrongSeq:                       "fin2_ack_wrong_seq",
	StreamFin2FinWrongSeq:                       "fin2_fin_wrong_seq",
	StreamFin2InvalidAck:                        "fin2_invalid_ack",
	StreamFinButNoSession:                       "fin_but_no_session",
	StreamFinOutOfWindow:                        "fin_out_of_window",
	StreamFinSyn:                                "fin_syn",
	StreamLastAckAckWrongSeq:                    "lastack_ack_wrong_seq",
	StreamLastAckInvalidAck:                     "lastack_invalid_ack",
	StreamRstButNoSession:                       "rst_but_no_session",
	StreamRstInvalidAck:                         "rst_invalid_ack",
	StreamTimeWaitAckWrongSeq:                   "timewait_ack_wrong_seq",
	StreamTimeWaitInvalidAck:                    "timewait_invalid_ack",
	StreamShutdownSynResend:                     "shutdown_syn_resend",
	StreamPacketInvalidTimestamp:                "pkt_invalid_timestamp",
	StreamPacketInvalidAck:                      "pkt_invalid_ack",
	StreamPacketBrokenAck:                       "pkt_broken_ack",
	StreamPacketBadWindowUpdate:                 "pkt_bad_window_update",
	StreamPacketRetransmission:                  "pkt_retransmission",
	StreamPacketSpuriousRetransmission:          "pkt_spurious_retransmission",
	StreamSuspectedRstInject:                    "suspected_rst_inject",
	StreamWrongThread:                           "wrong_thread",
	StreamReassemblySegmentBeforeBaseSeq:        "reassembly_segment_before_base_seq",
	StreamReassemblyNoSegment:                   "reassembly_no_segment",
	StreamReassemblySeqGap:                      "reassembly_seq_gap",
	StreamReassemblyOverlapDifferentData:        "reassembly_overlap_different_data",
	StreamReassemblyDepthReached:                "reassembly_depth_reached",
	StreamReassemblyInsertMemcap:                "reassembly_insert_memcap",
	StreamReassemblyInsertLimit:                 "reassembly_insert_limit",
	StreamReassemblyInsertInvalid:               "reassembly_insert_invalid",
	StreamReassemblyUrgentOOBLimitReached:       "reassembly_urgent_oob_limit_reached",
}

// String returns the event's name in rules, such as "3whs_synack_flood".
func (e StreamEvent) String() string {
	if e < NumStreamEvents {
		return streamEventNames[e]
	}
	return "unknown"
}

// StreamEventByName finds an event by its name in rules or, with the prefix "stream.", in anomaly records.
func StreamEventByName(name string) (StreamEvent, bool) {
	name = strings.TrimPrefix(strings.ToLower(name), "stream.")
	for e, n := range streamEventNames {
		if n == name {
			return StreamEvent(e), true
		}
	}
	return 0, false
}

// StreamEventSet is a set of stream events.
type StreamEventSet [2]uint64

// Add puts e into the set.
func (s *StreamEventSet) Add(e StreamEvent) { s[e>>6] |= 1 << (e & 63) }

// Has reports whether e is in the set.
func (s *StreamEventSet) Has(e StreamEvent) bool { return s[e>>6]&(1<<(e&63)) != 0 }

// Any reports whether anything is in the set.
func (s *StreamEventSet) Any() bool { return s[0]|s[1] != 0 }

// All yields the events in the set in order of their number.
func (s *StreamEventSet) All() iter.Seq[StreamEvent] {
	return func(yield func(StreamEvent) bool) {
		for i, word := range s {
			for ; word != 0; word &= word - 1 {
				if !yield(StreamEvent(i<<6 + bits.TrailingZeros64(word))) {
					return
				}
			}
		}
	}
}
