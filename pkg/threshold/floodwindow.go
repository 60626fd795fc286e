package threshold

// window is what is counted of one class to one destination.
type window struct {
	counts  [slots]uint64
	against [slots]uint64 // completed handshakes
	head    int64         // number of the newest slot

	second   int64  // that is counted now
	inSecond uint64 // counted in it
	spared   uint64 // of those, no attack
	slow     int64  // average of about a minute, in 1/1024 packets a second
	excess   uint64 // CUSUM of what is above half the threshold, packets

	threshold uint64 // packets a second
	usual     usual

	on      bool
	since   int64
	lowFrom int64 // when the rate fell below half the threshold; 0 while it has not
	by      FloodStatistic
	ended   int64 // when the last flood ended; 0: there was none
	hold    int64 // ns that it must be low to end
	pulses  uint32
	peak    uint64
	total   uint64
}

// turn begins a second and returns the rate of the one that is over: 0 if that was not the last one counted.
func (w *window) turn(second int64) (rate uint64) {
	if w.second == second-1 {
		rate = w.inSecond - min(w.inSecond, w.spared)
	}
	return rate
}

// settle takes the rate of the second that is over into the slow statistics, and the silent ones before it.
func (w *window) settle(rate uint64, second int64) {
	silent := min(second-w.second-1, 10*slowSeconds)
	w.second, w.inSecond, w.spared = second, 0, 0
	if w.on {
		return
	}
	for range max(silent, 0) {
		w.slow -= w.slow / slowSeconds
		w.excess -= min(w.excess, w.threshold/cusumSlack)
	}
	w.slow += (int64(rate)*1024 - w.slow) / slowSeconds
	if !w.usual.learned {
		w.usual.rate = uint64(w.slow) / 1024
		return
	}
	w.excess += rate
	w.excess -= min(w.excess, w.threshold/cusumSlack)
}

// resume notes that the rate is high; if it has paused, it will have to pause for longer to be over.
func (w *window) resume(now int64) {
	if w.lowFrom == 0 {
		return
	}
	if pause := now - w.lowFrom; pause >= 2*slots*slot {
		w.pulses++
		w.hold = min(max(w.hold, holdFactor*pause), holdMost)
	}
	w.lowFrom = 0
}

// advance moves the window to slot number to, emptying the slots in between. Time that runs backwards is ignored.
func (w *window) advance(to int64) {
	if to-w.head >= slots {
		w.counts, w.against, w.head = [slots]uint64{}, [slots]uint64{}, to
		return
	}
	for w.head < to {
		w.head++
		w.counts[w.head%slots], w.against[w.head%slots] = 0, 0
	}
}

// sum adds up the newest n slots, the running one included, without what turned out to be no attack.
func (w *window) sum(n int64) uint64 {
	var total, against uint64
	for i := range n {
		total += w.counts[(w.head-i+slots)%slots]
		against += w.against[(w.head-i+slots)%slots]
	}
	return total - min(total, against)
}

// crowd reports whether most of the last second's packets turned out to be no attack.
func (w *window) crowd() bool {
	var total, against uint64
	for i := range slots {
		total += w.counts[i]
		against += w.against[i]
	}
	return 2*against > total
}
