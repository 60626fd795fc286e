package fleet

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// process is one program that can be stopped, killed and started again.
type process struct {
	name  string
	args  []string
	log   string // file its output is appended to
	spawn func(*exec.Cmd) error
	cmd   *exec.Cmd
	ended chan error
}

func (f *Fleet) process(name, program string, spawn func(*exec.Cmd) error, args ...string) *process {
	return &process{
		name: name, spawn: spawn, log: filepath.Join(f.Dir, name+".log"),
		args: append([]string{filepath.Join(f.Bin, program)}, args...),
	}
}

func (p *process) start() error {
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("fleet: %w", err)
	}
	defer log.Close()
	p.cmd = exec.Command(p.args[0], p.args[1:]...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	// The programs must not outlive a demo that is killed.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.spawn(p.cmd); err != nil {
		return fmt.Errorf("fleet: start %s: %w", p.name, err)
	}
	p.ended = make(chan error, 1)
	go func(c *exec.Cmd, ended chan<- error) { ended <- c.Wait() }(p.cmd, p.ended)
	return nil
}

// await polls ready until it is nil; a program that ends meanwhile is an error at once.
func (p *process) await(ready func() error, timeout time.Duration) error {
	for deadline := time.Now().Add(timeout); ; time.Sleep(20 * time.Millisecond) {
		err := ready()
		if err == nil {
			return nil
		}
		select {
		case end := <-p.ended:
			p.ended <- end
			return fmt.Errorf("fleet: %s ended (%v); its log is %s", p.name, end, p.log)
		default:
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("fleet: %s is not ready after %v: %w; its log is %s", p.name, timeout, err, p.log)
		}
	}
}

// signal ends the program and waits for it.
func (p *process) signal(s syscall.Signal) error {
	if p == nil || p.cmd == nil {
		return nil
	}
	defer func() { p.cmd = nil }()
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("fleet: signal %s: %w", p.name, err)
	}
	select {
	case <-p.ended:
		return nil
	case <-time.After(15 * time.Second):
		p.cmd.Process.Kill()
		<-p.ended
		return fmt.Errorf("fleet: %s did not end within 15 s of %v", p.name, s)
	}
}
