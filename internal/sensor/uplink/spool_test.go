package uplink

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// incompressible makes n bytes of JSON text that zstd cannot shorten much.
func incompressible(seed, n int) []byte {
	const alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
	r := rand.New(rand.NewPCG(uint64(seed), 1))
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[r.IntN(len(alphabet))]
	}
	return fmt.Appendf(nil, `{"x":%q}`, b)
}

func reopen(t *testing.T, dir string, limit int64) *spool {
	t.Helper()
	s, err := openSpool(dir, limit)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.close() })
	return s
}

func take(t *testing.T, s *spool) string {
	t.Helper()
	p := s.next()
	if p == nil {
		return ""
	}
	s.delivered(p)
	return p.id
}

func TestSpoolOrderAndRestart(t *testing.T) {
	dir := t.TempDir()
	s := reopen(t, dir, 1<<20)
	for i, lane := range []int{3, 0, 2, 0} {
		if err := s.append(lane, fmt.Sprintf("m%d", i), 10, []byte("payload")); err != nil {
			t.Fatal(err)
		}
	}
	if got := take(t, s); got != "m1" {
		t.Fatalf("first is %q, want the oldest of the most severe, m1", got)
	}
	p := s.next() // m3 is under way when the process dies
	if p.id != "m3" || !bytes.Equal(p.payload, []byte("payload")) || p.events != 10 {
		t.Fatalf("second is %+v", p)
	}
	if s.next().id != "m2" {
		t.Fatal("third is not m2")
	}
	if _, err := openSpool(dir, 1<<20); err == nil {
		t.Fatal("two processes share a spool")
	}
	s.close()

	s = reopen(t, dir, 1<<20)
	if st := s.stats(); st.events != 40 { // m1 too: deliveries of a segment are not written down one by one
		t.Errorf("%d events after the restart, want 40", st.events)
	}
	var got []string
	for id := take(t, s); id != ""; id = take(t, s) {
		got = append(got, id)
	}
	if want := "[m1 m3 m2 m0]"; fmt.Sprint(got) != want {
		t.Errorf("after the restart %v, want %s", got, want)
	}
	s.close()
	if left, _ := filepath.Glob(filepath.Join(dir, "*.seg")); len(left) != 0 {
		t.Errorf("files left of an empty spool: %v", left)
	}
}

func TestSpoolReturned(t *testing.T) {
	s := reopen(t, t.TempDir(), 1<<20)
	for i := range 3 {
		if err := s.append(0, fmt.Sprintf("m%d", i), 1, nil); err != nil {
			t.Fatal(err)
		}
	}
	a, b := s.next(), s.next()
	s.returned(a)
	s.delivered(b)
	if got := take(t, s); got != "m0" {
		t.Errorf("after m0 came back next is %q", got)
	}
	if got := take(t, s); got != "m2" {
		t.Errorf("then %q, want m2", got)
	}
	if st := s.stats(); st.events != 0 || st.bytes != 0 {
		t.Errorf("an empty spool counts %+v", st)
	}
}

func TestSpoolTornAndChangedFiles(t *testing.T) {
	for name, c := range map[string]struct {
		harm func([]byte) []byte
		want []string
	}{
		"cut within the last record": {func(b []byte) []byte { return b[:len(b)-3] }, []string{"m0", "m1"}},
		"cut within a header":        {func(b []byte) []byte { return b[:len(b)/3+2] }, []string{"m0"}},
		"a bit of the second":        {func(b []byte) []byte { b[len(b)/2] ^= 1; return b }, []string{"m0"}},
		"a huge length":              {func(b []byte) []byte { b[0] = 0xff; return b }, nil},
		"empty":                      {func([]byte) []byte { return nil }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := reopen(t, dir, 1<<20)
			for i := range 3 {
				if err := s.append(1, fmt.Sprintf("m%d", i), 5, []byte("0123456789")); err != nil {
					t.Fatal(err)
				}
			}
			s.close()
			paths, err := filepath.Glob(filepath.Join(dir, "*.seg"))
			if err != nil || len(paths) != 1 {
				t.Fatalf("segments %v, %v", paths, err)
			}
			data, err := os.ReadFile(paths[0])
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(paths[0], c.harm(data), 0o600); err != nil {
				t.Fatal(err)
			}
			s = reopen(t, dir, 1<<20)
			var got []string
			for id := take(t, s); id != ""; id = take(t, s) {
				got = append(got, id)
			}
			if fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("read %v, want %v", got, c.want)
			}
		})
	}
}

func TestSpoolBound(t *testing.T) {
	dir := t.TempDir()
	s := reopen(t, dir, 64<<10)
	payload := make([]byte, 2000)
	for i := range 100 {
		if err := s.append(i%2*3, fmt.Sprintf("m%d", i), 1, payload); err != nil {
			t.Fatal(err)
		}
	}
	st := s.stats()
	if st.bytes > 64<<10 {
		t.Errorf("%d bytes, bound is %d", st.bytes, 64<<10)
	}
	if st.shed[3] != 50 || st.shed[0] == 0 || st.shed[0]+uint64(st.events) != 50 {
		t.Errorf("shed %v, %d events kept: want all 50 of the least severe gone and the newest of the most severe kept", st.shed, st.events)
	}
	if got := take(t, s); got != fmt.Sprintf("m%d", st.shed[0]*2) {
		t.Errorf("oldest kept is %s, %d of its lane were shed", got, st.shed[0])
	}
	s.close()
	s = reopen(t, dir, 8<<10) // a smaller bound applies to what is there
	if st := s.stats(); st.bytes > 8<<10 {
		t.Errorf("%d bytes after the bound was lowered to %d", st.bytes, 8<<10)
	}
}

// On a full disk what is less severe makes room, before the bound is reached.
func TestSpoolDiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("mount a small tmpfs (needs root): %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	s := reopen(t, filepath.Join(dir, "spool"), 64<<20)
	s.segment = 32 << 10
	payload := make([]byte, 4000)
	full := 0
	for i := range 200 {
		if err := s.append(3, fmt.Sprintf("low%d", i), 1, payload); err != nil {
			full++
		}
	}
	if full > 0 || s.stats().shed[3] == 0 {
		t.Fatalf("200 batches into a disk of 60: %d refused, %d shed; want the oldest shed for the newest", full, s.stats().shed[3])
	}
	for i := range 20 {
		if err := s.append(0, fmt.Sprintf("high%d", i), 1, payload); err != nil {
			t.Fatalf("a severe batch on a full disk: %v", err)
		}
	}
	for i := range 20 {
		if got := take(t, s); got != fmt.Sprintf("high%d", i) {
			t.Fatalf("batch %d is %q", i, got)
		}
	}
	if st := s.stats(); st.shed[0] != 0 || st.faults == 0 {
		t.Errorf("counted %+v", st)
	}
}

func FuzzSegment(f *testing.F) {
	dir := f.TempDir()
	g, err := createSegment(dir, 0, 1)
	if err != nil {
		f.Fatal(err)
	}
	for i := range 2 {
		if _, err := g.append(fmt.Sprint(i), i, []byte("batch")); err != nil {
			f.Fatal(err)
		}
	}
	g.close()
	good, err := os.ReadFile(g.path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Fuzz(func(t *testing.T, data []byte) {
		var g segment
		g.scan(data)
		for _, r := range g.records {
			if r.offset+recordHeader+int64(r.length) > int64(len(data)) {
				t.Fatalf("record %+v ends after %d bytes", r, len(data))
			}
		}
	})
}
