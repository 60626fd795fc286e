package bus

import (
	"context"

	"github.com/weir-ips/weir/pkg/wire"
)

// Store keeps alerts; *store.Store is one.
type Store interface {
	// Insert keeps those of events whose ID is not known yet, in one transaction, and returns them: when it returns they
	// survive a crash. An error means that none were kept, and the same events will be offered again.
	Insert(ctx context.Context, events []wire.Event) (fresh []wire.Event, err error)
}
