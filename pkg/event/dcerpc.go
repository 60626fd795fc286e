package event

import (
	"strconv"

	"github.com/weir-ips/weir/pkg/flow/app/dcerpc"
)

// dcerpc writes one call. On its own it has the protocol's version, inside "smb" the reasons of refusals.
func (e *encoder) dcerpc(c *dcerpc.Call, alone bool) {
	if c.HasReq {
		e.str("request", packetName(c.ReqType))
		e.dcerpcRequest(c, alone)
	} else {
		e.str("request", "REQUEST_LOST")
	}
	if c.HasRes {
		e.str("response", packetName(c.ResType))
		if c.ResType == dcerpc.Response {
			e.open("res")
			e.num("frag_cnt", uint64(c.ResFrags))
			e.num("stub_data_size", uint64(c.ResSize))
			e.close()
		}
	} else {
		e.str("response", "UNREPLIED")
	}
	if c.Datagram {
		e.guid("activityuuid", c.Activity[:])
		e.num("seqnum", uint64(c.Seq))
	} else {
		e.num("call_id", uint64(c.CallID))
	}
	if alone {
		e.key("rpc_version")
		e.b = append(e.b, '"')
		e.b = appendVersion(e.b, uint16(c.Version[0]), uint16(c.Version[1]))
		e.b = append(e.b, '"')
	}
}

func (e *encoder) dcerpcRequest(c *dcerpc.Call, alone bool) {
	switch c.ReqType {
	case dcerpc.Request:
		if !alone {
			e.num("opnum", uint64(c.Opnum))
		}
		e.open("req")
		if alone {
			e.num("opnum", uint64(c.Opnum))
		}
		e.num("frag_cnt", uint64(c.ReqFrags))
		e.num("stub_data_size", uint64(c.ReqSize))
		e.close()
		if len(c.Interfaces) > 0 {
			e.dcerpcInterfaces(c, alone)
		}
	case dcerpc.Bind, dcerpc.AlterCtx:
		e.dcerpcInterfaces(c, alone)
	}
}

func (e *encoder) dcerpcInterfaces(c *dcerpc.Call, alone bool) {
	e.list("interfaces")
	for i := range c.Interfaces {
		e.dcerpcInterface(&c.Interfaces[i], alone)
	}
	e.end()
}

func (e *encoder) dcerpcInterface(i *dcerpc.Interface, alone bool) {
	e.item()
	e.guid("uuid", i.UUID[:])
	e.key("version")
	e.b = append(e.b, '"')
	e.b = appendVersion(e.b, i.Major, i.Minor)
	e.b = append(e.b, '"')
	if i.Answered {
		e.num("ack_result", uint64(i.Result))
		if !alone {
			e.num("ack_reason", 0) // always, as in Suricata
		}
	}
	e.close()
}

func appendVersion(b []byte, major, minor uint16) []byte {
	b = strconv.AppendUint(b, uint64(major), 10)
	b = append(b, '.')
	return strconv.AppendUint(b, uint64(minor), 10)
}

// packetName returns EVE's name of a packet type (C706 §12.6.4.1, MS-RPCE §2.2.2).
func packetName(t uint8) string {
	names := [...]string{"REQUEST", "PING", "RESPONSE", "FAULT", "WORKING", "NOCALL", "REJECT", "ACK", "CL_CANCEL", "FACK",
		"CANCEL_ACK", "BIND", "BINDACK", "BINDNAK", "ALTER_CONTEXT", "ALTER_CONTEXT_RESP", "AUTH3", "SHUTDOWN", "CO_CANCEL",
		"ORPHANED", "RTS"}
	if int(t) < len(names) {
		return names[t]
	}
	return "UNKNOWN_" + strconv.Itoa(int(t))
}
