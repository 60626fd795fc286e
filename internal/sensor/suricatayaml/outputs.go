package suricatayaml

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/weir-ips/weir/pkg/event"
	"github.com/weir-ips/weir/pkg/flow/app"
)

// outputs takes over the eve-log entries of "outputs". Without any "outputs" the default stays.
func (s *Settings) outputs(r *reader) {
	if r.at("outputs") == nil {
		for i := range s.Outputs {
			dnsFromEnvironment(&s.Outputs[i].Options.DNS)
		}
		return
	}
	s.Outputs = nil
	r.items("outputs", func(name, path string, n *node) {
		on := false
		if n.kind == dict {
			r.flag(path+".enabled", &on)
		} else {
			on = n.value == "yes"
		}
		switch {
		case name == "eve-log" && on:
			s.Outputs = append(s.Outputs, s.eve(r, path))
		case name == "fast" && on:
			s.Outputs = append(s.Outputs, fast(r, path))
		case name == "file-store":
			s.fileStore(r, path, on)
		case on && !slices.Contains([]string{"eve-log", "fast", "stats", "lua"}, name):
			r.warn(n, path, "this output is not known here; eve-log is")
			n.markAll()
		default:
			n.markAll()
		}
	})
}

// logging takes over a log in JSON; other forms are the program's own business. The log may go to an output's file.
func (s *Settings) logging(r *reader) {
	r.items("logging.outputs", func(name, path string, n *node) {
		on, kind, file := false, "", "suricata.log"
		if name != "file" || n.kind != dict {
			return
		}
		r.flag(path+".enabled", &on)
		r.text(path+".type", &kind)
		r.fileName(path+".filename", &file)
		if on && kind == "json" {
			s.Log = file
		}
	})
}

func (s *Settings) fileStore(r *reader, path string, on bool) {
	s.FileStore.Enabled = on
	r.fileName(path+".dir", &s.FileStore.Dir)
	r.flag(path+".force-filestore", &s.FileStore.Force)
	if on {
		fileType(r, path, &s.Parsers.Files)
		s.Parsers.Files.SHA256 = true
		s.fileDepth(r, path+".stream-depth")
	}
	r.at(path).markAll()
}

// fileDepth reads how deep the streams of stored files are reassembled: by default to their end.
func (s *Settings) fileDepth(r *reader, path string) {
	f := s.Flow
	f.Stores = true
	r.size(path, &f.StoreDepth)
	if d := f.StoreDepth; d > 0 && d < f.Depth {
		r.warn(r.at(path), path, "file-store.stream-depth value %d has no effect since it's less than stream.reassembly.depth value", d)
		f.StoreDepth = f.Depth
	}
}

// fast reads a fast.log.
func fast(r *reader, path string) Output {
	o := Output{Name: "fast.log", Options: event.Options{Types: event.Set(event.Alert), Fast: true}}
	r.fileName(path+".filename", &o.Name)
	r.at(path).markAll()
	return o
}

// fileName reads the name of a file in the output directory.
func (r *reader) fileName(path string, into *string) {
	r.text(path, into)
	if filepath.IsAbs(*into) || strings.Contains(*into, "..") {
		base := filepath.Base(*into)
		r.warn(r.at(path), path, "%q is written into the output directory as %q", *into, base)
		*into = base
	}
}

// eve reads one eve-log.
func (s *Settings) eve(r *reader, path string) Output {
	o := Output{Name: "eve.json", Options: event.Options{Metadata: true, Alert: event.DefaultAlert(), DNS: event.DefaultDNS(),
		Stats: event.StatsOptions{Zeroes: true}, TLS: event.TLSOptions{JA4: true}, QUICJA4: true,
		Flow: event.FlowOptions{ExceptionPolicy: true}}}
	r.fileName(path+".filename", &o.Name)
	kind := "regular"
	r.text(path+".filetype", &kind)
	if kind != "regular" {
		r.warn(r.at(path+".filetype"), path+".filetype", "%q is not possible here; records go to the file %q", kind, o.Name)
	}
	r.flag(path+".metadata", &o.Metadata)
	r.flag(path+".community-id", &o.CommunityID)
	var seed int
	r.count(path+".community-id-seed", &seed)
	o.Seed = uint16(seed)
	r.flag(path+".ethernet", &o.Ethernet)
	xff(r, path+".xff", &o.Alert.XFF)
	for _, known := range []string{".pcap-file", ".append", ".level", ".buffer-size", ".threaded", ".rotate-interval", ".prefix",
		".identity", ".facility", ".suricata-version", ".sensor-name", ".json", ".filemode", ".redis", ".ipv6-compress"} {
		if n := r.at(path + known); n != nil {
			n.markAll()
		}
	}
	r.items(path+".types", func(name, at string, n *node) { s.recordType(r, &o, name, at, n) })
	return o
}

// recordType reads one element of "types".
func (s *Settings) recordType(r *reader, o *Output, name, path string, n *node) {
	on := true
	if n.kind == dict {
		r.flag(path+".enabled", &on)
	}
	if !on {
		n.markAll()
		return
	}
	switch name {
	case "alert":
		o.Types |= event.Set(event.Alert, event.PacketRecord)
		alert(r, path, &o.Alert)
	case "drop":
		o.Types |= event.Set(event.Drop)
		drop(r, path, &o.Drop)
	case "anomaly":
		o.Types |= event.Set(event.Anomaly)
		anomaly(r, path, &o.Anomaly)
	case "http":
		o.Types |= event.Set(event.HTTP)
		http(r, path, &o.HTTP)
	case "stream":
		o.Types |= event.Set(event.StreamTCP)
		r.flag(path+".all", &o.Stream.All)
		r.flag(path+".event-set", &o.Stream.Events)
		r.flag(path+".state-update", &o.Stream.State)
	case "http2":
		o.Types |= event.Set(event.HTTP)
	case "dns":
		o.Types |= event.Set(event.DNS)
		dns(r, path, &o.DNS)
	case "tls":
		o.Types |= event.Set(event.TLS)
		tlsType(r, path, &o.TLS)
	case "files":
		o.Types |= event.Set(event.FileInfo)
		fileType(r, path, &s.Parsers.Files)
	case "smtp":
		o.Types |= event.Set(event.SMTP)
		smtp(r, path, &o.SMTP)
	case "smb":
		o.Types |= event.Set(event.SMB, event.DCERPC)
		o.SMB.Commands = r.strings(path + ".types")
	case "flow":
		o.Types |= event.Set(event.Flow)
		r.flag(path+".exception-policy", &o.Flow.ExceptionPolicy)
	case "stats":
		o.Types |= event.Set(event.Stats)
		r.flag(path+".null-values", &o.Stats.Zeroes)
	case "quic":
		o.Types |= event.Set(event.QUIC)
		r.auto(path+".ja4", &o.QUICJA4)
	default:
		plain(r, o, name, path, n)
	}
	n.markAll()
}

// plain are the records without options of their own.
func plain(r *reader, o *Output, name, path string, n *node) {
	types := map[string]event.Type{"netflow": event.Netflow, "ssh": event.SSH, "ftp": event.FTP, "dcerpc": event.DCERPC, "arp": event.ARP,
		"frame": event.Frame, "metadata": event.Metadata}
	t, ok := types[name]
	if !ok {
		r.warn(n, path, "records of type %q are not written here", name)
		return
	}
	o.Types |= event.Set(t)
	if t == event.FTP {
		o.Types |= event.Set(event.FTPData)
	}
}

func alert(r *reader, path string, a *event.AlertOptions) {
	r.flag(path+".payload", &a.Payload)
	r.flag(path+".payload-printable", &a.Printable)
	r.flag(path+".payload-length", &a.PayloadLength)
	r.intSize(path+".payload-buffer-size", &a.PayloadLimit)
	r.flag(path+".packet", &a.Packet)
	r.flag(path+".http-body", &a.HTTPBody)
	r.flag(path+".http-body-printable", &a.HTTPPrintable)
	r.flag(path+".tagged-packets", &a.Tagged)
	r.flag(path+".verdict", &a.Verdict)
	r.flag(path+".reference", &a.References)
	xff(r, path+".xff", &a.XFF)
	m := path + ".metadata"
	if n := r.at(m); n != nil && n.kind == scalar {
		on := true
		r.flag(m, &on)
		a.App, a.Flow, a.RuleMetadata = on, on, on
		return
	}
	r.flag(m+".app-layer", &a.App)
	r.flag(m+".flow", &a.Flow)
	if n := r.at(m + ".rule"); n != nil && n.kind == scalar {
		r.flag(m+".rule", &a.RuleMetadata)
		return
	}
	r.flag(m+".rule.metadata", &a.RuleMetadata)
	r.flag(m+".rule.raw", &a.RuleText)
	r.flag(m+".rule.reference", &a.References)
}

func xff(r *reader, path string, x *event.XFF) {
	r.flag(path+".enabled", &x.Enabled)
	choice(r, path+".mode", &x.Overwrite, map[string]bool{"extra-data": false, "overwrite": true})
	choice(r, path+".deployment", &x.Forward, map[string]bool{"reverse": false, "forward": true})
	r.text(path+".header", &x.Header)
	x.Header = strings.ToLower(x.Header)
}

func drop(r *reader, path string, d *event.DropOptions) {
	r.flag(path+".alerts", &d.Alerts)
	choice(r, path+".flows", &d.All, map[string]bool{"all": true, "start": false})
	r.flag(path+".verdict", &d.Verdict)
}

func anomaly(r *reader, path string, a *event.AnomalyOptions) {
	a.AppLayer = true
	r.flag(path+".types.decode", &a.Decode)
	r.flag(path+".types.stream", &a.Stream)
	r.flag(path+".types.applayer", &a.AppLayer)
	r.flag(path+".packethdr", &a.PacketHeader)
}

func http(r *reader, path string, h *event.HTTPOptions) {
	r.flag(path+".extended", &h.Extended)
	for _, name := range r.strings(path + ".custom") {
		h.Custom = append(h.Custom, strings.ToLower(name))
	}
	dump := "none"
	r.text(path+".dump-all-headers", &dump)
	h.DumpRequest = dump == "both" || dump == "request"
	h.DumpResponse = dump == "both" || dump == "response"
}

// dnsVersion is the environment variable that gives the layout of dns records where the configuration does not.
const dnsVersion = "SURICATA_EVE_DNS_VERSION"

func dnsFromEnvironment(d *event.DNSOptions) {
	if v, err := strconv.Atoi(os.Getenv(dnsVersion)); err == nil && (v == 2 || v == 3) {
		d.Version = v
	}
}

func dns(r *reader, path string, d *event.DNSOptions) {
	dnsFromEnvironment(d)
	r.count(path+".version", &d.Version)
	if d.Version == 1 {
		d.Version = 2
	}
	r.flag(path+".requests", &d.Requests)
	r.flag(path+".responses", &d.Responses)
	if d.Version == 2 {
		r.flag(path+".query", &d.Requests)
		r.flag(path+".answer", &d.Responses)
	}
	if formats := r.strings(path + ".formats"); len(formats) > 0 {
		d.Detailed, d.Grouped = slices.Contains(formats, "detailed"), slices.Contains(formats, "grouped")
	}
	for _, t := range slices.Concat(r.strings(path+".types"), r.strings(path+".custom")) {
		d.RRTypes = append(d.RRTypes, strings.ToUpper(t))
	}
}

func tlsType(r *reader, path string, t *event.TLSOptions) {
	r.flag(path+".extended", &t.Extended)
	r.flag(path+".session-resumption", &t.Resumption)
	r.auto(path+".ja4", &t.JA4)
	t.Custom = r.strings(path + ".custom")
}

func fileType(r *reader, path string, o *app.FileConfig) {
	r.flag(path+".force-md5", &o.MD5)
	for _, h := range r.strings(path + ".force-hash") {
		switch h {
		case "md5":
			o.MD5 = true
		case "sha1":
			o.SHA1 = true
		case "sha256":
			o.SHA256 = true
		default:
			r.warn(r.at(path+".force-hash"), path+".force-hash", "%q is not one of md5, sha1, sha256", h)
		}
	}
}

func smtp(r *reader, path string, s *event.SMTPOptions) {
	r.flag(path+".extended", &s.Extended)
	for _, name := range r.strings(path + ".custom") {
		s.Custom = append(s.Custom, strings.ToLower(name))
	}
	for _, what := range r.strings(path + ".md5") {
		s.BodyMD5 = s.BodyMD5 || what == "body"
		s.SubjectMD5 = s.SubjectMD5 || what == "subject"
	}
}
