package export

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// kafka writes records whose key is the sensor, so that each sensor's stay in order in one partition. All in-sync replicas have a
// record before it counts, and the producer is idempotent: a broker that dies makes no doubles. How long a try may take is the
// context's business: the client's own limit counts from a record's time stamp, which is the alert's.
type kafka struct {
	encoder
	client *kgo.Client
}

func openKafka(c *Config, version string) (Sink, error) {
	password, err := c.Secret.Value()
	if err != nil {
		return nil, err
	}
	opts := []kgo.Opt{
		kgo.SeedBrokers(c.Kafka.Brokers...), kgo.DefaultProduceTopic(c.Kafka.Topic), kgo.ClientID("weir-collector"),
		kgo.RequiredAcks(kgo.AllISRAcks()), kgo.ProducerBatchMaxBytes(1 << 20),
		kgo.ProducerBatchCompression(kgo.ZstdCompression(), kgo.NoCompression()),
	}
	if c.TLS != (TLS{}) {
		secure, err := c.TLS.client()
		if err != nil {
			return nil, err
		}
		opts = append(opts, kgo.DialTLSConfig(secure))
	}
	if c.Kafka.User != "" {
		opts = append(opts, kgo.SASL(scram.Auth{User: c.Kafka.User, Pass: password}.AsSha512Mechanism()))
	}
	client, err := kgo.NewClient(opts...)
	return &kafka{encoder: encoder{c.Format, version}, client: client}, err
}

// Send implements Sink.
func (s *kafka) Send(ctx context.Context, events []Event) error {
	var records []*kgo.Record
	for i := range events {
		e := &events[i]
		lines, err := s.encode(e)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrRefused, err)
		}
		for _, line := range lines {
			records = append(records, &kgo.Record{
				Key: []byte(e.Sensor()), Value: line, Timestamp: e.Time(),
				Headers: []kgo.RecordHeader{{Key: "kind", Value: []byte(e.Kind)}, {Key: "id", Value: []byte(e.ID())}},
			})
		}
	}
	err := s.client.ProduceSync(ctx, records...).FirstErr()
	if errors.Is(err, kerr.MessageTooLarge) {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return err
}

// Close implements Sink.
func (s *kafka) Close() error {
	s.client.Close()
	return nil
}
