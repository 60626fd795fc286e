package flow

// newWins says which bytes a receiver of this style keeps where a new segment (or fragment) [ns, ne) overlaps an old one
// [os, oe): true for the new ones. Sources: Novak and Sturges, "Target-Based TCP Stream Reassembly" (2007); Novak,
// "Target-Based Fragmentation Reassembly" (2005).
func (o OverlapStyle) newWins(os, oe, ns, ne uint64) bool {
	switch o {
	case LastWins:
		return true
	case FirstWins, Windows, Vista, Windows2003, MacOS:
		if o == FirstWins || o == Vista {
			return false
		}
		return ns < os && (o == MacOS || ne > oe)
	case Solaris, OldSolaris, HPUX11:
		return ns < os && ne > oe || ns < os && o != HPUX11 || ns == os && ne > oe
	case BSDRight, HPUX10:
		return ns >= os
	case Linux:
		return ns < os || ns == os && ne > oe
	case OldLinux:
		return ns < os || ns == os && ne > oe
	default: // BSD, IRIX
		return ns < os
	}
}
