package smb

import (
	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/flow/app/dcerpc"
)

// Steps of a direction's progress: a message is there or it is not.
const (
	Started uint8 = iota
	Complete
	MaxProgress = Complete
)

// Tx is one command with its answer, or one file in transit.
type Tx struct {
	app.TxBase
	Version    uint8  // 1 or 2 (for SMB2 and SMB3)
	Command    string // EVE's name: "SMB2_COMMAND_CREATE", "SMB1_COMMAND_NT_CREATE_ANDX"
	ID         uint64 // number in the flow, from 1
	Dialect    string // of the session: "2.10", "NT LM 0.12", "unknown"
	Status     string // "STATUS_SUCCESS", or empty when no answer was seen
	StatusCode uint32
	DOSStatus  bool // StatusCode is 16 bits of the older scheme ("0x005b")
	SessionID  uint64
	TreeID     uint32

	Dialects   []string // NEGOTIATE: what the client offers
	ServerGUID []byte   // NEGOTIATE's answer, 16 bytes
	Share      []byte   // TREE_CONNECT: "\\SERVER\C$"
	ShareType  string   // "DISK", "PIPE", "PRINT"
	NamedPipe  []byte   // TREE_CONNECT to a pipe share, CREATE of a pipe
	FileName   []byte   // CREATE and what works on its handle
	FUID       []byte   // file handle, 16 bytes (SMB1: 2)
	Create     *Create
	Rename     *Rename
	NTLMSSP    *NTLMSSP // SESSION_SETUP
	Kerberos   bool     // SESSION_SETUP offered a Kerberos ticket
	SetupReq   *Native  // SMB1 SESSION_SETUP: who the client is
	SetupRes   *Native
	DCERPC     *dcerpc.Call
	Delete     bool   // SET_INFO marked the file for deletion
	Function   uint32 // IOCTL's control code
	IsFile     bool   // a transaction that only carries a file
}

// Create is what CREATE asked for and got.
type Create struct {
	Disposition                          string // "FILE_OPEN", …
	Access                               string // "normal", …
	Created, Accessed, Modified, Changed uint32 // Unix seconds
	Size                                 uint64
	Directory                            bool
}

// Rename is the old and the new name.
type Rename struct{ From, To []byte }

// NTLMSSP is who logs on (MS-NLMP §2.2.1.3).
type NTLMSSP struct {
	Domain, User, Host []byte // UTF-8
	Version            string // "10.0 build 17763 rev 15", empty when absent
}

// Native is the operating system and LAN manager that a side of SMB1 names.
type Native struct{ OS, LM []byte }
