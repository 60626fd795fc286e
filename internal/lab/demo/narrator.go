package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// narrator prints the story: a time, a mark, a sentence.
type narrator struct {
	out   io.Writer
	start time.Time
	color bool
}

func newNarrator(out io.Writer) *narrator {
	info, err := os.Stdout.Stat()
	tty := err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("NO_COLOR") == ""
	return &narrator{out: out, start: time.Now(), color: tty}
}

func (n *narrator) paint(code, s string) string {
	if !n.color {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (n *narrator) line(mark, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	fmt.Fprintf(n.out, "%s %s %s\n", n.paint("2", fmt.Sprintf("%7.2fs", time.Since(n.start).Seconds())), mark, text)
}

// title opens a chapter.
func (n *narrator) title(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	fmt.Fprintf(n.out, "\n%s\n%s\n", n.paint("1", text), n.paint("2", strings.Repeat("─", min(len([]rune(text)), 100))))
}

// note says what is being done, attack what the attacker does, good what was achieved, bad what was not.
func (n *narrator) note(format string, args ...any)   { n.line("·", format, args...) }
func (n *narrator) attack(format string, args ...any) { n.line(n.paint("31", "▲"), format, args...) }
func (n *narrator) good(format string, args ...any)   { n.line(n.paint("32", "✓"), format, args...) }
func (n *narrator) bad(format string, args ...any)    { n.line(n.paint("31;1", "✗"), format, args...) }

// count writes a number with its thousands apart.
func count[T int | uint64](v T) string {
	s := fmt.Sprint(v)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func millis(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }
