package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-ips/weir/pkg/capture"
	"github.com/weir-ips/weir/pkg/verdict/enforce"
)

// Legacy is what one program leaves to the next, which goes on in the same process.
type Legacy struct {
	Sockets []capture.Inherited
	Flows   int    // descriptor of what is known of the flows (path.Keep); -1 if nothing is
	Program int    // descriptor of the file of the program that left it
	Version string // of that
	Config  []byte // the configuration that it ran with
	Refused string // why the program that had it in between gave it back; empty if none did
}

// leftVariable names the descriptor in which a program finds what the one before left.
const leftVariable = "WEIR_LEFT"

// upgradeLease is how long nobody may inspect while the next program loads its rules; frames wait in the sockets meanwhile.
const upgradeLease = 30 * time.Second

// bequeath leaves the sockets to the next program, and tells it where they are.
func (d *Daemon) bequeath() error {
	if d.enforcer != nil {
		d.enforcer.SetFailure(enforce.Failure{Policy: failures[d.cfg.OnFailure], Lease: upgradeLease, Hold: hold})
		d.enforcer.Heartbeat()
	}
	next, err := d.legacy()
	if err != nil {
		return err
	}
	for _, w := range d.workers {
		heir, ok := w.source.(capture.Heir)
		if !ok { // a ring in a pinned map: it stays where it is
			if err := w.source.Close(); err != nil {
				return err
			}
			continue
		}
		sockets, err := heir.Bequeath()
		if next.Sockets = append(next.Sockets, sockets...); err != nil {
			return err
		}
	}
	if d.refusal == "" {
		next.Flows = d.keepFlows()
	}
	return next.leave()
}

// legacy is all but the sockets that are in use.
func (d *Daemon) legacy() (next Legacy, err error) {
	if d.refusal == "" {
		next = Legacy{Version: d.version, Config: d.cfg.Text()}
		next.Program, err = unix.Open("/proc/self/exe", unix.O_RDONLY, 0) // not closed by exec
		return next, os.NewSyscallError("open", err)
	}
	next = Legacy{Flows: d.left.Flows, Version: d.left.Version, Config: d.left.Config, Refused: d.refusal, Program: d.left.Program}
	if err := inheritable(next.Flows); err != nil {
		return next, err
	}
	next.Sockets, err = capture.Untaken(d.left.Sockets)
	return next, err
}

// leave puts it where Inherit finds it.
func (l *Legacy) leave() error {
	text, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("upgrade: %w", err)
	}
	fd, err := unix.MemfdCreate("weir-left", 0) // not closed by exec
	if err != nil {
		return os.NewSyscallError("memfd_create", err)
	}
	if _, err := unix.Pwrite(fd, text, 0); err != nil {
		return os.NewSyscallError("pwrite", err)
	}
	return os.Setenv(leftVariable, strconv.Itoa(fd))
}

// Inherit reads what the program before left; nil if there was none.
func Inherit() (*Legacy, error) {
	text := os.Getenv(leftVariable)
	if text == "" {
		return nil, nil
	}
	if err := os.Unsetenv(leftVariable); err != nil {
		return nil, err
	}
	fd, err := strconv.Atoi(text)
	if err != nil {
		return nil, fmt.Errorf("upgrade: %s=%q is no descriptor", leftVariable, text)
	}
	f := os.NewFile(uintptr(fd), "weir-left")
	defer f.Close()
	if _, err := f.Seek(0, 0); err != nil {
		return nil, fmt.Errorf("upgrade: %w", err)
	}
	left := Legacy{Flows: -1} // of a program that leaves none
	if err := json.NewDecoder(f).Decode(&left); err != nil {
		return nil, fmt.Errorf("upgrade: what the program before left: %w", err)
	}
	for _, s := range left.Sockets { // not for the programs that this one runs
		unix.CloseOnExec(s.FD)
		unix.CloseOnExec(s.Memory)
	}
	for _, fd := range []int{left.Program, left.Flows} {
		if fd >= 0 {
			unix.CloseOnExec(fd)
		}
	}
	return &left, nil
}

// giveBack has the program before go on, with the configuration that it had, because this one does not start.
func (d *Daemon) giveBack(why error) error {
	d.log.Error("this program does not start; the one before goes on", "error", why, "version", d.left.Version)
	d.refusal = why.Error()
	d.upgrading.Store(true)
	program := fmt.Sprintf("/proc/self/fd/%d", d.left.Program)
	if err := inheritable(d.left.Program); err != nil {
		return err
	}
	return &Succession{program}
}

// inheritable keeps a descriptor open for the next program; -1 is none.
func inheritable(fd int) error {
	if fd < 0 {
		return nil
	}
	_, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0)
	return os.NewSyscallError("fcntl", err)
}

// forgetPredecessor lets go of the program before: this one has started.
func (d *Daemon) forgetPredecessor() error {
	if d.left == nil {
		return nil
	}
	var errs []error
	for _, fd := range []*int{&d.left.Program, &d.left.Flows} {
		if *fd >= 0 {
			errs = append(errs, os.NewSyscallError("close", unix.Close(*fd)))
			*fd = -1
		}
	}
	return errors.Join(errs...)
}
