package deploy

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// invocation is a command line of ours in a document: a program, and words up to the end of the code.
var invocation = regexp.MustCompile("(?m)(?:^|[`\\s/;&|])(sensor|collector) ((?:[a-z][a-z-]*)(?:[^`\\n;&|>]*))")

// alternatives are words that a usage line lets one choose from, such as "list|add PREFIX|remove ID".
var alternatives = regexp.MustCompile(`(?i:usage)(?: of|:) \w+ [a-z-]+ ([a-z]+(?: [A-Z]+)?(?:\|[a-z]+(?: [A-Z]+)?)+)`)

// TestDocumentedCommandsExist asks the programs about every sub-command and flag that a document shows as code.
func TestDocumentedCommandsExist(t *testing.T) {
	programs := map[string]string{"sensor": build(t, "sensor"), "collector": build(t, "collector")}
	help := map[string]string{}
	ask := func(program string, words ...string) string {
		key := program + " " + strings.Join(words, " ")
		if _, ok := help[key]; !ok {
			out, _ := exec.Command(programs[program], append(slices.Clone(words), "--help")...).CombinedOutput() // the text says what it is
			help[key] = string(out)
		}
		return help[key]
	}
	seen := 0
	for _, path := range documents(t) {
		for _, code := range codeOf(text(t, path)) {
			for _, m := range invocation.FindAllStringSubmatch(code, -1) {
				seen++
				line, _, _ := strings.Cut(m[2], " #") // a comment
				program, words := m[1], strings.Fields(line)
				if fault := check(words, func(w ...string) string { return ask(program, w...) }); fault != "" {
					t.Errorf("%s: `%s %s`: %s", path, program, m[2], fault)
				}
			}
		}
	}
	if seen < 30 {
		t.Errorf("only %d invocations were found: the search is wrong", seen)
	}
}

// check follows words into the help texts: sub-commands as deep as they go, then flags.
func check(words []string, help func(...string) string) string {
	if !lists(help(), words[0]) {
		return "no such sub-command"
	}
	path := words[:1]
	if len(words) > 1 && strings.Contains(help(path...), "COMMAND [ARGUMENT]") {
		for _, w := range strings.Split(strings.TrimRight(words[1], ","), "|") {
			if !lists(help(path...), w) {
				return "no sub-command " + w
			}
		}
		path = words[:2]
	}
	if m := alternatives.FindStringSubmatch(help(path...)); m != nil && len(path) == 1 && len(words) > 1 {
		choice := regexp.MustCompile(` [A-Z]+`).ReplaceAllString(m[1], "")
		for _, w := range strings.Split(words[1], "|") {
			if !slices.Contains(strings.Split(choice, "|"), w) {
				return w + " is none of " + choice
			}
		}
	}
	for _, w := range words {
		name, _, _ := strings.Cut(strings.TrimLeft(w, "-["), "=")
		name = strings.TrimRight(name, "],.")
		if strings.HasPrefix(strings.TrimLeft(w, "["), "--") && name != "help" && !strings.Contains(help(path...), "\n  -"+name) {
			return "no flag --" + name
		}
	}
	return ""
}

// lists reports whether a usage text has a line for the sub-command.
func lists(usage, name string) bool {
	return regexp.MustCompile(`(?m)^  ` + regexp.QuoteMeta(name) + `\s`).MatchString(usage)
}

// documents are what people read.
func documents(t *testing.T) (paths []string) {
	t.Helper()
	paths = []string{"../README.md"}
	for _, root := range []string{"../docs", "../deploy/config"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(path, ".md") {
				paths = append(paths, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return paths
}

// codeOf returns what stands in fences without a language, and between back quotes.
func codeOf(markdown string) (code []string) {
	inFence, language := false, ""
	for line := range strings.Lines(markdown) {
		if lang, ok := strings.CutPrefix(strings.TrimSpace(line), "```"); ok {
			inFence, language = !inFence, lang
			continue
		}
		switch {
		case inFence && (language == "" || language == "sh" || language == "bash" || language == "console"):
			code = append(code, line)
		case !inFence:
			for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(line, -1) {
				code = append(code, m[1])
			}
		}
	}
	return code
}

// TestLinksResolve follows every relative link of a document to a file.
func TestLinksResolve(t *testing.T) {
	for _, path := range documents(t) {
		for _, m := range regexp.MustCompile(`\]\(([^)#\s]+)(?:#[^)]*)?\)`).FindAllStringSubmatch(text(t, path), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), m[1])); err != nil {
				t.Errorf("%s: link to %s: %v", path, m[1], err)
			}
		}
	}
}
