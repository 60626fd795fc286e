// Command oidc is an OpenID provider for tests, made of zitadel's library: a module of its own, so that the product does not
// depend on it.
//
//	oidc LISTEN REDIRECT
//
// Its one client is "weir" with the secret "secret". Its users are those of the library's example: test-user@127.0.0.1 and
// test-user2, both with the password "verysecure".
package main

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: oidc LISTEN REDIRECT")
		os.Exit(2)
	}
	l, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	issuer := "http://" + l.Addr().String() + "/"
	storage.RegisterClients(storage.WebClient("weir", "secret", os.Args[2]))
	handler := exampleop.SetupServer(issuer, storage.NewStorage(storage.NewUserStore(issuer)), slog.New(slog.DiscardHandler), false)
	fmt.Println(issuer)
	fmt.Fprintln(os.Stderr, http.Serve(l, handler))
	os.Exit(1)
}
