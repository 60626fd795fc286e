package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-ips/weir/internal/sensor/config"
	"github.com/weir-ips/weir/pkg/capture"
	"github.com/weir-ips/weir/pkg/verdict/enforce"
)

// ErrUpgrade is Run's error when the process is to become what is installed now: call Become.
var ErrUpgrade = errors.New("the sensor is to be replaced by the program that is installed now")

// leftVariable names the descriptor in which a process finds what the one before left.
const leftVariable = "WEIR_LEFT"

// upgradeLease is how long nobody may inspect while the next process loads its rules; frames wait in the sockets meanwhile.
const upgradeLease = 30 * time.Second

// Check finds out whether Run would accept configuration and rules.
func Check(c *config.Config) error {
	_, err := loadRules(c, nil)
	return err
}

// Become turns the process into the installed program, with the same arguments, and returns only on failure.
func Become() error {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("upgrade: %w", err)
	}
	return fmt.Errorf("upgrade: run %s: %w", program, syscall.Exec(program, os.Args, os.Environ()))
}

// awaitUpgrade answers SIGUSR2.
func (d *Daemon) awaitUpgrade(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-d.asked:
			if err := d.Upgrade(); err != nil {
				d.log.Error("no upgrade; this program goes on", "error", err)
			}
		}
	}
}

// Upgrade has the installed program take this one's place, if that accepts configuration and rules: sockets and all that is in them
// are left to it, so no packet is lost. Flows are picked up in the middle.
func (d *Daemon) Upgrade() error {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("upgrade: %w", err)
	}
	out, err := exec.Command(program, append(os.Args[1:len(os.Args):len(os.Args)], "--check")...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("upgrade: %s refuses: %w: %s", program, err, strings.TrimSpace(string(out)))
	}
	d.log.Info("the installed program takes over", "program", program)
	d.fail(ErrUpgrade)
	return nil
}

// bequeath leaves the sockets to the next process, and tells it where they are.
func (d *Daemon) bequeath() error {
	d.enforcer.SetFailure(enforce.Failure{Policy: failures[d.cfg.OnFailure], Lease: upgradeLease, Hold: hold})
	d.enforcer.Heartbeat()
	var left []capture.Inherited
	for _, w := range d.workers {
		heir, ok := w.source.(capture.Heir)
		if !ok { // a ring in a pinned map: it stays where it is
			if err := w.source.Close(); err != nil {
				return err
			}
			continue
		}
		sockets, err := heir.Bequeath()
		if left = append(left, sockets...); err != nil {
			return err
		}
	}
	text, err := json.Marshal(left)
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

// inherited reads what the process before left; nil if there was none.
func inherited() ([]capture.Inherited, error) {
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
	var left []capture.Inherited
	if err := json.NewDecoder(f).Decode(&left); err != nil {
		return nil, fmt.Errorf("upgrade: what the process before left: %w", err)
	}
	for _, l := range left { // not for the programs that this one runs
		unix.CloseOnExec(l.FD)
		unix.CloseOnExec(l.Memory)
	}
	return left, nil
}
