package dns

// Config bounds a parser. The zero value has Suricata's limits.
type Config struct {
	TCP   bool // messages come with a two-byte length before them
	MaxTx int  // live transactions; more are not kept; 0 means 500
}
