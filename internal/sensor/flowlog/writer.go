package flowlog

import (
	"compress/gzip"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-ips/weir/pkg/flow"
)

// Suffix is how the names of files that are whole end.
const Suffix = ".log.gz"

// Options say where records go. Dir has no default.
type Options struct {
	Identity
	Dir     string        // partitions are made below it, as Athena wants them
	Region  string        // of the partition; "" is "unknown"
	Sensor  string        // in the files' names
	Every   time.Duration // a file is closed after so much of the records' time; default 5 minutes
	MaxSize int           // or after so many bytes before compression; default 64 MiB
}

// Stats count since New.
type Stats struct {
	Records, Files uint64
	Lost           uint64 // records that could not be written
}

// Writer writes gzip files below
//
//	DIR/AWSLogs/ACCOUNT/vpcflowlogs/REGION/YYYY/MM/DD/ACCOUNT_vpcflowlogs_REGION_SENSOR_YYYYMMDDTHHMMZ_RANDOM.log.gz
//
// as AWS delivers them. A file has another name (ending in ".part") until it is whole, so whoever ships files takes *.gz.
// Its methods may be called from any goroutine.
type Writer struct {
	o    Options
	mu   sync.Mutex
	line []byte
	file *os.File
	zip  *gzip.Writer
	path string // of the whole file
	due  int64  // Unix ns of records' time at which the file is closed
	size int

	records, files, lost atomic.Uint64
}

// New makes a writer; the first file is opened with the first record.
func New(o Options) (*Writer, error) {
	if o.Dir == "" {
		return nil, errors.New("flow records: name a folder")
	}
	if o.Every <= 0 {
		o.Every = 5 * time.Minute
	}
	if o.MaxSize <= 0 {
		o.MaxSize = 64 << 20
	}
	for _, s := range []*string{&o.Region, &o.Sensor} {
		if *s == "" {
			*s = "unknown"
		}
		if !plain(*s) {
			return nil, fmt.Errorf("flow records: %q cannot be part of a file's name: letters, digits, - and _ can", *s)
		}
	}
	if o.Account != "" && !plain(o.Account) {
		return nil, fmt.Errorf("flow records: account %q is not 12 digits", o.Account)
	}
	if err := os.MkdirAll(o.Dir, 0o750); err != nil {
		return nil, fmt.Errorf("flow records: %w", err)
	}
	return &Writer{o: o, zip: gzip.NewWriter(nil), line: make([]byte, 0, 1024)}, nil
}

func plain(s string) bool {
	for _, c := range []byte(s) {
		if c != '-' && c != '_' && (c < '0' || c > '9') && (c|32 < 'a' || c|32 > 'z') {
			return false
		}
	}
	return true
}

// Ended writes the records of a conversation that is over. f is not kept. A record that cannot be written is counted, for the
// path does not wait for a disk that is full.
func (w *Writer) Ended(f *flow.Flow) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.line = w.o.Identity.Append(w.line[:0], f)
	n := uint64(0)
	for _, c := range w.line {
		if c == '\n' {
			n++
		}
	}
	if n == 0 {
		return
	}
	if err := w.write(f.Last); err != nil {
		w.lost.Add(n)
		return
	}
	w.records.Add(n)
}

func (w *Writer) write(now int64) error {
	if w.file != nil && (now >= w.due || w.size >= w.o.MaxSize) {
		if err := w.finish(); err != nil {
			return err
		}
	}
	if w.file == nil {
		if err := w.open(now); err != nil {
			return err
		}
	}
	w.size += len(w.line)
	_, err := w.zip.Write(w.line)
	return err
}

func (w *Writer) open(now int64) error {
	t := time.Unix(0, now).UTC()
	account := w.o.Account
	if account == "" {
		account = "unknown"
	}
	dir := filepath.Join(w.o.Dir, "AWSLogs", account, "vpcflowlogs", w.o.Region, t.Format("2006/01/02"))
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	w.path = filepath.Join(dir, fmt.Sprintf("%s_vpcflowlogs_%s_%s_%s_%s"+Suffix, account, w.o.Region, w.o.Sensor, t.Format("20060102T1504Z"), rand.Text()[:8]))
	file, err := os.OpenFile(w.path+".part", os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	w.file, w.due, w.size = file, now+int64(w.o.Every), 0
	w.zip.Reset(file)
	_, err = w.zip.Write([]byte(Header))
	return err
}

// finish makes the open file whole. The file is given up whatever happens.
func (w *Writer) finish() error {
	err := errors.Join(w.zip.Close(), w.file.Close())
	w.file = nil
	if err != nil {
		return fmt.Errorf("flow records: %s: %w", w.path, err)
	}
	if err := os.Rename(w.path+".part", w.path); err != nil {
		return fmt.Errorf("flow records: %w", err)
	}
	w.files.Add(1)
	return nil
}

// Tick closes a file that is due although no record comes; now is Unix ns.
func (w *Writer) Tick(now int64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.file == nil || now < w.due {
		return nil
	}
	return w.finish()
}

// Close makes the open file whole.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.file == nil {
		return nil
	}
	return w.finish()
}

// Stats reads the counters.
func (w *Writer) Stats() Stats {
	return Stats{Records: w.records.Load(), Files: w.files.Load(), Lost: w.lost.Load()}
}
