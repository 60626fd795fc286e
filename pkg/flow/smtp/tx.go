package smtp

import (
	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/flow/app/mime"
)

// Steps of a direction's progress: commands, the mail's header has been read, all of the mail has.
const (
	Started uint8 = iota
	Header
	Complete
	MaxProgress = Complete
)

// Tx is one mail, from MAIL FROM to the end of its data, or what a session said when there is none.
type Tx struct {
	app.TxBase
	Helo     []byte   // argument of HELO or EHLO
	MailFrom []byte   // as sent, with the angle brackets: "<a@example.org>"
	RcptTo   [][]byte // as sent, with the angle brackets
	Mail     *mime.Message
}
