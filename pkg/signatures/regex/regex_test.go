package regex

import (
	"bytes"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern string
		flags   Flags
		subject string
		want    []int // bounds of the groups; nil: no match
	}{
		{`abc`, 0, "xabcx", []int{1, 4}},
		{`a.c`, 0, "a\nc", nil},
		{`a.c`, DotAll, "a\nc", []int{0, 3}},
		{`ABC`, CaseInsensitive, "xaBc", []int{1, 4}},
		{`^b`, 0, "a\nb", nil},
		{`^b`, Multiline, "a\nb", []int{2, 3}},
		{`a$`, 0, "a\n", []int{0, 1}},
		{`a$`, DollarEndOnly, "a\n", nil},
		{`a|ab`, 0, "ab", []int{0, 1}},
		{`(a|ab)(c|bcd)(d*)`, 0, "abcd", []int{0, 4, 0, 1, 1, 4, 4, 4}},
		{`(a*)*b`, 0, "aab", []int{0, 3, 2, 2}},
		{`(a+)+$`, 0, "aaab", nil},
		{`a{2,3}`, 0, "aaaa", []int{0, 3}},
		{`a{2,3}?`, 0, "aaaa", []int{0, 2}},
		{`(?:ab){2,3}`, 0, "abababab", []int{0, 6}},
		{`(?:ab){2,3}?`, 0, "abababab", []int{0, 4}},
		{`(?:ab)*?c`, 0, "ababc", []int{0, 5}},
		{`a++a`, 0, "aaa", nil},
		{`(?>a+)b`, 0, "aab", []int{0, 3}},
		{`(?>a+)a`, 0, "aaa", nil},
		{`(.)\1`, 0, "abccd", []int{2, 4, 2, 3}},
		{`(?i)(a)\1`, 0, "xaA", []int{1, 3, 1, 2}},
		{`(?P<q>['"]).*?(?P=q)`, 0, `x"a'b"`, []int{1, 6, 1, 2}},
		{`foo(?!bar)`, 0, "foobar foobaz", []int{7, 10}},
		{`foo(?=bar)`, 0, "foobaz foobar", []int{7, 10}},
		{`(?<!a)b`, 0, "ab b", []int{3, 4}},
		{`(?<=a|bc)d`, 0, "d bcd", []int{4, 5}},
		{`(?<=^.{3})x`, 0, "abcx", []int{3, 4}},
		{`\bfoo\b`, 0, "afoo foo", []int{5, 8}},
		{`[^a-c\d]+`, 0, "ab1xyz2", []int{3, 6}},
		{`[[:alpha:]-]+`, 0, "1a-b2", []int{1, 4}},
		{`[]a]+`, 0, "x]a", []int{1, 3}},
		{`\xff\x{00}\101`, 0, "\xff\x00A", []int{0, 3}},
		{`[\x80-\xff]+`, 0, "a\xc3\xa4", []int{1, 3}},
		{`a b # c`, Extended, "ab", []int{0, 2}},
		{`a(?#no)b`, 0, "ab", []int{0, 2}},
		{`\Qa.b\E+`, 0, "axb a.bbb", []int{4, 9}},
		{`a+`, Ungreedy, "aaa", []int{0, 1}},
		{`x{,3}`, 0, "x{,3}", []int{0, 5}},
		{`a{0}b`, 0, "ab", []int{1, 2}},
		{`(?s-i:A.)b`, CaseInsensitive, "a\nb A\nB", []int{4, 7}},
		{`foo\Kbar`, 0, "foobar", []int{3, 6}},
		{`(?:a|b)*c`, 0, "ababd", nil},
		{`(?:(?:x){2}y){2}`, 0, "xxyxxy", []int{0, 6}},
		{`^(?:(?=a)|b)*$`, 0, "bb", []int{0, 2}},
		{`\R`, 0, "a\r\n", []int{1, 3}},
	} {
		re, err := Compile(c.pattern, c.flags)
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
			continue
		}
		var m Machine
		ok, err := m.Match(re, []byte(c.subject), 0, 3500)
		if err != nil || ok != (c.want != nil) {
			t.Errorf("%s on %q: %v, %v, want %v", c.pattern, c.subject, ok, err, c.want)
			continue
		}
		for i, want := range c.want {
			if m.Groups[i] != want {
				t.Errorf("%s on %q: groups %v, want %v", c.pattern, c.subject, m.Groups, c.want)
				break
			}
		}
	}
}

func TestCompileErrors(t *testing.T) {
	for _, c := range []struct {
		pattern, want string
		unsupported   bool
	}{
		{`a(b`, "at byte 4: no ) closes the group", false},
		{`a)`, "at byte 2: unmatched )", false},
		{`[a`, "at byte 3: no ] closes the class", false},
		{`*a`, "at byte 2: '*' has nothing to repeat", false},
		{`[b-a]`, `at byte 5: range 'b'-'a' runs backwards`, false},
		{`\`, `at byte 2: \ at the end`, false},
		{`(a)\2`, "a back-reference names a group that does not exist", false},
		{`\p{L}`, `at byte 3: \p is not supported`, true},
		{`(?R)`, `at byte 4: (?R is not supported`, true},
		{`(?<=a+)b`, "at byte 8: look-behind without a bounded length is not supported", true},
		{`a{2,1}`, "at byte 2: repeat {2,1}: the second number is the smaller", false},
	} {
		_, err := Compile(c.pattern, 0)
		if err == nil || err.Error() != c.want || errors.Is(err, ErrUnsupported) != c.unsupported {
			t.Errorf("%s: %v, want %s", c.pattern, err, c.want)
		}
	}
}

func TestMatchLimit(t *testing.T) {
	re, err := Compile(`(?:a+)+$`, 0)
	if err != nil {
		t.Fatal(err)
	}
	var m Machine
	if ok, err := m.Match(re, append(bytes.Repeat([]byte("a"), 40), '!'), 0, 3500); ok || !errors.Is(err, ErrLimit) {
		t.Errorf("%v, %v, want %v", ok, err, ErrLimit)
	}
	if ok, err := m.Match(re, []byte("aaa"), 0, 3500); !ok || err != nil {
		t.Errorf("the machine is not usable after a limit: %v, %v", ok, err)
	}
}

func TestMatchAllocatesNothing(t *testing.T) {
	re, err := Compile(`^GET /([a-z]+)/(?:\d{2,4}|x)*\?id=(['"])?[^&]+\2`, CaseInsensitive)
	if err != nil {
		t.Fatal(err)
	}
	s := []byte(`get /index/1234x99?id="abc"`)
	var m Machine
	if n := testing.AllocsPerRun(100, func() {
		if ok, _ := m.Match(re, s, 0, 3500); !ok {
			t.Fatal("no match")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// nullableLoop reports whether n repeats something that can be empty: Perl and RE2 leave such loops at different times.
func nullableLoop(n *node) bool {
	if n.kind == nodeRepeat {
		if lo, _ := n.subs[0].width(); lo == 0 {
			return true
		}
	}
	return slices.ContainsFunc(n.subs, nullableLoop)
}

// FuzzMatch holds the matcher against the standard library, where both have the same semantics.
func FuzzMatch(f *testing.F) {
	for _, s := range []string{`a(b|c)*?d`, `(?i)x{2,}y`, `[^\x00-\x20]+\.php$`, `(a)|b`, `\by|^z`, `(?:ab?){3}b`, `\w+ \d`, `(?s:.)(?:aa|a)*c`, `(a|ab)(c|bcd)(d*)`} {
		f.Add(s, uint8(0), "xxaabcbcd yab.php\n")
	}
	differ := regexp.MustCompile(`\\[^.\[\]()a-bdnrtwxABDW]|\[\[|[$]|\\x|\\$|\\a`)
	f.Fuzz(func(t *testing.T, pattern string, flags uint8, subject string) {
		if len(pattern) > 60 || len(subject) > 60 || differ.MatchString(pattern) || strings.ContainsFunc(pattern+subject, func(r rune) bool { return r >= 0x80 || r == 0 }) {
			return
		}
		fl := Flags(flags) & (CaseInsensitive | Multiline | DotAll)
		letters := ""
		for flag, letter := range map[Flags]string{CaseInsensitive: "i", Multiline: "m", DotAll: "s"} {
			if fl&flag != 0 {
				letters += letter
			}
		}
		reference, err := regexp.Compile("(?" + letters + ":" + pattern + ")")
		if letters == "" {
			reference, err = regexp.Compile(pattern)
		}
		if err != nil {
			return
		}
		re, err := Compile(pattern, fl)
		if err != nil {
			t.Skip()
		}
		p := &parser{s: pattern, flags: fl, names: map[string]int{}}
		if n, _ := p.alternatives(); nullableLoop(n) {
			return
		}
		var m Machine
		ok, err := m.Match(re, []byte(subject), 0, 100000)
		if err != nil {
			return
		}
		want := reference.FindStringSubmatchIndex(subject)
		if ok != (want != nil) {
			t.Fatalf("/%s/%s on %q: %v, want %v", pattern, letters, subject, m.Groups, want)
		}
		if ok && !slices.Equal(m.Groups, want) {
			t.Fatalf("/%s/%s on %q: %v, want %v", pattern, letters, subject, m.Groups, want)
		}
	})
}
