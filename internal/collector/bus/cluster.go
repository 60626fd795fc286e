package bus

import (
	"crypto/tls"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

// ClusterOptions is how the collector reaches servers that run elsewhere.
type ClusterOptions struct {
	URLs []string
	Key  string      // file of the seed (SU…) of the collector's own nkey
	TLS  *tls.Config // nil: as the URLs say
	Name string      // of the connection
}

// Dial connects to a cluster, and again to whichever of its servers answers when the connection is lost.
func Dial(o ClusterOptions) (*nats.Conn, error) {
	pair, err := seedFile(o.Key)
	if err != nil {
		return nil, err
	}
	public, err := pair.PublicKey()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.Key, err)
	}
	opts := []nats.Option{
		nats.Name(o.Name), nats.Nkey(public, signer(pair)), nats.MaxReconnects(-1), nats.ReconnectWait(100 * time.Millisecond),
		nats.ReconnectJitter(100*time.Millisecond, 100*time.Millisecond), nats.Timeout(2 * time.Second),
		nats.PingInterval(2 * time.Second), nats.MaxPingsOutstanding(2),
	}
	if o.TLS != nil {
		opts = append(opts, nats.Secure(o.TLS))
	}
	nc, err := nats.Connect(strings.Join(o.URLs, ","), opts...)
	if err != nil {
		return nil, fmt.Errorf("bus: connect to the cluster %s: %w", strings.Join(o.URLs, ", "), err)
	}
	return nc, nil
}

func seedFile(path string) (nkeys.KeyPair, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("bus: %w", err)
	}
	pair, err := nkeys.ParseDecoratedNKey(text)
	if err != nil {
		return nil, fmt.Errorf("bus: %s holds no nkey seed: %w", path, err)
	}
	return pair, nil
}
