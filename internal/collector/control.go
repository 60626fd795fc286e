package collector

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/weir-ips/weir/internal/collector/api"
	"github.com/weir-ips/weir/internal/collector/log"
	"github.com/weir-ips/weir/internal/collector/store"
	"github.com/weir-ips/weir/pkg/wire"
)

// The control socket is how the command line steers a running collector, even when console and API are out of reach. Whoever
// may write to the data directory may use it.
const controlFile = "control.sock"

// Order is one request on the control socket; exactly one field besides By is set.
type Order struct {
	By        string          `json:"by"`
	Kill      *api.KillSwitch `json:"kill,omitempty"` // with empty lists dropping resumes
	Protect   *Protected      `json:"protect,omitempty"`
	Unprotect *netip.Prefix   `json:"unprotect,omitempty"`
	Rollback  *uint64         `json:"rollback,omitempty"` // position
	Accept    string          `json:"accept,omitempty"`   // feed whose held list may pass
	Retry     string          `json:"retry,omitempty"`    // export whose dead letters are to be sent again
	List      bool            `json:"list,omitempty"`
	Note      *ChangeNote     `json:"note,omitempty"`
	Rules     *RulesOrder     `json:"rules,omitempty"`
}

// ChangeNote is a change that the command line made by itself, for the audit log.
type ChangeNote struct {
	Action string         `json:"action"`
	Object string         `json:"object"`
	Detail map[string]any `json:"detail"`
}

// Outcome is the answer.
type Outcome struct {
	Error      string          `json:"error,omitempty"`
	Lifted     int             `json:"lifted,omitempty"`
	Retried    int             `json:"retried,omitempty"` // events
	RolledBack log.RolledBack  `json:"rolled_back"`
	Kill       wire.KillSwitch `json:"kill"`
	NeverBlock []Protected     `json:"never_block"`
	Epoch      uint64          `json:"epoch"`
	Seq        uint64          `json:"seq"`
	Rules      *RulesOutcome   `json:"rules,omitempty"`
}

// maxOrder bounds a request in bytes: rules, escaped for JSON.
const maxOrder = 2 * wire.MaxRules

// openControl makes the socket: it is there when the collector says that it is up.
func (c *collector) openControl(context.Context) (err error) {
	path := c.path(controlFile)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("control socket: %w", err)
	}
	if c.control, err = net.Listen("unix", path); err != nil {
		return fmt.Errorf("control socket: %w", err)
	}
	return nil
}

// serveControl answers on the socket until ctx ends.
func (c *collector) serveControl(ctx context.Context) error {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /{$}", c.takeOrder)
	mux.HandleFunc("POST /backup", c.serveBackup)
	srv := &http.Server{Handler: mux, ReadTimeout: 10 * time.Second, WriteTimeout: time.Minute}
	stop := context.AfterFunc(ctx, func() { srv.Close() })
	defer stop()
	if err := srv.Serve(c.control); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("control socket: %w", err)
	}
	return nil
}

func (c *collector) takeOrder(w http.ResponseWriter, r *http.Request) {
	var o Order
	var out Outcome
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxOrder)).Decode(&o)
	if err == nil {
		err = c.obey(r.Context(), &o, &out)
	}
	if err != nil {
		out.Error = err.Error()
	}
	out.Kill, out.NeverBlock = c.govern.settings.killSwitch(), c.govern.settings.neverBlock()
	out.Epoch, out.Seq = c.log.Position()
	json.NewEncoder(w).Encode(&out) // a client that went away needs no answer
}

func (c *collector) obey(ctx context.Context, o *Order, out *Outcome) (err error) {
	switch {
	case o.List:
	case o.By == "":
		err = errors.New("say who orders it")
	case o.Kill != nil:
		err = c.govern.Kill(ctx, *o.Kill, o.By)
	case o.Protect != nil:
		o.Protect.By, o.Protect.At = o.By, time.Now().UTC()
		out.Lifted, err = c.govern.protect(ctx, *o.Protect)
	case o.Unprotect != nil:
		err = c.govern.Unprotect(ctx, *o.Unprotect, o.By)
	case o.Rollback != nil:
		out.RolledBack, err = c.govern.rollback(ctx, *o.Rollback, o.By)
	case o.Note != nil:
		err = c.govern.note(ctx, o.By, o.Note.Action, o.Note.Object, o.Note.Detail)
	case o.Rules != nil:
		out.Rules, err = c.obeyRules(ctx, o.Rules, o.By)
	case o.Retry != "":
		out.Retried, err = c.retryExport(ctx, o.Retry, o.By)
	case o.Accept != "":
		err = c.feeds.Accept(ctx, o.Accept, o.By)
	default:
		err = errors.New("an order without anything to do")
	}
	return err
}

// ErrNotRunning says that nobody answers on the control socket.
var ErrNotRunning = errors.New("no collector runs")

// Note puts a change that the command line made into the audit log: through the collector if it runs, as the log has one writer.
func Note(ctx context.Context, cfg *Config, by, action, object string, detail map[string]any) error {
	if by == "" {
		return errors.New("say who orders it: --by")
	}
	if detail == nil {
		detail = map[string]any{}
	}
	_, err := Control(ctx, cfg.Data, Order{By: by, Note: &ChangeNote{action, object, detail}})
	if !errors.Is(err, ErrNotRunning) {
		return err
	}
	audit, err := openAudit(ctx, cfg)
	if err != nil {
		return err
	}
	text, err := json.Marshal(detail)
	if err == nil {
		_, err = audit.Append(ctx, store.Entry{Actor: by, Action: action, Object: object, Detail: text})
	}
	return errors.Join(err, audit.Close())
}

// Control gives a running collector an order.
func Control(ctx context.Context, data string, o Order) (*Outcome, error) {
	text, err := json.Marshal(&o)
	if err != nil {
		return nil, err
	}
	client := controlClient(data)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://collector/", bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w on %s: %w", ErrNotRunning, data, err)
	}
	defer resp.Body.Close()
	out := new(Outcome)
	if err := json.NewDecoder(io.LimitReader(resp.Body, 16<<20)).Decode(out); err != nil {
		return nil, fmt.Errorf("the collector's answer: %w", err)
	}
	if out.Error != "" {
		return out, errors.New(out.Error)
	}
	return out, nil
}

func controlClient(data string) *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(data, controlFile))
	}}}
}

// ParsePrefix takes an address for its single-address prefix.
func ParsePrefix(s string) (netip.Prefix, error) { return parsePrefix(s) }
