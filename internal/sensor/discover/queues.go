package discover

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Queues returns how many receive queues an interface has in use (ethtool's combined and rx channels); 1 when its driver
// does not tell.
func Queues(name string) (int, error) {
	c, err := channelsOf(name)
	return max(int(c.combined+c.rx), 1), err
}

// channels is struct ethtool_channels (kernel, include/uapi/linux/ethtool.h): the command, four maxima, four counts.
type channels struct {
	cmd                                 uint32
	maxRX, maxTX, maxOther, maxCombined uint32
	rx, tx, other, combined             uint32
}

func channelsOf(name string) (channels, error) {
	c := channels{cmd: unix.ETHTOOL_GCHANNELS}
	switch err := ethtool(name, unsafe.Pointer(&c)); {
	case errors.Is(err, unix.EOPNOTSUPP):
		return channels{}, nil
	case err != nil:
		return channels{}, fmt.Errorf("queues: %w", err)
	}
	return c, nil
}
