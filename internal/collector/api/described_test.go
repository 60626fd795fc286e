package api

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// description holds requests and answers against openapi.json.
type description struct {
	compiler *jsonschema.Compiler
	routes   *http.ServeMux
	doc      map[string]any
	answered map[string]bool // operations that were answered with success
}

func describe(t *testing.T, s *Server) *description {
	t.Helper()
	parsed, err := jsonschema.UnmarshalJSON(strings.NewReader(string(openapi)))
	if err != nil {
		t.Fatal(err)
	}
	d := &description{compiler: jsonschema.NewCompiler(), routes: http.NewServeMux(), doc: parsed.(map[string]any), answered: map[string]bool{}}
	joined := map[string]bool{}
	gather(d.doc, joined)
	schemas := d.doc["components"].(map[string]any)["schemas"].(map[string]any)
	for name, schema := range schemas {
		closeObjects(schema, joined["#/components/schemas/"+name])
	}
	closeObjects(d.doc["paths"], false)
	d.compiler.DefaultDraft(jsonschema.Draft2020)
	d.compiler.AssertFormat()
	if err := d.compiler.AddResource("openapi.json", d.doc); err != nil {
		t.Fatal(err)
	}
	for _, r := range s.routes() {
		d.routes.Handle(r.method+" "+r.pattern, http.NotFoundHandler())
	}
	return d
}

// gather finds the schemas that others are joined with by allOf: they must stay open.
func gather(node any, joined map[string]bool) {
	switch n := node.(type) {
	case map[string]any:
		for key, value := range n {
			if list, ok := value.([]any); ok && key == "allOf" {
				for _, part := range list {
					if ref, ok := part.(map[string]any)["$ref"].(string); ok {
						joined[ref] = true
					}
				}
			}
			gather(value, joined)
		}
	case []any:
		for _, value := range n {
			gather(value, joined)
		}
	}
}

// closeObjects makes a property that is not described an error.
func closeObjects(node any, open bool) {
	switch n := node.(type) {
	case map[string]any:
		_, described := n["properties"].(map[string]any)
		_, joins := n["allOf"]
		if (described || joins) && !open {
			n["unevaluatedProperties"] = false
		}
		for key, value := range n {
			if list, ok := value.([]any); ok && key == "allOf" {
				for _, part := range list {
					closeObjects(part, true)
				}
				continue
			}
			closeObjects(value, false)
		}
	case []any:
		for _, value := range n {
			closeObjects(value, false)
		}
	}
}

var escape = strings.NewReplacer("~", "~0", "/", "~1")

// check holds one exchange against the description. Streams, pages and files only need to be described.
func (d *description) check(t *testing.T, req *http.Request, sent, answer string, status int, kind string) {
	t.Helper()
	_, pattern := d.routes.Handler(req)
	method, path, ok := strings.Cut(pattern, " ")
	if !ok || path == "" {
		return // not of the API, or refused before any route
	}
	at := "/paths/" + escape.Replace(path) + "/" + strings.ToLower(method)
	if status >= 400 {
		if kind != "application/problem+json" {
			t.Errorf("%s: an error as %q", pattern, kind)
			return
		}
		d.hold(t, pattern+" problem", "/components/responses/Problem/content/application~1problem+json/schema", answer)
		return
	}
	d.answered[pattern] = true
	operation := d.doc["paths"].(map[string]any)[path].(map[string]any)[strings.ToLower(method)].(map[string]any)
	answers := operation["responses"].(map[string]any)
	code := http.StatusText(status)
	described, ok := answers[itoa(status)].(map[string]any)
	if !ok {
		t.Errorf("%s answers %d %s, which is not described", pattern, status, code)
		return
	}
	if kind == "application/json" && described["content"] != nil && path != prefix+"/openapi.json" {
		d.hold(t, pattern+" answers", at+"/responses/"+itoa(status)+"/content/application~1json/schema", answer)
	} else if (described["content"] == nil) != (answer == "") {
		t.Errorf("%s: an answer of %d bytes as %q, described is %v", pattern, len(answer), kind, described["content"])
	}
	if sent != "" && strings.HasPrefix(req.Header.Get("Content-Type"), "application/json") {
		d.hold(t, pattern+" asked", at+"/requestBody/content/application~1json/schema", sent)
	}
}

func itoa(n int) string { b, _ := json.Marshal(n); return string(b) }

func (d *description) hold(t *testing.T, what, pointer, text string) {
	t.Helper()
	schema, err := d.compiler.Compile("openapi.json#" + pointer)
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Errorf("%s: %v in %.200s", what, err, text)
		return
	}
	if err := schema.Validate(value); err != nil {
		t.Errorf("%s otherwise than described: %v\n%.300s", what, err, text)
	}
}
