package smb

import (
	"errors"
	"testing"

	"github.com/weir-ips/weir/pkg/flow/app"
)

// TestTooManyTransactions leaves messages without answers: at the limit there is one event, and no more is read.
func TestTooManyTransactions(t *testing.T) {
	c := DefaultConfig()
	c.MaxTx = 3
	p := New(c)
	message := make([]byte, 4+header2Len+16)
	message[3] = header2Len + 16
	copy(message[4:], "\xfeSMB\x40")
	message[4+12] = 0x0d // ECHO
	var err error
	n := 0
	for ; err == nil && n < 10; n++ {
		message[4+24] = byte(n) // message id
		err = p.Feed(app.ToServer, message, 1)
	}
	events := 0
	for _, tx := range p.Txs() {
		events += len(tx.Base().Events)
	}
	if !errors.Is(err, ErrTooManyTxs) || n != 4 || len(p.Txs()) != 3 || events != 1 {
		t.Errorf("after %d messages %d transactions, %d events: %v", n, len(p.Txs()), events, err)
	}
	if err := p.Feed(app.ToClient, message, 1); !errors.Is(err, ErrTooManyTxs) {
		t.Errorf("the other side is still read: %v", err)
	}
}
