package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

const testPassword = "weir test"

// startPostgres runs a server of its own, on a socket in a directory, as the user that its programs insist on.
func startPostgres(t *testing.T) (address string) {
	t.Helper()
	bins, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	account, err := user.Lookup("postgres")
	if len(bins) == 0 || err != nil || os.Getuid() != 0 {
		t.Skip("PostgreSQL is not installed (apt-get install postgresql), or this is not root")
	}
	uid, _ := strconv.Atoi(account.Uid)
	gid, _ := strconv.Atoi(account.Gid)
	dir, err := os.MkdirTemp("/tmp", "weir-pg-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := errors.Join(os.WriteFile(dir+"/pw", []byte(testPassword+"\n"), 0o644), os.Chown(dir, uid, gid)); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	run := func(name string, args ...string) *exec.Cmd {
		cmd := exec.Command(filepath.Join(bins[len(bins)-1], name), args...)
		cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &out
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
		return cmd
	}
	if err := run("initdb", "-D", dir+"/data", "-U", "weir", "--auth=scram-sha-256", "--pwfile", dir+"/pw", "--no-sync").Run(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out.Bytes())
	}
	server := run("postgres", "-D", dir+"/data", "-k", dir, "-c", "listen_addresses=", "-c", "fsync=off")
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Process.Signal(syscall.SIGINT) // fast shutdown
		server.Wait()
	})
	address = fmt.Sprintf("host=%s user=weir dbname=postgres", dir)
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		a, err := OpenPostgresAudit(t.Context(), address, testPassword)
		if err == nil {
			a.Close()
			return address
		}
		if time.Now().After(end) {
			t.Fatalf("%v\n%s", err, out.Bytes())
		}
	}
}

// TestAuditInPostgres has two collectors append to one log at once.
func TestAuditInPostgres(t *testing.T) {
	address := startPostgres(t)
	var collectors [2]*Audit
	for i := range collectors {
		a, err := OpenPostgresAudit(t.Context(), address, testPassword)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		collectors[i] = a
	}
	var all sync.WaitGroup
	for i, a := range collectors {
		all.Go(func() {
			for n := range 50 {
				e := Entry{Actor: fmt.Sprintf("ana %d\x00\xff", i), Action: "verdict.add", Object: fmt.Sprint("v", n), Detail: json.RawMessage(`{"why": "scan"}`)}
				if _, err := a.Append(t.Context(), e); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	a := collectors[0]
	if err := a.Verify(t.Context()); err != nil {
		t.Errorf("untouched log: %v", err)
	}
	list, err := a.List(t.Context(), AuditFilter{Actor: "ana 1\uFFFD\uFFFD", Limit: 1000})
	if err != nil || len(list) != 50 {
		t.Fatalf("%d entries, %v", len(list), err)
	}
	if page, err := a.List(t.Context(), AuditFilter{Before: 3, Limit: 1}); err != nil || len(page) != 1 || page[0].Seq != 2 || string(page[0].Detail) != `{"why": "scan"}` {
		t.Errorf("page before 3: %+v, %v", page, err)
	}
	for _, change := range []string{"UPDATE audit SET actor = 'bo' WHERE seq = 2", "DELETE FROM audit WHERE seq = 2", "TRUNCATE audit"} {
		if _, err := a.db.Exec(change); err == nil {
			t.Errorf("%s: no error", change)
		}
	}
	if _, err := a.db.Exec("DROP TRIGGER audit_no_change ON audit; UPDATE audit SET actor = 'bo' WHERE seq = 2"); err != nil {
		t.Fatal(err)
	}
	if err := a.Verify(t.Context()); !errors.Is(err, ErrTampered) {
		t.Errorf("altered log: %v, want ErrTampered", err)
	}
	if _, err := OpenPostgresAudit(t.Context(), address, "wrong"); err == nil {
		t.Error("a wrong password opens the log")
	}
}
