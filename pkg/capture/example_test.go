package capture_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/weir-ips/weir/pkg/capture"
)

func ExampleNewFile() {
	pcap, _ := hex.DecodeString(strings.ReplaceAll("d4c3b2a1 0200 0400 00000000 00000000 ffff0000 65000000"+ // raw IP
		"0a000000 40420f00 04000000 54000000 45000054", " ", ""))
	f, err := capture.NewFile(bytes.NewReader(pcap), "ping.pcap")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	frames := make([]capture.Frame, 64)
	for {
		n, err := f.Recv(frames, 0)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, frame := range frames[:n] {
			fmt.Printf("frame %d, link type %d: % x of %d bytes\n", frame.Number, frame.Link, frame.Data, frame.WireLen)
		}
		f.Done(frames[:n])
	}
	// Output: frame 1, link type 101: 45 00 00 54 of 84 bytes
}
