// Package archtest keeps ARCHITECTURE.md true: its table of packages is compared with the code, in both directions.
package archtest

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Module is the path that all packages of ours begin with.
const Module = "github.com/weir-ips/weir"

// Row is one line of the table: a package, what it may import of ours, and which modules of others.
type Row struct {
	Name    string // relative to the module; "x/*" stands for every package below x
	Does    string
	Ours    []string
	Foreign []string
}

// Table reads the rows of the table whose first column is headed "package".
func Table(markdown string) ([]Row, error) {
	var rows []Row
	inside := false
	for n, line := range strings.Split(markdown, "\n") {
		cells := strings.Split(strings.Trim(line, "| "), "|")
		switch {
		case !strings.HasPrefix(line, "|"):
			inside = false
		case strings.TrimSpace(cells[0]) == "package":
			inside = true
		case !inside || strings.HasPrefix(line, "|---"):
		case len(cells) != 4:
			return nil, fmt.Errorf("ARCHITECTURE.md:%d: %d cells, want 4", n+1, len(cells))
		default:
			rows = append(rows, Row{
				Name:    names(cells[0])[0],
				Does:    strings.TrimSpace(cells[1]),
				Ours:    names(cells[2]),
				Foreign: names(cells[3]),
			})
		}
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("ARCHITECTURE.md: no table headed | package |")
	}
	return rows, nil
}

// names splits a cell; an em dash is the empty list.
func names(cell string) []string {
	var out []string
	for _, f := range strings.Fields(strings.NewReplacer("`", "", ",", " ").Replace(cell)) {
		if f != "—" {
			out = append(out, f)
		}
	}
	return out
}

// Package is what `go list` says of one package.
type Package struct {
	ImportPath string
	Standard   bool
	Imports    []string
}

// Check holds packages against rows and returns one sentence for each difference.
func Check(rows []Row, packages []Package) []string {
	var faults []string
	used := map[string]bool{}
	for _, p := range packages {
		name := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, Module), "/")
		row := find(rows, name)
		if row == nil {
			faults = append(faults, fmt.Sprintf("%s has no row in ARCHITECTURE.md", name))
			continue
		}
		used[row.Name] = true
		faults = append(faults, row.check(name, p.Imports)...)
	}
	for _, r := range rows {
		if !used[r.Name] {
			faults = append(faults, fmt.Sprintf("%s is in ARCHITECTURE.md but not in the code", r.Name))
		}
	}
	slices.Sort(faults)
	return faults
}

// find prefers the row that names the package, then the pattern that says most about it.
func find(rows []Row, name string) (best *Row) {
	for i := range rows {
		r := &rows[i]
		if r.Name == name {
			return r
		}
		if covers(r.Name, name) && (best == nil || len(r.Name) > len(best.Name)) {
			best = r
		}
	}
	return best
}

func covers(pattern, name string) bool {
	base, all := strings.CutSuffix(pattern, "/*")
	if all {
		return name == base || strings.HasPrefix(name, base+"/")
	}
	return pattern == name
}

func (r *Row) check(name string, imports []string) []string {
	var faults []string
	for _, imp := range imports {
		if ours, ok := strings.CutPrefix(imp, Module+"/"); ok {
			if !slices.ContainsFunc(r.Ours, func(p string) bool { return covers(p, ours) }) {
				faults = append(faults, fmt.Sprintf("%s must not import %s", name, ours))
			}
			continue
		}
		if foreign(imp) && !slices.ContainsFunc(r.Foreign, func(m string) bool { return matches(m, imp) }) {
			faults = append(faults, fmt.Sprintf("%s must not import %s", name, imp))
		}
	}
	return faults
}

// foreign tells a module's path from the standard library's by the dot in its first element.
func foreign(imp string) bool {
	first, _, _ := strings.Cut(imp, "/")
	return strings.Contains(first, ".")
}

// matches compares a module's short name ("cilium/ebpf", "x/sys") with an import path.
func matches(short, imp string) bool {
	for _, host := range []string{"github.com/", "golang.org/", "modernc.org/", ""} {
		full := path.Join(host, short)
		if imp == full || strings.HasPrefix(imp, full+"/") {
			return true
		}
	}
	return false
}
