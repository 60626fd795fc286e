// Package http1 reads HTTP/0.9 to 1.1 as tolerantly as the servers and browsers that attackers aim at: whatever either would accept becomes
// a transaction, and what is wrong with it becomes an event.
package http1
