package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/goreleaser/nfpm/v2"
	"github.com/goreleaser/nfpm/v2/deb"
	"github.com/goreleaser/nfpm/v2/files"
	"github.com/goreleaser/nfpm/v2/rpm"
)

// packages writes a deb and an rpm.
func (r release) packages(p product, arch string) error {
	for _, format := range []nfpm.Packager{deb.Default, rpm.DefaultRPM} {
		info := nfpm.WithDefaults(r.info(p, arch))
		name := filepath.Join(r.dist, format.ConventionalFileName(info))
		if err := write(name, func(f *os.File) error { return format.Package(info, f) }); err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(name), err)
		}
	}
	return nil
}

// info describes a package. Packagers change it, so that each gets its own.
func (r release) info(p product, arch string) *nfpm.Info {
	contents := files.Contents{r.content(r.binary(p, arch), "/usr/bin/"+p.program, files.TypeFile, 0o755)}
	for _, f := range p.files {
		kind, mode := files.TypeFile, fs.FileMode(0o644)
		if f.config {
			kind = files.TypeConfigNoReplace
		}
		if f.run {
			mode = 0o755
		}
		contents = append(contents, r.content(filepath.Join(r.deploy, f.from), f.to, kind, mode))
	}
	info := &nfpm.Info{
		Name: "weir-" + p.program, Arch: arch, Platform: "linux", Version: r.version, Release: "1",
		Section: "net", Priority: "optional", Maintainer: "Weir <security@weir-ips.example>", Vendor: "Weir",
		Description: "Weir " + p.program + ": " + p.summary, Homepage: "https://github.com/weir-ips/weir",
		License: "Apache-2.0 AND (GPL-2.0-only OR BSD-2-Clause)", MTime: r.time,
	}
	info.Contents = contents
	info.Scripts = nfpm.Scripts{
		PostInstall: filepath.Join(r.deploy, p.scripts.postInstall),
		PreRemove:   filepath.Join(r.deploy, p.scripts.preRemove),
		PostRemove:  filepath.Join(r.deploy, p.scripts.postRemove),
	}
	info.RPM.BuildHost = "reproducible"
	return info
}

func (r release) content(from, to, kind string, mode fs.FileMode) *files.Content {
	return &files.Content{
		Source: from, Destination: to, Type: kind,
		FileInfo: &files.ContentFileInfo{Owner: "root", Group: "root", Mode: mode, MTime: r.time},
	}
}

// write makes a file, and leaves none behind that is not whole.
func write(name string, body func(*os.File) error) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	if err := errors.Join(body(f), f.Close()); err != nil {
		return errors.Join(err, os.Remove(name))
	}
	return nil
}
