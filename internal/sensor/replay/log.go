package replay

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"
)

// Message is something that the program says about its configuration and rules.
type Message struct {
	Level  string // "Info", "Warning", "Error"
	Module string // what it is about: "config", "rules", "exception-policy"
	Text   string
}

// WriteLog appends messages to a file as EVE's engine records, one JSON object a line: a Suricata configuration can ask for such a
// log with logging.outputs.
func WriteLog(path string, now time.Time, list []Message) error {
	type engine struct {
		Message string `json:"message"`
		Module  string `json:"module"`
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	for _, m := range list {
		err := enc.Encode(struct {
			Timestamp string `json:"timestamp"`
			Level     string `json:"log_level"`
			Type      string `json:"event_type"`
			Engine    engine `json:"engine"`
		}{now.UTC().Format("2006-01-02T15:04:05.000000-0700"), m.Level, "engine", engine{m.Text, m.Module}})
		if err != nil {
			return fmt.Errorf("write the engine's log: %w", err)
		}
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
	if err != nil {
		return fmt.Errorf("write the engine's log: %w", err)
	}
	_, err = f.Write(b.Bytes())
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write the engine's log: %w", err)
	}
	return nil
}
