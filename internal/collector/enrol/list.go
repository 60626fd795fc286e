package enrol

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-ips/weir/internal/servicefile"
	"github.com/weir-ips/weir/pkg/wire"
)

// ListFile holds tokens and sensors; it is changed under a lock on a file beside it, because the command line changes it while
// the collector runs.
const ListFile = "enrolment.json"

// Grant is a token as the collector remembers it: a hash, and what the token is good for.
type Grant struct {
	ID      string    `json:"id"`
	Hash    []byte    `json:"hash"` // SHA-256 of the secret
	Group   string    `json:"group,omitempty"`
	Uses    int       `json:"uses"` // left
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
}

// Sensor is one that has enrolled.
type Sensor struct {
	ID       string    `json:"id"`
	Group    string    `json:"group,omitempty"`
	Serials  []string  `json:"serials"` // of the certificates that count, newest first: the present one and the one before
	Token    string    `json:"token"`   // id of the token it enrolled with
	Enrolled time.Time `json:"enrolled"`
	Renewed  time.Time `json:"renewed"`
	Expires  time.Time `json:"expires"`
}

// maxSerials is how many certificates of a sensor count: after a renewal whose answer was lost the sensor still has the old.
const maxSerials = 2

// contents is the file.
type contents struct {
	Tokens  []Grant              `json:"tokens,omitempty"`
	Sensors map[string]Sensor    `json:"sensors,omitempty"`
	Removed map[string]time.Time `json:"removed,omitempty"` // sensors of another CA: certificates from before do not count
}

// List is who may enrol and who has. It is safe for concurrent use, by several processes.
type List struct {
	path string
	ca   *CA // nil: certificates come from elsewhere
	now  func() time.Time

	mu       sync.Mutex
	modified time.Time
	contents
}

// OpenList reads the list in the data directory; there may be none yet. ca is nil if certificates come from elsewhere alone.
func OpenList(data string, ca *CA) (*List, error) {
	l := &List{path: filepath.Join(data, ListFile), ca: ca, now: time.Now}
	return l, l.load()
}

// ErrRefused is wrapped by errors that are the asker's fault.
var ErrRefused = errors.New("refused")

// ErrElsewhere says that the collector certifies nobody.
var ErrElsewhere = errors.New("sensors bring certificates of another CA (bus.tls.client-ca): there is nothing to enrol for")

// CreateToken remembers a new token that lets uses sensors in until ttl has passed.
func (l *List) CreateToken(group string, uses int, ttl time.Duration) (wire.Token, error) {
	if l.ca == nil {
		return wire.Token{}, ErrElsewhere
	}
	t := wire.NewToken(l.ca.Certificate.Raw)
	if group != "" {
		if err := wire.CheckName(group); err != nil {
			return t, fmt.Errorf("group: %w", err)
		}
	}
	if uses < 1 || uses > 10_000 {
		return t, fmt.Errorf("%d uses: not from 1 to 10000", uses)
	}
	if ttl < time.Second || ttl > 30*24*time.Hour {
		return t, fmt.Errorf("ttl of %s: not from 1s to 720h", ttl)
	}
	now := l.now().UTC()
	hash := sha256.Sum256([]byte(t.Secret))
	return t, l.change(func(c *contents) error {
		c.Tokens = append(c.Tokens, Grant{ID: t.ID, Hash: hash[:], Group: group, Uses: uses, Created: now, Expires: now.Add(ttl)})
		return nil
	})
}

// RemoveToken forgets a token.
func (l *List) RemoveToken(id string) error {
	return l.change(func(c *contents) error {
		n := len(c.Tokens)
		c.Tokens = slices.DeleteFunc(c.Tokens, func(g Grant) bool { return g.ID == id })
		if len(c.Tokens) == n {
			return fmt.Errorf("no token %q", id)
		}
		return nil
	})
}

// Tokens lists the tokens that are still good for something.
func (l *List) Tokens() []Grant {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refresh()
	return slices.DeleteFunc(slices.Clone(l.contents.Tokens), func(g Grant) bool { return !g.good(l.now()) })
}

// Sensors lists who has enrolled, by name.
func (l *List) Sensors() []Sensor {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refresh()
	out := make([]Sensor, 0, len(l.contents.Sensors))
	for _, s := range l.contents.Sensors {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b Sensor) int { return strings.Compare(a.ID, b.ID) })
	return out
}

func (g *Grant) good(now time.Time) bool { return g.Uses > 0 && now.Before(g.Expires) }

// TokenGood reports whether the text is a token that may still be used; it does not use it up.
func (l *List) TokenGood(text string) (id string, ok bool) {
	t, err := wire.ParseToken(text)
	if err != nil {
		return "", false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refresh()
	hash := sha256.Sum256([]byte(t.Secret))
	for i := range l.contents.Tokens {
		if g := &l.contents.Tokens[i]; g.ID == t.ID {
			return t.ID, g.good(l.now()) && subtle.ConstantTimeCompare(g.Hash, hash[:]) == 1
		}
	}
	return "", false
}

// enrol uses a token up and notes the sensor and its certificate.
func (l *List) enrol(token, sensor string, c *x509.Certificate) (group string, err error) {
	now := l.now().UTC()
	return group, l.change(func(all *contents) error {
		i := slices.IndexFunc(all.Tokens, func(g Grant) bool { return g.ID == token })
		if i < 0 || !all.Tokens[i].good(now) {
			return fmt.Errorf("%w: the token is used up or has expired", ErrRefused)
		}
		if have, ok := all.Sensors[sensor]; ok && now.Before(have.Expires) {
			return fmt.Errorf("%w: sensor %q has a certificate until %s: `collector sensor remove` it first, or choose another name",
				ErrRefused, sensor, have.Expires.Format(time.RFC3339))
		}
		g := &all.Tokens[i]
		g.Uses--
		group = g.Group
		if all.Sensors == nil {
			all.Sensors = map[string]Sensor{}
		}
		all.Sensors[sensor] = Sensor{
			ID: sensor, Group: group, Serials: []string{serialText(c)}, Token: token, Enrolled: now, Renewed: now, Expires: c.NotAfter.UTC(),
		}
		all.Tokens = slices.DeleteFunc(all.Tokens, func(g Grant) bool { return !g.good(now) })
		return nil
	})
}

// renew notes a sensor's next certificate.
func (l *List) renew(sensor string, c *x509.Certificate) (group string, err error) {
	return group, l.change(func(all *contents) error {
		s, ok := all.Sensors[sensor]
		if !ok {
			return fmt.Errorf("%w: sensor %q is not enrolled", ErrRefused, sensor)
		}
		s.Serials = append([]string{serialText(c)}, s.Serials...)
		s.Serials = s.Serials[:min(len(s.Serials), maxSerials)]
		s.Renewed, s.Expires = l.now().UTC(), c.NotAfter.UTC()
		all.Sensors[sensor], group = s, s.Group
		return nil
	})
}

// Remove ends a sensor's right to connect. One of another CA need not have enrolled: what was issued before now counts no more.
func (l *List) Remove(sensor string, external bool) error {
	return l.change(func(c *contents) error {
		_, ok := c.Sensors[sensor]
		if !ok && !external {
			return fmt.Errorf("sensor %q is not enrolled", sensor)
		}
		delete(c.Sensors, sensor)
		if external {
			if c.Removed == nil {
				c.Removed = map[string]time.Time{}
			}
			c.Removed[sensor] = l.now().UTC()
		}
		return nil
	})
}

// Admits says whether a certificate whose chain TLS has verified lets its holder in, and as whom. It is the chain's first.
func (l *List) Admits(chain []*x509.Certificate) (sensor string, ok bool) {
	if len(chain) == 0 {
		return "", false
	}
	c := chain[0]
	own := l.ca != nil && chain[len(chain)-1].Equal(l.ca.Certificate)
	sensor, ok = Identity(c)
	if now := l.now(); !ok || now.After(c.NotAfter) {
		return "", false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refresh()
	if own {
		return sensor, slices.Contains(l.contents.Sensors[sensor].Serials, serialText(c))
	}
	return sensor, c.NotBefore.After(l.contents.Removed[sensor])
}

// Chain is the chain of a certificate that the CA has issued to a client and that is in its time; nil for any other.
func (l *List) Chain(c *x509.Certificate) []*x509.Certificate {
	if l.ca == nil {
		return nil
	}
	chains, err := c.Verify(x509.VerifyOptions{Roots: l.ca.Pool(), CurrentTime: l.now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	if err != nil || len(chains) == 0 {
		return nil
	}
	return chains[0]
}

// Has reports whether sensor has enrolled: then nobody gets its name by an address alone.
func (l *List) Has(sensor string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refresh()
	_, ok := l.contents.Sensors[sensor]
	return ok
}

func serialText(c *x509.Certificate) string { return c.SerialNumber.Text(62) }

// Modified is when the file last changed.
func (l *List) Modified() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refresh()
	return l.modified
}

// refresh rereads a file that another process changed. One that cannot be read leaves what was known.
func (l *List) refresh() {
	if fi, err := os.Stat(l.path); err == nil && !fi.ModTime().Equal(l.modified) {
		_ = l.load()
	}
}

func (l *List) load() error {
	data, err := os.ReadFile(l.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read enrolment: %w", err)
	}
	var c contents
	if err := json.Unmarshal(data, &c); err != nil {
		return fmt.Errorf("read enrolment: %s: %w", l.path, err)
	}
	l.contents = c
	if fi, err := os.Stat(l.path); err == nil {
		l.modified = fi.ModTime()
	}
	return nil
}

// change edits the file under the lock that all processes share; an error of edit leaves it as it was.
func (l *List) change(edit func(*contents) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	lock, err := os.OpenFile(l.path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("lock enrolment: %w", err)
	}
	defer lock.Close() // also unlocks
	if err := servicefile.Give(lock); err != nil {
		return fmt.Errorf("lock enrolment: %w", err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return fmt.Errorf("lock enrolment: %w", err)
	}
	if err := l.load(); err != nil {
		return err
	}
	if err := edit(&l.contents); err != nil {
		return errors.Join(err, l.load())
	}
	data, err := json.Marshal(&l.contents)
	if err != nil {
		return fmt.Errorf("write enrolment: %w", err)
	}
	if err := servicefile.Write(l.path, append(data, '\n')); err != nil {
		return fmt.Errorf("write enrolment: %w", err)
	}
	return l.load()
}
