package collector

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"strconv"
	"text/template"

	"github.com/nats-io/nkeys"

	"github.com/weir-ips/weir/pkg/wire"
)

// nodeTemplate is a server's nats-server.conf. Everything is on disk before it is acknowledged, clients are whom the collector
// says they are, and servers know each other by certificates.
var nodeTemplate = template.Must(template.New("nats-server.conf").Parse(`server_name: {{.Name}}
listen: "{{.Listen}}"
max_payload: {{.MaxPayload}}
max_pending: 64MB
write_deadline: "10s"

tls { cert_file: "{{.Dir}}server.crt", key_file: "{{.Dir}}server.key", ca_file: "{{.Dir}}ca.crt", timeout: 10 }

jetstream { store_dir: "{{.Store}}", max_file: 10GB, max_mem: 64MB, sync_interval: always }

cluster {
  name: weir
  listen: "{{.Route}}"
  routes: [{{range .Routes}}"nats-route://{{.}}", {{end}}]
  tls { cert_file: "{{.Dir}}server.crt", key_file: "{{.Dir}}server.key", ca_file: "{{.Dir}}ca.crt", verify: true, timeout: 10 }
}

accounts {
  WEIR: { jetstream: enabled, users: [ { nkey: {{.Collector}} } ] }
  SYS: {}
}
system_account: SYS
authorization { timeout: 10, auth_callout { issuer: {{.Issuer}}, auth_users: [ {{.Collector}} ], account: WEIR } }
`))

// node is one server.
type node struct {
	Name, Listen, Route, Store, Dir, Collector, Issuer string
	MaxPayload                                         int
	Routes                                             []string
	host                                               string
}

// Ports of a server unless its address names another; servers talk to each other on the one 2000 higher.
const (
	nodePort  = "4222"
	routeStep = 2000
)

// PrepareCluster returns the files of a NATS cluster on these hosts, by path: one folder for each server, and one for the
// collectors, with the part of collector.yaml that names them.
func PrepareCluster(cfg *Config, hosts []string, store string) (map[string][]byte, error) {
	ca, _, err := OpenEnrolment(cfg)
	if err != nil {
		return nil, err
	}
	if ca == nil {
		return nil, errors.New("bus.tls brings certificates of another CA: make the servers' with that one")
	}
	files := map[string][]byte{}
	user, err := newSeed(nkeys.CreateUser, files, "collector/collector.nk")
	if err != nil {
		return nil, err
	}
	issuer, err := newSeed(nkeys.CreateAccount, files, "collector/issuer.nk")
	if err != nil {
		return nil, err
	}
	nodes, err := nodesOf(hosts)
	if err != nil {
		return nil, err
	}
	var urls bytes.Buffer
	for i := range nodes {
		n := &nodes[i]
		n.Store, n.Collector, n.Issuer, n.MaxPayload = store, user, issuer, wire.MaxMessage
		var conf bytes.Buffer
		if err := nodeTemplate.Execute(&conf, n); err != nil {
			return nil, fmt.Errorf("%s: %w", n.Name, err)
		}
		certificate, key, err := ca.ServerCertificate([]string{n.host})
		if err != nil {
			return nil, err
		}
		files[n.Name+"/nats-server.conf"], files[n.Name+"/ca.crt"] = conf.Bytes(), []byte(ca.PEM)
		files[n.Name+"/server.crt"], files[n.Name+"/server.key"] = certificate, key
		fmt.Fprintf(&urls, "%q, ", "tls://"+n.Listen)
	}
	files["collector/ca.crt"] = []byte(ca.PEM)
	files["collector/collector.yaml"] = fmt.Appendf(nil, "bus:\n  cluster:\n    urls: [%s]\n    key: /etc/weir/collector.nk\n    issuer: /etc/weir/issuer.nk\n"+
		"    account: WEIR\n    replicas: %d\n    tls: {ca: /etc/weir/ca.crt}\n", bytes.TrimSuffix(urls.Bytes(), []byte(", ")), replicasOf(len(nodes)))
	return files, nil
}

// replicasOf is the most copies, up to 3, of which a majority makes sense.
func replicasOf(nodes int) int {
	if nodes < 3 {
		return 1
	}
	return 3
}

func newSeed(create func() (nkeys.KeyPair, error), files map[string][]byte, name string) (public string, err error) {
	pair, err := create()
	if err != nil {
		return "", fmt.Errorf("make a key: %w", err)
	}
	seed, err := pair.Seed()
	if err != nil {
		return "", fmt.Errorf("make a key: %w", err)
	}
	files[name] = append(seed, '\n')
	return pair.PublicKey()
}

func nodesOf(hosts []string) ([]node, error) {
	var nodes []node
	for i, h := range hosts {
		host, port, err := net.SplitHostPort(h)
		if err != nil {
			host, port = h, nodePort
		}
		number, err := strconv.Atoi(port)
		if err != nil || number < 1 || number+routeStep > 65535 || host == "" {
			return nil, fmt.Errorf("server %q: not a host, or a host and a port of at most %d", h, 65535-routeStep)
		}
		nodes = append(nodes, node{
			Name: fmt.Sprintf("n%d", i+1), host: host, Listen: net.JoinHostPort(host, port), Route: net.JoinHostPort(host, strconv.Itoa(number+routeStep)),
		})
	}
	for i := range nodes {
		for j := range nodes {
			if i != j {
				nodes[i].Routes = append(nodes[i].Routes, nodes[j].Route)
			}
		}
	}
	return nodes, nil
}
