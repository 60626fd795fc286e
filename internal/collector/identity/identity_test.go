package identity

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weir-ips/weir/internal/collector/store/storetest"
)

const good = "correct horse battery"

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.at }

func (c *clock) pass(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.at = c.at.Add(d) }

// opener makes a book in one of the places where books are kept.
type opener func(t *testing.T) (*Book, *clock)

// TestBook holds every place to the same.
func TestBook(t *testing.T) {
	tests := map[string]func(*testing.T, opener){
		"TheFirstAccountIsMadeOnce":  testTheFirstAccountIsMadeOnce,
		"Sessions":                   testSessions,
		"ManySessionsOfOnePersonEnd": testManySessionsOfOnePersonEnd,
		"SomeAdminStays":             testSomeAdminStays,
		"Tokens":                     testTokens,
		"Searches":                   testSearches,
		"ForeignAnswersAreDenied":    testForeignAnswersAreDenied,
	}
	t.Run("SQLite", func(t *testing.T) {
		open := func(t *testing.T) (*Book, *clock) { return openAt(t, Options{Dir: t.TempDir()}) }
		for name, test := range tests {
			t.Run(name, func(t *testing.T) { test(t, open) })
		}
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		server := storetest.Start(t)
		open := func(t *testing.T) (*Book, *clock) {
			db, err := server.Database(t).OpenPart(t.Context(), Part())
			if err != nil {
				t.Fatal(err)
			}
			return openAt(t, Options{Database: db})
		}
		for name, test := range tests {
			t.Run(name, func(t *testing.T) { test(t, open) })
		}
	})
}

func openAt(t *testing.T, o Options) (*Book, *clock) {
	t.Helper()
	c := &clock{at: time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC)}
	o.Now = c.now
	b, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b, c
}

// admit makes an account with a password.
func admit(t *testing.T, b *Book, name string, roles ...Role) {
	t.Helper()
	if _, err := b.AddUser(t.Context(), name, roles, "test"); err != nil {
		t.Fatal(err)
	}
	secret, _, err := b.Invite(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Accept(t.Context(), secret, "ignored", good); err != nil {
		t.Fatal(err)
	}
}

var here = Origin{Remote: "203.0.113.7", Agent: "test"}

func TestRolesInclude(t *testing.T) {
	want := map[Role]string{
		Viewer: "viewer", Analyst: "viewer analyst", Responder: "viewer analyst responder", Approver: "viewer analyst responder approver",
		RuleAdmin: "viewer analyst rule-admin", Admin: "viewer analyst responder approver rule-admin admin",
	}
	for _, have := range Roles() {
		var got []string
		for _, r := range Roles() {
			if have.Includes(r) {
				got = append(got, string(r))
			}
		}
		if s := strings.Join(got, " "); s != want[have] {
			t.Errorf("%s includes %s, want %s", have, s, want[have])
		}
	}
	if Role("").Includes(Viewer) || Role("root").Includes(Viewer) || Viewer.Includes("") {
		t.Error("what is no role includes one")
	}
	if _, err := ParseRoles([]string{"viewer", "root"}); err == nil {
		t.Error("root is taken for a role")
	}
	if _, err := ParseRoles(nil); err == nil {
		t.Error("no role is taken for one")
	}
}

func testTheFirstAccountIsMadeOnce(t *testing.T, open opener) {
	b, c := open(t)
	old, _, err := b.Invite(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	secret, _, err := b.Invite(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Accept(t.Context(), old, "ana", good); !errors.Is(err, ErrDenied) {
		t.Errorf("a replaced link: %v", err)
	}
	if _, err := b.Accept(t.Context(), secret, "ana", "short"); !errors.Is(err, ErrRefused) {
		t.Errorf("a short password: %v", err)
	}
	if _, err := b.Accept(t.Context(), secret, "token:x", good); !errors.Is(err, ErrRefused) {
		t.Errorf("a name of the collector's own: %v", err)
	}
	var wins int
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, name := range []string{"ana", "bo"} { // at the same time
		all.Go(func() {
			if _, err := b.Accept(t.Context(), secret, name, good); err == nil {
				mu.Lock()
				wins++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	users, err := b.Users(t.Context())
	if err != nil || wins != 1 || len(users) != 1 || !slices.Equal(users[0].Roles, []Role{Admin}) {
		t.Errorf("%d accepted, accounts %+v, %v", wins, users, err)
	}
	if empty, _ := b.Empty(t.Context()); empty {
		t.Error("still open")
	}
	late, _, err := b.Invite(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Accept(t.Context(), late, "eve", good); !errors.Is(err, ErrDenied) {
		t.Errorf("a second first account: %v", err)
	}
	invited, _, err := b.Invite(t.Context(), users[0].Name)
	if err != nil {
		t.Fatal(err)
	}
	c.pass(InviteLife)
	if _, err := b.Accept(t.Context(), invited, "", good); !errors.Is(err, ErrDenied) {
		t.Errorf("an expired link: %v", err)
	}
}

func testSessions(t *testing.T, open opener) {
	b, c := open(t)
	admit(t, b, "ana", Admin)
	admit(t, b, "bo", Analyst)
	for _, bad := range [][2]string{{"ana", "wrong password"}, {"nobody", good}, {"ana", ""}, {"", good}, {"ana", strings.Repeat("x", 5000)}} {
		if _, _, err := b.Login(t.Context(), bad[0], bad[1], here); !errors.Is(err, ErrDenied) {
			t.Errorf("%q with %.20q: %v", bad[0], bad[1], err)
		}
		c.pass(time.Minute)
	}
	login := func() (string, Principal) {
		t.Helper()
		secret, p, err := b.Login(t.Context(), "bo", good, here)
		if err != nil {
			t.Fatal(err)
		}
		return secret, p
	}
	secret, p := login()
	if got, err := b.Resume(t.Context(), secret); err != nil || got.Name != "bo" || !got.May(Analyst) || got.May(Responder) || got.Session != p.Session {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := b.Resume(t.Context(), p.Session); !errors.Is(err, ErrDenied) {
		t.Errorf("the id of a session is taken for its secret: %v", err)
	}
	roles := []Role{Responder}
	if _, _, err := b.ChangeUser(t.Context(), "bo", UserChange{Roles: &roles}); err != nil {
		t.Fatal(err)
	}
	if got, _ := b.Resume(t.Context(), secret); !got.May(Responder) {
		t.Errorf("a new role does not count at once: %+v", got)
	}
	for range 20 { // used: it lasts, but not for ever
		c.pass(50 * time.Minute)
		if _, err := b.Resume(t.Context(), secret); err != nil && c.now().Before(p.Expires) {
			t.Errorf("at %s: %v", c.now(), err)
		}
	}
	if _, err := b.Resume(t.Context(), secret); !errors.Is(err, ErrDenied) {
		t.Errorf("beyond its life: %v", err)
	}
	secret, _ = login()
	c.pass(DefaultIdle)
	if _, err := b.Resume(t.Context(), secret); !errors.Is(err, ErrDenied) {
		t.Errorf("idle: %v", err)
	}
	secret, p = login()
	if err := b.EndSession(t.Context(), p.Session, "ana"); !errors.Is(err, ErrNotFound) {
		t.Errorf("ended somebody else's: %v", err)
	}
	if err := b.EndSession(t.Context(), p.Session, "bo"); err != nil {
		t.Error(err)
	}
	if _, err := b.Resume(t.Context(), secret); !errors.Is(err, ErrDenied) {
		t.Errorf("ended: %v", err)
	}
	other, _ := login()
	secret, p = login()
	if err := b.SetPassword(t.Context(), "bo", "wrong password", "another good one", p.Session); !errors.Is(err, ErrDenied) {
		t.Errorf("wrong old password: %v", err)
	}
	if err := b.SetPassword(t.Context(), "bo", good, "another good one", p.Session); err != nil {
		t.Error(err)
	}
	if _, err := b.Resume(t.Context(), other); !errors.Is(err, ErrDenied) {
		t.Errorf("another session outlives the password: %v", err)
	}
	if _, err := b.Resume(t.Context(), secret); err != nil {
		t.Errorf("the session that changed it: %v", err)
	}
	off := false
	if _, _, err := b.ChangeUser(t.Context(), "bo", UserChange{Active: &off}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Resume(t.Context(), secret); !errors.Is(err, ErrDenied) {
		t.Errorf("disabled: %v", err)
	}
	if _, _, err := b.Login(t.Context(), "bo", "another good one", here); !errors.Is(err, ErrDenied) {
		t.Errorf("disabled, signs in: %v", err)
	}
}

func testManySessionsOfOnePersonEnd(t *testing.T, open opener) {
	b, c := open(t)
	for range maxSessions + 5 {
		c.pass(time.Second)
		if _, _, err := b.Begin(t.Context(), Principal{Name: "ana@example.org", Roles: []Role{Viewer}}, here); err != nil {
			t.Fatal(err)
		}
	}
	all, err := b.Sessions(t.Context(), "ana@example.org")
	if err != nil || len(all) != maxSessions {
		t.Errorf("%d sessions, %v; want %d", len(all), err, maxSessions)
	}
}

func testSomeAdminStays(t *testing.T, open opener) {
	b, _ := open(t)
	admit(t, b, "ana", Admin)
	admit(t, b, "bo", Viewer)
	viewer, off := []Role{Viewer}, false
	for what, c := range map[string]UserChange{"demote": {Roles: &viewer}, "disable": {Active: &off}} {
		if _, _, err := b.ChangeUser(t.Context(), "ana", c); !errors.Is(err, ErrRefused) {
			t.Errorf("%s the last admin: %v", what, err)
		}
	}
	if _, err := b.RemoveUser(t.Context(), "ana"); !errors.Is(err, ErrRefused) {
		t.Errorf("remove the last admin: %v", err)
	}
	if u, err := b.User(t.Context(), "ana"); err != nil || u.State != StateActive || !Includes(u.Roles, Admin) {
		t.Errorf("%+v, %v", u, err)
	}
	both := []Role{Admin}
	if _, _, err := b.ChangeUser(t.Context(), "bo", UserChange{Roles: &both}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.RemoveUser(t.Context(), "ana"); err != nil {
		t.Error(err)
	}
}

func testTokens(t *testing.T, open opener) {
	b, c := open(t)
	admit(t, b, "ana", Admin)
	admit(t, b, "bo", Responder)
	text, tok, err := b.CreateToken(t.Context(), "ci", []Role{Analyst, Responder}, time.Hour, "bo")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.CreateToken(t.Context(), "ci", []Role{Viewer}, time.Hour, "ana"); !errors.Is(err, ErrExists) {
		t.Errorf("a name twice: %v", err)
	}
	p, err := b.Bearer(t.Context(), text, "192.0.2.1")
	if err != nil || p.Actor() != "token:ci" || !p.May(Responder) || p.May(Approver) {
		t.Errorf("%+v, %v", p, err)
	}
	all, _ := b.Tokens(t.Context(), "bo")
	if len(all) != 1 || all[0].LastUsed.IsZero() || all[0].Remote != "192.0.2.1" {
		t.Errorf("%+v", all)
	}
	for _, bad := range []string{"", "weir_", text + "x", text[:len(text)-1], "weir_" + tok.ID + "_", "Weir" + text[4:], tok.ID} {
		if _, err := b.Bearer(t.Context(), bad, ""); !errors.Is(err, ErrDenied) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	viewer, off, on := []Role{Viewer}, false, true
	if _, _, err := b.ChangeUser(t.Context(), "bo", UserChange{Roles: &viewer}); err != nil {
		t.Fatal(err)
	}
	if p, err := b.Bearer(t.Context(), text, ""); err != nil || p.May(Analyst) {
		t.Errorf("the token may more than its owner: %+v, %v", p, err)
	}
	if _, err := b.RevokeToken(t.Context(), tok.ID, "ana"); !errors.Is(err, ErrNotFound) {
		t.Errorf("revoked somebody else's: %v", err)
	}
	c.pass(time.Hour)
	if _, err := b.Bearer(t.Context(), text, ""); !errors.Is(err, ErrDenied) {
		t.Errorf("expired: %v", err)
	}
	text, _, err = b.CreateToken(t.Context(), "ci", []Role{Viewer}, time.Hour, "bo") // the name is free again
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.ChangeUser(t.Context(), "bo", UserChange{Active: &off}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.ChangeUser(t.Context(), "bo", UserChange{Active: &on}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Bearer(t.Context(), text, ""); !errors.Is(err, ErrDenied) {
		t.Errorf("outlives that its owner was disabled: %v", err)
	}
	if _, _, err := b.CreateToken(t.Context(), "x", []Role{Viewer}, 10*MaxTokenLife, ""); !errors.Is(err, ErrRefused) {
		t.Errorf("for ever: %v", err)
	}
}

func TestGuessingIsSlow(t *testing.T) {
	b, c := openAt(t, Options{Dir: t.TempDir()})
	admit(t, b, "ana", Admin)
	guess := func(name, from string) error {
		_, _, err := b.Login(t.Context(), name, "wrong password", Origin{Remote: from})
		return err
	}
	var limited *Limited
	for i := range 6 {
		if err := guess("ana", "203.0.113.7"); errors.As(err, &limited) != (i == 5) {
			t.Errorf("guess %d: %v", i, err)
		}
	}
	if limited.Wait <= 0 || limited.Wait > 15*time.Second {
		t.Errorf("to wait: %s", limited.Wait)
	}
	if _, _, err := b.Login(t.Context(), "ana", good, Origin{Remote: "192.0.2.1"}); err != nil {
		t.Errorf("locked out by another's guesses: %v", err)
	}
	c.pass(limited.Wait)
	if err := guess("ana", "203.0.113.7"); !errors.Is(err, ErrDenied) {
		t.Errorf("having waited: %v", err)
	}
	// One place, many names; many places of one network.
	n := 0
	for i := range 100 {
		if errors.As(guess("user"+string(rune('a'+i%26))+string(rune('a'+i/26)), "2001:db8::"+string(rune('1'+i%9))), &limited) {
			n++
		}
	}
	if n < 60 {
		t.Errorf("%d of 100 guesses of a /64 held back", n)
	}
	if s := b.Stats(); s.Limited < 60 || s.Failed == 0 {
		t.Errorf("%+v", s)
	}
}

func TestPasswords(t *testing.T) {
	for password, ok := range map[string]bool{
		good: true, "short": false, "ana-and-more-of-it": false, "aaaaaaaaaaaaaaaa": false, strings.Repeat("long", 65): false, "\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8\xf7\xf6\xf5\xf4": false,
		"пароль длинный": true,
	} {
		if err := CheckPassword("ana", password); (err == nil) != ok {
			t.Errorf("%q: %v", password, err)
		}
	}
	hash := hashPassword(good)
	if !strings.HasPrefix(hash, "$argon2id$v=19$m=32768,t=3,p=1$") || !checkHash(hash, good) || checkHash(hash, good+" ") || hash == hashPassword(good) {
		t.Errorf("hash %s", hash)
	}
	for _, bad := range []string{"", "$", "$argon2i$v=19$m=1,t=1,p=1$YQ$YQ", "$argon2id$v=19$m=9999999999,t=1,p=1$YQ$YQ", "$argon2id$v=19$m=8,t=0,p=1$YQ$YQ", "$argon2id$v=19$m=8,t=1,p=1$YQ$"} {
		if checkHash(bad, "") {
			t.Errorf("%q matches", bad)
		}
	}
}

func testSearches(t *testing.T, open opener) {
	b, _ := open(t)
	save := func(owner, name, query string, shared bool) Search {
		t.Helper()
		s, err := b.SaveSearch(t.Context(), Search{Owner: owner, Name: name, Query: query, Shared: shared})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	first := save("ana", "scans", "sid:1", false)
	if again := save("ana", "scans", "sid:2", false); again.ID != first.ID {
		t.Errorf("replaced %s by %s", first.ID, again.ID)
	}
	save("bo", "scans", "sid:3", false)
	shared := save("bo", "worms", "sid:4", true)
	mine, err := b.Searches(t.Context(), "ana")
	if err != nil || len(mine) != 2 || mine[0].Query != "sid:2" || mine[1].ID != shared.ID {
		t.Errorf("%+v, %v", mine, err)
	}
	if _, err := b.RemoveSearch(t.Context(), shared.ID, "ana"); !errors.Is(err, ErrNotFound) {
		t.Errorf("removed somebody else's: %v", err)
	}
	if was, err := b.RemoveSearch(t.Context(), shared.ID, "bo"); err != nil || was.Name != "worms" {
		t.Errorf("%+v, %v", was, err)
	}
}

func TestClaimsBecomeRoles(t *testing.T) {
	o := OIDC{Issuer: "https://sso", ClientID: "weir", Public: "https://weir.example", Roles: map[string][]string{"admin": {"root"}, "analyst": {"soc", "csirt"}}}
	if key, reason := o.Check(); key != "" {
		t.Fatal(key, reason)
	}
	for _, c := range []struct {
		claims map[string]any
		want   string // name and roles; "" is denied
	}{
		{map[string]any{"email": "ana@example.org", "groups": []any{"soc", "x", 7}}, "ana@example.org [analyst]"},
		{map[string]any{"email": "ana@example.org", "groups": "root"}, "ana@example.org [admin]"},
		{map[string]any{"email": "ana@example.org", "groups": []any{"csirt", "root"}, "email_verified": true}, "ana@example.org [analyst admin]"},
		{map[string]any{"email": "ana@example.org", "groups": []any{"root"}, "email_verified": false}, ""},
		{map[string]any{"email": "ana@example.org", "groups": []any{"other"}}, ""},
		{map[string]any{"email": "ana@example.org"}, ""},
		{map[string]any{"groups": []any{"root"}}, ""},
		{map[string]any{"email": "policy", "groups": []any{"root"}}, ""},
		{map[string]any{"email": "a b<script>", "groups": []any{"root"}}, ""},
	} {
		p, err := o.principal(c.claims)
		got := ""
		if err == nil {
			got = p.Name + " [" + join(p.Roles) + "]"
		} else if !errors.Is(err, ErrDenied) {
			t.Errorf("%v: %v", c.claims, err)
		}
		if got != c.want {
			t.Errorf("%v: %q, want %q", c.claims, got, c.want)
		}
	}
	for key, bad := range map[string]OIDC{
		"client-id":  {Issuer: "https://sso", Public: "https://w"},
		"public-url": {Issuer: "https://sso", ClientID: "w", Public: "weir.example"},
		"roles":      {Issuer: "https://sso", ClientID: "w", Public: "https://w", Roles: map[string][]string{"root": {"x"}}},
	} {
		if got, _ := bad.Check(); got != key {
			t.Errorf("%+v: fault in %q, want %q", bad, got, key)
		}
	}
}

func testForeignAnswersAreDenied(t *testing.T, open opener) {
	b, _ := open(t)
	admit(t, b, "ana", Admin)
	p := NewProvider(OIDC{Issuer: "http://127.0.0.1:1"}, "/cb")
	for _, secret := range []string{"", "a.b", "a.b.c"} {
		if _, err := p.Finish(t.Context(), secret, map[string][]string{"state": {"x"}, "code": {"y"}}); !errors.Is(err, ErrDenied) {
			t.Errorf("%q: %v", secret, err)
		}
	}
	if _, _, err := b.Begin(t.Context(), Principal{Name: "ana", Roles: []Role{Admin}}, here); !errors.Is(err, ErrRefused) {
		t.Errorf("a provider vouches for a local account: %v", err)
	}
}
