package ssh

import "github.com/weir-ips/weir/pkg/flow/app"

// Steps of a direction's progress.
const (
	InProgress  uint8 = iota // ssh_in_progress: the banner is arriving
	BannerDone               // ssh_banner_done: the banner is complete
	KexDone                  // the key exchange offer is complete
	Finished                 // ssh_finished: NEWKEYS was sent; what follows is encrypted
	MaxProgress = Finished
)

// Tx is the one transaction of an SSH flow: its clear part.
type Tx struct {
	app.TxBase
	Client, Server Side
}

// Of returns the side that sends in a direction.
func (t *Tx) Of(dir app.Direction) *Side {
	if dir == app.ToServer {
		return &t.Client
	}
	return &t.Server
}

// Side is what one side says of itself: "SSH-2.0-OpenSSH_9.2p1 Debian" has Proto "2.0" and Software "OpenSSH_9.2p1".
type Side struct {
	Banner   []byte // first line without its end
	Proto    []byte
	Software []byte
	HASSH    string // "curve25519-sha256,…;aes128-ctr,…;hmac-…;none,…" (https://github.com/salesforce/hassh)
	HASSHMD5 string // lower-case hexadecimal MD5 of HASSH; empty when not asked for or no offer was seen
}
