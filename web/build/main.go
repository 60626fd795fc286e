// Command build bundles the console: web/src and web/vendor become web/dist. Run it in web/, or by go generate ./web.
package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

func main() {
	if err := run("."); err != nil {
		fmt.Fprintln(os.Stderr, "build the console:", err)
		os.Exit(1)
	}
}

// run replaces web/dist by a fresh bundle.
func run(web string) error {
	files, err := bundle(web)
	if err != nil {
		return err
	}
	dist := filepath.Join(web, "dist")
	if err := os.RemoveAll(dist); err != nil {
		return err
	}
	if err := os.MkdirAll(dist, 0o755); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := os.WriteFile(filepath.Join(dist, name), files[name], 0o644); err != nil {
			return err
		}
	}
	return nil
}

// packages says where the bundler finds what the source imports by name.
var packages = map[string]string{
	"preact":               "vendor/preact/preact.mjs",
	"preact/hooks":         "vendor/preact/hooks.mjs",
	"preact/jsx-runtime":   "vendor/preact/jsxRuntime.mjs",
	"@preact/signals":      "vendor/signals/signals.mjs",
	"@preact/signals-core": "vendor/signals-core/signals-core.mjs",
	"uplot":                "vendor/uplot/uPlot.esm.js",
	"uplot.css":            "vendor/uplot/uPlot.min.css",
}

// copied goes into dist as it is.
var copied = []string{"index.html", "icon.svg"}

// bundle returns dist's files by name. The same source makes the same bytes.
func bundle(web string) (map[string][]byte, error) {
	root, err := filepath.Abs(web)
	if err != nil {
		return nil, err
	}
	result := api.Build(api.BuildOptions{
		AbsWorkingDir:       root,
		EntryPointsAdvanced: []api.EntryPoint{{InputPath: "src/main.tsx", OutputPath: "app"}, {InputPath: "src/style/app.css", OutputPath: "style"}},
		Outdir:              "dist",
		Bundle:              true,
		Format:              api.FormatESModule,
		Target:              api.ES2022,
		JSX:                 api.JSXAutomatic,
		JSXImportSource:     "preact",
		Charset:             api.CharsetUTF8,
		LegalComments:       api.LegalCommentsNone, // licences are gathered in LICENSES.txt
		MinifyWhitespace:    true,
		MinifyIdentifiers:   true,
		MinifySyntax:        true,
		TsconfigRaw:         `{}`,
		Plugins:             []api.Plugin{{Name: "packages", Setup: resolvePackages(root)}},
	})
	if len(result.Errors) > 0 {
		return nil, errors.New(strings.Join(api.FormatMessages(result.Errors, api.FormatMessagesOptions{}), "\n"))
	}
	files := map[string][]byte{}
	for _, f := range result.OutputFiles {
		files[filepath.Base(f.Path)] = f.Contents
	}
	for _, name := range copied {
		if files[name], err = os.ReadFile(filepath.Join(web, "src", name)); err != nil {
			return nil, err
		}
	}
	files["LICENSES.txt"], err = licenses(web)
	return files, err
}

func resolvePackages(root string) func(api.PluginBuild) {
	return func(b api.PluginBuild) {
		b.OnResolve(api.OnResolveOptions{Filter: `^[a-z@]`}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
			if a.Kind == api.ResolveEntryPoint {
				return api.OnResolveResult{}, nil
			}
			path, known := packages[a.Path]
			if !known {
				return api.OnResolveResult{}, fmt.Errorf("%s is not a package of web/vendor", a.Path)
			}
			return api.OnResolveResult{Path: filepath.Join(root, path)}, nil
		})
	}
}

// licenses joins the licences of what is bundled.
func licenses(web string) ([]byte, error) {
	paths, err := filepath.Glob(filepath.Join(web, "vendor", "*", "LICENSE"))
	if err != nil {
		return nil, err
	}
	var all []byte
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		all = fmt.Appendf(all, "=== %s\n\n%s\n\n", filepath.Base(filepath.Dir(path)), strings.TrimSpace(string(text)))
	}
	return all, nil
}
