package export

import (
	"context"
	"fmt"
	"strings"
)

// slack posts to an incoming webhook, whose address is itself the secret: it may be named by secret instead of url.
type slack struct{ poster }

func openSlack(c *Config, version string) (Sink, error) {
	p, err := newPoster(c, version)
	if err == nil && p.url == "" {
		p.url, err = c.Secret.Value()
	}
	return &slack{p}, err
}

// slackMessage is Block Kit; text is what notifications show.
type slackMessage struct {
	Text   string       `json:"text"`
	Blocks []slackBlock `json:"blocks"`
}

type slackBlock struct {
	Type string    `json:"type"`
	Text slackText `json:"text"`
}

type slackText struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

// Slack's limits, in characters: a header's and a section's text; and what people read at once.
const (
	slackHeader  = 150
	slackSection = 3000
	slackGroups  = 20
)

// slackEscape is what mrkdwn asks for; attackers choose parts of the texts.
var slackEscape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

var severityNames = []string{1: "high", 2: "medium", 3: "low"}

func severityName(s uint8) string {
	if s >= 1 && int(s) < len(severityNames) {
		return severityNames[s]
	}
	return "info"
}

// Send implements Sink.
func (s *slack) Send(ctx context.Context, events []Event) error {
	groups := digest(events)
	title := fmt.Sprintf("Weir: %d events in %d groups", len(events), len(groups))
	if len(groups) == 1 {
		title = "Weir: " + groups[0].Title()
	}
	m := slackMessage{Text: slackEscape.Replace(shorten(title, slackHeader)),
		Blocks: []slackBlock{{"header", slackText{"plain_text", shorten(title, slackHeader)}}}}
	for i := range groups[:min(len(groups), slackGroups)] {
		d := &groups[i]
		text := shorten(d.Text(), slackSection/2) // escaping makes it longer
		m.Blocks = append(m.Blocks, section(fmt.Sprintf("*%s* %s\n_%s, %s_", severityName(d.Severity()), slackEscape.Replace(text),
			d.Sensor(), d.Last.UTC().Format("2006-01-02 15:04:05Z"))))
	}
	if more := len(groups) - slackGroups; more > 0 {
		m.Blocks = append(m.Blocks, section(fmt.Sprintf("and %d more groups", more)))
	}
	_, err := s.postJSON(ctx, &m)
	return err
}

func section(text string) slackBlock {
	return slackBlock{"section", slackText{"mrkdwn", shorten(text, slackSection)}}
}

// shorten cuts s to at most n characters.
func shorten(s string, n int) string {
	r := []rune(strings.ToValidUTF8(s, "\uFFFD"))
	if len(r) <= n {
		return string(r)
	}
	return string(r[:n-1]) + "…"
}
