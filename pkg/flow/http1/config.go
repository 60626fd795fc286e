package http1

import "github.com/weir-ips/weir/pkg/flow/app"

// Config bounds a parser. Its fields have Suricata's libhtp settings in mind; DefaultConfig gives their defaults.
type Config struct {
	RequestBodyLimit  int // bytes of a body kept for inspection; 0: unlimited
	ResponseBodyLimit int
	// DecompressLayers is how many content codings of a response are undone; 0: none.
	DecompressLayers int
	// DecompressRequests undoes the content codings of requests too.
	DecompressRequests bool
	BombLimit          int // decompressed bytes beyond which a ratio above 2048 ends decompression
	DoubleDecodePath   bool
	DoubleDecodeQuery  bool
	MaxTx              int // live transactions; more pipelined requests end parsing
	MaxHeaders         int // header fields of a message; more raise an event and are ignored
	SoftFieldLimit     int // bytes of a line or field above which an event is raised
	HardFieldLimit     int // bytes above which parsing of the direction ends
	Files              app.FileConfig
	Bodies             *app.Buffers // where bodies grow; nil: each in its own
}

// DefaultConfig returns Suricata's defaults: bodies of 100 KiB, two layers of decompression.
func DefaultConfig() Config {
	return Config{
		RequestBodyLimit:   100 << 10,
		ResponseBodyLimit:  100 << 10,
		DecompressLayers:   2,
		DecompressRequests: true,
		BombLimit:          1 << 20,
		MaxTx:              512,
		MaxHeaders:         1024,
		SoftFieldLimit:     9000,
		HardFieldLimit:     18000,
		Bodies:             new(app.Buffers),
	}
}
