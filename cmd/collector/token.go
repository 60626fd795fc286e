package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/weir-ips/weir/internal/collector"
	"github.com/weir-ips/weir/internal/collector/enrol"
	"github.com/weir-ips/weir/internal/subcommand"
)

func tokenCommand(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	return subcommand.Dispatch(ctx, "collector token", []subcommand.Command{
		{Name: "create", Summary: "print a token for `sensor enroll`", Run: tokenCreate},
		{Name: "list", Summary: "list the tokens that may still be used", Run: tokenList},
		{Name: "remove", Summary: "make a token useless", Run: tokenRemove},
	}, args, stdout, stderr)
}

// tokenCreate prints the token and nothing else; it is kept nowhere.
func tokenCreate(_ context.Context, args []string, stdout, stderr io.Writer) int {
	fs := subcommand.Flags("collector token create", stderr)
	load := configFlags(fs)
	group := fs.String("group", "", "`group` that the sensors will be in")
	ttl := fs.Duration("ttl", 15*time.Minute, "`time` after which it is useless")
	uses := fs.Int("uses", 1, "`number` of sensors that may enrol with it")
	if code, ok := parse(fs, args, stderr); !ok {
		return code
	}
	list, err := enrolment(load)
	if err != nil {
		return fail(stderr, err)
	}
	t, err := list.CreateToken(*group, *uses, *ttl)
	if err != nil {
		return fail(stderr, err)
	}
	fmt.Fprintln(stdout, t)
	return 0
}

func tokenList(_ context.Context, args []string, stdout, stderr io.Writer) int {
	fs := subcommand.Flags("collector token list", stderr)
	load := configFlags(fs)
	asJSON := fs.Bool("json", false, "print a JSON array")
	if code, ok := parse(fs, args, stderr); !ok {
		return code
	}
	list, err := enrolment(load)
	if err != nil {
		return fail(stderr, err)
	}
	tokens := list.Tokens()
	if *asJSON {
		if tokens == nil {
			tokens = []enrol.Grant{}
		}
		if err := json.NewEncoder(stdout).Encode(tokens); err != nil {
			return fail(stderr, err)
		}
		return 0
	}
	for _, t := range tokens {
		fmt.Fprintf(stdout, "%-12s %d uses, until %s, group %s\n", t.ID, t.Uses, t.Expires.Format(time.RFC3339), cmp.Or(t.Group, "-"))
	}
	return 0
}

func tokenRemove(_ context.Context, args []string, _, stderr io.Writer) int {
	fs := subcommand.Flags("collector token remove ID", stderr)
	load := configFlags(fs)
	id, code, ok := parseID(fs, args, stderr)
	if !ok {
		return code
	}
	list, err := enrolment(load)
	if err == nil {
		err = list.RemoveToken(id)
	}
	if err != nil {
		return fail(stderr, err)
	}
	return 0
}

func enrolment(load func() (*collector.Config, error)) (*enrol.List, error) {
	cfg, err := load()
	if err != nil {
		return nil, err
	}
	_, list, err := collector.OpenEnrolment(cfg)
	return list, err
}
