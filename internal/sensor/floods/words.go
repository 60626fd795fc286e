package floods

// Words says of each attack that is on, oldest first, what it is and why it is called one.
func (c *Control) Words() []string {
	var out []string
	for _, a := range c.Attacks() {
		out = append(out, a.Explain())
	}
	return out
}
