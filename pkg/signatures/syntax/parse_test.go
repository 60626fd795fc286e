package syntax

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestParseRule(t *testing.T) {
	r, err := ParseRule(`alert tcp $HOME_NET any -> [10.0.0.0/8, !10.1.1.1] 80 (msg:"a \; b"; content : "x:y" ; nocase; sid:1;)`, Pos{"f", 1, 1})
	if err != nil {
		t.Fatal(err)
	}
	h := r.Header
	got := []string{h.Action.Text, h.Proto.Text, h.Src.Text, h.SrcPort.Text, string(h.Arrow), h.Dst.Text, h.DstPort.Text}
	want := []string{"alert", "tcp", "$HOME_NET", "any", "->", "[10.0.0.0/8, !10.1.1.1]", "80"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("header %q, want %q", got, want)
	}
	options := []Option{
		{Pos{"f", 1, 56}, "msg", `"a \; b"`, true},
		{Pos{"f", 1, 70}, "content", `"x:y"`, true},
		{Pos{"f", 1, 88}, "nocase", "", false},
		{Pos{"f", 1, 96}, "sid", "1", true},
	}
	if !reflect.DeepEqual(r.Options, options) {
		t.Errorf("options %+v, want %+v", r.Options, options)
	}
}

func TestParseErrors(t *testing.T) {
	for _, c := range []struct {
		text, at string
		want     error
	}{
		{"alert tcp any any -> any any", "f:1:28", ErrNoOptions},
		{"alert tcp any any <- any any (sid:1;)", "f:1:19", ErrDirection},
		{"alert tcp any any -> any (sid:1;)", "f:1:26", ErrHeader},
		{"alert tcp any any -> any any (sid:1;", "f:1:36", ErrUnclosed},
		{"alert tcp any any -> any any (sid:1; ;)", "f:1:38", ErrEmpty},
		{"alert tcp any any -> any any (:1;)", "f:1:31", ErrEmpty},
		{"alert tcp [1.1.1.1 any -> any any (sid:1;)", "f:1:11", ErrUnbalanced},
		{"alert", "f:1:5", ErrHeader},
		{"alert tcp any any -> any any (", "f:1:30", ErrUnclosed},
	} {
		_, errs := Parse("f", c.text)
		if len(errs) != 1 || !errors.Is(errs[0], c.want) || errs[0].Pos.String() != c.at {
			t.Errorf("%s: got %v, want %s: %v", c.text, errs, c.at, c.want)
		}
	}
}

func TestParseFile(t *testing.T) {
	text := "# a comment (with parentheses)\r\n" +
		"\n" +
		"#alert ip any any -> any any (sid:1;)\r\n" +
		"  alert ip any any -> any any ( \\\n    sid:2; \\\r\n  rev:1;)\n" +
		"nonsense\n" +
		"#alert is a word here\n" +
		"drop ip any any <> any any (sid:3;)"
	rules, errs := Parse("f", text)
	if len(errs) != 1 || errs[0].Pos.String() != "f:7:8" {
		t.Errorf("errors %v", errs)
	}
	var got []string
	for _, r := range rules {
		got = append(got, r.Pos.String()+" "+r.String())
	}
	want := []string{
		"f:3:2 # alert ip any any -> any any (sid:1;)",
		"f:4:3 alert ip any any -> any any (sid:2; rev:1;)",
		"f:9:1 drop ip any any <> any any (sid:3;)",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if at := rules[1].Options[1].Pos.String(); at != "f:6:3" {
		t.Errorf("rev on a continued line is at %s, want f:6:3", at)
	}
}

// TestParseUnfinished holds that a rule whose last option lacks its semicolon is read, and says so.
func TestParseUnfinished(t *testing.T) {
	rules, errs := Parse("f", "alert ip any any -> any any (msg:\"a\"; sid:1 )\nalert ip any any -> any any (sid:2;)\n")
	if errs != nil || len(rules) != 2 {
		t.Fatalf("%d rules, %v", len(rules), errs)
	}
	if r := rules[0]; !r.Unfinished || rules[1].Unfinished || r.String() != `alert ip any any -> any any (msg:"a"; sid:1;)` {
		t.Errorf("unfinished %v, %s", r.Unfinished, r)
	}
}

func TestParseKeepsOrderInParallel(t *testing.T) {
	rules, errs := Parse("f", strings.Repeat("alert ip any any -> any any (sid:1;)\n", 10000))
	if len(rules) != 10000 || errs != nil {
		t.Fatalf("%d rules, %v", len(rules), errs)
	}
	for i, r := range rules {
		if r.Pos.Line != i+1 {
			t.Fatalf("rule %d is of line %d", i, r.Pos.Line)
		}
	}
}

// FuzzParse checks that writing a rule and reading it again changes nothing.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`alert tcp any any -> any 80 (msg:"x\;y"; content:"|41 3b|"; sid:1;)`,
		"#drop ip [1.1.1.1, !2.2.2.2] any <> any any (sid:1; \\\n rev:2;)",
		"alert http $A $B => !$C [80:,!90] (sid:1;)\nx",
	} {
		f.Add(s)
	}
	strip := func(r *Rule) Rule {
		c := *r
		c.Raw, c.Pos = "", Pos{}
		for _, f := range []*Field{&c.Header.Action, &c.Header.Proto, &c.Header.Src, &c.Header.SrcPort, &c.Header.Dst, &c.Header.DstPort} {
			f.Pos = Pos{}
		}
		c.Options = append([]Option(nil), r.Options...)
		for i := range c.Options {
			c.Options[i].Pos = Pos{}
		}
		return c
	}
	f.Fuzz(func(t *testing.T, text string) {
		rules, _ := Parse("f", text)
		for _, r := range rules {
			again, err := ParseRule(r.String(), Pos{"f", 1, 1})
			if err != nil {
				t.Fatalf("%q: %v", r.String(), err)
			}
			if got, want := strip(again), strip(r); !reflect.DeepEqual(got, want) {
				t.Fatalf("%+v became %+v", want, got)
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	text := `alert http $HOME_NET any -> $EXTERNAL_NET any (msg:"x"; flow:established,to_server; content:"abc"; http.uri; sid:1; rev:1;)`
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, errs := Parse("f", text); errs != nil {
			b.Fatal(errs)
		}
	}
}
