package deploy

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/weir-ips/weir/pkg/decode/packettest"
)

const client, server = "10.0.0.5", "10.0.9.9"

// TestCloudRules gives every rule of ours traffic that it must fire on and its nearest innocent relative, through the real program.
func TestCloudRules(t *testing.T) {
	key := "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	cases := []struct {
		name   string
		frames [][]byte
		sids   []int
	}{
		{"IMDSv1", web("169.254.169.254", 80, get("/latest/meta-data/", ""), ""), []int{1000010}},
		{"IMDSv2", web("169.254.169.254", 80, get("/latest/meta-data/", "X-aws-ec2-metadata-token: AQAA"), ""), nil},
		{"role credentials", web(server, 80, get("/latest/meta-data/iam/security-credentials/web", ""), ""), []int{1000011}},
		{"role names of another service", web(server, 80, get("/latest/iam/security-credentials", ""), ""), nil},
		{"decimal address", web(server, 80, get("/fetch?u=http://2852039166/x", ""), ""), []int{1000012}},
		{"mapped address", web(server, 80, get("/fetch?u=http://[::ffff:a9fe:a9fe]/", ""), ""), []int{1000012}},
		{"a number that is no address", web(server, 80, get("/item/2852039166", ""), ""), nil},
		{"another cloud", web(server, 80, get("/fetch?u=http://metadata.google.internal/", ""), ""), []int{1000013}},
		{"credentials in an answer", web(server, 80, get("/", ""), `{"AccessKeyId" : "ASIA", "SecretAccessKey" : "x"}`), []int{1000014}},
		{"key id alone", web(server, 80, get("/", ""), `{"AccessKeyId" : "ASIA"}`), nil},
		{"secret key", talk(server, 9000, "aws_secret_access_key = "+key+"\n", ""), []int{1000015}},
		{"the name of the key", talk(server, 9000, "set aws_secret_access_key = in your profile\n", ""), nil},
		{"private key", talk(server, 9000, "-----BEGIN RSA PRIVATE KEY-----\nMII\n", ""), []int{1000016}},
		{"public key", talk(server, 9000, "-----BEGIN PUBLIC KEY-----\nMII\n", ""), nil},
		{"token", web(server, 80, get("/", "Authorization: token ghp_"+strings.Repeat("a", 36)), ""), []int{1000017}},
		{"another token", web(server, 80, get("/", "Authorization: Bearer abc"), ""), nil},
		{"Azure key", talk(server, 9000, "AccountName=x;AccountKey="+strings.Repeat("Ab1/", 21)+"Ab==;", ""), []int{1000018}},
		{"Azure key left out", talk(server, 9000, "AccountName=x;AccountKey=<your key>;", ""), nil},
		{"Google key", talk(server, 9000, `{"type": "service_account", "project_id": "p", "private_key_id": "1"}`, ""), []int{1000019}},
		{"Google account without its key", talk(server, 9000, `{"type": "service_account", "project_id": "p"}`, ""), nil},
		{"mail in bulk", repeat(20, func(i int) [][]byte { return syn(uint16(30000+i), 25) }), []int{1000020}},
		{"a little mail", repeat(19, func(i int) [][]byte { return syn(uint16(30000+i), 25) }), nil},
		{"tunnel", repeat(30, func(i int) [][]byte { return query(fmt.Sprintf("%050d", i), "t.example") }), []int{1000021}},
		{"short names", repeat(30, func(i int) [][]byte { return query(fmt.Sprintf("w%d", i), "example") }), nil},
		{"tunnel in TXT", repeat(60, func(i int) [][]byte { return typed(16, i) }), []int{1000024}},
		{"some TXT", repeat(59, func(i int) [][]byte { return typed(16, i) }), nil},
		{"tunnel in NULL", typed(10, 1), []int{1000025}},
		{"mail exchangers", repeat(60, func(i int) [][]byte { return typed(15, i) }), nil},
		{"rebound to metadata", answer(169, 254, 169, 254), []int{1000022}},
		{"rebound to loopback", answer(127, 0, 0, 1), []int{1000023}},
		{"an answer", answer(203, 0, 113, 7), nil},
		{"secrets", web(server, 8080, get("/api/v1/namespaces/kube-system/secrets", ""), ""), []int{1000030}},
		{"pods", web(server, 8080, get("/api/v1/namespaces/default/pods", ""), ""), nil},
		{"kubelet", web(server, 10250, "POST /run/default/pod/c HTTP/1.1\r\nHost: k\r\nContent-Length: 0\r\n\r\n", ""), []int{1000031}},
		{"kubelet's health", web(server, 10250, get("/healthz", ""), ""), nil},
		{"docker", web(server, 2375, "POST /v1.43/containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n", ""), []int{1000032}},
		{"docker's list", web(server, 2375, get("/v1.43/containers/json", ""), ""), nil},
		{"etcd", web(server, 2379, get("/v2/keys/?recursive=true", ""), ""), []int{1000033}},
		{"may I", web(server, 8001, "POST /apis/authorization.k8s.io/v1/selfsubjectrulesreviews HTTP/1.1\r\nHost: k\r\nContent-Length: 0\r\n\r\n", ""), []int{1000034}},
		{"may I this", web(server, 8001, "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews HTTP/1.1\r\nHost: k\r\nContent-Length: 0\r\n\r\n", ""), nil},
		{"refused ten times", forbidden(10), []int{1000035}},
		{"refused nine times", forbidden(9), nil},
		{"etcd's version", web(server, 2379, get("/version", ""), ""), nil},
	}
	sensor := build(t, "sensor")
	fired := map[int]bool{}
	for _, c := range cases {
		got := replay(t, sensor, "rules/cloud.rules", c.frames)
		if !slices.Equal(got, c.sids) {
			t.Errorf("%s: fired %v, want %v", c.name, got, c.sids)
		}
		for _, sid := range c.sids {
			fired[sid] = true
		}
	}
	text, err := os.ReadFile("rules/cloud.rules")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`sid:(\d+)`).FindAllStringSubmatch(string(text), -1) {
		var sid int
		if _, err := fmt.Sscan(m[1], &sid); err != nil || !fired[sid] {
			t.Errorf("rule %s has no traffic that it must fire on", m[1])
		}
	}
}

// build makes a program of ours.
func build(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if out, err := exec.Command("go", "build", "-o", path, "../cmd/"+name).CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", name, err, out)
	}
	return path
}

// TestOptionalMetadataRules drops what is not approved, and nothing else. Each rule has a hit.
func TestOptionalMetadataRules(t *testing.T) {
	const metadata, token = "169.254.169.254", "X-aws-ec2-metadata-token: AQAA"
	ask := func(host string, port uint16, uri, header string) [][]byte {
		return web(host, port, strings.Replace(get(uri, header), "Host: service", "Host: "+metadata, 1), "x")
	}
	sensor := build(t, "sensor")
	for name, c := range map[string]struct {
		frames [][]byte
		sids   []int
	}{
		"a token":                   {web(metadata, 80, "PUT /latest/api/token HTTP/1.1\r\nHost: m\r\nX-aws-ec2-metadata-token-ttl-seconds: 300\r\nContent-Length: 0\r\n\r\n", "AQAA"), nil},
		"an approved path":          {ask(metadata, 80, "/latest/meta-data/instance-id", token), nil},
		"a tag":                     {ask(metadata, 80, "/latest/meta-data/tags/instance/Name", token), nil},
		"credentials":               {ask(metadata, 80, "/latest/meta-data/iam/security-credentials/web", token), []int{1000040}},
		"user data":                 {ask(metadata, 80, "/latest/user-data", token), []int{1000040}},
		"without a token":           {ask(metadata, 80, "/latest/meta-data/instance-id", ""), []int{1000041}},
		"through a proxy":           {ask(server, 3128, "/latest/meta-data/instance-id", token), []int{1000042}},
		"a proxy's other requests":  {web(server, 3128, get("/latest/meta-data/instance-id", ""), ""), nil},
		"in a parameter":            {web(server, 80, get("/fetch?u=http://169.254.169.254/latest/", ""), ""), []int{1000043}},
		"in a parameter, decimal":   {web(server, 80, get("/fetch?u=2852039166", ""), ""), []int{1000043}},
		"another number as a value": {web(server, 80, get("/fetch?u=285203916", ""), ""), nil},
	} {
		if got := replay(t, sensor, "rules/optional/metadata.rules", c.frames); !slices.Equal(got, c.sids) {
			t.Errorf("%s: fired %v, want %v", name, got, c.sids)
		}
	}
}

// replay runs frames, a millisecond apart, through rules as if they could be dropped and returns the sids that fired, sorted, each once.
func replay(t *testing.T, sensor, rules string, frames [][]byte) (sids []int) {
	t.Helper()
	dir := t.TempDir()
	b := binary.LittleEndian.AppendUint32(nil, 0xa1b2c3d4)
	b = append(b, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0)
	for i, f := range frames {
		for _, v := range []int{1_700_000_000, i * 1000, len(f), len(f)} {
			b = binary.LittleEndian.AppendUint32(b, uint32(v))
		}
		b = append(b, f...)
	}
	capture := filepath.Join(dir, "x.pcap")
	if err := os.WriteFile(capture, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(sensor, "replay", "--out", dir, "--ips", "--rules", rules, capture).CombinedOutput(); err != nil {
		t.Fatalf("sensor replay: %v\n%s", err, out)
	}
	eve, err := os.ReadFile(filepath.Join(dir, "eve.json"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(eve)) {
		var r struct {
			Alert struct {
				SID int `json:"signature_id"`
			}
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		if r.Alert.SID >= 1000010 && r.Alert.SID < 1000100 {
			sids = append(sids, r.Alert.SID)
		}
	}
	slices.Sort(sids)
	return slices.Compact(sids)
}

func get(uri, header string) string {
	if header != "" {
		header += "\r\n"
	}
	return "GET " + uri + " HTTP/1.1\r\nHost: service\r\n" + header + "\r\n"
}

// web is one request and its answer.
func web(server string, port uint16, request, body string) [][]byte {
	return talk(server, port, request, fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
}

// talk is a TCP conversation in which each side speaks once.
func talk(server string, port uint16, request, response string) [][]byte {
	out := func(flags string, seq, ack uint32, data string) []byte {
		return packettest.IP4(client, server).TCP(30000, port, flags).Seq(seq, ack).Payload(data).Ethernet()
	}
	in := func(flags string, seq, ack uint32, data string) []byte {
		return packettest.IP4(server, client).TCP(port, 30000, flags).Seq(seq, ack).Payload(data).Ethernet()
	}
	q, r := uint32(len(request)), uint32(len(response))
	frames := [][]byte{out("S", 100, 0, ""), in("SA", 900, 101, ""), out("A", 101, 901, ""), out("PA", 101, 901, request), in("A", 901, 101+q, "")}
	if response != "" {
		frames = append(frames, in("PA", 901, 101+q, response), out("A", 101+q, 901+r, ""))
	}
	return append(frames, out("FA", 101+q, 901+r, ""), in("FA", 901+r, 102+q, ""), out("A", 102+q, 902+r, ""))
}

func repeat(n int, f func(int) [][]byte) (frames [][]byte) {
	for i := range n {
		frames = append(frames, f(i)...)
	}
	return frames
}

func syn(port, to uint16) [][]byte {
	return [][]byte{packettest.IP4(client, server).TCP(port, to, "S").Seq(1, 0).Ethernet()}
}

// name is a host and a domain of at most two labels in DNS form.
func name(host, domain string) string {
	var b strings.Builder
	for _, label := range append([]string{host}, strings.Split(domain, ".")...) {
		b.WriteByte(byte(len(label)))
		b.WriteString(label)
	}
	return b.String() + "\x00\x00\x01\x00\x01"
}

func query(host, domain string) [][]byte {
	return [][]byte{packettest.IP4(client, server).UDP(40000, 53).Payload("\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + name(host, domain)).Ethernet()}
}

// typed is a question of another type than A, each of its own conversation.
func typed(rrtype byte, i int) [][]byte {
	q := "\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + name(fmt.Sprintf("w%d", i), "example")
	q = q[:len(q)-4] + "\x00" + string([]byte{rrtype}) + "\x00\x01"
	return [][]byte{packettest.IP4(client, server).UDP(uint16(40000+i), 53).Payload(q).Ethernet()}
}

// forbidden is a conversation in which the API refuses n requests.
func forbidden(n int) [][]byte {
	const body = `{"kind":"Status","message":"User \"system:anonymous\" cannot list","code":403}`
	request := strings.Repeat(get("/api", ""), n)
	response := strings.Repeat(fmt.Sprintf("HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body), n)
	return talk(server, 8001, request, response)
}

func answer(a, b, c, d byte) [][]byte {
	record := "\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04" + string([]byte{a, b, c, d})
	return append(query("www", "example"),
		packettest.IP4(server, client).UDP(53, 40000).Payload("\x00\x07\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00"+name("www", "example")+record).Ethernet())
}
