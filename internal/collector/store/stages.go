package store

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/weir-ips/weir/pkg/wire"
)

// FormatStages is what stores keep of an alert's stages: microseconds after its own time, in order and separated by commas, each empty when
// it is not known.
func (a *Alert) FormatStages() string {
	if a.Stages == nil {
		return ""
	}
	var b []byte
	for i, at := range stagesOf(a.Stages) {
		if i > 0 {
			b = append(b, ',')
		}
		if !at.IsZero() {
			b = strconv.AppendInt(b, at.Sub(a.Time).Microseconds(), 10)
		}
	}
	return string(b)
}

// ParseStages undoes FormatStages, once Time is known. What it cannot read stays unknown.
func (a *Alert) ParseStages(text string) {
	if text == "" {
		return
	}
	var s wire.Stages
	all := stagesOf(&s)
	for i, field := range strings.SplitN(text, ",", len(all)) {
		if us, err := strconv.ParseInt(field, 10, 64); err == nil && us > -maxStage && us < maxStage {
			*all[i] = a.Time.Add(time.Duration(us) * time.Microsecond)
		}
	}
	a.Stages = &s
}

// maxStage is what a Duration holds, in microseconds.
const maxStage = math.MaxInt64 / 1000

func stagesOf(s *wire.Stages) [5]*time.Time {
	return [...]*time.Time{&s.Inspected, &s.Sent, &s.Bus, &s.Received, &s.Stored}
}
