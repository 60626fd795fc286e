package app

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"testing"
)

func TestFileWindow(t *testing.T) {
	c := &FileConfig{Window: 1000, MD5: true, SHA256: true}
	data := bytes.Repeat([]byte("0123456789"), 10000)
	for _, inspected := range []bool{true, false} {
		var tx TxBase
		f := tx.NewFile(c, []byte("name"), ToClient)
		for i := 0; i < len(data); i += 100 {
			f.Append(data[i:i+100], inspected)
			if len(f.Data) > 4*c.Window+fileOverlap {
				t.Fatalf("inspected %v: %d bytes are kept", inspected, len(f.Data))
			}
			if !bytes.Equal(f.Data, data[f.Base:f.Size]) {
				t.Fatalf("inspected %v: what is kept is not bytes %d to %d", inspected, f.Base, f.Size)
			}
		}
		f.Close()
		m, s := md5.Sum(data), sha256.Sum256(data)
		if f.State != FileClosed || f.Size != uint64(len(data)) || !bytes.Equal(f.MD5, m[:]) || !bytes.Equal(f.SHA256, s[:]) || f.SHA1 != nil {
			t.Errorf("inspected %v: state %v size %d md5 %x sha1 %x sha256 %x", inspected, f.State, f.Size, f.MD5, f.SHA1, f.SHA256)
		}
		var held []byte
		x := tx.NewFile(&FileConfig{Window: c.Window}, nil, ToClient)
		for i, n := 0, 100; i < len(data); i, n = i+n, min(n+50, len(data)-i-n) { // pieces below and above the window, and above four
			held = append(held, data[i:i+n]...)
			x.Extend(held, n, inspected)
			if len(x.Data) > 4*c.Window+fileOverlap || !bytes.Equal(x.Data, data[x.Base:x.Size]) {
				t.Fatalf("inspected %v: of %d bytes held %d are kept from %d", inspected, len(held), len(x.Data), x.Base)
			}
		}
		if x.Size != uint64(len(data)) {
			t.Errorf("inspected %v: the size is %d, want %d", inspected, x.Size, len(data))
		}
		x.Gap(5)
		held = append(held, "after"...)
		if x.Extend(held, 5, inspected); string(x.Data) != "after" || x.Base != uint64(len(data)+5) {
			t.Errorf("inspected %v: after a gap %q from %d", inspected, x.Data, x.Base)
		}
		before := bytes.Clone(held)
		x.Append(bytes.Repeat([]byte("own"), 2000), inspected)
		x.Append([]byte("end"), inspected)
		if !bytes.Equal(held, before) || !bytes.HasSuffix(x.Data, []byte("ownend")) {
			t.Errorf("inspected %v: appending to a file changes what its owner holds, or is lost: %q", inspected, x.Data[len(x.Data)-6:])
		}
		f.Append([]byte("late"), true)
		if f.Size != uint64(len(data)) {
			t.Error("a closed file grows")
		}
	}
}

func TestFileLimits(t *testing.T) {
	var tx TxBase
	c := &FileConfig{MaxFiles: 2, MaxName: 3}
	for range 3 {
		f := tx.NewFile(c, []byte("long name"), ToServer)
		f.Append([]byte("x"), true) // without effect when there is no file
		f.Gap(4)
		f.Close()
	}
	if len(tx.Files) != 2 || string(tx.Files[0].Name) != "lon" || tx.Files[1].State != FileTruncated || tx.Files[1].Size != 5 {
		t.Errorf("%d files, the second %+v", len(tx.Files), tx.Files[len(tx.Files)-1])
	}
}

type someTx struct{ TxBase }

func TestQueue(t *testing.T) {
	var q Queue
	for i := range 3 {
		q.Add(&someTx{}, int64(i))
	}
	q.Free(2)
	q.Add(&someTx{}, 9)
	if q.Len() != 2 || q.Seen() != 4 || q.All()[1].Base().ID != 3 || q.All()[1].Base().Start != 9 {
		t.Errorf("%d live of %d, the last %+v", q.Len(), q.Seen(), q.All()[1].Base())
	}
	q.Close(ToClient)
	b := q.All()[0].Base()
	if !b.Complete[ToClient] || b.Complete[ToServer] || !b.Touched[ToClient] {
		t.Errorf("after the end of one side: complete %v touched %v", b.Complete, b.Touched)
	}
	b.Touched[ToClient] = false
	if b.Touch(ToClient); b.Touched[ToClient] {
		t.Error("a complete direction is inspected again")
	}
	for range 2 * maxEvents {
		b.Event("same")
	}
	if len(b.Events) != 1 {
		t.Errorf("an event is kept %d times", len(b.Events))
	}
}
