package export

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/parquet-go/parquet-go"
)

func TestOCSFKeepsToItsSchema(t *testing.T) {
	s := schema(t, "testdata/ocsf.schema.json")
	bare := alertEvent(t, 4, "203.0.113.9", "allowed")
	bare.Alert.EVE, bare.Alert.Category, bare.Alert.AppProto = nil, "", ""
	for _, c := range []struct {
		e       Event
		classes []float64
	}{
		{alertEvent(t, 1, "203.0.113.9", "allowed"), []float64{2004, 4001}}, {alertEvent(t, 2, "2001:db8::9", "blocked"), []float64{2004, 4001}},
		{bare, []float64{2004}}, {incidentEvent("open"), []float64{2005}}, {incidentEvent("closed"), []float64{2005}},
	} {
		lines, err := encoder{FormatOCSF, "1.2"}.encode(&c.e)
		if err != nil || len(lines) != len(c.classes) {
			t.Fatalf("%d records, %v", len(lines), err)
		}
		for i, line := range lines {
			valid(t, s, line)
			var head map[string]any
			if json.Unmarshal(line, &head); head["class_uid"] != c.classes[i] || head["type_uid"] != c.classes[i]*100+head["activity_id"].(float64) {
				t.Errorf("class %v, type %v", head["class_uid"], head["type_uid"])
			}
		}
	}
	if s.Validate(map[string]any{"class_uid": 2004}) == nil {
		t.Error("the schema lets everything pass")
	}
}

func TestOCSFSaysWhatHappened(t *testing.T) {
	e := alertEvent(t, 1, "203.0.113.9", "blocked")
	records := encoder{FormatOCSF, "1"}.ocsf(&e)
	d, n := records[0].(*ocsfDetection), records[1].(*ocsfNetworkEvent)
	if d.ActionID != 2 || d.Time != monday.Add(time.Second).UnixMilli() || d.FindingInfo.Analytic.UID != "1:2100498" || d.Attacks[0].Technique.UID != "T1190" {
		t.Errorf("%+v", d)
	}
	if n.ActivityID != 5 || n.Src.IP != "203.0.113.9" || n.Traffic != (ocsfTraffic{5, 4, 500, 4000, 9, 4500}) || n.Connection.ProtocolNum != 6 {
		t.Errorf("%+v", n)
	}
	reply := alertEvent(t, 1, "203.0.113.9", "allowed")
	reply.Alert.SrcIP, reply.Alert.DestIP, reply.Alert.SrcPort, reply.Alert.DestPort = reply.Alert.DestIP, reply.Alert.SrcIP, 80, 40000
	if n := (encoder{FormatOCSF, "1"}).ocsf(&reply)[1].(*ocsfNetworkEvent); n.Src != (ocsfEndpoint{"203.0.113.9", 40000}) {
		t.Errorf("the flow of an answer begins at %+v", n.Src)
	}
}

func lakeConfig(c Config) Config {
	c.Type = TypeSecurityLake
	c.AWS.Region, c.AWS.Account, c.AWS.Source = "eu-central-1", "123456789012", "weir-detection"
	return c
}

var lakeName = regexp.MustCompile(`^ext/weir-detection/region=eu-central-1/accountId=123456789012/eventDay=(2026030[23])/[0-9]{8}T[0-9]{6}Z-[0-9a-f]{16}\.parquet$`)

func TestSecurityLakeFolder(t *testing.T) {
	dir := t.TempDir()
	s, err := openLake(checked(t, lakeConfig(Config{Path: dir})), "1")
	if err != nil {
		t.Fatal(err)
	}
	tomorrow := alertEvent(t, 24*3600, "203.0.113.9", "allowed")
	batch := []Event{alertEvent(t, 2, "203.0.113.9", "allowed"), tomorrow, alertEvent(t, 1, "203.0.113.10", "blocked")}
	for range 2 { // a second try replaces the first
		if err := s.Send(context.Background(), batch); err != nil {
			t.Fatal(err)
		}
	}
	rows := map[string][]ocsfDetection{}
	filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		m := lakeName.FindStringSubmatch(name)
		if m == nil {
			t.Fatalf("object %s", name)
		}
		if rows[m[1]], err = parquet.ReadFile[ocsfDetection](path); err != nil {
			t.Fatal(err)
		}
		return nil
	})
	if len(rows) != 2 || len(rows["20260302"]) != 2 || len(rows["20260303"]) != 1 {
		t.Fatalf("%d days: %v", len(rows), rows)
	}
	if today := rows["20260302"]; today[0].Time >= today[1].Time || today[0].Evidences[0].Src.IP != "203.0.113.10" || today[0].Metadata.Profiles[0] != "security_control" {
		t.Errorf("%+v", today)
	}
}

func TestParquetHasTheSchemaOfTheJSON(t *testing.T) {
	e := alertEvent(t, 1, "203.0.113.9", "allowed")
	data, err := parquetOf(collect[ocsfNetworkEvent](encoder{FormatOCSF, "1"}, []*Event{&e}))
	if err != nil {
		t.Fatal(err)
	}
	f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"time", "class_uid", "src_endpoint.ip", "traffic.bytes_out", "metadata.product.vendor_name", "connection_info.protocol_num", "attacks.list.element.technique.uid"} {
		if _, ok := f.Schema().Lookup(strings.Split(path, ".")...); !ok {
			t.Errorf("no column %s in %s", path, f.Schema())
		}
	}
	if codec := f.Metadata().RowGroups[0].Columns[0].MetaData.Codec.String(); codec != "ZSTD" {
		t.Errorf("compressed by %s", codec)
	}
}

// signedBy recomputes a request's signature with the secret that the test gave.
func signedBy(t *testing.T, r *http.Request, body []byte, service string) {
	t.Helper()
	sum := sha256.Sum256(body)
	digest := hex.EncodeToString(sum[:])
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := http.NewRequest(r.Method, "http://"+r.Host+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range []string{"Content-Type", "X-Amz-Content-Sha256"} {
		again.Header.Set(h, r.Header.Get(h))
	}
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = service == "s3" })
	creds := aws.Credentials{AccessKeyID: "AKIDTEST", SecretAccessKey: "secret"}
	if err := signer.SignHTTP(context.Background(), creds, again, digest, service, "eu-central-1", at); err != nil {
		t.Fatal(err)
	}
	if got, want := r.Header.Get("Authorization"), again.Header.Get("Authorization"); got != want || r.Header.Get("X-Amz-Content-Sha256") != digest {
		t.Errorf("authorization %q, want %q", got, want)
	}
}

func awsKeys(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDTEST")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
}

func TestSecurityLakeBucket(t *testing.T) {
	awsKeys(t)
	objects := map[string][]byte{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		signedBy(t, r, body, "s3")
		objects[r.Method+" "+r.URL.Path] = body
	}))
	defer srv.Close()
	c := lakeConfig(Config{URL: "s3://aws-security-data-lake"})
	c.AWS.Endpoint = srv.URL
	s, err := openLake(checked(t, c), "1")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Send(context.Background(), []Event{alertEvent(t, 1, "203.0.113.9", "allowed")}); err != nil {
		t.Fatal(err)
	}
	for name, data := range objects {
		key, ok := strings.CutPrefix(name, "PUT /aws-security-data-lake/")
		if !ok || !lakeName.MatchString(key) || !bytes.HasPrefix(data, []byte("PAR1")) {
			t.Errorf("object %s of %d bytes", name, len(data))
		}
	}
	if len(objects) != 1 {
		t.Errorf("%d objects", len(objects))
	}
}

func TestSecurityHub(t *testing.T) {
	awsKeys(t)
	rules := schema(t, "testdata/asff.schema.json")
	var answer string
	var bodies [][]byte
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		signedBy(t, r, body, "securityhub")
		if r.Method != "POST" || r.URL.Path != "/findings/import" {
			t.Errorf("%s %s", r.Method, r.URL.Path)
		}
		bodies = append(bodies, body)
		io.WriteString(w, answer)
	}))
	defer srv.Close()
	c := checked(t, Config{Type: TypeSecurityHub, Events: Kinds(), AWS: AWS{Region: "eu-central-1", Account: "123456789012", Endpoint: srv.URL}})
	s, err := openHub(c, "1", noLog)
	if err != nil {
		t.Fatal(err)
	}
	var batch []Event
	for n := range 150 {
		e := alertEvent(t, n, fmt.Sprintf("203.0.113.%d", n), "allowed")
		e.Alert.Signature = strings.Repeat("long ", 300)
		batch = append(batch, e, e)
	}
	answer = `{"FailedCount":0,"SuccessCount":100,"FailedFindings":[]}`
	if err := s.Send(context.Background(), append(batch, incidentEvent("closed"), verdictEvent("add"), alertEvent(t, 1, "2001:db8::1", "blocked"))); err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, body := range bodies {
		valid(t, rules, body)
		total += strings.Count(string(body), `"SchemaVersion"`)
	}
	if len(bodies) != 2 || total != 152 {
		t.Errorf("%d requests with %d findings", len(bodies), total)
	}
	answer = `{"FailedCount":1,"SuccessCount":0,"FailedFindings":[{"Id":"x","ErrorCode":"InvalidInput","ErrorMessage":"no"}]}`
	if err := s.Send(context.Background(), batch[:1]); !errors.Is(err, ErrRefused) {
		t.Errorf("findings that all failed: %v", err)
	}
}
