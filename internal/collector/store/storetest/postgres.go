// Package storetest runs the servers that collectors share, PostgreSQL and VictoriaLogs, for tests.
package storetest

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // registers the driver "pgx"

	"github.com/weir-ips/weir/internal/collector/store"
)

// Password is the server's user's.
const Password = "weir test"

// Server is one that runs as long as a test.
type Server struct {
	dir  string
	made atomic.Int32

	process *exec.Cmd
}

// Start runs a server on a socket in a directory of its own, as the user that its programs insist on.
func Start(t testing.TB) *Server {
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
	if err := errors.Join(os.WriteFile(dir+"/pw", []byte(Password+"\n"), 0o644), os.Chown(dir, uid, gid)); err != nil {
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
	s := &Server{dir: dir, process: server}
	t.Cleanup(s.Stop)
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		err := s.exec("SELECT 1")
		if err == nil {
			return s
		}
		if time.Now().After(end) {
			t.Fatalf("%v\n%s", err, out.Bytes())
		}
	}
}

// Stop ends the server, and with it every connection. A second time it does nothing.
func (s *Server) Stop() {
	s.process.Process.Signal(syscall.SIGINT) // fast shutdown
	s.process.Wait()
}

func (s *Server) address(database string) string {
	return fmt.Sprintf("host=%s user=weir dbname=%s", s.dir, database)
}

func (s *Server) exec(text string) error {
	db, err := sql.Open("pgx", s.address("postgres")+" password='"+Password+"'")
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.Exec(text)
	return err
}

// Database makes an empty one.
func (s *Server) Database(t testing.TB) store.Postgres {
	t.Helper()
	name := fmt.Sprintf("weir%d", s.made.Add(1))
	if err := s.exec("CREATE DATABASE " + name); err != nil {
		t.Fatal(err)
	}
	return store.Postgres{Address: s.address(name), Password: Password}
}
