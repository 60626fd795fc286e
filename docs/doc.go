// Package docs holds the documentation; the generated part is written by internal/docgen.
package docs

//go:generate go run ../internal/docgen reference
