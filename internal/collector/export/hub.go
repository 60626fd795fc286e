package export

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
)

// hub imports findings into AWS Security Hub, in its Security Finding Format: one finding for what a source does against a
// signature, which later alerts update, and one for each incident.
type hub struct {
	*awsClient
	aws     AWS
	product string
	url     string
	log     *slog.Logger
}

// maxFindings is what BatchImportFindings takes at once.
const maxFindings = 100

func openHub(c *Config, version string, log *slog.Logger) (Sink, error) {
	client, err := newAWS(c, version, "securityhub")
	if err != nil {
		return nil, err
	}
	s := &hub{awsClient: client, aws: c.AWS, product: c.AWS.Product, log: log}
	if s.product == "" {
		s.product = fmt.Sprintf("arn:%s:securityhub:%s:%s:product/%s/default", partition(c.AWS.Region), c.AWS.Region, c.AWS.Account, c.AWS.Account)
	}
	s.url = fmt.Sprintf("https://securityhub.%s.%s/findings/import", c.AWS.Region, domain(c.AWS.Region))
	if c.AWS.Endpoint != "" {
		s.url = strings.TrimSuffix(c.AWS.Endpoint, "/") + "/findings/import"
	}
	return s, nil
}

func partition(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

func domain(region string) string {
	if strings.HasPrefix(region, "cn-") {
		return "amazonaws.com.cn"
	}
	return "amazonaws.com"
}

// asff is an AwsSecurityFinding.
type asff struct {
	SchemaVersion string
	ID            string `json:"Id"`
	ProductARN    string `json:"ProductArn"`
	ProductName   string
	CompanyName   string
	GeneratorID   string `json:"GeneratorId"`
	AccountID     string `json:"AwsAccountId"`
	Types         []string
	CreatedAt     string
	UpdatedAt     string
	FirstObserved string `json:"FirstObservedAt"`
	LastObserved  string `json:"LastObservedAt"`
	Severity      asffSeverity
	Title         string
	Description   string
	RecordState   string
	Workflow      asffWorkflow
	Network       *asffNetwork      `json:",omitempty"`
	ProductFields map[string]string `json:",omitempty"`
	Resources     []asffResource
}

type asffSeverity struct {
	Label    string
	Original string
}

type asffWorkflow struct{ Status string }

type asffNetwork struct {
	Direction  string `json:",omitempty"`
	Protocol   string `json:",omitempty"`
	SourceIPv4 string `json:"SourceIpV4,omitempty"`
	SourceIPv6 string `json:"SourceIpV6,omitempty"`
	SourcePort uint16 `json:",omitempty"`
	DestIPv4   string `json:"DestinationIpV4,omitempty"`
	DestIPv6   string `json:"DestinationIpV6,omitempty"`
	DestPort   uint16 `json:"DestinationPort,omitempty"`
}

type asffResource struct {
	Type      string
	ID        string `json:"Id"`
	Partition string
	Region    string
}

// ASFF's limits, in characters.
const (
	asffTitle       = 256
	asffDescription = 1024
	asffID          = 512
)

// Send implements Sink.
func (s *hub) Send(ctx context.Context, events []Event) error {
	var findings []asff
	for _, d := range digest(events) {
		if d.Kind != KindVerdict {
			findings = append(findings, s.finding(&d))
		}
	}
	for len(findings) > 0 {
		n := min(len(findings), maxFindings)
		if err := s.importFindings(ctx, findings[:n]); err != nil {
			return err
		}
		findings = findings[n:]
	}
	return nil
}

func (s *hub) importFindings(ctx context.Context, findings []asff) error {
	body, err := json.Marshal(map[string]any{"Findings": findings})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	text, err := s.send(ctx, http.MethodPost, s.url, "application/json", body)
	if err != nil {
		return err
	}
	var answer struct {
		FailedCount    int
		FailedFindings []struct{ Id, ErrorCode, ErrorMessage string }
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return fmt.Errorf("the answer of Security Hub: %w", err)
	}
	for _, f := range answer.FailedFindings {
		s.log.Error("Security Hub did not take a finding", "finding", f.Id, "code", f.ErrorCode, "error", f.ErrorMessage)
	}
	if answer.FailedCount == len(findings) {
		return fmt.Errorf("%w: all %d findings failed", ErrRefused, len(findings))
	}
	return nil
}

func (s *hub) finding(d *Digest) asff {
	const stamp = "2006-01-02T15:04:05.000Z"
	f := asff{
		SchemaVersion: "2018-10-08", ID: shorten("weir/"+s.aws.Region+"/"+s.aws.Account+"/"+d.Group(), asffID), ProductARN: s.product,
		ProductName: "Weir", CompanyName: "Weir", GeneratorID: "weir/" + d.cefClass(), AccountID: s.aws.Account,
		Types:     []string{"TTPs/Initial Access"},
		CreatedAt: d.First.UTC().Format(stamp), UpdatedAt: d.Last.UTC().Format(stamp),
		FirstObserved: d.First.UTC().Format(stamp), LastObserved: d.Last.UTC().Format(stamp),
		Severity: asffSeverity{asffLabel(d.Severity()), fmt.Sprint(d.Severity())},
		Title:    shorten(d.Title(), asffTitle), Description: shorten(d.Text(), asffDescription),
		RecordState: "ACTIVE", Workflow: asffWorkflow{"NEW"},
		ProductFields: map[string]string{"weir/count": fmt.Sprint(d.Count), "weir/sensor": d.Sensor(), "weir/id": d.ID()},
		Resources:     s.resources(d),
	}
	if d.Kind == KindIncident && d.Incident.Closed() {
		f.RecordState = "ARCHIVED"
	}
	if d.Kind == KindAlert {
		f.Types, f.Network = []string{asffType(d)}, asffNetworkOf(d)
	}
	return f
}

// asffType is of the taxonomy namespace/category/classifier.
func asffType(d *Digest) string {
	category := strings.ToLower(d.Alert.Category)
	switch {
	case strings.Contains(category, "scan") || strings.Contains(category, "recon"):
		return "TTPs/Discovery"
	case strings.Contains(category, "trojan") || strings.Contains(category, "malware") || strings.Contains(category, "command and control"):
		return "TTPs/Command and Control"
	case strings.Contains(category, "denial of service"):
		return "Effects/Denial of Service"
	case strings.Contains(category, "policy") || strings.Contains(category, "not suspicious"):
		return "Unusual Behaviors/Network Flow"
	}
	return "TTPs/Initial Access"
}

func asffNetworkOf(d *Digest) *asffNetwork {
	a := d.Alert
	n := &asffNetwork{Protocol: a.Proto, SourcePort: a.SrcPort, DestPort: a.DestPort}
	if a.SrcIP.Is6() {
		n.SourceIPv6 = a.SrcIP.String()
	} else {
		n.SourceIPv4 = a.SrcIP.String()
	}
	if a.DestIP.Is6() {
		n.DestIPv6 = a.DestIP.String()
	} else {
		n.DestIPv4 = a.DestIP.String()
	}
	return n
}

func asffLabel(s uint8) string {
	switch s {
	case 1:
		return "HIGH"
	case 2:
		return "MEDIUM"
	case 3:
		return "LOW"
	}
	return "INFORMATIONAL"
}

// maxResources is ASFF's.
const maxResources = 32

// resources are what was attacked. Weir knows addresses, not the instances behind them.
func (s *hub) resources(d *Digest) []asffResource {
	targets := d.Targets
	if d.Kind == KindIncident {
		targets = d.Incident.Targets
	}
	var out []asffResource
	for _, t := range targets[:min(len(targets), maxResources)] {
		out = append(out, asffResource{"Other", "ip/" + t.String(), partition(s.aws.Region), s.aws.Region})
	}
	if out == nil {
		out = append(out, asffResource{"Other", "sensor/" + d.Sensor(), partition(s.aws.Region), s.aws.Region})
	}
	return out
}
