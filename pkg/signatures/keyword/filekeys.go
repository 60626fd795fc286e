package keyword

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/signatures/syntax"
)

// fileItem tests a file; its group's buffer is the file's name, kept by the sources below.
type fileItem struct{ holds func(*app.File) bool }

func (f *fileItem) match(in *Inspection) bool { return in.ctx.file != nil && f.holds(in.ctx.file) }

// wholeFile is the buffer of keywords that test a file itself: one instance a file, final once the file is.
var wholeFile = &Buffer{Name: "file", Multi: true, Weak: true, Sources: fileSources(func(_ *Context, f *app.File) []byte {
	if f.Name == nil {
		return []byte{}
	}
	return f.Name
})}

// fileTest adds a test of a file; all such tests of a rule look at the same file.
func (c *compiler) fileTest(holds func(*app.File) bool) error {
	if err := c.need(wholeFile); err != nil {
		return err
	}
	for _, g := range c.groups {
		if g.Buffer == wholeFile {
			g.Items = append(g.Items, &fileItem{holds})
			return nil
		}
	}
	g := c.group(wholeFile, nil)
	g.Items = append(g.Items, &fileItem{holds})
	return nil
}

func fileText(name, doc string, holds func(f *app.File, pattern []byte) bool) Keyword {
	return Keyword{Name: name, Family: FamilyPacket, Arg: `[!]"text"`, Doc: doc, setup: func(c *compiler, o *syntax.Option) error {
		p, err := parseContent(o.Value)
		if err != nil {
			return err
		}
		pattern := toLower(p.Pattern)
		return c.fileTest(func(f *app.File) bool { return holds(f, pattern) != p.Negated })
	}}
}

var (
	filename = fileText("filename", "text in the file's name (older form of file.name)", func(f *app.File, p []byte) bool { return bytes.Contains(toLower(f.Name), p) })

	fileext = fileText("fileext", "extension of the file's name", func(f *app.File, p []byte) bool {
		n := len(f.Name) - len(p)
		return n > 0 && f.Name[n-1] == '.' && equalFold(f.Name[n:], p)
	})
)

var filesize = Keyword{
	Name: "filesize", Family: FamilyPacket, Arg: uintShape, Doc: "bytes of the file",
	setup: func(c *compiler, o *syntax.Option) error {
		t, err := parseCompare(o.Value, 1<<62, nil)
		if err != nil {
			return err
		}
		return c.fileTest(func(f *app.File) bool {
			if !f.Done() && t.op != opGreater && t.op != opGreaterEqual {
				return false // it may still grow
			}
			return t.holds(f.Size)
		})
	},
}

var filestore = Keyword{
	Name: "filestore", Family: FamilyState, Arg: "request|response|both, file|tx|ssn", Optional: true, Doc: "mark the file as one to keep",
	setup: func(c *compiler, o *syntax.Option) error {
		dirs, all := Dirs(0), false
		for _, w := range words(o.Value) {
			switch w {
			case "request", "to_server":
				dirs = 1 << app.ToServer
			case "response", "to_client":
				dirs = 1 << app.ToClient
			case "", "both", "file":
			case "tx", "ssn", "flow":
				all = true
			default:
				return fmt.Errorf("%q is not request, response, both, file, tx or ssn", w)
			}
		}
		c.sig.StoresFile = true
		c.effect(func(x *Context) { x.store(dirs, all) })
		return c.fileTest(func(*app.File) bool { return true })
	},
}

// store marks the file that the rule has matched as one to keep, with all the transaction's others of these directions too.
func (c *Context) store(dirs Dirs, all bool) {
	if c.Tx == nil {
		return
	}
	if c.Flow != nil && c.Flow.TCP != nil {
		c.Flow.TCP.StoreFile()
	}
	for _, f := range c.Tx.Base().Files {
		if dirs.Has(f.Dir) && (all || f == c.Matched || c.Matched == nil) {
			f.Stored = true
		}
	}
}

// fileHash is filemd5, filesha1 and filesha256: the file's hash is, or with ! is not, in a list.
func fileHash(name, doc string, size int, get func(*app.File) []byte) Keyword {
	return Keyword{Name: name, Family: FamilyPacket, Arg: "[!]FILE", Doc: doc, setup: func(c *compiler, o *syntax.Option) error {
		file, negated := strings.CutPrefix(o.Value, "!")
		if c.env.Files == nil {
			return errNoFiles
		}
		set, err := c.env.Files.hashes(strings.Trim(strings.TrimSpace(file), `"`), size)
		if err != nil {
			return err
		}
		c.sig.Hashes |= 1 << size
		return c.fileTest(func(f *app.File) bool {
			h := get(f)
			if h == nil {
				return false // not closed, or not whole
			}
			_, ok := set[string(h)]
			return ok != negated
		})
	}}
}

var (
	filemd5    = fileHash("filemd5", "MD5 of the file is in a list", 16, func(f *app.File) []byte { return f.MD5 })
	filesha1   = fileHash("filesha1", "SHA-1 of the file is in a list", 20, func(f *app.File) []byte { return f.SHA1 })
	filesha256 = fileHash("filesha256", "SHA-256 of the file is in a list", 32, func(f *app.File) []byte { return f.SHA256 })
)

// fileMagic recognises the content of a file by its first bytes.
var fileMagic = &Buffer{Name: "file.magic", Multi: true, Sources: fileSources(func(x *Context, f *app.File) []byte {
	if f.Base > 0 || len(f.Data) == 0 && !f.Done() {
		return nil
	}
	return []byte(Magic(f.Data))
})}

var filemagic = Keyword{
	Name: "filemagic", Family: FamilyPacket, Arg: `[!]"text"`, Doc: "text in the description of the file's content (older form of file.magic)",
	setup: func(c *compiler, o *syntax.Option) error {
		p, err := parseContent(o.Value)
		if err != nil {
			return err
		}
		if err := c.need(fileMagic); err != nil {
			return err
		}
		p.Pattern, p.NoCase = toLower(p.Pattern), true
		c.appendTo(c.group(fileMagic, nil), p)
		return nil
	},
}

// magics are the beginnings of the kinds of file that rules ask for, and how file(1) describes them.
var magics = []struct {
	offset      int
	prefix      string
	description string
}{
	{0, "MZ", "PE32 executable (GUI) Intel 80386, for MS Windows"}, {0, "\x7fELF", "ELF executable"}, {0, "%PDF-", "PDF document"},
	{0, "PK\x03\x04", "Zip archive data"}, {0, "\x1f\x8b", "gzip compressed data"}, {0, "Rar!\x1a\x07", "RAR archive data"},
	{0, "\x89PNG\r\n\x1a\n", "PNG image data"}, {0, "GIF8", "GIF image data"}, {0, "\xff\xd8\xff", "JPEG image data"},
	{0, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "Composite Document File V2 Document"}, {0, "7z\xbc\xaf\x27\x1c", "7-zip archive data"},
	{0, "BZh", "bzip2 compressed data"}, {0, "\xfd7zXZ\x00", "XZ compressed data"}, {0, "CWS", "Macromedia Flash data (compressed)"},
	{0, "FWS", "Macromedia Flash data"}, {0, "\xca\xfe\xba\xbe", "compiled Java class data"}, {0, "{\\rtf", "Rich Text Format data"},
	{257, "ustar", "POSIX tar archive"}, {0, "#!", "script text executable"}, {0, "\xcf\xfa\xed\xfe", "Mach-O 64-bit executable"},
	{0, "<html", "HTML document"}, {0, "<!DOCTYPE html", "HTML document"}, {0, "<?xml", "XML document"},
}

// Magic describes a file by its first bytes, in the words of file(1) where the kind is known.
func Magic(b []byte) string {
	for _, m := range magics {
		if len(b) >= m.offset && bytes.HasPrefix(b[m.offset:], []byte(m.prefix)) {
			return m.description
		}
	}
	for _, c := range b[:min(len(b), 512)] {
		if c >= 0x80 || c < ' ' && c != '\n' && c != '\r' && c != '\t' {
			return "data"
		}
	}
	return "ASCII text"
}

var errNoFiles = errors.New("files cannot be read here")

// Files reads the files that rules name, each once. It is shared by the compilers of one ruleset.
type Files struct {
	// Read returns a file's content.
	Read func(name string) ([]byte, error)
	// NoWrite refuses rules whose datasets are saved; AnyPath lets them name files outside of the data directory.
	NoWrite, AnyPath bool

	mu       locker
	hashSets map[string]map[string]struct{}
	datasets map[string]*Dataset
	// Reputation is what iprep looks up; nil without.
	Reputation *Reputation
}

// hashes reads a list of hexadecimal hashes, one a line.
func (f *Files) hashes(name string, size int) (map[string]struct{}, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s := f.hashSets[name]; s != nil {
		return s, nil
	}
	data, err := f.Read(name)
	if err != nil {
		return nil, fmt.Errorf("list of hashes: %w", err)
	}
	set := map[string]struct{}{}
	for line := range bytes.Lines(data) {
		word, _, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
		if word == "" || word[0] == '#' {
			continue
		}
		h, err := hex.DecodeString(word)
		if err != nil || len(h) != size {
			return nil, fmt.Errorf("%s: %q is not a hash of %d bytes", name, word, size)
		}
		set[string(h)] = struct{}{}
	}
	if f.hashSets == nil {
		f.hashSets = map[string]map[string]struct{}{}
	}
	f.hashSets[name] = set
	return set, nil
}
