package event

// Options say which records an output takes and how detailed they are. DefaultOptions is the product's choice and, at
// the same time, what Suricata's stock configuration asks for.
type Options struct {
	Types       TypeSet
	Metadata    bool // flow variables and flowbits as "metadata" and "traffic"
	CommunityID bool
	Seed        uint16 // of the Community ID
	Ethernet    bool   // MAC addresses as "ether"
	Fast        bool   // alerts as lines of text (fast.log) and nothing else

	Alert   AlertOptions
	Drop    DropOptions
	Anomaly AnomalyOptions
	HTTP    HTTPOptions
	DNS     DNSOptions
	TLS     TLSOptions
	SMTP    SMTPOptions
	SMB     SMBOptions
	Flow    FlowOptions
	Stats   StatsOptions
	Stream  StreamOptions
	QUICJA4 bool
}

// AlertOptions are the parts of alert records.
type AlertOptions struct {
	Payload       bool // base64
	Printable     bool // payload_printable
	PayloadLength bool
	PayloadLimit  int  // bytes of payload written
	Packet        bool // the whole packet, base64
	HTTPBody      bool
	HTTPPrintable bool
	App           bool // the transaction's fields
	Flow          bool
	RuleMetadata  bool
	RuleText      bool // the rule itself as alert.rule
	References    bool
	Tagged        bool // packets of tagged flows
	Verdict       bool
	XFF           XFF
}

// DropOptions are the parts of drop records.
type DropOptions struct {
	Alerts  bool // the rule that dropped
	All     bool // every packet, not only the first of each direction of a flow
	Verdict bool
}

// AnomalyOptions choose among anomalies.
type AnomalyOptions struct {
	Decode, Stream, AppLayer bool
	PacketHeader             bool // the packet in base64, for decode anomalies
}

// HTTPOptions are the parts of http records.
type HTTPOptions struct {
	Extended bool
	Custom   []string // header names, lower case
	// DumpRequest and DumpResponse write all headers.
	DumpRequest, DumpResponse bool
}

// DNSOptions are the parts of dns records.
type DNSOptions struct {
	Version             int // 2 or 3: the layout
	Requests, Responses bool
	Detailed, Grouped   bool     // version 2: formats of answers
	RRTypes             []string // record types, upper case; empty: all
}

// TLSOptions are the parts of tls records.
type TLSOptions struct {
	Extended   bool
	Custom     []string // exactly these fields; nil: basic or extended
	Resumption bool     // record resumed sessions too
	JA4        bool
}

// SMTPOptions are the parts of smtp records.
type SMTPOptions struct {
	Extended            bool
	Custom              []string // mail header names, lower case
	BodyMD5, SubjectMD5 bool
}

// SMBOptions are the parts of smb records.
type SMBOptions struct {
	Commands []string // only these; empty: all
}

// FlowOptions are the parts of flow records.
type FlowOptions struct {
	ExceptionPolicy bool
}

// StreamOptions choose among TCP packets.
type StreamOptions struct {
	All    bool // every one
	Events bool // those that something is wrong with
	State  bool // those that change their session's state
}

// StatsOptions are the parts of stats records.
type StatsOptions struct {
	Zeroes bool // counters that are 0
}

// XFF says how the client's address is taken from an HTTP header when a proxy stands between.
type XFF struct {
	Enabled   bool
	Overwrite bool   // in place of the packet's address, else as "xff"
	Forward   bool   // the first address of the list, else the last (reverse proxy)
	Header    string // lower case
}

// DefaultOptions returns what is written when nothing else is asked for.
func DefaultOptions() Options {
	return Options{
		Types: Set(Alert, Anomaly, HTTP, DNS, TLS, QUIC, SSH, SMTP, FTP, FTPData, SMB, DCERPC, FileInfo, Flow, Stats,
			PacketRecord),
		Metadata: true,
		Alert:    DefaultAlert(),
		Drop:     DropOptions{Alerts: true, All: true},
		Anomaly:  AnomalyOptions{AppLayer: true},
		HTTP:     HTTPOptions{Extended: true},
		DNS:      DefaultDNS(),
		TLS:      TLSOptions{Extended: true, JA4: true},
		QUICJA4:  true,
		Flow:     FlowOptions{ExceptionPolicy: true},
		Stats:    StatsOptions{Zeroes: true},
	}
}

// DefaultAlert returns the parts of an alert record that need not be asked for.
func DefaultAlert() AlertOptions {
	return AlertOptions{PayloadLimit: 4096, App: true, Flow: true, RuleMetadata: true, Tagged: true,
		XFF: XFF{Header: "x-forwarded-for"}}
}

// DefaultDNS returns the layout of Suricata 8 with queries and answers.
func DefaultDNS() DNSOptions {
	return DNSOptions{Version: 3, Requests: true, Responses: true, Detailed: true, Grouped: true}
}
