package path

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/weir-ips/weir/pkg/flow"
	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/signatures"
	"github.com/weir-ips/weir/pkg/signatures/keyword"
)

// What the Paths of one program leave to those of the next, little-endian:
//
//	magic, version, names of protocols by number | names, xbits, hostbits, thresholds | flows
//
// Another version is not read: flows are then taken up in the middle.
const (
	keptMagic   = "weirkept"
	keptVersion = 1
	// keptFor is how long a flow that was left is waited for: longer than any timeout of a flow.
	keptFor = 10 * time.Minute
)

// ErrKept is wrapped by errors about what another program has left.
var ErrKept = errors.New("what another program has left of its flows")

// Keep returns what the next program needs to go on with the flows of the paths, which are not to be used afterwards. Their frames must
// all be done; now is Unix ns.
func Keep(paths []*Path, shared *signatures.Shared, rs *signatures.Ruleset, now int64) []byte {
	buf := binary.LittleEndian.AppendUint16([]byte(keptMagic), keptVersion)
	buf = append(buf, byte(app.NumProtos))
	for p := range app.NumProtos {
		name := p.String()
		buf = append(append(buf, byte(len(name))), name...)
	}
	buf = shared.Keep(buf, rs, now)
	for _, p := range paths {
		extra := func(buf []byte, _ *flow.Flow) []byte { return buf }
		if p.engine != nil {
			extra = p.engine.KeepFlow
		}
		buf = p.tracker.Keep(buf, extra)
	}
	return buf
}

// Left is what another program has left, until the flows' next packets come. It is for all Paths of a program.
type Left struct {
	flows   *flow.Left
	numbers *keyword.Numbers
}

// Len is how many flows have not been heard yet.
func (l *Left) Len() int {
	if l == nil {
		return 0
	}
	return l.flows.Len()
}

// ReadLeft reads what Keep has returned, and puts xbits, hostbits and thresholds into shared. It holds on to data.
func ReadLeft(data []byte, shared *signatures.Shared, rs *signatures.Ruleset, now int64) (*Left, error) {
	head := len(keptMagic) + 3
	if len(data) < head || string(data[:len(keptMagic)]) != keptMagic {
		return nil, fmt.Errorf("%w: not in a form that is known here", ErrKept)
	}
	if v := binary.LittleEndian.Uint16(data[len(keptMagic):]); v != keptVersion {
		return nil, fmt.Errorf("%w: in form %d, and this program reads %d: flows are taken up in the middle", ErrKept, v, keptVersion)
	}
	protos, data, err := readProtos(data[head:], int(data[head-1]))
	if err != nil {
		return nil, err
	}
	l := &Left{}
	if l.numbers, data, err = shared.Restore(data, rs, now); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKept, err)
	}
	alike := func(p app.Proto) app.Proto {
		if int(p) < len(protos) {
			return protos[p]
		}
		return app.Unknown
	}
	if l.flows, err = flow.ReadLeft(data, now+int64(keptFor), alike); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKept, err)
	}
	return l, nil
}

// readProtos reads the names of protocols by another program's numbers.
func readProtos(data []byte, n int) (protos []app.Proto, rest []byte, err error) {
	here := map[string]app.Proto{}
	for p := range app.NumProtos {
		here[p.String()] = p
	}
	for range n {
		if len(data) < 1 || len(data)-1 < int(data[0]) {
			return nil, nil, fmt.Errorf("%w: a protocol's name is cut short", ErrKept)
		}
		end := 1 + int(data[0])
		protos = append(protos, here[string(data[1:end])]) // Unknown if it has no such name here
		data = data[end:]
	}
	return protos, data, nil
}

// resume has the Path go on with the flows of another program.
func (p *Path) resume(l *Left) {
	p.tracker.Resume(l.flows, func(f *flow.Flow, extra []byte) {
		if p.engine != nil {
			p.engine.RestoreFlow(f, extra, l.numbers)
		}
	})
}
