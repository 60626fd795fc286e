package verdict

// Rank orders verdicts by who asked for what: analyst allow 4, analyst drop 3, rule or flood 2, feed 1 (design: verdicts).
// Higher wins; never-block stands above all and is no verdict. Observing counts and decides nothing: rank 0.
func (v *Verdict) Rank() uint8 {
	switch {
	case v.Action == Observe:
		return 0
	case v.Origin == OriginAnalyst && v.Allows():
		return 4
	case v.Origin == OriginAnalyst:
		return 3
	case v.Origin == OriginFeed:
		return 1
	}
	return 2
}

// Allows reports whether the verdict lets traffic through that others may want to stop.
func (v *Verdict) Allows() bool { return v.Action == Pass || v.Action == Bypass }

// Stops reports whether the verdict may cost a packet its life.
func (v *Verdict) Stops() bool { return v.Action == Drop || v.Action == RateLimit }

// beats reports whether v decides where both match the same packets: by rank, then the later one.
func (v *Verdict) beats(w *Verdict) bool {
	if v.Rank() != w.Rank() {
		return v.Rank() > w.Rank()
	}
	if v.Epoch != w.Epoch {
		return v.Epoch > w.Epoch
	}
	if v.Seq != w.Seq {
		return v.Seq > w.Seq
	}
	if !v.CreatedAt.Equal(w.CreatedAt) {
		return v.CreatedAt.After(w.CreatedAt)
	}
	return v.ID > w.ID
}
