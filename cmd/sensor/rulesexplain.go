package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/weir-ips/weir/internal/sensor/path"
	"github.com/weir-ips/weir/internal/sensor/suricatayaml"
	"github.com/weir-ips/weir/pkg/signatures"
	"github.com/weir-ips/weir/pkg/signatures/keyword"
	"github.com/weir-ips/weir/pkg/signatures/syntax"
)

// rulesFmt prints a rule file with each rule in one line and one form; comments and what is no rule stay as they are.
func rulesFmt(_ context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 || strings.HasPrefix(args[0], "-") {
		fmt.Fprintln(stderr, "usage: sensor rules fmt FILE...")
		return 2
	}
	for _, name := range args {
		text, err := os.ReadFile(name)
		if err != nil {
			fmt.Fprintln(stderr, "sensor rules fmt:", err)
			return 1
		}
		formatRules(string(text), stdout)
	}
	return 0
}

func formatRules(text string, w io.Writer) {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		whole, from := strings.TrimRight(lines[i], "\r"), i
		for strings.HasSuffix(whole, `\`) && i+1 < len(lines) {
			i++
			whole = strings.TrimSuffix(whole, `\`) + strings.TrimLeft(strings.TrimRight(lines[i], "\r"), " \t")
		}
		if rules, errs := syntax.Parse("", whole+"\n"); len(rules) == 1 && len(errs) == 0 {
			fmt.Fprintln(w, rules[0].String())
			continue
		}
		for _, l := range lines[from : i+1] {
			fmt.Fprintln(w, strings.TrimRight(l, "\r"))
		}
	}
}

// rulesKeywords prints the keywords of the rule language, or those whose names hold a word.
func rulesKeywords(_ context.Context, args []string, stdout, _ io.Writer) int {
	for _, k := range keyword.Table() {
		if len(args) > 0 && !strings.Contains(k.Name, args[0]) {
			continue
		}
		form := k.Name
		switch {
		case k.Arg != "" && k.Optional:
			form += "[:" + k.Arg + "]"
		case k.Arg != "":
			form += ":" + k.Arg
		}
		fmt.Fprintf(stdout, "%s\n    %s\n", form, k.Doc)
	}
	return 0
}

// rulesExplain says of one rule how it is evaluated, why it costs much, and why it can never match.
func rulesExplain(_ context.Context, args []string, stdout, stderr io.Writer) int {
	sid, err := uint64(0), error(nil)
	if len(args) >= 2 {
		sid, err = strconv.ParseUint(args[0], 10, 32)
	}
	if len(args) < 2 || err != nil {
		fmt.Fprintln(stderr, "usage: sensor rules explain SID FILE...")
		return 2
	}
	s, _, err := suricatayaml.Load("", nil, false)
	if err != nil {
		fmt.Fprintln(stderr, "sensor rules explain:", err)
		return 1
	}
	sources, err := path.ReadRules(args[1:])
	if err != nil {
		fmt.Fprintln(stderr, "sensor rules explain:", err)
		return 1
	}
	opts, err := s.RuleOptions(args[1:])
	if err != nil {
		fmt.Fprintln(stderr, "sensor rules explain:", err)
		return 1
	}
	rs, problems := signatures.Load(sources, opts)
	found := false
	for i := range problems {
		if problems[i].SID == uint32(sid) {
			found = true
			fmt.Fprintln(stdout, &problems[i].Error)
		}
	}
	for _, sig := range rs.Signatures() {
		if sig.SID == uint32(sid) {
			found = true
			explain(stdout, sig)
		}
	}
	if !found {
		fmt.Fprintf(stderr, "sensor rules explain: no rule with sid %d in %s\n", sid, strings.Join(args[1:], ", "))
		return 1
	}
	return 0
}

func explain(w io.Writer, sig *keyword.Signature) {
	e := sig.Explain()
	fmt.Fprintf(w, "%s:%d: %s\n", sig.File, sig.Line, sig.Msg)
	fmt.Fprintf(w, "  evaluated as  %s\n  its action covers %s\n", e.Type, e.Scope)
	if e.Fast != "" {
		fmt.Fprintf(w, "  fast pattern  %s in %s\n", e.Fast, e.Where)
	}
	for _, why := range e.Never {
		fmt.Fprintf(w, "  can never match: %s\n", why)
	}
	for _, why := range e.Slow {
		fmt.Fprintf(w, "  slow: %s\n", why)
	}
}
