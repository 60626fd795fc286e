package api

import (
	"net/http"
	"runtime/debug"
)

// policy lets the console load its own files and nothing else. What packets contain reaches the page as JSON only, and even
// script of the page's own cannot turn text into markup (trusted types).
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
	"manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// guard stands before everything: headers, foreign host names, requests that other sites make a browser send, panics.
func (s *Server) guard(next http.Handler) http.Handler {
	cross := http.NewCrossOriginProtection()
	cross.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		writeProblem(w, problem{Status: http.StatusForbidden, Title: "Cross-origin request", Detail: "this page may not change anything here"})
	}))
	inner := cross.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
		h.Set("Cache-Control", "no-store")
		defer s.recovered(w, r)
		if !s.knownHost(r) {
			writeProblem(w, problem{Status: http.StatusMisdirectedRequest, Title: "Unknown host", Detail: "ask for this machine by a loopback address"})
			return
		}
		inner.ServeHTTP(w, r)
	})
}

// knownHost refuses plain HTTP under foreign names: a web site whose name was made to point to 127.0.0.1 (DNS rebinding)
// would be of this origin.
func (s *Server) knownHost(r *http.Request) bool {
	return s.opt.Insecure || s.opt.TLS != nil || isLoopback(r.Host)
}

func (s *Server) recovered(w http.ResponseWriter, r *http.Request) {
	p := recover()
	if p == nil {
		return
	}
	if p == http.ErrAbortHandler {
		panic(p)
	}
	s.opt.Log.Error("request ended in a panic", "method", r.Method, "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
	writeProblem(w, problem{Status: http.StatusInternalServerError, Title: "Internal error"})
}
