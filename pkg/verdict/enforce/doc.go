// Package enforce keeps the XDP program's maps equal to a table of verdicts, and reads back what they did.
//
// An Enforcer writes shared memory, not system calls, but for prefixes: a verdict is in force with the next packet. It holds
// the safety rules that a sensor does not leave to its collector: the guard (package verdict), budgets, the drop-share
// breaker and the kill switch.
//
// The order of stores makes every state that XDP can see a valid one: what an entry points to is written before it, freed
// slots rest for a while before they are used again, and a whole set changes by one store to the generation.
package enforce
