package keyword

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/weir-ips/weir/pkg/signatures/syntax"
)

func meta(name, arg, doc string, setup func(c *compiler, value string) error) Keyword {
	return Keyword{Name: name, Family: FamilyMeta, Arg: arg, Doc: doc, setup: func(c *compiler, o *syntax.Option) error {
		return setup(c, o.Value)
	}}
}

var msg = meta("msg", `"text"`, "what the alert says", func(c *compiler, v string) error {
	if len(v) < 2 || v[0] != '"' || v[len(v)-1] != '"' {
		return errQuotes
	}
	c.sig.Msg = unescape(v[1 : len(v)-1])
	return nil
})

// unescape removes the backslash before ; " : and itself; it copies only when there is one.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) && strings.IndexByte(`;":\`, s[i+1]) >= 0 {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func number32(set func(c *compiler) *uint32, zero bool) func(*compiler, string) error {
	return func(c *compiler, v string) error {
		n, err := strconv.ParseUint(strings.Trim(v, `"`), 10, 32)
		if err != nil || n == 0 && !zero {
			return fmt.Errorf("%q is not in 1-4294967295", v)
		}
		*set(c) = uint32(n)
		return nil
	}
}

var sid = meta("sid", "N", "the rule's number, unique within its gid", number32(func(c *compiler) *uint32 { return &c.sig.SID }, false))

var rev = meta("rev", "N", "revision of the rule; the higher of two rules with one sid is loaded", number32(func(c *compiler) *uint32 { return &c.sig.Rev }, false))

var gid = meta("gid", "N", "group of the rule's number", number32(func(c *compiler) *uint32 { return &c.sig.GID }, true))

var classtype = meta("classtype", "name", "class of attack, from classification.config; gives category and priority", func(c *compiler, v string) error {
	v = strings.Trim(v, `"`)
	if c.sig.Class != "" {
		return fmt.Errorf("the rule already has the class %s", c.sig.Class)
	}
	c.sig.Class = v
	class, ok := c.env.Classes[v]
	if !ok {
		c.warn(fmt.Errorf("classtype: %q is not in classification.config: the rule gets priority 3", v))
		return nil
	}
	c.sig.Category = class.Description
	if !c.sig.Priority0 {
		c.sig.Priority = class.Priority
	}
	return nil
})

var priority = meta("priority", "1-255", "severity, 1 the highest; overrides the class's", func(c *compiler, v string) error {
	n, err := parseInt(strings.Trim(v, `"`), 1, 255)
	c.sig.Priority, c.sig.Priority0 = n, true
	return err
})

var errReference = errors.New("is not type,id")

var reference = meta("reference", "type,id", "where to read more: cve,2021-44228 or url,example.org/x", func(c *compiler, v string) error {
	kind, id, ok := strings.Cut(v, ",")
	if !ok || strings.TrimSpace(kind) == "" {
		return fmt.Errorf("%q %w", v, errReference)
	}
	c.sig.References = append(c.sig.References, Pair{strings.ToLower(strings.TrimSpace(kind)), unescape(strings.TrimSpace(id))})
	return nil
})

var metadata = meta("metadata", "key value, …", "what the rule's author knows about it; written to the alert", func(c *compiler, v string) error {
	for part := range strings.SplitSeq(v, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(part), " ")
		if key != "" {
			c.sig.Metadata = append(c.sig.Metadata, Pair{key, strings.TrimSpace(value)})
		}
	}
	return nil
})

var target = meta("target", "src_ip|dest_ip", "which side is attacked", func(c *compiler, v string) error {
	switch v {
	case "src_ip":
		c.sig.Target = TargetSrc
	case "dest_ip":
		c.sig.Target = TargetDst
	default:
		return fmt.Errorf("%q is not src_ip or dest_ip", v)
	}
	return nil
})

var noalert = meta("noalert", "", "match and act, but write no record", func(c *compiler, _ string) error {
	c.sig.NoAlert = true
	return nil
})

var alertKeyword = meta("alert", "", "write a record even though the action is pass", func(c *compiler, _ string) error {
	c.sig.AlertPass, c.sig.NoAlert = true, false
	return nil
})

var requires = meta("requires", "feature name, version OP N, keyword name", "load the rule only if the condition holds", func(c *compiler, v string) error {
	for part := range strings.SplitSeq(v, ",") {
		kind, value, _ := strings.Cut(strings.TrimSpace(part), " ")
		value = strings.TrimSpace(value)
		var met bool
		switch kind {
		case "keyword":
			met = c.lookup(value) != nil
		case "feature":
			met = features[strings.ToLower(value)]
		case "version":
			ok, err := versionHolds(value)
			if err != nil {
				return err
			}
			met = ok
		default:
			return fmt.Errorf("%q is not feature, keyword or version: %w", kind, ErrSkip)
		}
		if !met {
			return fmt.Errorf("%s %s is not met: %w", kind, value, ErrSkip)
		}
	}
	return nil
})

// features are what rules can require, in Suricata's names, and that is there.
var features = map[string]bool{"ja3": true, "ja4": true, "output::file-store": true, "true": true}

// languageVersion is the version of Suricata whose rule language this is.
var languageVersion = [3]int{8, 0, 6}

// versionHolds evaluates `>= 7.0.3`, `< 8`, with | and spaces between conditions: a | b, and `>=7.0.4 <8`.
func versionHolds(s string) (bool, error) {
	for alternative := range strings.SplitSeq(s, "|") {
		holds := true
		fields := strings.Fields(strings.NewReplacer(">=", " >= ", "<=", " <= ").Replace(spaceOut(alternative)))
		if len(fields)%2 != 0 || len(fields) == 0 {
			return false, fmt.Errorf("version %q is not OP N.N.N", s)
		}
		for i := 0; i < len(fields); i += 2 {
			c, err := compareVersion(fields[i+1])
			if err != nil {
				return false, err
			}
			switch fields[i] {
			case ">=":
				holds = holds && c >= 0
			case "<=":
				holds = holds && c <= 0
			case ">":
				holds = holds && c > 0
			case "<":
				holds = holds && c < 0
			default:
				return false, fmt.Errorf("version %q is not OP N.N.N", s)
			}
		}
		if holds {
			return true, nil
		}
	}
	return false, nil
}

// spaceOut puts a space after a lone < or >.
func spaceOut(s string) string {
	var b strings.Builder
	for i := range len(s) {
		b.WriteByte(s[i])
		if (s[i] == '<' || s[i] == '>') && i+1 < len(s) && s[i+1] != '=' {
			b.WriteByte(' ')
		}
	}
	return b.String()
}

func compareVersion(s string) (int, error) {
	for i, part := range strings.SplitN(s, ".", 3) {
		n, err := strconv.Atoi(part)
		if err != nil {
			return 0, fmt.Errorf("version %q is not N.N.N", s)
		}
		if n != languageVersion[i] {
			return languageVersion[i] - n, nil
		}
	}
	return 0, nil
}
