package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// ScanResult counts what a port scan found.
type ScanResult struct{ Open, Closed, Filtered int }

// PortScan connects to the ports of to, rate a second, and waits for each up to timeout.
func PortScan(ctx context.Context, from *Namespace, to netip.Addr, ports []uint16, rate int, timeout time.Duration) (ScanResult, error) {
	var (
		mu     sync.Mutex
		result ScanResult
		wg     sync.WaitGroup
	)
	defer wg.Wait()
	tick := time.NewTicker(time.Second / time.Duration(max(rate, 1)))
	defer tick.Stop()
	for _, port := range ports {
		select {
		case <-ctx.Done():
			wg.Wait()
			return result, fmt.Errorf("lab: port scan: %w", ctx.Err())
		case <-tick.C:
		}
		wg.Go(func() {
			err := knock(ctx, from, netip.AddrPortFrom(to, port), timeout)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				result.Open++
			case errors.Is(err, syscall.ECONNREFUSED):
				result.Closed++
			default:
				result.Filtered++
			}
		})
	}
	wg.Wait()
	return result, nil
}

func knock(ctx context.Context, from *Namespace, to netip.AddrPort, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	conn, err := from.Dial(ctx, "tcp", to.String())
	if err != nil {
		return err
	}
	return conn.Close()
}
