package daemon

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/internal/sensor/config"
)

// Check finds out whether Run would accept configuration and rules; with load, also whether the kernel accepts the program.
func Check(c *config.Config, load bool) error {
	if _, err := loadRules(c, nil); err != nil || !load {
		return err
	}
	o := kernelOptions(c)
	o.Coexist, o.NoPin, o.Rings, o.RingBytes, o.Sources, o.Flows = false, true, 1, 4096, 1024, 1024 // nothing comes to it
	s, err := bpf.Load(o)
	if err != nil {
		return err
	}
	return s.Close()
}

// Succession is Run's error when another program is to go on in this process.
type Succession struct{ program string }

func (s *Succession) Error() string { return "the sensor is to be replaced by " + s.program }

// Become turns the process into that program, with the same arguments, and returns only on failure.
func (s *Succession) Become() error {
	return fmt.Errorf("upgrade: run %s: %w", s.program, syscall.Exec(s.program, os.Args, os.Environ()))
}

// awaitUpgrade answers SIGUSR2.
func (d *Daemon) awaitUpgrade(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-d.asked:
			if _, err := d.Upgrade(); err != nil {
				d.log.Error("no upgrade; this program goes on", "error", err)
			}
		}
	}
}

// checkWait is how long the installed program may take over its configuration, rules and XDP program.
const checkWait = 90 * time.Second

// Upgrade has the installed program take this one's place, if that runs and accepts configuration, rules and kernel: sockets and all
// that is in them are left to it, so no packet is lost. Should it then not start, it gives them back. Flows are picked up in the
// middle. It returns the installed program's version.
func (d *Daemon) Upgrade() (version string, err error) {
	program, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("upgrade: %w", err)
	}
	out, err := ask(program, "version")
	if err != nil {
		return "", err
	}
	if _, err := ask(program, append(slices.Clone(os.Args[1:]), "--check", "--load")...); err != nil {
		return "", err
	}
	version = strings.TrimPrefix(out, "sensor ")
	d.log.Info("the installed program takes over", "program", program, "version", version)
	d.fail(&Succession{program})
	return version, nil
}

// ask runs the installed program and returns what it says.
func ask(program string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), checkWait)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
	said := strings.TrimSpace(string(out))
	if ctx.Err() != nil {
		return "", fmt.Errorf("upgrade: %s does not answer within %v: %s", program, checkWait, said)
	}
	if err != nil {
		return "", fmt.Errorf("upgrade: %s refuses (%w): %s", program, err, said)
	}
	return said, nil
}
