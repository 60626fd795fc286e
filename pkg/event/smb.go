package event

import (
	"slices"
	"strconv"
	"strings"

	"github.com/weir-ips/weir/pkg/flow/smb"
)

// smbSelected reports whether the output asks for this command.
func smbSelected(opt *SMBOptions, t *smb.Tx) bool {
	if len(opt.Commands) == 0 {
		return true
	}
	return slices.ContainsFunc(opt.Commands, func(c string) bool {
		c = strings.ToUpper(strings.ReplaceAll(c, "-", "_"))
		return strings.Contains(t.Command, "_COMMAND_"+c)
	})
}

// smb writes the members of "smb".
func (e *encoder) smb(t *smb.Tx) {
	if t.ID > 0 {
		e.num("id", t.ID)
	}
	e.strIf("dialect", t.Dialect)
	e.strIf("command", t.Command)
	if t.Status != "" {
		e.str("status", t.Status)
		e.key("status_code")
		e.b = append(e.b, '"', '0', 'x')
		e.b = appendStatus(e.b, t)
		e.b = append(e.b, '"')
	}
	e.num("session_id", t.SessionID)
	e.num("tree_id", uint64(t.TreeID))
	e.smbNegotiate(t)
	e.smbTree(t)
	e.smbFile(t)
	e.smbSetup(t)
	if t.DCERPC != nil {
		e.open("dcerpc")
		e.dcerpc(t.DCERPC, false)
		e.close()
	}
}

// appendStatus appends a status code; DOS errors of SMB1 have four digits.
func appendStatus(b []byte, t *smb.Tx) []byte {
	digits := strconv.FormatUint(uint64(t.StatusCode), 16)
	if t.Version == 1 && !strings.HasPrefix(t.Status, "STATUS_") {
		b = append(b, "0000"[min(len(digits), 4):]...)
	}
	return append(b, digits...)
}

func (e *encoder) smbNegotiate(t *smb.Tx) {
	if len(t.Dialects) > 0 {
		e.list("client_dialects")
		for _, d := range t.Dialects {
			e.elemStr(d)
		}
		e.end()
	}
	if len(t.ServerGUID) == 16 {
		e.windowsGUID("server_guid", t.ServerGUID)
	}
}

func (e *encoder) smbTree(t *smb.Tx) {
	switch {
	case len(t.NamedPipe) > 0:
		e.text("named_pipe", t.NamedPipe)
	case len(t.Share) > 0:
		e.text("share", t.Share)
	}
	e.strIf("share_type", t.ShareType)
}

func (e *encoder) smbFile(t *smb.Tx) {
	switch {
	case len(t.FileName) == 0 && (t.Create != nil || t.Delete):
		e.str("filename", "<share_root>")
	case t.Create != nil && t.Create.Directory:
		e.textIf("directory", t.FileName)
	default:
		e.textIf("filename", t.FileName)
	}
	if c := t.Create; c != nil {
		e.strIf("disposition", c.Disposition)
		e.strIf("access", c.Access)
		e.num("created", uint64(c.Created))
		e.num("accessed", uint64(c.Accessed))
		e.num("modified", uint64(c.Modified))
		e.num("changed", uint64(c.Changed))
		e.num("size", c.Size)
	}
	if t.Delete {
		e.str("access", "delete on close")
	}
	switch len(t.FUID) {
	case 16:
		e.windowsGUID("fuid", t.FUID)
	case 0:
	default:
		e.hex("fuid", t.FUID)
	}
	if r := t.Rename; r != nil {
		e.open("rename")
		e.text("from", r.From)
		e.text("to", r.To)
		e.close()
	}
}

func (e *encoder) smbSetup(t *smb.Tx) {
	if n := t.NTLMSSP; n != nil {
		e.open("ntlmssp")
		e.text("domain", n.Domain)
		e.text("user", n.User)
		e.text("host", n.Host)
		e.strIf("version", n.Version)
		e.close()
	}
	for _, side := range [...]struct {
		name   string
		native *smb.Native
	}{{"request", t.SetupReq}, {"response", t.SetupRes}} {
		if side.native != nil {
			e.open(side.name)
			e.text("native_os", side.native.OS)
			e.text("native_lm", side.native.LM)
			e.close()
		}
	}
}

// windowsGUID writes 16 bytes as EVE does a GUID or file id of SMB: little-endian numbers of 4, 2, 2, 2, 2 and 4 bytes.
func (e *encoder) windowsGUID(name string, v []byte) {
	g := [16]byte(v)
	for at := 0; at < len(g); {
		n := 2
		if at == 0 || at == 12 {
			n = 4
		}
		slices.Reverse(g[at : at+n])
		at += n
	}
	e.guid(name, g[:])
}

// guid writes 16 bytes in the groups 8-4-4-4-12, in their order.
func (e *encoder) guid(name string, v []byte) {
	e.key(name)
	e.b = append(e.b, '"')
	for i, c := range v {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			e.b = append(e.b, '-')
		}
		e.b = append(e.b, hexDigits[c>>4], hexDigits[c&15])
	}
	e.b = append(e.b, '"')
}
