package export

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"github.com/weir-ips/weir/internal/servicefile"
)

// lake writes Parquet objects as Amazon Security Lake wants them of a custom source, one OCSF class a source:
//
//	ext/<source>/region=<region>/accountId=<account>/eventDay=<YYYYMMDD>/<name>.parquet
//
// sorted by time and compressed with Zstandard. Without a bucket they go into a folder, for a tool that copies them.
type lake struct {
	encoder
	aws    AWS
	folder string     // where there is no bucket
	bucket *awsClient // nil: folder
	url    string     // of the bucket
}

func openLake(c *Config, version string) (Sink, error) {
	s := &lake{encoder: encoder{FormatOCSF, version}, aws: c.AWS, folder: c.Path}
	if c.URL == "" {
		return s, nil
	}
	u, err := url.Parse(c.URL)
	if err != nil {
		return nil, err
	}
	s.url = fmt.Sprintf("https://%s.s3.%s.amazonaws.com%s", u.Host, c.AWS.Region, strings.TrimSuffix(u.Path, "/"))
	if c.AWS.Endpoint != "" {
		s.url = strings.TrimSuffix(c.AWS.Endpoint, "/") + "/" + u.Host + strings.TrimSuffix(u.Path, "/")
	}
	s.bucket, err = newAWS(c, version, "s3")
	return s, err
}

// Send implements Sink. An object's name follows from what is in it, so that a second try replaces the first.
func (s *lake) Send(ctx context.Context, events []Event) error {
	days := map[string][]*Event{}
	for i := range events {
		day := events[i].Time().UTC().Format("20060102")
		days[day] = append(days[day], &events[i])
	}
	for day, list := range days {
		slices.SortStableFunc(list, func(a, b *Event) int { return a.Time().Compare(b.Time()) })
		data, err := s.object(list)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrRefused, err)
		}
		if data == nil {
			continue
		}
		if err := s.put(ctx, s.name(day, list), data); err != nil {
			return err
		}
	}
	return nil
}

func (s *lake) name(day string, list []*Event) string {
	hash := sha256.New()
	for _, e := range list {
		fmt.Fprintln(hash, e.ID())
	}
	return path.Join("ext", s.aws.Source, "region="+s.aws.Region, "accountId="+s.aws.Account, "eventDay="+day,
		fmt.Sprintf("%s-%s.parquet", list[0].Time().UTC().Format("20060102T150405Z"), hex.EncodeToString(hash.Sum(nil)[:8])))
}

// object is nil if none of the events makes a record of the class.
func (s *lake) object(list []*Event) ([]byte, error) {
	if s.aws.Class == classNetwork {
		return parquetOf(collect[ocsfNetworkEvent](s.encoder, list))
	}
	return parquetOf(collect[ocsfDetection](s.encoder, list))
}

func collect[T any](c encoder, list []*Event) []T {
	var out []T
	for _, e := range list {
		for _, record := range c.ocsf(e) {
			if r, ok := record.(*T); ok {
				out = append(out, *r)
			}
		}
	}
	return out
}

func parquetOf[T any](records []T) ([]byte, error) {
	if len(records) == 0 {
		return nil, nil
	}
	var buf bytes.Buffer
	w := parquet.NewGenericWriter[T](&buf, parquet.Compression(&zstd.Codec{Level: zstd.SpeedDefault}), parquet.DataPageVersion(1))
	if _, err := w.Write(records); err != nil {
		return nil, fmt.Errorf("parquet: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("parquet: %w", err)
	}
	return buf.Bytes(), nil
}

func (s *lake) put(ctx context.Context, name string, data []byte) error {
	if s.bucket != nil {
		_, err := s.bucket.send(ctx, http.MethodPut, s.url+"/"+name, "application/octet-stream", data)
		return err
	}
	file := filepath.Join(s.folder, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
		return err
	}
	return servicefile.Write(file, data)
}

// Close implements Sink.
func (s *lake) Close() error {
	if s.bucket != nil {
		return s.bucket.Close()
	}
	return nil
}
