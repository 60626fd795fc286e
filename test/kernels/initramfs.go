package main

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

//go:embed init.sh
var initScript []byte

// initramfs packs busybox, the kernel's modules and the tests of work into an archive that the kernel unpacks and starts.
func (i image) initramfs(ctx context.Context, work string, checks []check) (string, error) {
	root := filepath.Join(work, "root")
	if err := os.RemoveAll(root); err != nil {
		return "", err
	}
	for _, d := range []string{"bin", "dev", "modules", "proc", "run", "sys", "tests", "tmp"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			return "", err
		}
	}
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		return "", fmt.Errorf("%w: apt-get install busybox-static", err)
	}
	files := map[string]string{"bin/busybox": busybox}
	for _, program := range []string{"bpf.test", "capture.test", "inline.test", "sensor"} {
		files["tests/"+program] = filepath.Join(work, program)
	}
	if err := addXDPTools(ctx, files); err != nil {
		return "", err
	}
	for name, from := range files {
		to := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return "", err
		}
		if err := os.Link(from, to); err != nil {
			if err := copyFile(from, to); err != nil {
				return "", err
			}
		}
	}
	if err := os.WriteFile(filepath.Join(root, "init"), initScript, 0o755); err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(root, "checks"), []byte(checkList(checks)), 0o644); err != nil {
		return "", err
	}
	modules, err := i.modulesFor(ctx, wanted())
	if err != nil {
		return "", err
	}
	for n, m := range modules {
		if err := os.WriteFile(filepath.Join(root, "modules", fmt.Sprintf("%02d-%s.ko", n, m.name)), m.data, 0o644); err != nil {
			return "", err
		}
	}
	archive := filepath.Join(work, "initramfs")
	_, err = command(ctx, root, "sh", "-c", `find . | "$1" cpio -o -H newc >"$2"`, "sh", busybox, archive)
	return archive, err
}

// addXDPTools adds the programs of xdp-tools with all that they load.
func addXDPTools(ctx context.Context, files map[string]string) error {
	for _, name := range []string{"xdp-loader", "xdp-filter"} {
		program, err := exec.LookPath(name)
		if err != nil {
			return fmt.Errorf("%w: apt-get install xdp-tools", err)
		}
		files["bin/"+name] = program
		out, err := command(ctx, "", "ldd", program)
		if err != nil {
			return err
		}
		for field := range strings.FieldsSeq(out) {
			if strings.HasPrefix(field, "/") {
				if files[field[1:]], err = filepath.EvalSymlinks(field); err != nil {
					return err
				}
			}
		}
	}
	objects, err := filepath.Glob("/usr/lib/*/bpf/xdp*.o")
	if err != nil || len(objects) == 0 {
		return fmt.Errorf("no objects of xdp-tools in /usr/lib/*/bpf: apt-get install xdp-tools")
	}
	for _, o := range objects {
		files[o[1:]] = o
	}
	return nil
}

func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o755)
}

// checkList has a line for each check: name, and command.
func checkList(checks []check) string {
	var b strings.Builder
	for _, c := range checks {
		fmt.Fprintf(&b, "%s /tests/%s %s\n", c.name, c.program, strings.Join(c.args(), " "))
	}
	return b.String()
}
