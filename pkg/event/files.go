package event

import (
	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/signatures"
)

// File writes a file that has come to its end, with the transaction that carried it.
func (l *Logger) File(s *Subject, tx app.Tx, file *app.File) {
	way := toServer
	if file.Dir == app.ToClient {
		way = toClient
	}
	for _, o := range l.Outputs {
		if !o.Types.Has(FileInfo) {
			continue
		}
		e := l.begin(o, FileInfo, s, way)
		l.state(o, e, s.Flow, nil)
		if s.Flow != nil && tx != nil {
			l.txObject(o, e, s.Flow, tx, false)
		}
		if s.Flow != nil {
			e.appProto(s.Flow)
		}
		e.open("fileinfo")
		e.file(file, tx)
		e.close()
		l.put(o, FileInfo)
	}
}

// files writes the transaction's files into an alert; of those of its direction, the ones that the rule has not had an alert
// about before.
func (l *Logger) files(e *encoder, h *signatures.Hit) {
	mark, seen := e.mark(), 0
	e.list("files")
	for _, f := range h.Tx.Base().Files {
		if f.Dir == h.Dir {
			if seen++; seen <= h.FirstFile {
				continue
			}
		}
		e.item()
		e.file(f, h.Tx)
		e.close()
	}
	e.closeOrDrop(mark, ']')
}

func (e *encoder) file(f *app.File, tx app.Tx) {
	e.text("filename", f.Name)
	e.flag("gaps", f.Gaps)
	e.str("state", f.State.String())
	if len(f.MD5) > 0 {
		e.hex("md5", f.MD5)
	}
	if len(f.SHA1) > 0 {
		e.hex("sha1", f.SHA1)
	}
	if len(f.SHA256) > 0 {
		e.hex("sha256", f.SHA256)
	}
	e.strIf("magic", f.Magic)
	e.flag("stored", f.Stored)
	if f.Start > 0 {
		e.num("start", f.Start)
		e.num("end", f.Start+f.Size)
	}
	e.num("size", f.Size)
	if tx != nil {
		e.num("tx_id", tx.Base().ID)
	}
}
