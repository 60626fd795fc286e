package flow

// newWins says which bytes a receiver of a style keeps where something new [ns, ne) overlaps something old [os, oe): true
// for the new ones.
type newWins func(style OverlapStyle, os, oe, ns, ne uint64) bool

// segment decides for TCP. Source: Novak and Sturges, "Target-Based TCP Stream Reassembly" (2007).
func (o OverlapStyle) segment(os, oe, ns, ne uint64) bool {
	switch o {
	case LastWins:
		return true
	case FirstWins, Vista:
		return false
	case Linux:
		return ns < os || ns == os && ne > oe
	case OldLinux:
		return ns < os || ns == os && ne >= oe
	case Solaris, OldSolaris, HPUX11:
		return ns < os || ns == os && ne > oe
	case BSDRight, HPUX10:
		return ns >= os
	default: // BSD, Windows, Windows2003, MacOS, IRIX
		return ns < os
	}
}

// fragment decides for IP. Source: Novak, "Target-Based Fragmentation Reassembly" (2005).
func (o OverlapStyle) fragment(os, _, ns, _ uint64) bool {
	switch o {
	case LastWins:
		return true
	case FirstWins, Windows, Windows2003, Vista, Solaris, HPUX11:
		return false
	case BSDRight, HPUX10:
		return ns >= os
	case Linux, OldLinux:
		return ns <= os
	default: // BSD, MacOS, IRIX, OldSolaris
		return ns < os
	}
}
