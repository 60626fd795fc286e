package collector

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/weir-ips/weir/internal/collector/bus"
	"github.com/weir-ips/weir/internal/collector/export"
	vlog "github.com/weir-ips/weir/internal/collector/log"
	"github.com/weir-ips/weir/internal/collector/store"
)

// A backup is a tar, compressed with Zstandard, of the data directory's files: SQLite files as copies made by SQLite, the verdict
// log as a dump, and last the manifest. What the bus holds besides, batches of alerts on their way into the store, is not in it.
const (
	manifestFile = "backup.json"
	dumpFile     = "verdicts.dump" // that an empty verdict log begins with
	backupForm   = 1
)

// Manifest says what is in a backup.
type Manifest struct {
	Form    int               `json:"form"`
	Version string            `json:"version"` // of the collector
	At      time.Time         `json:"at"`
	Epoch   uint64            `json:"epoch"` // of the verdict log, and how far it went
	Seq     uint64            `json:"seq"`
	Files   map[string]string `json:"files"` // SHA-256 by path, hex
}

// BackupOptions chooses what is in a backup.
type BackupOptions struct {
	WithoutAlerts bool
	Version       string
}

// archive writes one backup.
type archive struct {
	data string
	o    BackupOptions
	tar  *tar.Writer
	m    Manifest
}

// writeBackup writes a backup of the data directory, and of log, to w.
func writeBackup(ctx context.Context, w io.Writer, data string, log *vlog.Log, o BackupOptions) error {
	data, err := filepath.EvalSymlinks(data) // systemd gives a service's user such a link, and a walk would end at it
	if err != nil {
		return err
	}
	z, err := zstd.NewWriter(w)
	if err != nil {
		return err
	}
	a := &archive{data: data, o: o, tar: tar.NewWriter(z), m: Manifest{Form: backupForm, Version: o.Version, At: time.Now().UTC(), Files: map[string]string{}}}
	dump, err := log.Dump()
	if err != nil {
		return err
	}
	a.m.Epoch, a.m.Seq = log.Position()
	if err := a.add(dumpFile, int64(len(dump)), bytes.NewReader(dump)); err != nil {
		return err
	}
	if err := filepath.WalkDir(data, func(path string, d fs.DirEntry, err error) error { return a.visit(ctx, path, d, err) }); err != nil {
		return err
	}
	if a.m.Files[keyFile] == "" {
		return fmt.Errorf("%s has no %s: it is no collector's directory", data, keyFile)
	}
	text, err := json.MarshalIndent(&a.m, "", "  ")
	if err != nil {
		return err
	}
	if err := a.add(manifestFile, int64(len(text)), bytes.NewReader(text)); err != nil {
		return err
	}
	return errors.Join(a.tar.Close(), z.Close())
}

// visit takes every file but the bus's, which are the dump, and what SQLite keeps beside its files.
func (a *archive) visit(ctx context.Context, path string, d fs.DirEntry, err error) error {
	if errors.Is(err, fs.ErrNotExist) || err == nil && path == a.data {
		return nil
	}
	if err != nil {
		return err
	}
	name, err := filepath.Rel(a.data, path)
	if err != nil {
		return err
	}
	switch {
	case d.IsDir() && (name == "bus" || a.o.WithoutAlerts && name == "alerts"):
		return filepath.SkipDir
	case !d.Type().IsRegular() || name == dumpFile || name == export.SpoolFile || strings.HasSuffix(name, ".db-wal") || strings.HasSuffix(name, ".db-shm"):
		return nil
	case filepath.Ext(name) == ".db":
		return a.addDatabase(ctx, name)
	}
	return a.addFile(name, path)
}

// addDatabase copies the file beside itself first, so that disk and owner are right.
func (a *archive) addDatabase(ctx context.Context, name string) error {
	path := filepath.Join(a.data, name)
	temp, err := os.MkdirTemp(a.data, ".backup-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	copied := filepath.Join(temp, "copy")
	if err := store.Copy(ctx, path, copied); err != nil {
		if _, gone := os.Stat(path); errors.Is(gone, fs.ErrNotExist) { // a day whose time was up
			return nil
		}
		return err
	}
	return a.addFile(name, copied)
}

func (a *archive) addFile(name, path string) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	return a.add(name, fi.Size(), io.LimitReader(f, fi.Size()))
}

func (a *archive) add(name string, size int64, r io.Reader) error {
	name = filepath.ToSlash(name)
	if err := a.tar.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: size, ModTime: a.m.At, Format: tar.FormatPAX}); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	sum := sha256.New()
	if _, err := io.Copy(a.tar, io.TeeReader(r, sum)); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	a.m.Files[name] = hex.EncodeToString(sum.Sum(nil))
	return nil
}

// serveBackup is how a running collector is asked for one over the control socket. Its trailer says whether it is whole.
func (c *collector) serveBackup(w http.ResponseWriter, r *http.Request) {
	http.NewResponseController(w).SetWriteDeadline(time.Time{})
	w.Header().Set("Trailer", backupError)
	err := writeBackup(r.Context(), w, c.cfg.Data, c.log, BackupOptions{WithoutAlerts: r.URL.Query().Has("without-alerts"), Version: c.o.Version})
	if err != nil {
		c.o.Log.Error("backup failed", "error", err)
		w.Header().Set(backupError, err.Error())
		return
	}
	w.Header().Set(backupError, "none")
	epoch, seq := c.log.Position()
	if err := c.govern.note(r.Context(), r.URL.Query().Get("by"), "backup", "data", map[string]any{"epoch": epoch, "seq": seq}); err != nil {
		c.o.Log.Error("not in the audit log", "error", err)
	}
}

const backupError = "X-Weir-Error"

// Backup writes a backup to w: by the running collector if there is one, else from its files.
func Backup(ctx context.Context, w io.Writer, cfg *Config, by string, o BackupOptions) error {
	q := url.Values{"by": {by}}
	if o.WithoutAlerts {
		q.Set("without-alerts", "1")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://collector/backup?"+q.Encode(), nil)
	if err != nil {
		return err
	}
	resp, err := controlClient(cfg.Data).Do(req)
	if op := (*net.OpError)(nil); errors.As(err, &op) {
		return backupAtRest(ctx, w, cfg, o)
	}
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(w, resp.Body); err != nil {
		return fmt.Errorf("from the running collector: %w", err)
	}
	if said := resp.Trailer.Get(backupError); said != "none" {
		return fmt.Errorf("from the running collector: %s", said)
	}
	return nil
}

// backupAtRest reads the verdict log by a bus of its own on the stopped collector's files.
func backupAtRest(ctx context.Context, w io.Writer, cfg *Config, o BackupOptions) error {
	if cfg.Bus.Cluster.used() {
		return errors.New("the verdict log is on a cluster: start the collector, or ask one that runs")
	}
	if _, err := os.Stat(filepath.Join(cfg.Data, keyFile)); err != nil {
		return fmt.Errorf("%s is no collector's data: %w", cfg.Data, err)
	}
	key, err := LoadKey(cfg.Data)
	if err != nil {
		return err
	}
	regs, err := Registrations(cfg)
	if err != nil {
		return err
	}
	server, err := bus.Start(bus.Options{Dir: filepath.Join(cfg.Data, "bus"), Listen: "127.0.0.1:0", Sensors: regs, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer server.Shutdown()
	conn, err := server.Connect()
	if err != nil {
		return err
	}
	defer conn.Close()
	log, err := vlog.Open(ctx, vlog.Options{Conn: conn, Key: key, Follower: true})
	if err != nil {
		return err
	}
	return writeBackup(ctx, w, cfg.Data, log, o)
}

// restoreDump begins an empty verdict log with what a backup has left, once.
func (c *collector) restoreDump(ctx context.Context) error {
	path := c.path(dumpFile)
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if !c.log.Empty() {
		c.o.Log.Warn("the verdict log has verdicts: the restored ones are not taken", "file", path)
		return os.Rename(path, path+".unused")
	}
	if err := c.log.Restore(ctx, f); err != nil {
		return err
	}
	epoch, _ := c.log.Position()
	c.o.Log.Info("the verdict log begins with the backup's verdicts", "verdicts", c.log.Stats().Verdicts, "epoch", epoch)
	return os.Remove(path)
}
