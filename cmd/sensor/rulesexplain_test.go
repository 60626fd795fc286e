package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRulesFmt(t *testing.T) {
	var b strings.Builder
	formatRules("# a comment\nalert   tcp any any ->  any 80 (msg:\"x\";   \\\n  content:\"a\";sid:1;)\nnot a rule\n", &b)
	want := "# a comment\nalert tcp any any -> any 80 (msg:\"x\"; content:\"a\"; sid:1;)\nnot a rule\n"
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}

func TestRulesExplain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "t.rules")
	rules := "alert http any any -> any any (msg:\"fast\"; http.uri; content:\"/attack\"; sid:1;)\n" +
		"alert http any any -> any any (msg:\"slow\"; http.uri; pcre:\"/a+/\"; sid:2;)\n" +
		"alert mqtt any any -> any any (msg:\"never\"; content:\"abc\"; sid:3;)\n"
	if err := os.WriteFile(file, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	for sid, want := range map[string]string{"1": `fast pattern  "/attack" in http.uri`, "2": "slow: no content that must be there", "3": "can never match: protocol mqtt is not parsed"} {
		var out, errs strings.Builder
		if code := rulesExplain(t.Context(), []string{sid, file}, &out, &errs); code != 0 || !strings.Contains(out.String(), want) {
			t.Errorf("explain %s: code %d, got %q %q, want %q", sid, code, out.String(), errs.String(), want)
		}
	}
	var out, errs strings.Builder
	if code := rulesExplain(t.Context(), []string{"9", file}, &out, &errs); code != 1 || !strings.Contains(errs.String(), "no rule with sid 9") {
		t.Errorf("explain of a missing rule: code %d, %q", code, errs.String())
	}
}

func TestRulesKeywords(t *testing.T) {
	var out, errs strings.Builder
	if rulesKeywords(t.Context(), []string{"http.uri"}, &out, &errs); !strings.Contains(out.String(), "http.uri\n    path and query, normalised\n") {
		t.Errorf("got %q", out.String())
	}
}
