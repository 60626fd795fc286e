package tls

// Config says what a parser computes beside reading.
type Config struct {
	JA3 bool // JA3 and JA3S
	JA4 bool
}
