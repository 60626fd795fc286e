// Package ship puts finished files of a folder into an S3 bucket, and lets go of them once they are there.
package ship

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Options say what goes where. Dir, Suffix and Bucket have no default.
type Options struct {
	Dir      string // walked with all below it
	Suffix   string // of files that are whole, such as ".log.gz"
	Bucket   string
	Prefix   string // of keys; a key is Prefix and the file's path below Dir
	Region   string // "": of the environment, the profile, or the instance
	Endpoint string // of another S3-compatible store, whose buckets are then part of the path; "" is AWS
	MaxBytes int64  // of files that wait; the oldest beyond are given up. Default 1 GiB
	Every    time.Duration
	Log      *slog.Logger
}

// Stats count since New. Waiting is a gauge.
type Stats struct {
	Files, Bytes uint64 // in the bucket
	Failures     uint64 // attempts
	Lost         uint64 // files given up because too much waited
	WaitingBytes uint64
}

// Shipper is a folder on its way into a bucket. What could not be sent stays in the folder and is tried again, by the next
// process too.
type Shipper struct {
	o      Options
	client *s3.Client

	files, bytes, failures, lost, waiting atomic.Uint64
}

// sending bounds one file's way.
const sending = 2 * time.Minute

// New finds credentials as AWS's programs do: environment, profile, the instance's role. It does not ask the bucket: one that
// cannot be reached today may be tomorrow.
func New(ctx context.Context, o Options) (*Shipper, error) {
	o.MaxBytes = cmp.Or(o.MaxBytes, 1<<30)
	o.Every = cmp.Or(o.Every, 30*time.Second)
	cfg, err := config.LoadDefaultConfig(ctx, func(l *config.LoadOptions) error {
		l.Region = o.Region
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("ship to S3: %w", err)
	}
	client := s3.NewFromConfig(cfg, func(c *s3.Options) {
		if o.Endpoint != "" {
			c.BaseEndpoint, c.UsePathStyle = aws.String(o.Endpoint), true
			// Not every store knows the checksums that AWS adds unasked.
			c.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
			c.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		}
	})
	return &Shipper{o: o, client: client}, nil
}

// Run sends what there is, again and again, until ctx ends.
func (s *Shipper) Run(ctx context.Context) error {
	tick := time.NewTicker(s.o.Every)
	defer tick.Stop()
	failing := false
	for {
		err := s.Pass(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !failing:
			s.o.Log.Warn("files wait for the bucket", "bucket", s.o.Bucket, "error", err)
		case err == nil && failing:
			s.o.Log.Info("files go to the bucket again", "bucket", s.o.Bucket)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Pass sends each finished file once, oldest first, up to the first that fails; then it makes room.
func (s *Shipper) Pass(ctx context.Context) error {
	list, err := s.list()
	if err != nil {
		return err
	}
	sent := 0
	for _, f := range list {
		if err = s.send(ctx, f); err != nil {
			s.failures.Add(1)
			break
		}
		sent++
	}
	return errors.Join(err, s.makeRoom(list[sent:]))
}

type file struct {
	path  string
	size  int64
	since time.Time
}

// list finds the files that are whole, oldest first.
func (s *Shipper) list() (list []file, err error) {
	err = filepath.WalkDir(s.o.Dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) { // renamed or removed meanwhile
			return nil
		}
		if err != nil || !d.Type().IsRegular() || !strings.HasSuffix(path, s.o.Suffix) {
			return err
		}
		info, err := d.Info()
		if err == nil {
			list = append(list, file{path, info.Size(), info.ModTime()})
		}
		return nil
	})
	slices.SortFunc(list, func(a, b file) int { return a.since.Compare(b.since) })
	if err != nil {
		return nil, fmt.Errorf("ship to S3: %w", err)
	}
	return list, nil
}

// send puts one file into the bucket and removes it. A file that was sent and not removed is sent again, under the same key.
func (s *Shipper) send(ctx context.Context, f file) error {
	ctx, cancel := context.WithTimeout(ctx, sending)
	defer cancel()
	body, err := os.Open(f.path)
	if err != nil {
		return fmt.Errorf("ship to S3: %w", err)
	}
	defer body.Close()
	key, err := s.key(f.path)
	if err != nil {
		return err
	}
	if _, err := s.client.PutObject(ctx, &s3.PutObjectInput{Bucket: &s.o.Bucket, Key: &key, Body: body}); err != nil {
		return fmt.Errorf("ship to s3://%s/%s: %w", s.o.Bucket, key, err)
	}
	s.files.Add(1)
	s.bytes.Add(uint64(f.size))
	if err := os.Remove(f.path); err != nil {
		return fmt.Errorf("ship to S3: %w", err)
	}
	return nil
}

func (s *Shipper) key(path string) (string, error) {
	rel, err := filepath.Rel(s.o.Dir, path)
	if err != nil {
		return "", fmt.Errorf("ship to S3: %w", err)
	}
	return strings.TrimPrefix(s.o.Prefix+"/", "/") + filepath.ToSlash(rel), nil
}

// makeRoom gives the oldest files up when too much waits: a bucket that is away must not fill the disk.
func (s *Shipper) makeRoom(waiting []file) (err error) {
	total := int64(0)
	for _, f := range waiting {
		total += f.size
	}
	for _, f := range waiting {
		if total <= s.o.MaxBytes {
			break
		}
		if e := os.Remove(f.path); e != nil {
			err = errors.Join(err, fmt.Errorf("ship to S3: make room: %w", e))
			continue
		}
		total -= f.size
		s.lost.Add(1)
	}
	s.waiting.Store(uint64(total))
	return err
}

// Stats reads the counters.
func (s *Shipper) Stats() Stats {
	return Stats{Files: s.files.Load(), Bytes: s.bytes.Load(), Failures: s.failures.Load(), Lost: s.lost.Load(), WaitingBytes: s.waiting.Load()}
}
