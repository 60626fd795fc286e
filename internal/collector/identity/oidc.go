package identity

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// OIDC is the section api.oidc of collector.yaml. Without an issuer nobody signs in that way.
type OIDC struct {
	Name     string              `yaml:"name"` // on the button
	Issuer   string              `yaml:"issuer"`
	ClientID string              `yaml:"client-id"`
	Secret   string              `yaml:"client-secret-file"` // path; none for a public client
	Public   string              `yaml:"public-url"`         // of the console, as browsers reach it
	Scopes   []string            `yaml:"scopes"`             // beside openid
	User     string              `yaml:"user-claim"`         // whose value is the name
	Claim    string              `yaml:"role-claim"`         // whose value, or values, decide on roles
	Roles    map[string][]string `yaml:"roles"`              // role: values of role-claim
}

// Check fills in defaults and says what is wrong: the key and the reason.
func (o *OIDC) Check() (key, reason string) {
	if o.Issuer == "" {
		return "", ""
	}
	o.Name, o.User, o.Claim = cmp.Or(o.Name, "OpenID"), cmp.Or(o.User, "email"), cmp.Or(o.Claim, "groups")
	if o.Scopes == nil {
		o.Scopes = []string{"profile", "email"}
	}
	public, err := url.Parse(o.Public)
	switch {
	case o.ClientID == "":
		return "client-id", "is what the provider knows the collector by"
	case err != nil || public.Host == "" || public.Scheme != "https" && public.Scheme != "http" || strings.Trim(public.Path, "/") != "":
		return "public-url", fmt.Sprintf("%q is not the console's address as browsers reach it, such as https://weir.example", o.Public)
	case len(o.Roles) == 0:
		return "roles", "say which values of role-claim give which role: nobody could do anything"
	}
	for role := range o.Roles {
		if !slices.Contains(Roles(), Role(role)) {
			return "roles", fmt.Sprintf("%q is not one of %s", role, strings.Join(namesOf(Roles()), ", "))
		}
	}
	return "", ""
}

// Provider signs people in through an OpenID provider: authorization code with PKCE (RFC 7636).
type Provider struct {
	cfg    OIDC
	path   string // of the way back
	client *http.Client

	mu   sync.Mutex
	have *discovered
}

type discovered struct {
	provider *oidc.Provider
	oauth    oauth2.Config
}

// NewProvider makes one of a checked configuration; path is where the provider sends people back to. The provider is asked
// when somebody first signs in: the collector starts without it.
func NewProvider(cfg OIDC, path string) *Provider {
	return &Provider{cfg: cfg, path: path, client: &http.Client{Timeout: 10 * time.Second}}
}

// Name is what people know the provider by.
func (p *Provider) Name() string { return p.cfg.Name }

func (p *Provider) discover(ctx context.Context) (*discovered, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.have != nil {
		return p.have, nil
	}
	// The provider keeps the context for fetching keys later: it must outlive the request.
	provider, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), p.client), p.cfg.Issuer)
	if err != nil {
		return nil, fmt.Errorf("OpenID provider: %w", err)
	}
	var secret []byte
	if p.cfg.Secret != "" {
		if secret, err = os.ReadFile(p.cfg.Secret); err != nil {
			return nil, fmt.Errorf("api.oidc.client-secret-file: %w", err)
		}
	}
	p.have = &discovered{provider, oauth2.Config{
		ClientID: p.cfg.ClientID, ClientSecret: strings.TrimSpace(string(secret)), Endpoint: provider.Endpoint(),
		RedirectURL: strings.TrimRight(p.cfg.Public, "/") + p.path, Scopes: append([]string{oidc.ScopeOpenID}, p.cfg.Scopes...),
	}}
	return p.have, nil
}

// Attempt is one person's way to the provider.
type Attempt struct {
	URL    string // to go to
	Secret string // to be kept by the browser until Finish
}

// Begin makes the address that somebody is sent to.
func (p *Provider) Begin(ctx context.Context) (Attempt, error) {
	d, err := p.discover(ctx)
	if err != nil {
		return Attempt{}, err
	}
	state, nonce, verifier := rand.Text(), rand.Text(), oauth2.GenerateVerifier()
	return Attempt{
		URL:    d.oauth.AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier)),
		Secret: state + "." + nonce + "." + verifier,
	}, nil
}

// Finish turns the provider's answer, the query of the way back, into somebody with roles. ErrDenied wraps what is wrong with it.
func (p *Provider) Finish(ctx context.Context, secret string, answer url.Values) (Principal, error) {
	parts := strings.SplitN(secret, ".", 3)
	if len(parts) != 3 || subtle.ConstantTimeCompare([]byte(parts[0]), []byte(answer.Get("state"))) != 1 {
		return Principal{}, fmt.Errorf("%w: this browser did not ask for it, or too long ago", ErrDenied)
	}
	if problem := answer.Get("error"); problem != "" {
		return Principal{}, fmt.Errorf("%w: the provider says %q", ErrDenied, problem)
	}
	d, err := p.discover(ctx)
	if err != nil {
		return Principal{}, err
	}
	ctx = oidc.ClientContext(ctx, p.client)
	token, err := d.oauth.Exchange(ctx, answer.Get("code"), oauth2.VerifierOption(parts[2]))
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) {
		return Principal{}, fmt.Errorf("%w: the provider refused the code: %s", ErrDenied, refused.ErrorCode)
	}
	if err != nil {
		return Principal{}, fmt.Errorf("OpenID provider: %w", err)
	}
	claims, err := p.claims(ctx, d, token, parts[1])
	if err != nil {
		return Principal{}, err
	}
	return p.cfg.principal(claims)
}

// claims verifies the id token and adds what the user info endpoint says of the same person.
func (p *Provider) claims(ctx context.Context, d *discovered, token *oauth2.Token, nonce string) (map[string]any, error) {
	raw, _ := token.Extra("id_token").(string)
	id, err := d.provider.Verifier(&oidc.Config{ClientID: p.cfg.ClientID}).Verify(ctx, raw)
	if err != nil {
		return nil, fmt.Errorf("%w: id token: %w", ErrDenied, err)
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(nonce)) != 1 {
		return nil, fmt.Errorf("%w: id token: it answers another question", ErrDenied)
	}
	claims := map[string]any{}
	if err := id.Claims(&claims); err != nil {
		return nil, fmt.Errorf("%w: id token: %w", ErrDenied, err)
	}
	if d.provider.UserInfoEndpoint() == "" {
		return claims, nil
	}
	info, err := d.provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil {
		return nil, fmt.Errorf("OpenID provider: %w", err)
	}
	more := map[string]any{}
	if err := info.Claims(&more); err != nil || info.Subject != id.Subject {
		return nil, fmt.Errorf("%w: user info is not about the same person", ErrDenied)
	}
	for name, value := range more {
		if _, ok := claims[name]; !ok {
			claims[name] = value
		}
	}
	return claims, nil
}

// principal reads name and roles out of claims. An address that the provider has not verified is nobody's name.
func (o *OIDC) principal(claims map[string]any) (Principal, error) {
	name, _ := claims[o.User].(string)
	if o.User == "email" {
		if verified, ok := claims["email_verified"].(bool); ok && !verified {
			return Principal{}, fmt.Errorf("%w: the provider has not verified the address %q", ErrDenied, name)
		}
	}
	if err := CheckName(name); err != nil {
		return Principal{}, fmt.Errorf("%w: claim %s: %w", ErrDenied, o.User, err)
	}
	values := texts(claims[o.Claim])
	var roles []Role
	for _, role := range Roles() {
		if slices.ContainsFunc(o.Roles[string(role)], func(v string) bool { return slices.Contains(values, v) }) {
			roles = append(roles, role)
		}
	}
	if len(roles) == 0 {
		return Principal{}, fmt.Errorf("%w: %s has no role here: claim %s is %q", ErrDenied, name, o.Claim, values)
	}
	return Principal{Name: name, Roles: roles}, nil
}

// texts takes a claim for a list of texts: it may be one text, or several.
func texts(claim any) []string {
	switch c := claim.(type) {
	case string:
		return []string{c}
	case []any:
		var all []string
		for _, v := range c {
			if text, ok := v.(string); ok {
				all = append(all, text)
			}
		}
		return all
	}
	return nil
}
