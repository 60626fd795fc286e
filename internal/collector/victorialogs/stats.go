package victorialogs

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/weir-ips/weir/internal/collector/store"
)

// Timeline counts alerts by steps of whole minutes from f.Since to f.Until, which must be set; every step is returned, empty ones too.
func (s *Store) Timeline(ctx context.Context, f store.Filter, step time.Duration) ([]store.Bucket, error) {
	step = max(step.Truncate(time.Minute), time.Minute)
	start := time.Unix(0, f.Since.UnixNano()/int64(step)*int64(step)).UTC()
	if f.Since.IsZero() || f.Until.IsZero() || f.Until.Before(start) || f.Until.Sub(start)/step >= store.MaxBuckets {
		return nil, fmt.Errorf("timeline of %s by %s: want at most %d steps", f.Until.Sub(f.Since), step, store.MaxBuckets)
	}
	var buckets []store.Bucket
	for t := start; t.Before(f.Until); t = t.Add(step) {
		buckets = append(buckets, store.Bucket{Time: t, Severity: map[uint8]uint64{}})
	}
	f.Since = start
	filters, err := s.compile(ctx, &f)
	if err != nil {
		return nil, err
	}
	err = s.query(ctx, filters, fmt.Sprintf("stats by (_time:%ds, severity, action) count() n", int(step/time.Second)), func(row map[string]string) error {
		at, err := moment(row["_time"])
		i := int(at.Sub(start) / step)
		if err != nil || i < 0 || i >= len(buckets) {
			return err
		}
		severity, err := strconv.ParseUint(row["severity"], 10, 8)
		n, err2 := count(row, "n")
		if err != nil || err2 != nil {
			return errAnswer
		}
		b := &buckets[i]
		b.Total += n
		b.Severity[uint8(severity)] += n
		if row["action"] == "blocked" {
			b.Blocked += n
		}
		return nil
	})
	return buckets, err
}

func count(row map[string]string, field string) (uint64, error) {
	n, err := strconv.ParseUint(row[field], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: %s: %w", errAnswer, field, err)
	}
	return n, nil
}

// dimensions are the fields that rankings are by.
var dimensions = map[store.Dimension]string{
	store.BySignature: "sid", store.ByCategory: "category", store.BySource: "src_ip", store.ByTarget: "dest_ip", store.BySensor: "sensor", store.ByApp: "app_proto",
}

// Top ranks what f chooses, n rows at most.
func (s *Store) Top(ctx context.Context, f store.Filter, by store.Dimension, n int) ([]store.Count, error) {
	filters, err := s.compile(ctx, &f)
	if err != nil {
		return nil, err
	}
	field := cmp.Or(dimensions[by], "sid")
	all := []store.Count{}
	pipes := fmt.Sprintf("stats by (%s) count() n, max(_msg) label | sort by (n desc, %s) limit %d", field, field, max(n, 0))
	err = s.query(ctx, filters, pipes, func(row map[string]string) error {
		n, err := count(row, "n")
		c := store.Count{Key: row[field], Label: row[field], Count: n}
		if field == "sid" {
			c.Label = row["label"]
		}
		all = append(all, c)
		return err
	})
	slices.SortStableFunc(all, func(a, b store.Count) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Key, b.Key)) })
	return all, err
}

// GroupBy sums up alerts by signature, source or target, the latest first, n at most.
func (s *Store) GroupBy(ctx context.Context, f store.Filter, by store.Dimension, n int) ([]store.Summary, error) {
	f = s.opt.Desk.Resolve(f)
	filters, err := s.compile(ctx, &f)
	if err != nil {
		return nil, err
	}
	field, others := "sid", "src_ip"
	if by == store.BySource || by == store.ByTarget {
		field, others = dimensions[by], "sid"
	}
	all := []store.Summary{}
	pipes := fmt.Sprintf("stats by (%s) count() n, count_uniq(%s) others, min(_time) first, max(_time) last, min(severity) severity, max(_msg) label | sort by (last desc, %s) limit %d",
		field, others, field, max(n, 0))
	err = s.query(ctx, filters, pipes, func(row map[string]string) error {
		g, err := summary(row, field)
		all = append(all, g)
		return err
	})
	return all, err
}

func summary(row map[string]string, field string) (g store.Summary, err error) {
	g = store.Summary{Key: row[field], Label: row[field]}
	if field == "sid" {
		g.Label = row["label"]
	}
	severity, err := count(row, "severity")
	if err != nil {
		return g, err
	}
	g.Severity = uint8(severity)
	if g.Count, err = count(row, "n"); err != nil {
		return g, err
	}
	if g.Others, err = count(row, "others"); err != nil {
		return g, err
	}
	if g.First, err = moment(row["first"]); err != nil {
		return g, err
	}
	g.Last, err = moment(row["last"])
	return g, err
}
