package event

import "time"

// stamp formats packet times. Consecutive records mostly share their second, so its text is kept.
type stamp struct {
	second int64
	text   []byte
}

// append appends ns (Unix nanoseconds) as 2017-04-07T22:24:37.251547+0000.
func (s *stamp) append(b []byte, ns int64) []byte {
	sec, rest := ns/1e9, ns%1e9
	if rest < 0 {
		sec, rest = sec-1, rest+1e9
	}
	if sec != s.second || len(s.text) == 0 {
		s.second = sec
		s.text = time.Unix(sec, 0).UTC().AppendFormat(s.text[:0], "2006-01-02T15:04:05.")
	}
	b = append(b, s.text...)
	us := rest / 1000
	for div := int64(100000); div > 0; div /= 10 {
		b = append(b, byte('0'+us/div%10))
	}
	return append(b, "+0000"...)
}
