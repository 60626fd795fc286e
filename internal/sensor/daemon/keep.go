package daemon

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-ips/weir/internal/sensor/path"
	"github.com/weir-ips/weir/pkg/signatures"
)

// maxLeft bounds what is read of the flows of the program before.
const maxLeft = 1 << 30

// keepFlows writes what is known of the flows into memory that the next program inherits; -1 if that fails, after which flows are taken up
// in the middle.
func (d *Daemon) keepFlows() int {
	var paths []*path.Path
	for _, w := range d.workers {
		if !w.blind.Load() { // else nobody knows what state it is in
			paths = append(paths, w.path.Load())
		}
	}
	fd, err := leaveFlows(paths, d.remembered, d.shared.get().Ruleset)
	if err != nil {
		d.log.Warn("flows are not left to the next program: it takes them up in the middle", "error", err)
		return -1
	}
	return fd
}

func leaveFlows(paths []*path.Path, shared *signatures.Shared, rs *signatures.Ruleset) (fd int, err error) {
	defer func() {
		if what := recover(); what != nil { // inspection must not keep a sensor from its upgrade
			err = fmt.Errorf("panic: %v", what)
		}
	}()
	data := path.Keep(paths, shared, rs, time.Now().UnixNano())
	if len(data) > maxLeft {
		return -1, fmt.Errorf("%d bytes: the limit is %d", len(data), maxLeft)
	}
	if fd, err = unix.MemfdCreate("weir-flows", 0); err != nil { // not closed by exec
		return -1, os.NewSyscallError("memfd_create", err)
	}
	for at := 0; at < len(data); {
		n, err := unix.Pwrite(fd, data[at:], int64(at))
		if err != nil {
			return -1, errors.Join(os.NewSyscallError("pwrite", err), unix.Close(fd))
		}
		at += n
	}
	return fd, nil
}

// resume reads what the program before knew of the flows; nil if it left nothing that can be read.
func (d *Daemon) resume(shared *signatures.Shared) *path.Left {
	if d.left == nil || d.left.Flows < 0 {
		return nil
	}
	// By its name, so that the descriptor stays as it is for the program before, should this one not start.
	f, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", d.left.Flows))
	if err == nil {
		defer f.Close()
		var data []byte
		if data, err = io.ReadAll(io.LimitReader(f, maxLeft)); err == nil {
			var l *path.Left
			if l, err = path.ReadLeft(data, shared, d.shared.get().Ruleset, time.Now().UnixNano()); err == nil {
				d.log.Info("flows of the program before are gone on with", "flows", l.Len(), "bytes", len(data))
				return l
			}
		}
	}
	d.log.Warn("flows of the program before are taken up in the middle", "error", err)
	return nil
}
