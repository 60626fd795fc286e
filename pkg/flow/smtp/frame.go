package smtp

import "github.com/weir-ips/weir/pkg/flow/app"

// markLine marks the line that has just been read, its end included, with rest bytes behind it.
func (p *Parser) markLine(dir app.Direction, t app.FrameType, rest int) {
	n := p.sides[dir].raw
	p.sides[dir].raw = 0
	if p.frames == nil {
		return
	}
	id := p.frames.Add(dir, t, rest+n, int64(n))
	if p.tx != nil {
		p.frames.SetTx(dir, id, &p.tx.TxBase)
	}
}
