package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// image writes a container image that `docker load` and `podman load` read: the static program, its configuration, nothing else.
func (r release) image(p product, arch string) error {
	contents, err := r.layer(p, arch)
	if err != nil {
		return err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(contents)), nil })
	if err != nil {
		return fmt.Errorf("layer: %w", err)
	}
	img, err := mutate.Append(empty.Image, mutate.Addendum{
		Layer: layer, History: v1.History{Created: v1.Time{Time: r.time}, CreatedBy: "weir " + r.version},
	})
	if err != nil {
		return fmt.Errorf("image: %w", err)
	}
	if img, err = mutate.ConfigFile(img, r.config(p, arch, img)); err != nil {
		return fmt.Errorf("image: %w", err)
	}
	tag, err := name.NewTag("weir-" + p.program + ":" + r.version)
	if err != nil {
		return err
	}
	return tarball.WriteToFile(filepath.Join(r.dist, fmt.Sprintf("weir-%s-%s-linux-%s.image.tar", p.program, r.version, arch)), tag, img)
}

func (r release) config(p product, arch string, img v1.Image) *v1.ConfigFile {
	c, err := img.ConfigFile()
	if err != nil {
		c = &v1.ConfigFile{}
	}
	c = c.DeepCopy()
	c.OS, c.Architecture, c.Created = "linux", arch, v1.Time{Time: r.time}
	c.Config = v1.Config{
		Entrypoint: []string{"/usr/bin/" + p.program}, Cmd: p.args, User: p.user,
		Labels: map[string]string{
			"org.opencontainers.image.title":   "weir-" + p.program,
			"org.opencontainers.image.version": r.version,
			"org.opencontainers.image.source":  "https://github.com/weir-ips/weir",
		},
	}
	return c
}

// layer is a tar of the program and its configuration.
func (r release) layer(p product, arch string) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, dir := range []string{"etc/", "etc/weir/", "etc/weir/rules/", "usr/", "usr/bin/", "var/", "var/lib/", "var/log/", "var/log/weir/", "run/", "run/weir/"} {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir, Mode: 0o755, ModTime: r.time}); err != nil {
			return nil, err
		}
	}
	for _, dir := range []string{"var/lib/weir-collector/", "var/lib/weir/", "tmp/"} {
		h := &tar.Header{Typeflag: tar.TypeDir, Name: dir, Mode: 0o700, ModTime: r.time}
		if _, err := fmt.Sscanf(p.user, "%d:%d", &h.Uid, &h.Gid); err != nil {
			return nil, fmt.Errorf("user %q: %w", p.user, err)
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
	}
	if err := add(w, r.binary(p, arch), "usr/bin/"+p.program, 0o755, r.time); err != nil {
		return nil, err
	}
	for _, f := range p.files {
		if f.config {
			if err := add(w, filepath.Join(r.deploy, f.from), f.to[1:], 0o644, r.time); err != nil {
				return nil, err
			}
		}
	}
	err := w.Close()
	return b.Bytes(), err
}

func add(w *tar.Writer, from, to string, mode int64, when time.Time) error {
	body, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: to, Mode: mode, Size: int64(len(body)), ModTime: when}); err != nil {
		return err
	}
	_, err = w.Write(body)
	return err
}
