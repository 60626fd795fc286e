package ship

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// server is a real S3-compatible server, built from its module, with one bucket.
type server struct {
	t       *testing.T
	program string
	root    string
	address string
	process *exec.Cmd
}

func newServer(t *testing.T) *server {
	t.Helper()
	tool := exec.Command("go", "tool", "-n", "versitygw")
	tool.Dir, tool.Env = "../../../test/peers/s3server", append(os.Environ(), "GOFLAGS=-mod=mod -trimpath -buildvcs=false")
	var faults bytes.Buffer
	tool.Stderr = &faults
	program, err := tool.Output()
	if err != nil {
		t.Fatalf("build the S3 server: %v: %s", err, &faults)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, program: strings.TrimSpace(string(program)), root: t.TempDir(), address: l.Addr().String()}
	l.Close()
	for k, v := range map[string]string{"AWS_ACCESS_KEY_ID": "weir", "AWS_SECRET_ACCESS_KEY": "long enough a secret", "AWS_REGION": "eu-west-1",
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull} {
		t.Setenv(k, v)
	}
	t.Cleanup(s.stop)
	return s
}

func (s *server) start() {
	s.t.Helper()
	s.process = exec.Command(s.program, "--port", s.address, "--region", "eu-west-1", "--access", "weir", "--secret", "long enough a secret",
		"posix", "--sidecar", s.t.TempDir(), s.root)
	var said bytes.Buffer
	s.process.Stdout, s.process.Stderr = &said, &said
	if err := s.process.Start(); err != nil {
		s.t.Fatal(err)
	}
	for range 100 {
		if resp, err := http.Get("http://" + s.address + "/"); err == nil {
			resp.Body.Close()
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	s.t.Fatalf("the S3 server does not answer: %s", &said)
}

func (s *server) stop() {
	if s.process != nil {
		s.process.Process.Kill()
		s.process.Wait()
		s.process = nil
	}
}

func (s *server) shipper(dir string, edit func(*Options)) *Shipper {
	s.t.Helper()
	o := Options{Dir: dir, Suffix: ".log.gz", Bucket: "records", Prefix: "weir", Region: "eu-west-1", Endpoint: "http://" + s.address, Log: slog.New(slog.DiscardHandler)}
	if edit != nil {
		edit(&o)
	}
	sh, err := New(s.t.Context(), o)
	if err != nil {
		s.t.Fatal(err)
	}
	return sh
}

func put(t *testing.T, dir, name, text string, age time.Duration) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
	when := time.Now().Add(-age)
	if err := os.Chtimes(path, when, when); err != nil {
		t.Fatal(err)
	}
	return path
}

func left(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, filepath.Base(path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestFilesReachTheBucketAndLeaveTheFolder(t *testing.T) {
	s, dir := newServer(t), t.TempDir()
	s.start()
	sh := s.shipper(dir, nil)
	if _, err := sh.client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("records")}); err != nil {
		t.Fatal(err)
	}
	const key = "AWSLogs/111122223333/vpcflowlogs/eu-west-1/2025/06/01/a.log.gz"
	put(t, dir, key, "one", time.Minute)
	put(t, dir, "AWSLogs/b.log.gz", "two", time.Second)
	put(t, dir, "AWSLogs/c.log.gz.part", "still written", time.Hour)
	if err := sh.Pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := left(t, dir); !slices.Equal(got, []string{"c.log.gz.part"}) {
		t.Errorf("the folder holds %v, want only the file that is still written", got)
	}
	out, err := sh.client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("records"), Key: aws.String("weir/" + key)})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Body.Close()
	if body, err := io.ReadAll(out.Body); err != nil || string(body) != "one" {
		t.Errorf("the bucket has %q, %v", body, err)
	}
	if got := sh.Stats(); got != (Stats{Files: 2, Bytes: 6}) {
		t.Errorf("%+v", got)
	}

	t.Run("a bucket that is away", func(t *testing.T) { away(t, s, sh, dir) })
	t.Run("a bucket that is not there", func(t *testing.T) {
		put(t, dir, "f.log.gz", "six", 0)
		err := s.shipper(dir, func(o *Options) { o.Bucket = "nowhere" }).Pass(t.Context())
		if err == nil || !strings.Contains(err.Error(), "s3://nowhere/weir/f.log.gz") {
			t.Errorf("error %v does not name bucket and key", err)
		}
	})
}

// away stops the server: files wait, the oldest give way, and the rest goes when the server is back.
func away(t *testing.T, s *server, sh *Shipper, dir string) {
	s.stop()
	for i, name := range []string{"x.log.gz", "y.log.gz", "z.log.gz"} {
		put(t, dir, name, strings.Repeat("-", 100), time.Duration(3-i)*time.Minute)
	}
	sh.o.MaxBytes = 250
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := sh.Pass(ctx); err == nil {
		t.Fatal("sent to a server that is not there")
	}
	if got := left(t, dir); !slices.Equal(got, []string{"c.log.gz.part", "y.log.gz", "z.log.gz"}) {
		t.Errorf("the folder holds %v: the oldest should have given way", got)
	}
	if got := sh.Stats(); got.Lost != 1 || got.Failures != 1 || got.WaitingBytes != 200 {
		t.Errorf("%+v: want 1 lost, 1 failure, 200 bytes waiting", got)
	}
	s.start()
	if err := sh.Pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(left(t, dir)); got != "[c.log.gz.part]" {
		t.Errorf("after the server came back the folder holds %s", got)
	}
}
