package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// kernel is one row of the matrix.
type kernel struct {
	name  string // its version, or what it stands for
	suite string // of Debian, which the kernel is taken from; "" for the one that is running
}

func matrix() []kernel {
	return []kernel{
		{"5.10", "bullseye"},
		{"6.1", "bookworm"},
		{"6.12", "bookworm-backports"},
		{"newest", "trixie-backports"},
		{"running", ""},
	}
}

func names(kernels []kernel) []string {
	var out []string
	for _, k := range kernels {
		out = append(out, k.name)
	}
	return out
}

// choose returns the kernels of a list with commas, or all.
func choose(all []kernel, only string) ([]kernel, error) {
	if only == "" {
		return all, nil
	}
	var chosen []kernel
	for name := range strings.SplitSeq(only, ",") {
		i := slices.IndexFunc(all, func(k kernel) bool { return k.name == name })
		if i < 0 {
			return nil, fmt.Errorf("no kernel %q; there are %s", name, strings.Join(names(all), ", "))
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

// image is an unpacked kernel.
type image struct {
	release string // as uname -r says
	vmlinuz string
	modules string // folder
}

// fetch unpacks the newest cloud kernel of the suite into the cache, unless there is one.
func (k kernel) fetch(ctx context.Context) (image, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return image{}, err
	}
	dir := filepath.Join(cache, "weir-kernels", k.suite)
	if found, err := unpacked(dir); err == nil {
		return found, nil
	}
	if err := os.RemoveAll(dir); err != nil {
		return image{}, err
	}
	apt := aptRoot{filepath.Join(dir, "apt")}
	if err := apt.open(ctx, k.suite); err != nil {
		return image{}, fmt.Errorf("kernel %s: %w", k.name, err)
	}
	packages, err := apt.parts(ctx, "linux-image-cloud-amd64")
	if err != nil {
		return image{}, fmt.Errorf("kernel %s: %w", k.name, err)
	}
	if err := apt.unpack(ctx, packages, dir); err != nil {
		return image{}, fmt.Errorf("kernel %s: %w", k.name, err)
	}
	return unpacked(dir)
}

// unpacked finds the kernel in a folder that packages were unpacked into.
func unpacked(dir string) (image, error) {
	first := func(patterns ...string) string {
		for _, p := range patterns {
			if found, _ := filepath.Glob(filepath.Join(dir, p)); len(found) > 0 { // the patterns are right
				return found[0]
			}
		}
		return ""
	}
	i := image{vmlinuz: first("boot/vmlinuz-*", "usr/lib/modules/*/vmlinuz*"), modules: first("lib/modules/*", "usr/lib/modules/*")}
	if i.vmlinuz == "" || i.modules == "" {
		return i, fmt.Errorf("no kernel in %s", dir)
	}
	i.release = filepath.Base(i.modules)
	return i, nil
}

// aptRoot is a folder with sources, lists and packages that have nothing to do with the machine's own.
type aptRoot struct{ dir string }

// open reads what the suite has.
func (a aptRoot) open(ctx context.Context, suite string) error {
	for _, d := range []string{"lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(a.dir, d), 0o755); err != nil {
			return err
		}
	}
	const source = "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n"
	archive, security, err := mirrors(ctx)
	if err != nil {
		return err
	}
	sources := fmt.Sprintf(source, archive, suite)
	if !strings.HasSuffix(suite, "-backports") && security != "" {
		sources += fmt.Sprintf(source, security, suite+"-security")
	}
	for name, text := range map[string]string{"sources.list": sources, "status": ""} {
		if err := os.WriteFile(filepath.Join(a.dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	// Without the mode apt-get calls it a success that nothing could be read.
	if _, err = a.run(ctx, "", "apt-get", "update", "-qq", "-o", "APT::Update::Error-Mode=any"); err != nil {
		return fmt.Errorf("Debian's list of packages of %s cannot be had from %s: %w", suite, archive, err)
	}
	return nil
}

// mirrors are where this machine takes Debian and its security updates from; security may be "".
func mirrors(ctx context.Context) (archive, security string, err error) {
	out, err := command(ctx, "", "apt-get", "indextargets", "--format", "$(LABEL)|$(REPO_URI)", "Created-By: Packages")
	if err != nil {
		return "", "", err
	}
	for line := range strings.Lines(out) {
		switch label, uri, _ := strings.Cut(strings.TrimSpace(line), "|"); label {
		case "Debian":
			archive = uri
		case "Debian-Security":
			security = uri
		}
	}
	if archive == "" {
		return "", "", errors.New("apt knows no Debian archive here: apt-get update")
	}
	return archive, security, nil
}

// parts names the packages that a kernel is in today: those of its name that the package without a version depends on.
func (a aptRoot) parts(ctx context.Context, name string) ([]string, error) {
	out, err := a.run(ctx, "", "apt-cache", "depends", "--recurse", "--important", name)
	if err != nil {
		return nil, err
	}
	var packages []string
	for line := range strings.Lines(out) {
		p := strings.TrimSpace(line)
		if strings.HasPrefix(line, "linux-") && strings.HasSuffix(p, "-cloud-amd64") && strings.ContainsAny(p, "0123456789.") && !slices.Contains(packages, p) {
			packages = append(packages, p)
		}
	}
	if len(packages) == 0 {
		return nil, fmt.Errorf("%s depends on no kernel", name)
	}
	return packages, nil
}

// unpack downloads the packages and extracts them into dir.
func (a aptRoot) unpack(ctx context.Context, packages []string, dir string) error {
	archives := filepath.Join(a.dir, "cache", "archives")
	if _, err := a.run(ctx, archives, "apt-get", append([]string{"download", "-qq"}, packages...)...); err != nil {
		return fmt.Errorf("packages %s cannot be had: %w", strings.Join(packages, ", "), err)
	}
	debs, err := filepath.Glob(filepath.Join(archives, "*.deb"))
	if err != nil || len(debs) == 0 {
		return errors.Join(fmt.Errorf("nothing was downloaded of %s", strings.Join(packages, ", ")), err)
	}
	for _, deb := range debs {
		if _, err := command(ctx, "", "dpkg-deb", "-x", deb, dir); err != nil {
			return err
		}
	}
	return os.RemoveAll(a.dir)
}

func (a aptRoot) run(ctx context.Context, dir, name string, args ...string) (string, error) {
	options := []string{
		"-o", "Dir::Etc::sourcelist=" + filepath.Join(a.dir, "sources.list"), "-o", "Dir::Etc::sourceparts=/dev/null",
		"-o", "Dir::State::lists=" + filepath.Join(a.dir, "lists"), "-o", "Dir::State::status=" + filepath.Join(a.dir, "status"),
		"-o", "Dir::Cache=" + filepath.Join(a.dir, "cache"), "-o", "APT::Sandbox::User=root",
	}
	return command(ctx, dir, name, append(options, args...)...)
}

// command runs a program and returns what it prints; what it complains about is in the error.
func command(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	var out, complaint strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(complaint.String()))
	}
	return out.String(), nil
}
