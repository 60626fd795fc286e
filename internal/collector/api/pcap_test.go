package api

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"
)

func TestPacketOfAnAlertIsACaptureFile(t *testing.T) {
	f := start(t)
	frame := bytes.Repeat([]byte{0x45, 1, 2, 0xff}, 20)
	a := alert(1)
	a.EVE = json.RawMessage(fmt.Sprintf(`{"packet":%q,"packet_info":{"linktype":12}}`, base64.StdEncoding.EncodeToString(frame)))
	f.keep(t, a, alert(2))
	status, body := f.do(t, "GET", "/api/v1/alerts/"+a.ID+"/packet", nil)
	if status != 200 {
		t.Fatal(status, body)
	}
	le := binary.LittleEndian
	head, data := []byte(body[:40]), body[40:]
	at := time.Unix(int64(le.Uint32(head[24:])), int64(le.Uint32(head[28:])))
	if le.Uint32(head) != pcapMagic || le.Uint16(head[4:]) != 2 || le.Uint32(head[20:]) != linkRaw || !at.Equal(a.Time) ||
		int(le.Uint32(head[32:])) != len(frame) || data != string(frame) {
		t.Errorf("%x %x", head, data)
	}
	if status, _ := f.do(t, "GET", "/api/v1/alerts/edge-1:b:2/packet", nil); status != 404 {
		t.Errorf("a record without packet: %d", status)
	}
}

func TestCaptureRefusesNonsense(t *testing.T) {
	for _, eve := range []string{"", "{", `{"packet":"?"}`, `{"packet":7}`, `{"packet":"AAAA","packet_info":{"linktype":70000}}`} {
		a := alert(1)
		a.EVE = json.RawMessage(eve)
		if _, err := captureOf(&a); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: %v", eve, err)
		}
	}
}
