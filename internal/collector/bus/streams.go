package bus

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/weir-ips/weir/pkg/wire"
)

// Limits of the streams in bytes on disk.
const (
	alertBytes   = 2 << 30
	verdictBytes = 2 << 30
)

// EnsureStreams makes the two streams or brings their configuration up to date.
//
// ALERTS holds batches until the store has them. When it is full it refuses new ones, and the sensors keep them. VERDICTS is
// the verdict log and is only ever shortened by the log itself.
//
// Each is kept by so many servers of a cluster as replicas says; an embedded server is one.
func EnsureStreams(ctx context.Context, js jetstream.JetStream, replicas int) error {
	for _, c := range []jetstream.StreamConfig{
		{
			Name: wire.StreamAlerts, Subjects: []string{wire.SubjectAlerts}, Retention: jetstream.WorkQueuePolicy,
			Discard: jetstream.DiscardNew, MaxBytes: alertBytes, Duplicates: 2 * time.Minute, MaxMsgSize: wire.MaxMessage,
		},
		{
			Name: wire.StreamVerdicts, Subjects: []string{wire.SubjectDeltas, wire.SubjectSnapshot}, Retention: jetstream.LimitsPolicy,
			Discard: jetstream.DiscardNew, MaxBytes: verdictBytes, MaxMsgSize: wire.MaxMessage,
		},
	} {
		c.Replicas = replicas
		if _, err := js.CreateOrUpdateStream(ctx, c); err != nil {
			return fmt.Errorf("stream %s: %w", c.Name, err)
		}
	}
	return nil
}
