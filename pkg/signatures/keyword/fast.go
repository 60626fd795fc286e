package keyword

// Fast is the pattern that must be found before the rule is evaluated at all.
type Fast struct {
	Pattern []byte // nil when the rule has none; lower case when NoCase
	NoCase  bool
	Group   int  // index in Groups; -1 for the payload
	Fixed   bool // the pattern can begin at Offset of the buffer or stream alone
	Offset  int
}

// placed is what it adds to a pattern's rarity that it can stand at one place alone: it is found there by chance once in many
// buffers, and nothing else of them has to be looked at.
const placed = 48

// chooseFast picks the pattern that must be seen before the rule is evaluated: the one that the rule asks for, else the
// one that is rarest in traffic.
func (c *compiler) chooseFast() {
	s := c.sig
	best := -1
	consider := func(group int, weak bool, items []item) {
		for _, i := range items {
			p, ok := i.(*Content)
			if !ok || p.Negated {
				continue
			}
			pattern := p.Pattern
			if p.ChopLen > 0 {
				pattern = pattern[p.ChopAt : p.ChopAt+p.ChopLen]
			}
			f := Fast{Pattern: pattern, NoCase: p.NoCase, Group: group}
			f.Offset, f.Fixed = p.place()
			score := rarity(pattern)
			if weak {
				score /= 8
			}
			if f.Fixed {
				score += placed
			}
			if p.Fast {
				score += 1 << 30
			}
			if score > best {
				best, s.Fast = score, f
			}
		}
	}
	if s.Type == TypeTx || s.Type == TypeFrame {
		for i, g := range s.Groups {
			if g.Absent == mustExist && (s.Type == TypeTx || len(g.Transforms) == 0) { // frames are scanned as they are
				consider(i, g.Buffer.Weak, g.Items)
			}
		}
		return
	}
	consider(-1, false, s.Payload)
}

// common are strings that traffic is full of, in lower case: they add little to a pattern's rarity.
var common = [...]string{"http://", "https://", "http/1.", "mozilla/5.0", "user-agent", "content-type", "windows nt ", "www.", ".com", ".php",
	".net", ".html", "application/", "accept", "host: ", "\r\n", "post ", "get ", "name=", "?id=", "script", "function"}

// rarity estimates how seldom a pattern is seen: about eight for each byte that tells something.
func rarity(p []byte) int {
	score := 0
	for i, b := range p {
		switch {
		case i > 0 && b == p[i-1]: // runs
			score++
		case b == 0 || b == 0xff || b == ' ' || b == '/' || b == '=':
			score += 3
		case b >= 'a' && b <= 'z' || b >= '0' && b <= '9':
			score += 6
		default:
			score += 7
		}
	}
	for _, w := range common {
		for at := 0; ; {
			i := indexFold(p[at:], []byte(w))
			if i < 0 {
				break
			}
			score -= 4 * len(w)
			at += i + len(w)
		}
	}
	return max(score, len(p))
}

// place returns where the part of the content that serves as fast pattern begins, if there is one such place.
func (c *Content) place() (offset int, fixed bool) {
	if !c.Depth.set || c.Depth.isVar || c.Offset.isVar || int(c.Depth.value) != len(c.Pattern) {
		return 0, false
	}
	if c.Offset.set {
		offset = int(c.Offset.value)
	}
	return offset + int(c.ChopAt), true
}
