package store

// Subscription hands out alerts as they are stored. A slow reader loses the oldest, and is told how many.
type Subscription struct {
}
