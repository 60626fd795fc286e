package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"time"
)

// component is one of CycloneDX 1.6's components.
type component struct {
	Type    string `json:"type"`
	BOMRef  string `json:"bom-ref,omitempty"`
	Name    string `json:"name"`
	Version string `json:"version"`
	PURL    string `json:"purl,omitempty"`
	Hashes  []hash `json:"hashes,omitempty"`
}

type hash struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"`
}

type metadata struct {
	Timestamp string    `json:"timestamp"`
	Component component `json:"component"`
}

// document is a CycloneDX 1.6 bill of materials (https://cyclonedx.org/docs/1.6/json/).
type document struct {
	Format      string      `json:"bomFormat"`
	SpecVersion string      `json:"specVersion"`
	Version     int         `json:"version"`
	Metadata    metadata    `json:"metadata"`
	Components  []component `json:"components"`
}

// bill writes what a program is made of, as the linker recorded it in the program.
func (r release) bill(p product, arch string) error {
	binary := r.binary(p, arch)
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return fmt.Errorf("build information: %w", err)
	}
	body, err := os.ReadFile(binary)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	d := document{
		Format: "CycloneDX", SpecVersion: "1.6", Version: 1,
		Metadata: metadata{r.time.Format(time.RFC3339), component{
			Type: "application", Name: "weir-" + p.program, Version: r.version,
			Hashes: []hash{{"SHA-256", hex.EncodeToString(sum[:])}},
		}},
		Components: []component{{Type: "library", BOMRef: "std", Name: "std", Version: info.GoVersion, PURL: "pkg:golang/std@" + info.GoVersion}},
	}
	for _, m := range info.Deps {
		d.Components = append(d.Components, library(m))
	}
	text, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(binary+".cdx.json", append(text, '\n'), 0o644)
}

// library is a module that was linked in, or what replaced it.
func library(m *debug.Module) component {
	if m.Replace != nil {
		m = m.Replace
	}
	purl := "pkg:golang/" + m.Path + "@" + m.Version
	return component{Type: "library", BOMRef: purl, Name: m.Path, Version: m.Version, PURL: purl}
}
