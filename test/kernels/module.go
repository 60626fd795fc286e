package main

import (
	"bytes"
	"context"
	"debug/elf"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// module is a kernel module, unpacked.
type module struct {
	name string
	data []byte
}

// wanted are the modules that the checks need. A name without a file is part of the kernel.
func wanted() []string { return []string{"veth", "virtio_pci", "virtio_net"} }

// modulesFor reads modules and all that they depend on, in the order in which they can be inserted.
func (i image) modulesFor(ctx context.Context, names []string) ([]module, error) {
	files, err := moduleFiles(i.modules)
	if err != nil {
		return nil, err
	}
	var order []module
	var add func(name string) error
	add = func(name string) error {
		file := files[name]
		if file == "" || slices.ContainsFunc(order, func(m module) bool { return m.name == name }) {
			return nil
		}
		data, err := readModule(ctx, file)
		if err != nil {
			return err
		}
		needs, err := depends(data)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		for _, n := range needs {
			if err := add(n); err != nil {
				return err
			}
		}
		order = append(order, module{name, data})
		return nil
	}
	for _, n := range names {
		if err := add(n); err != nil {
			return nil, err
		}
	}
	return order, nil
}

// moduleFiles maps the names of all modules to their files.
func moduleFiles(dir string) (map[string]string, error) {
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if name, _, ok := strings.Cut(filepath.Base(path), ".ko"); ok {
			files[strings.ReplaceAll(name, "-", "_")] = path
		}
		return err
	})
	return files, err
}

func readModule(ctx context.Context, path string) ([]byte, error) {
	if strings.HasSuffix(path, ".xz") {
		out, err := command(ctx, "", "xz", "-dc", path)
		return []byte(out), err
	}
	return os.ReadFile(path)
}

// depends reads which modules one needs from its .modinfo section: strings key=value, each ended by a zero byte.
func depends(data []byte) ([]string, error) {
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	section := f.Section(".modinfo")
	if section == nil {
		return nil, fmt.Errorf("not a kernel module: no section .modinfo")
	}
	info, err := section.Data()
	if err != nil {
		return nil, err
	}
	for entry := range strings.SplitSeq(string(info), "\x00") {
		if list, ok := strings.CutPrefix(entry, "depends="); ok && list != "" {
			return strings.Split(list, ","), nil
		}
	}
	return nil, nil
}
