package api

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/weir-ips/weir/internal/collector/store"
)

// getPacket answers with the packet that an alert's record holds, as a capture file.
func (s *Server) getPacket(w http.ResponseWriter, r *http.Request) error {
	a, err := s.opt.Alerts.Get(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	file, err := captureOf(&a)
	if err != nil {
		return err
	}
	name := strings.Map(func(c rune) rune {
		if c == '-' || c == '.' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' {
			return c
		}
		return '_'
	}, a.ID)
	w.Header().Set("Content-Type", "application/vnd.tcpdump.pcap")
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`.pcap"`)
	_, err = w.Write(file)
	return err
}

// A capture file with times in nanoseconds, little-endian (draft-ietf-opsawg-pcap).
const (
	pcapMagic   = 0xa1b23c4d
	pcapSnaplen = 262144
	maxLinkType = 1<<16 - 1

	rawOfLinux   = 12 // what EVE calls packets out of tunnels; in files it means different things to different programs
	linkRaw      = 101
	linkEthernet = 1
)

// linkOf tells of a packet out of a tunnel whether it is IP or in Ethernet.
func linkOf(data []byte) uint32 {
	if len(data) > 0 && (data[0]>>4 == 4 || data[0]>>4 == 6) {
		return linkRaw
	}
	return linkEthernet
}

// captureOf makes a capture file of the record's packet; ErrNotFound if it holds none.
func captureOf(a *store.Alert) ([]byte, error) {
	var eve struct {
		Packet string `json:"packet"`
		Info   struct {
			LinkType uint32 `json:"linktype"`
		} `json:"packet_info"`
	}
	if err := json.Unmarshal(a.EVE, &eve); err != nil || eve.Packet == "" {
		return nil, fmt.Errorf("packet of alert %s: %w", a.ID, ErrNotFound)
	}
	data, err := base64.StdEncoding.DecodeString(eve.Packet)
	if err != nil || len(data) > pcapSnaplen || eve.Info.LinkType > maxLinkType {
		return nil, fmt.Errorf("packet of alert %s: %w", a.ID, ErrNotFound)
	}
	link := eve.Info.LinkType
	if link == rawOfLinux {
		link = linkOf(data)
	}
	var b bytes.Buffer
	le := binary.LittleEndian
	head := le.AppendUint32(nil, pcapMagic)
	head = le.AppendUint16(le.AppendUint16(head, 2), 4)
	for _, n := range []uint32{
		0, 0, pcapSnaplen, link,
		uint32(a.Time.Unix()), uint32(a.Time.Nanosecond()), uint32(len(data)), uint32(len(data)),
	} {
		head = le.AppendUint32(head, n)
	}
	b.Write(head)
	b.Write(data)
	return b.Bytes(), nil
}
