package ftp

import "github.com/weir-ips/weir/pkg/flow/app"

// Steps of a direction's progress: command or replies are arriving, or complete.
const (
	Started uint8 = iota
	Complete
	MaxProgress = Complete
)

// Tx is one command with its replies.
type Tx struct {
	app.TxBase
	Command          []byte // verb as sent; nil for replies without command (the greeting)
	Data             []byte // what follows the verb
	CommandTruncated bool   // longer than the limit
	Replies          []Reply
	ReplyTruncated   bool
	Port             uint16 // data port that PORT, EPRT, PASV or EPSV agreed; 0 when none
	Mode             Mode
	Done             bool // the final reply has come
}

// Reply is one line of an answer: "230 Login successful" has Code "230".
type Reply struct{ Code, Text []byte }

// Mode is who connects for data.
type Mode uint8

// The modes. Active means that the server connects.
const (
	NoMode Mode = iota
	Active
	Passive
)

// DataTx is the one transaction of a data connection that carries a file.
type DataTx struct {
	app.TxBase
	Command  []byte // "RETR" or "STOR"
	FileName []byte
}
