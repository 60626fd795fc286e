// Package reject builds the packets that refuse a conversation, so that its ends need not wait for a timeout: a TCP reset (RFC
// 9293 §3.10.7), or an ICMP error, administratively prohibited (RFC 1812 §5.2.7.1, RFC 4443 §3.1).
//
// Answer answers an IP packet; a frame is opened first with Open, and closed with Frame around the answer, so that it
// goes back the way the frame came, through a load balancer's tunnel too.
package reject
