package install

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// instruction is something that a document tells people to type, a block or one line between back quotes, or a file to write.
type instruction struct {
	where string // file and line
	text  string
	file  string // "" for commands
}

var (
	// programs begin a command; other code in documents is none.
	programs = regexp.MustCompile(`^(?:sudo )?(?:bin/)?(?:sensor|collector|apt-get|aws|curl|df|ethtool|go|ip|jq|journalctl|make|nats-server|nc|packer|systemctl|terraform) \S`)
	// atAWS asks AWS, and nobody here is AWS: the document says so beside it.
	atAWS = regexp.MustCompile(`\b(?:aws \w|packer (?:init|build)|terraform (?:apply|plan|destroy))`)
	// named announces the file that the next block is.
	named = regexp.MustCompile("^`(/\\S+)`:$")
	// quoted is code within a line.
	quoted = regexp.MustCompile("`([^`]+)`")
)

const needsAWS = "needs AWS"

// instructions finds what the documents say, page by page.
func instructions(t *testing.T) map[string][]instruction {
	t.Helper()
	all := map[string][]instruction{}
	read := func(path string) {
		text, err := os.ReadFile(path)
		check(t, err)
		page, err := filepath.Rel("../..", path)
		check(t, err)
		s := scribe{t: t, page: page}
		for line := range strings.Lines(string(text)) {
			s.line++
			s.read(strings.TrimRight(line, "\n"))
		}
		if len(s.found) > 0 {
			all[page] = s.found
		}
	}
	for _, page := range []string{"README.md", "CONTRIBUTING.md", "SECURITY.md", "bpf/README.md"} {
		read("../../" + page)
	}
	check(t, filepath.WalkDir("../../docs", func(path string, _ fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".md") {
			read(path)
		}
		return err
	}))
	return all
}

// scribe reads a page line by line.
type scribe struct {
	t     *testing.T
	page  string
	line  int
	found []instruction

	fence    bool
	language string
	file     string // that the next block is
	begun    int    // line of the block
	block    []string
}

func (s *scribe) read(line string) {
	if language, ok := strings.CutPrefix(strings.TrimSpace(line), "```"); ok {
		if s.fence = !s.fence; s.fence {
			s.language, s.begun, s.block = language, s.line+1, nil
		} else {
			s.end()
		}
		return
	}
	if s.fence {
		s.block = append(s.block, line)
		return
	}
	if m := named.FindStringSubmatch(line); m != nil {
		s.file = m[1]
	} else if line != "" {
		s.file = ""
	}
	for _, m := range quoted.FindAllStringSubmatch(line, -1) {
		if code := strings.ReplaceAll(m[1], `\|`, "|"); programs.MatchString(code) && !s.marked(code, line) {
			s.add(s.line, code, "")
		}
	}
}

// end takes a block in: a named file, or commands if its first line is one.
func (s *scribe) end() {
	if s.language == "yaml" && s.file != "" {
		s.add(s.begun, strings.Join(s.block, "\n")+"\n", s.file)
		return
	}
	if len(s.block) == 0 || !programs.MatchString(strings.TrimSpace(s.block[0])) {
		return
	}
	var script strings.Builder
	for _, line := range s.block {
		if !s.marked(line, line) {
			script.WriteString(strings.TrimSpace(line) + "\n")
		}
	}
	s.add(s.begun, script.String(), "")
}

// marked reports whether code asks AWS. What does so without saying so beside it is a fault of the page.
func (s *scribe) marked(code, beside string) bool {
	says := strings.Contains(beside, needsAWS)
	if !atAWS.MatchString(code) {
		return says && strings.Contains(code, needsAWS)
	}
	if !says {
		s.t.Errorf("%s:%d: %s: asks AWS: write (%s) beside it", s.page, s.line, code, needsAWS)
	}
	return true
}

func (s *scribe) add(line int, text, file string) {
	s.found = append(s.found, instruction{where: fmt.Sprintf("%s:%d", s.page, line), text: text, file: file})
}
