package collector

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/weir-ips/weir/internal/collector/enrol"
	"github.com/weir-ips/weir/internal/collector/rollout"
	"github.com/weir-ips/weir/internal/servicefile"
)

// Collectors on one cluster share what people have set: the leader puts these files into a replicated bucket when they change, and
// followers write them out, so that the one that takes over has them.
func sharedFiles() []string {
	return []string{settingsFile, registrationsFile, enrol.ListFile, rollout.File}
}

const (
	replicaBucket = "WEIR_STATE"
	replicaLook   = time.Second
	replicaTry    = 10 * time.Second
)

// replica keeps the files of one collector and the bucket equal.
type replica struct {
	objects jetstream.ObjectStore
	dir     string
	more    func() []string // files that the shared ones name, below dir
	reload  func() error    // after files were written
	log     *slog.Logger

	stamps map[string]fileStamp // of files that are in the bucket
}

// fileStamp tells that a file has changed.
type fileStamp struct {
	modified time.Time
	size     int64
}

func openReplica(ctx context.Context, js jetstream.JetStream, replicas int, dir string, more func() []string, reload func() error, log *slog.Logger) (*replica, error) {
	objects, err := js.CreateOrUpdateObjectStore(ctx, jetstream.ObjectStoreConfig{Bucket: replicaBucket, Replicas: replicas})
	if err != nil {
		return nil, fmt.Errorf("bucket %s: %w", replicaBucket, err)
	}
	return &replica{objects: objects, dir: dir, more: more, reload: reload, log: log, stamps: map[string]fileStamp{}}, nil
}

// publish puts the leader's files into the bucket until ctx ends.
func (r *replica) publish(ctx context.Context) error {
	return r.every(ctx, r.put)
}

// fetch writes a follower's files until ctx ends.
func (r *replica) fetch(ctx context.Context) error {
	return r.every(ctx, r.get)
}

func (r *replica) every(ctx context.Context, do func(context.Context, string) error) error {
	tick := time.NewTicker(replicaLook)
	defer tick.Stop()
	for failing := false; ; {
		err := r.all(ctx, do)
		if err != nil && ctx.Err() == nil && !failing {
			r.log.Warn("settings are not shared with the other collectors; will try again", "error", err)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (r *replica) all(ctx context.Context, do func(context.Context, string) error) error {
	ctx, cancel := context.WithTimeout(ctx, replicaTry)
	defer cancel()
	var errs []error
	for _, list := range []func() []string{sharedFiles, r.more} { // the second follows from what the first has brought
		for _, name := range list() {
			if err := do(ctx, name); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", name, err))
			}
		}
	}
	return errors.Join(errs...)
}

func (r *replica) stamp(name string) (fileStamp, error) {
	fi, err := os.Stat(filepath.Join(r.dir, name))
	if err != nil {
		return fileStamp{}, err
	}
	return fileStamp{fi.ModTime(), fi.Size()}, nil
}

func (r *replica) put(ctx context.Context, name string) error {
	now, err := r.stamp(name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && now == r.stamps[name] {
		return nil
	}
	text, err := os.ReadFile(filepath.Join(r.dir, name))
	if err != nil {
		return err
	}
	info, err := r.objects.GetInfo(ctx, name)
	if err != nil && !errors.Is(err, jetstream.ErrObjectNotFound) {
		return err
	}
	if err != nil || info.Digest != digestOf(text) {
		if _, err := r.objects.PutBytes(ctx, name, text); err != nil {
			return err
		}
	}
	r.stamps[name] = now
	return nil
}

// digestOf is how the bucket names what an object is.
func digestOf(text []byte) string {
	sum := sha256.Sum256(text)
	return "SHA-256=" + base64.URLEncoding.EncodeToString(sum[:])
}

func (r *replica) get(ctx context.Context, name string) error {
	info, err := r.objects.GetInfo(ctx, name)
	if errors.Is(err, jetstream.ErrObjectNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	path := filepath.Join(r.dir, name)
	have, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err == nil && digestOf(have) == info.Digest {
		return nil
	}
	text, err := r.objects.GetBytes(ctx, name)
	if err != nil || bytes.Equal(text, have) {
		return err
	}
	if err := servicefile.Write(path, text); err != nil {
		return err
	}
	return r.reload()
}
