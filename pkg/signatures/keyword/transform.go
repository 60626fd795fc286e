package keyword

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/weir-ips/weir/pkg/signatures/regex"
	"github.com/weir-ips/weir/pkg/signatures/syntax"
)

// transform changes the bytes of a buffer before contents look at them. key is its name with its argument.
type transform struct {
	key   string
	apply func(x *Context, b []byte) []byte
}

// transforming is a keyword without argument that changes the bytes of the buffer.
func transforming(name, doc string, apply func(x *Context, b []byte) []byte) Keyword {
	return Keyword{Name: name, Family: FamilyTransform, Doc: doc, setup: func(c *compiler, _ *syntax.Option) error {
		return c.addTransform(transform{name, apply})
	}}
}

func (c *compiler) addTransform(t transform) error {
	if c.sticky == nil {
		return errNoBuffer
	}
	c.open = nil // behind a content: what follows looks at the same buffer, transformed
	c.transforms = append(c.transforms[:len(c.transforms):len(c.transforms)], t)
	return nil
}

// mapped returns a copy of b, byte by byte through f; f says false for bytes to leave out.
func mapped(x *Context, b []byte, f func(byte) (byte, bool)) []byte {
	out := x.own(len(b))[:0]
	for _, c := range b {
		if d, ok := f(c); ok {
			out = append(out, d)
		}
	}
	return out
}

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

var (
	dotprefix = transforming("dotprefix", "put a dot before the bytes, so that .example.org matches the domain and its hosts", func(x *Context, b []byte) []byte {
		out := x.own(len(b) + 1)
		out[0] = '.'
		copy(out[1:], b)
		return out
	})

	toLowercase = transforming("to_lowercase", "letters to lower case", func(x *Context, b []byte) []byte {
		return mapped(x, b, func(c byte) (byte, bool) { return lowerTable[c], true })
	})

	toUppercase = transforming("to_uppercase", "letters to upper case", func(x *Context, b []byte) []byte {
		return mapped(x, b, func(c byte) (byte, bool) { return upper(c), true })
	})

	stripWhitespace = transforming("strip_whitespace", "leave out all white space", func(x *Context, b []byte) []byte {
		return mapped(x, b, func(c byte) (byte, bool) { return c, !isSpace(c) })
	})

	compressWhitespace = transforming("compress_whitespace", "one space for each run of white space", func(x *Context, b []byte) []byte {
		last := false
		return mapped(x, b, func(c byte) (byte, bool) {
			space := isSpace(c)
			keep := !space || !last
			last = space
			return c, keep
		})
	})

	urlDecode = transforming("url_decode", "decode %XX, and + as space", urlDecoded)

	headerLowercase = transforming("header_lowercase", "names of header fields to lower case", func(x *Context, b []byte) []byte {
		name := true
		return mapped(x, b, func(c byte) (byte, bool) {
			switch {
			case c == ':':
				name = false
			case c == '\n':
				name = true
			case name:
				c = lowerTable[c]
			}
			return c, true
		})
	})

	stripPseudoHeaders = transforming("strip_pseudo_headers", "leave out lines that begin with a colon", func(x *Context, b []byte) []byte {
		out := x.own(len(b))[:0]
		for line := range bytes.SplitAfterSeq(b, []byte("\n")) {
			if len(line) == 0 || line[0] != ':' {
				out = append(out, line...)
			}
		}
		return out
	})

	toMD5    = hashing("to_md5", "MD5 of the bytes", func(x *Context, b []byte) []byte { h := md5.Sum(b); return x.keep(h[:]) })
	toSHA1   = hashing("to_sha1", "SHA-1 of the bytes", func(x *Context, b []byte) []byte { h := sha1.Sum(b); return x.keep(h[:]) })
	toSHA256 = hashing("to_sha256", "SHA-256 of the bytes", func(x *Context, b []byte) []byte { h := sha256.Sum256(b); return x.keep(h[:]) })

	domain = transforming("domain", "the registered domain of a host name", func(_ *Context, b []byte) []byte { return registered(b, 2) })
	tld    = transforming("tld", "the top-level domain of a host name", func(_ *Context, b []byte) []byte { return registered(b, 1) })
)

func hashing(name, doc string, apply func(x *Context, b []byte) []byte) Keyword {
	return transforming(name, doc, apply)
}

func urlDecoded(x *Context, b []byte) []byte {
	out := x.own(len(b))[:0]
	for i := 0; i < len(b); i++ {
		switch {
		case b[i] == '+':
			out = append(out, ' ')
		case b[i] == '%' && i+2 < len(b):
			hi, ok1 := hexValue(b[i+1])
			lo, ok2 := hexValue(b[i+2])
			if ok1 && ok2 {
				out = append(out, hi<<4|lo)
				i += 2
				continue
			}
			fallthrough
		default:
			out = append(out, b[i])
		}
	}
	return out
}

// secondLevel are second-level labels under which domains are registered (co.uk, com.au): a short list of the frequent ones.
var secondLevel = map[string]bool{"co": true, "com": true, "net": true, "org": true, "gov": true, "edu": true, "ac": true, "or": true, "ne": true, "go": true}

// registered returns the last n labels of a name; a country's second level counts as one with its top level.
func registered(b []byte, n int) []byte {
	b = bytes.TrimSuffix(b, []byte("."))
	labels := bytes.Split(b, []byte("."))
	if len(labels) < n {
		return b[:0:0]
	}
	if k := len(labels); k > n && len(labels[k-1]) == 2 && secondLevel[string(labels[k-2])] {
		n++
	}
	at := 0
	for _, l := range labels[:len(labels)-n] {
		at += len(l) + 1
	}
	return b[at:]
}

// withArgument is a transform keyword whose argument parse turns into the transform's function.
func withArgument(name, arg, doc string, optional bool, parse func(arg string) (func(*Context, []byte) []byte, error)) Keyword {
	return Keyword{Name: name, Family: FamilyTransform, Arg: arg, Optional: optional, Doc: doc, setup: func(c *compiler, o *syntax.Option) error {
		apply, err := parse(strings.TrimSpace(o.Value))
		if err != nil {
			return err
		}
		return c.addTransform(transform{name + ":" + o.Value, apply})
	}}
}

var xor = withArgument("xor", `"hex key"`, "exclusive or with a key, repeated", false, func(arg string) (func(*Context, []byte) []byte, error) {
	key, err := appendHex(nil, strings.Trim(arg, `"`))
	if err != nil {
		return nil, err
	}
	if len(key) == 0 {
		return nil, errEmpty
	}
	return func(x *Context, b []byte) []byte {
		out := x.own(len(b))
		for i, c := range b {
			out[i] = c ^ key[i%len(key)]
		}
		return out
	}, nil
})

var subslice = withArgument("subslice", "OFFSET[, BYTES[, truncate]]", "a part of the bytes; negative numbers count from the end", false, func(arg string) (func(*Context, []byte) []byte, error) {
	w := words(arg)
	from, err := strconv.Atoi(w[0])
	if err != nil {
		return nil, fmt.Errorf("offset %q is not a number", w[0])
	}
	count, hasCount, truncate := 0, false, false
	for _, word := range w[1:] {
		if word == "truncate" {
			truncate = true
			continue
		}
		if count, err = strconv.Atoi(word); err != nil {
			return nil, fmt.Errorf("%q is not a number or truncate", word)
		}
		hasCount = true
	}
	return func(_ *Context, b []byte) []byte { return slice(b, from, count, hasCount, truncate) }, nil
})

var pcreXform = withArgument("pcrexform", `"expression"`, "what the first group of an expression captures; without a match the bytes as they are", false, func(arg string) (func(*Context, []byte) []byte, error) {
	re, err := regex.Compile(unslash(strings.Trim(arg, `"`)), 0)
	if err != nil {
		return nil, err
	}
	if re.Groups() == 0 {
		return nil, errors.New("the expression has no group")
	}
	return func(x *Context, b []byte) []byte {
		ok, err := x.machine.Match(re, b, 0, x.MatchLimit)
		if err != nil || !ok || x.machine.Groups[2] < 0 {
			return b
		}
		return b[x.machine.Groups[2]:x.machine.Groups[3]]
	}, nil
})

// unslash takes off the slashes that some write around an expression.
func unslash(s string) string {
	if len(s) > 2 && s[0] == '/' && s[len(s)-1] == '/' {
		return s[1 : len(s)-1]
	}
	return s
}

// slice cuts b[from:from+count]; what lies outside gives nothing, with truncate what there is.
func slice(b []byte, from, count int, hasCount, truncate bool) []byte {
	if from < 0 {
		from += len(b)
	}
	to := len(b)
	if hasCount {
		if to = from + count; count < 0 {
			to = len(b) + count
		}
	}
	if truncate {
		from, to = max(from, 0), min(to, len(b))
	}
	if from < 0 || to > len(b) || from > to {
		return b[:0:0]
	}
	return b[from:to]
}
