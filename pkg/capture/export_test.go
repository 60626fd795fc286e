package capture

import "net"

// ProveBack is proveBack, which Prove asks for in zero-copy mode alone.
func (x *XSK) ProveBack(device *net.Interface) error { return x.proveBack(device) }
