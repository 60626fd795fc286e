package event

import "github.com/weir-ips/weir/pkg/flow/ssh"

// ssh writes the members of "ssh".
func (e *encoder) ssh(t *ssh.Tx) {
	e.sshSide("client", &t.Client)
	e.sshSide("server", &t.Server)
}

func (e *encoder) sshSide(name string, s *ssh.Side) {
	if len(s.Proto) == 0 && len(s.Software) == 0 && s.HASSHMD5 == "" {
		return
	}
	e.open(name)
	e.textIf("proto_version", s.Proto)
	e.textIf("software_version", s.Software)
	if s.HASSHMD5 != "" {
		e.open("hassh")
		e.str("hash", s.HASSHMD5)
		e.str("string", s.HASSH)
		e.close()
	}
	e.close()
}
