package export

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// webhook posts digests as JSON, signed: the receiver computes HMAC-SHA256 with the shared key over the header X-Weir-Timestamp
// (Unix seconds), a full stop, and the body, and compares it with the hex digits after "v1=" in X-Weir-Signature. A time stamp
// too far from now is a replay. X-Weir-Delivery is the same for all tries of one message.
type webhook struct {
	poster
	secret Secret
	now    func() time.Time

	first    *Event // of the batch that the delivery is named for
	delivery string
}

func openWebhook(c *Config, version string) (Sink, error) {
	p, err := newPoster(c, version)
	if err != nil {
		return nil, err
	}
	_, err = c.Secret.Value()
	return &webhook{poster: p, secret: c.Secret, now: time.Now}, err
}

// webhookBody is the message.
type webhookBody struct {
	Version int            `json:"version"`
	Total   int            `json:"total"` // events that the groups stand for
	Groups  []webhookGroup `json:"groups"`
}

type webhookGroup struct {
	Kind     Kind            `json:"kind"`
	ID       string          `json:"id"` // of the latest event
	Text     string          `json:"text"`
	Severity uint8           `json:"severity"`
	Sensor   string          `json:"sensor"`
	Count    int             `json:"count"`
	First    time.Time       `json:"first"`
	Last     time.Time       `json:"last"`
	Event    json.RawMessage `json:"event"` // the latest, as EVE
}

// Send implements Sink.
func (s *webhook) Send(ctx context.Context, events []Event) error {
	body := webhookBody{Version: 1, Total: len(events)}
	for _, d := range digest(events) {
		record, err := eve(&d.Event)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrRefused, err)
		}
		body.Groups = append(body.Groups, webhookGroup{
			Kind: d.Kind, ID: d.ID(), Text: d.Text(), Severity: d.Severity(), Sensor: d.Sensor(), Count: d.Count,
			First: d.First, Last: d.Last, Event: record,
		})
	}
	text, err := json.Marshal(&body)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	key, err := s.secret.Value()
	if err != nil {
		return err
	}
	at := strconv.FormatInt(s.now().Unix(), 10)
	_, err = s.post(ctx, text, http.Header{
		"Content-Type": {"application/json"}, "X-Weir-Timestamp": {at}, "X-Weir-Signature": {"v1=" + sign(key, at, text)},
		"X-Weir-Delivery": {s.deliveryOf(events)},
	})
	return err
}

func (s *webhook) deliveryOf(events []Event) string {
	if s.first != &events[0] {
		s.first, s.delivery = &events[0], rand.Text()
	}
	return s.delivery
}

func sign(key, at string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(at + "."))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}
