package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/weir-ips/weir/internal/collector"
	"github.com/weir-ips/weir/internal/collector/api"
	"github.com/weir-ips/weir/internal/collector/identity"
	"github.com/weir-ips/weir/internal/subcommand"
)

// people is the accounts as the command line changes them, and the audit log that this goes into.
type people struct {
	*identity.Book
	cfg *collector.Config
	by  string
}

// peopleFlags adds what every change of accounts needs.
func peopleFlags(fs *flag.FlagSet) func(context.Context) (*people, error) {
	load := configFlags(fs)
	by := fs.String("by", cmp.Or(os.Getenv("SUDO_USER"), os.Getenv("USER"), "root"), "`person` that the audit log names")
	return func(ctx context.Context) (*people, error) {
		cfg, err := load()
		if err != nil {
			return nil, err
		}
		book, err := collector.OpenIdentity(ctx, cfg, nil)
		if err != nil {
			return nil, err
		}
		return &people{book, cfg, *by}, nil
	}
}

func (p *people) note(ctx context.Context, action, object string, detail map[string]any) error {
	return collector.Note(ctx, p.cfg, p.by, action, object, detail)
}

func userCommand(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	return subcommand.Dispatch(ctx, "collector user", []subcommand.Command{
		{Name: "add", Summary: "make an account and print the link by which its owner chooses a password", Run: userAdd},
		{Name: "invite", Summary: "print a new such link; without a name, the one that makes the first account", Run: userInvite},
		{Name: "list", Summary: "list the accounts", Run: userList},
		{Name: "change", Summary: "change an account's roles, disable it or enable it", Run: userChange},
		{Name: "remove", Summary: "take an account away, with its sessions and tokens", Run: userRemove},
	}, args, stdout, stderr)
}

// withPeople parses the one argument, opens the accounts and runs do with them.
func withPeople(ctx context.Context, fs *flag.FlagSet, optional bool, args []string, stderr io.Writer, do func(p *people, name string) error) int {
	fs.SetOutput(stderr)
	open := peopleFlags(fs)
	var name string
	var code int
	var ok bool
	if optional && (len(args) == 0 || strings.HasPrefix(args[0], "-")) {
		code, ok = parse(fs, args, stderr)
	} else {
		name, code, ok = parseID(fs, args, stderr)
	}
	if !ok {
		return code
	}
	p, err := open(ctx)
	if err != nil {
		return fail(stderr, err)
	}
	err = do(p, name)
	if err := errors.Join(err, p.Close()); err != nil {
		return fail(stderr, err)
	}
	return 0
}

// rolesFlag reads roles separated by commas.
func rolesFlag(fs *flag.FlagSet, otherwise string) func() ([]identity.Role, error) {
	text := fs.String("role", otherwise, "`roles` separated by commas: viewer, analyst, responder, approver, rule-admin, admin")
	return func() ([]identity.Role, error) { return identity.ParseRoles(strings.Split(*text, ",")) }
}

func userAdd(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	fs := flag.NewFlagSet("collector user add NAME", flag.ContinueOnError)
	read := rolesFlag(fs, "viewer")
	return withPeople(ctx, fs, false, args, stderr, func(p *people, name string) error {
		roles, err := read()
		if err != nil {
			return fmt.Errorf("--role: %w", err)
		}
		if empty, err := p.Empty(ctx); err != nil || empty && !identity.Includes(roles, identity.Admin) {
			return errors.Join(err, errors.New("the first account must be an admin: give --role admin"))
		}
		u, err := p.AddUser(ctx, name, roles, p.by)
		if err != nil {
			return err
		}
		if err := p.note(ctx, "user.add", name, map[string]any{"after": u}); err != nil {
			return err
		}
		return p.invite(ctx, name, stdout)
	})
}

func (p *people) invite(ctx context.Context, name string, stdout io.Writer) error {
	secret, expires, err := p.Invite(ctx, name)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%s%s\n", strings.TrimSuffix(cmp.Or(p.cfg.API.OIDC.Public, consoleURL(p.cfg, p.cfg.API.Listen)), "/"), api.InvitePath(secret))
	fmt.Fprintf(stdout, "good once, until %s\n", expires.Format(time.RFC3339))
	return nil
}

func userInvite(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	fs := flag.NewFlagSet("collector user invite [NAME]", flag.ContinueOnError)
	return withPeople(ctx, fs, true, args, stderr, func(p *people, name string) error {
		empty, err := p.Empty(ctx)
		if err != nil {
			return err
		}
		if name == "" && !empty {
			return errors.New("name an account: there is one already, so nobody else makes the first")
		}
		if err := p.note(ctx, "user.invite", cmp.Or(name, "first account"), nil); err != nil {
			return err
		}
		return p.invite(ctx, name, stdout)
	})
}

func userList(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	fs := flag.NewFlagSet("collector user list", flag.ContinueOnError)
	asJSON := fs.Bool("json", false, "print a JSON array")
	return withPeople(ctx, fs, true, args, stderr, func(p *people, _ string) error {
		all, err := p.Users(ctx)
		if err != nil {
			return err
		}
		if *asJSON {
			return json.NewEncoder(stdout).Encode(all)
		}
		for _, u := range all {
			last := "never signed in"
			if !u.LastLogin.IsZero() {
				last = "signed in " + u.LastLogin.Format(time.RFC3339)
			}
			fmt.Fprintf(stdout, "%-24s %-8s %v, made %s by %s, %s\n", u.Name, u.State, u.Roles, u.CreatedAt.Format(time.RFC3339), u.CreatedBy, last)
		}
		return nil
	})
}

func userChange(ctx context.Context, args []string, _, stderr io.Writer) int {
	fs := flag.NewFlagSet("collector user change NAME", flag.ContinueOnError)
	read := rolesFlag(fs, "")
	disable := fs.Bool("disable", false, "end its sessions and let it in no more")
	enable := fs.Bool("enable", false, "let it in again")
	return withPeople(ctx, fs, false, args, stderr, func(p *people, name string) error {
		var c identity.UserChange
		if fs.Lookup("role").Value.String() != "" {
			roles, err := read()
			if err != nil {
				return fmt.Errorf("--role: %w", err)
			}
			c.Roles = &roles
		}
		if *disable || *enable {
			c.Active = enable
		}
		if c == (identity.UserChange{}) || *disable && *enable {
			return errors.New("give --role, --disable or --enable")
		}
		was, is, err := p.ChangeUser(ctx, name, c)
		if err != nil {
			return err
		}
		return p.note(ctx, "user.change", name, map[string]any{"before": was, "after": is})
	})
}

func userRemove(ctx context.Context, args []string, _, stderr io.Writer) int {
	return withPeople(ctx, flag.NewFlagSet("collector user remove NAME", flag.ContinueOnError), false, args, stderr, func(p *people, name string) error {
		was, err := p.RemoveUser(ctx, name)
		if err != nil {
			return err
		}
		return p.note(ctx, "user.remove", name, map[string]any{"before": was})
	})
}
