package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"time"

	"github.com/weir-ips/weir/internal/collector/identity"
	"github.com/weir-ips/weir/internal/subcommand"
)

func apiTokenCommand(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	return subcommand.Dispatch(ctx, "collector apitoken", []subcommand.Command{
		{Name: "create", Summary: "print a token for the API", Run: apiTokenCreate},
		{Name: "list", Summary: "list the tokens", Run: apiTokenList},
		{Name: "revoke", Summary: "make a token useless", Run: apiTokenRevoke},
	}, args, stdout, stderr)
}

// apiTokenCreate prints the token and nothing else; it is kept nowhere.
func apiTokenCreate(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	fs := flag.NewFlagSet("collector apitoken create NAME", flag.ContinueOnError)
	read := rolesFlag(fs, "viewer")
	ttl := fs.Duration("ttl", 90*24*time.Hour, "`time` after which it is useless")
	owner := fs.String("owner", "", "`account` it belongs to: it may no more than that, and goes with it; without, it is nobody's")
	return withPeople(ctx, fs, false, args, stderr, func(p *people, name string) error {
		roles, err := read()
		if err != nil {
			return fmt.Errorf("--role: %w", err)
		}
		if *owner != "" {
			if _, err := p.User(ctx, *owner); err != nil {
				return fmt.Errorf("--owner: %w", err)
			}
		}
		text, t, err := p.CreateToken(ctx, name, roles, *ttl, *owner)
		if err != nil {
			return err
		}
		if err := p.note(ctx, "token.add", name, map[string]any{"after": t}); err != nil {
			return err
		}
		fmt.Fprintln(stdout, text)
		return nil
	})
}

func apiTokenList(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	fs := flag.NewFlagSet("collector apitoken list", flag.ContinueOnError)
	asJSON := fs.Bool("json", false, "print a JSON array")
	return withPeople(ctx, fs, true, args, stderr, func(p *people, _ string) error {
		all, err := p.Tokens(ctx, "")
		if err != nil {
			return err
		}
		if *asJSON {
			return json.NewEncoder(stdout).Encode(all)
		}
		for _, t := range all {
			printToken(stdout, &t)
		}
		return nil
	})
}

func printToken(w io.Writer, t *identity.Token) {
	used := "never used"
	if !t.LastUsed.IsZero() {
		used = fmt.Sprintf("used %s from %s", t.LastUsed.Format(time.RFC3339), t.Remote)
	}
	owner := ""
	if t.Owner != "" {
		owner = ", of " + t.Owner
	}
	fmt.Fprintf(w, "%-24s %s %v%s, until %s, %s\n", t.Name, t.ID, t.Roles, owner, t.ExpiresAt.Format(time.RFC3339), used)
}

func apiTokenRevoke(ctx context.Context, args []string, _, stderr io.Writer) int {
	return withPeople(ctx, flag.NewFlagSet("collector apitoken revoke NAME", flag.ContinueOnError), false, args, stderr, func(p *people, name string) error {
		was, err := p.RevokeToken(ctx, name, "")
		if err != nil {
			return err
		}
		return p.note(ctx, "token.remove", was.Name, map[string]any{"before": was})
	})
}
