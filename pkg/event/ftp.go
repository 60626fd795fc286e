package event

import "github.com/weir-ips/weir/pkg/flow/ftp"

// ftp writes the members of "ftp".
func (e *encoder) ftp(t *ftp.Tx) {
	if len(t.Command) > 0 {
		e.text("command", t.Command)
		if len(t.Data) > 0 {
			e.text("command_data", t.Data)
		}
		e.flag("command_truncated", t.CommandTruncated)
	}
	if len(t.Replies) > 0 {
		e.replies(t.Replies)
	}
	if t.Port != 0 {
		e.num("dynamic_port", uint64(t.Port))
	}
	switch t.Mode {
	case ftp.Active:
		e.str("mode", "active")
	case ftp.Passive:
		e.str("mode", "passive")
	}
	if t.Done {
		e.str("reply_received", "yes")
	} else {
		e.str("reply_received", "no")
	}
	e.flag("reply_truncated", t.ReplyTruncated)
}

// replies writes texts and codes apart; a line without a code has none.
func (e *encoder) replies(replies []ftp.Reply) {
	mark := e.mark()
	e.list("completion_code")
	for i := range replies {
		if len(replies[i].Code) > 0 {
			e.elemText(replies[i].Code)
		}
	}
	e.closeOrDrop(mark, ']')
	e.list("reply")
	for i := range replies {
		e.elemText(replies[i].Text)
	}
	e.end()
}

// ftpData writes the members of "ftp_data".
func (e *encoder) ftpData(t *ftp.DataTx) {
	e.textIf("filename", t.FileName)
	e.textIf("command", t.Command)
}
