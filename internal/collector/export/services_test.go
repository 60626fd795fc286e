package export

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// posted is one request that a test's server got.
type posted struct {
	header http.Header
	body   []byte
}

// service answers with the codes, then 202, and keeps the requests.
func service(t *testing.T, codes ...int) (url string, got func() []posted) {
	t.Helper()
	all := make(chan posted, 100)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		all <- posted{r.Header, b}
		code := http.StatusAccepted
		if len(codes) > 0 {
			code, codes = codes[0], codes[1:]
		}
		w.WriteHeader(code)
	}))
	t.Cleanup(srv.Close)
	return srv.URL, func() (out []posted) {
		for len(all) > 0 {
			out = append(out, <-all)
		}
		return out
	}
}

func TestWebhookIsSigned(t *testing.T) {
	url, got := service(t, 500)
	s, err := openWebhook(checked(t, Config{Type: TypeWebhook, URL: url, Secret: secret(t, "shared key")}), "1")
	if err != nil {
		t.Fatal(err)
	}
	batch := []Event{alertEvent(t, 1, "203.0.113.9", "allowed"), alertEvent(t, 2, "203.0.113.9", "allowed"), verdictEvent("add")}
	if err := s.Send(context.Background(), batch); err == nil {
		t.Fatal("a 500 counts as delivered")
	}
	if err := s.Send(context.Background(), batch); err != nil {
		t.Fatal(err)
	}
	requests := got()
	if len(requests) != 2 || requests[0].header.Get("X-Weir-Delivery") != requests[1].header.Get("X-Weir-Delivery") {
		t.Fatalf("%d requests, of one delivery expected", len(requests))
	}
	r := requests[1]
	at := r.header.Get("X-Weir-Timestamp")
	mac := hmac.New(sha256.New, []byte("shared key"))
	fmt.Fprintf(mac, "%s.%s", at, r.body)
	if want := "v1=" + hex.EncodeToString(mac.Sum(nil)); r.header.Get("X-Weir-Signature") != want {
		t.Errorf("signature %s, want %s", r.header.Get("X-Weir-Signature"), want)
	}
	if n, err := strconv.ParseInt(at, 10, 64); err != nil || time.Since(time.Unix(n, 0)).Abs() > time.Minute {
		t.Errorf("time stamp %q", at)
	}
	var body webhookBody
	if err := json.Unmarshal(r.body, &body); err != nil || body.Total != 3 || len(body.Groups) != 2 || body.Groups[0].Count != 2 {
		t.Errorf("%s: %v", r.body, err)
	}
	if err := s.Send(context.Background(), []Event{incidentEvent("open")}); err != nil {
		t.Fatal(err)
	}
	if next := got()[0].header.Get("X-Weir-Delivery"); next == r.header.Get("X-Weir-Delivery") {
		t.Error("two messages have the same delivery")
	}
}

func TestSlackStaysInItsLimits(t *testing.T) {
	url, got := service(t)
	s, err := openSlack(checked(t, Config{Type: TypeSlack, Secret: secret(t, url)}), "1")
	if err != nil {
		t.Fatal(err)
	}
	var batch []Event
	for n := range 60 {
		e := alertEvent(t, n, fmt.Sprintf("203.0.113.%d", n), "allowed")
		e.Alert.Signature = "<!channel> & " + strings.Repeat("ü<", 3000)
		batch = append(batch, e)
	}
	if err := s.Send(context.Background(), batch); err != nil {
		t.Fatal(err)
	}
	var m slackMessage
	body := got()[0].body
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatal(err)
	}
	if m.Text == "" || len(m.Blocks) > 50 || len(m.Blocks) != slackGroups+2 {
		t.Errorf("%d blocks, text %q", len(m.Blocks), m.Text)
	}
	for i, b := range m.Blocks {
		limit := slackSection
		if b.Type == "header" {
			limit = slackHeader
		}
		if n := utf8.RuneCountInString(b.Text.Text); n == 0 || n > limit {
			t.Errorf("block %d: %d characters", i, n)
		}
		if b.Text.Type == "mrkdwn" && strings.Contains(b.Text.Text, "<!") {
			t.Errorf("block %d lets a signature mention people: %q", i, b.Text.Text)
		}
	}
	if last := m.Blocks[len(m.Blocks)-1].Text.Text; last != "and 40 more groups" {
		t.Errorf("%q", last)
	}
}

func TestPagerDutyTriggersAndResolves(t *testing.T) {
	url, got := service(t, 202, 429)
	s, err := openPagerDuty(checked(t, Config{Type: TypePagerDuty, URL: url, Secret: secret(t, "R0UT1NG")}), "1")
	if err != nil {
		t.Fatal(err)
	}
	batch := []Event{incidentEvent("open"), alertEvent(t, 1, "203.0.113.9", "allowed")}
	if err := s.Send(context.Background(), batch); err == nil {
		t.Fatal("a 429 counts as delivered")
	}
	if err := s.Send(context.Background(), batch); err != nil {
		t.Fatal(err)
	}
	if err := s.Send(context.Background(), []Event{incidentEvent("closed"), verdictEvent("remove")}); err != nil {
		t.Fatal(err)
	}
	var seen []string
	for _, r := range got() {
		var e pagerDutyEvent
		if err := json.Unmarshal(r.body, &e); err != nil || e.RoutingKey != "R0UT1NG" || len(e.DedupKey) > 255 {
			t.Fatalf("%s: %v", r.body, err)
		}
		line := e.Action + " " + e.DedupKey
		if e.Payload != nil {
			line += " " + e.Payload.Severity
			if e.Payload.Summary == "" || len(e.Payload.Summary) > 1024 || e.Payload.Source == "" {
				t.Errorf("%s", r.body)
			}
		} else if e.Action == "trigger" {
			t.Errorf("a trigger without a payload: %s", r.body)
		}
		seen = append(seen, line)
	}
	want := []string{ // the incident is not triggered again by the second try
		"trigger weir/incident/i-7 critical", "trigger weir/alert/1/2100498/203.0.113.9 error", "trigger weir/alert/1/2100498/203.0.113.9 error",
		"resolve weir/incident/i-7", "resolve weir/verdict/v-1",
	}
	if fmt.Sprint(seen) != fmt.Sprint(want) {
		t.Errorf("%v\nwant %v", seen, want)
	}
}

// TestKafka reads back from a broker, franz-go's own in this process, what was produced over TCP.
func TestKafka(t *testing.T) {
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, "weir"), kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-512", "weir", "pass"))
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	c := checked(t, Config{Type: TypeKafka, Kafka: Kafka{Brokers: broker.ListenAddrs(), Topic: "weir", User: "weir"}, Secret: secret(t, "pass")})
	s, err := openKafka(c, "1")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var sent []Event
	for n := range 50 {
		sent = append(sent, alertEvent(t, n, "203.0.113.9", "allowed"))
	}
	if err := s.Send(ctx, append(sent, verdictEvent("add"))); err != nil {
		t.Fatal(err)
	}
	reader := s.(*kafka).client
	reader.AddConsumeTopics("weir")
	records := map[string]string{}
	var order []string
	for len(records) < 51 {
		fetched := reader.PollFetches(ctx)
		if err := fetched.Err(); err != nil {
			t.Fatal(err)
		}
		fetched.EachRecord(func(r *kgo.Record) {
			records[string(r.Headers[1].Value)] = string(r.Value)
			if string(r.Key) == "edge-1" {
				order = append(order, string(r.Headers[1].Value))
			}
		})
	}
	for n, e := range sent {
		if records[e.ID()] != string(e.Alert.EVE) || order[n] != e.ID() {
			t.Errorf("record %d: %s", n, order[n])
		}
	}
}
