package keyword

import (
	"fmt"
	"strings"

	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/flow/http1"
	"github.com/weir-ips/weir/pkg/signatures/syntax"
)

// fileMinInspect is how many bytes of a growing file are waited for when inspection is not inline.
const fileMinInspect = 32 << 10

// files makes the source of the contents of the files that one direction of a transaction carries.
func files(proto app.Proto, dir app.Direction, final uint8) Source {
	return Source{Proto: proto, Dir: dir, Final: final, Get: func(x *Context, tx app.Tx, i int) (Bytes, bool) {
		f := nthFile(tx, dir, i)
		if f == nil {
			return Bytes{}, false
		}
		done := f.Done() || tx.Base().Complete[dir]
		return Bytes{Data: f.Data, Base: int(f.Base), More: !done, Wait: !done && !x.Inline && f.Size < fileMinInspect, File: f}, true
	}}
}

// nthFile returns the i-th file of a direction; nil when there is none.
func nthFile(tx app.Tx, dir app.Direction, i int) *app.File {
	for _, f := range tx.Base().Files {
		if f.Dir != dir {
			continue
		}
		if i == 0 {
			return f
		}
		i--
	}
	return nil
}

// last is a final step beyond all: the source changes until the direction is complete.
const last = 255

var fileData = &Buffer{Name: "file.data", Multi: true, Sources: []Source{
	body(app.ToClient),
	files(app.HTTP1, app.ToServer, http1.Trailer),
	files(app.HTTP2, app.ToServer, last), body2(app.ToClient),
	files(app.SMTP, app.ToServer, last),
	files(app.FTPData, app.ToServer, last), files(app.FTPData, app.ToClient, last),
	files(app.SMB, app.ToServer, last), files(app.SMB, app.ToClient, last),
}}

var fileName = &Buffer{Name: "file.name", Multi: true, Sources: fileSources(func(x *Context, f *app.File) []byte { return f.Name })}

// fileProtocols are the protocols and directions that carry files.
var fileProtocols = []struct {
	proto app.Proto
	dir   app.Direction
}{
	{app.HTTP1, app.ToServer}, {app.HTTP1, app.ToClient}, {app.HTTP2, app.ToServer}, {app.HTTP2, app.ToClient}, {app.SMTP, app.ToServer},
	{app.FTPData, app.ToServer}, {app.FTPData, app.ToClient}, {app.SMB, app.ToServer}, {app.SMB, app.ToClient},
}

// fileSources makes a source for each protocol and direction that carries files; get returns nil while there is nothing.
func fileSources(get func(*Context, *app.File) []byte) []Source {
	var sources []Source
	for _, p := range fileProtocols {
		sources = append(sources, Source{Proto: p.proto, Dir: p.dir, Final: last, Get: func(x *Context, tx app.Tx, i int) (Bytes, bool) {
			f := nthFile(tx, p.dir, i)
			if f == nil {
				return Bytes{}, false
			}
			b := get(x, f)
			return Bytes{Data: b, Wait: b == nil, File: f}, true
		}})
	}
	return sources
}

// ofFiles reports whether a buffer has one instance a file.
func ofFiles(b *Buffer) bool {
	return b == wholeFile || b == fileName || b == fileMagic || strings.HasPrefix(b.Name, fileData.Name)
}

// fileDataKeyword is file.data; an argument says of which side's files, which matters for rules with =>.
var fileDataKeyword = Keyword{
	Name: "file.data", Aliases: []string{"file_data"}, Family: FamilyBuffer, Arg: "to_server|to_client", Optional: true,
	Doc: "content of a file: body, attachment, transfer",
	setup: func(c *compiler, o *syntax.Option) error {
		switch o.Value {
		case "":
			return c.stick(fileData)
		case "to_client":
			return c.stick(fileDataOf(app.ToClient))
		case "to_server":
			return c.stick(fileDataOf(app.ToServer))
		}
		return fmt.Errorf("%q is not to_server or to_client", o.Value)
	},
}

// fileDataOf is file.data of one side alone.
func fileDataOf(dir app.Direction) *Buffer {
	b := &Buffer{Name: fileData.Name + map[app.Direction]string{app.ToServer: ":to_server", app.ToClient: ":to_client"}[dir], Multi: true}
	for _, s := range fileData.Sources {
		if s.Dir == dir {
			b.Sources = append(b.Sources, s)
		}
	}
	return b
}
