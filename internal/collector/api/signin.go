package api

import (
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"strings"

	"github.com/weir-ips/weir/internal/collector/identity"
)

// The pages on which people sign in need no script: they work before the console does, and in any browser.
var (
	//go:embed signin.html
	signinHTML string
	//go:embed signin.css
	signinCSS []byte
)

// signinPage is what the page shows.
type signinPage struct {
	Title, Problem, Note, Button string
	Form                         bool
	Action                       string
	Link                         string // secret of the invitation; "" signs in
	Name                         string
	Fixed                        bool   // the name is given
	Provider                     string // OpenID provider
}

// formPolicy also lets the page's form be sent.
var formPolicy = strings.Replace(policy, "form-action 'none'", "form-action 'self'", 1)

// pages are served beside the console.
func (s *Server) pages() http.Handler {
	mux := http.NewServeMux()
	for pattern, h := range map[string]handler{
		"GET /login": s.loginPage, "POST /login": s.loginForm,
		"GET /invite": s.invitePage, "POST /invite": s.inviteForm,
		"GET /login/oidc": s.toProvider, "GET /login/oidc/callback": s.fromProvider,
		"GET /signin.css": signinStyle, "GET /report.css": reportStyle,
	} {
		mux.Handle(pattern, s.page(h))
	}
	return mux
}

const maxForm = 8 << 10

func (s *Server) page(h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := &recorder{ResponseWriter: w, status: http.StatusOK}
		r.Body = http.MaxBytesReader(rec, r.Body, maxForm)
		admitted, err := s.admit(r, anyone)
		if err == nil {
			err = h(rec, admitted)
		}
		if err != nil {
			s.fail(rec, r, err)
		}
		s.metrics.requests.WithLabelValues(r.Method, "page", statusClass(rec.status)).Inc()
	})
}

func signinStyle(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	_, err := w.Write(signinCSS)
	return err
}

func (s *Server) show(w http.ResponseWriter, status int, p signinPage) error {
	if s.opt.Provider != nil && p.Link == "" {
		p.Provider = s.opt.Provider.Name()
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", formPolicy)
	w.WriteHeader(status)
	return s.signin.Execute(w, p)
}

func parseSignin() (*template.Template, error) { return template.New("signin").Parse(signinHTML) }

func (s *Server) loginPage(w http.ResponseWriter, r *http.Request) error {
	p := signinPage{Title: "Sign in", Form: true, Action: "/login", Button: "Sign in"}
	empty, err := s.opt.Identity.Empty(r.Context())
	if err != nil {
		return err
	}
	if empty {
		p.Form = false
		p.Note = "There is no account yet. Open the first-run link that the collector printed when it started, or print a new one with `collector user invite`."
	}
	return s.show(w, http.StatusOK, p)
}

func (s *Server) loginForm(w http.ResponseWriter, r *http.Request) error {
	name := r.PostFormValue("name")
	_, err := s.login(w, r, name, r.PostFormValue("password"))
	p := signinPage{Title: "Sign in", Form: true, Action: "/login", Button: "Sign in", Name: name}
	return s.signedIn(w, r, p, err)
}

// signedIn goes to the console, or shows the page again with what is wrong.
func (s *Server) signedIn(w http.ResponseWriter, r *http.Request, p signinPage, err error) error {
	if err == nil {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return nil
	}
	problem := s.problemOf(err)
	if problem.Status >= http.StatusInternalServerError {
		return err
	}
	var limited *identity.Limited
	if errors.As(err, &limited) {
		w.Header().Set("Retry-After", seconds(limited.Wait))
	}
	p.Problem = problem.Detail
	return s.show(w, problem.Status, p)
}

func (s *Server) invitePage(w http.ResponseWriter, r *http.Request) error {
	return s.showInvitation(w, r, r.URL.Query().Get("link"), "", nil)
}

func (s *Server) showInvitation(w http.ResponseWriter, r *http.Request, link, name string, failed error) error {
	invited, err := s.opt.Identity.Invited(r.Context(), link)
	if errors.Is(err, identity.ErrDenied) {
		return s.show(w, http.StatusGone, signinPage{Title: "This link is void", Note: "It was used, has expired, or was replaced by a newer one. Ask an admin, or run `collector user invite`."})
	}
	if err != nil {
		return err
	}
	p := signinPage{
		Title: "Welcome", Form: true, Action: "/invite", Link: link, Name: name, Button: "Set password and sign in",
		Note: fmt.Sprintf("Choose a password of at least %d characters.", identity.MinPassword),
	}
	if invited != "" {
		p.Name, p.Fixed = invited, true
	} else {
		p.Title, p.Note = "Make the first account", "It becomes an admin. "+p.Note
	}
	if failed != nil {
		return s.signedIn(w, r, p, failed)
	}
	return s.show(w, http.StatusOK, p)
}

func (s *Server) inviteForm(w http.ResponseWriter, r *http.Request) error {
	link, name, password := r.PostFormValue("link"), r.PostFormValue("name"), r.PostFormValue("password")
	if password != r.PostFormValue("again") {
		return s.showInvitation(w, r, link, name, invalid("password", "the two are not the same"))
	}
	if _, err := s.accept(w, r, link, name, password); err != nil {
		return s.showInvitation(w, r, link, name, err)
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}
