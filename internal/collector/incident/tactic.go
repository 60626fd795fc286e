package incident

import "strings"

// tactic is one of MITRE ATT&CK's, in the order of the kill chain.
type tactic struct{ id, name string }

// tactics are the enterprise matrix's columns, left to right.
func tactics() []tactic {
	return []tactic{
		{"TA0043", "Reconnaissance"}, {"TA0042", "Resource Development"}, {"TA0001", "Initial Access"}, {"TA0002", "Execution"},
		{"TA0003", "Persistence"}, {"TA0004", "Privilege Escalation"}, {"TA0005", "Defense Evasion"}, {"TA0006", "Credential Access"},
		{"TA0007", "Discovery"}, {"TA0008", "Lateral Movement"}, {"TA0009", "Collection"}, {"TA0011", "Command and Control"},
		{"TA0010", "Exfiltration"}, {"TA0040", "Impact"},
	}
}

// rank is the place of a tactic in the kill chain, -1 of what is none.
func rank(id string) int {
	for i, t := range tactics() {
		if t.id == id {
			return i
		}
	}
	return -1
}

func tacticName(id string) string {
	for _, t := range tactics() {
		if t.id == id {
			return t.name
		}
	}
	return id
}

// tacticOf takes the tactic from a rule's metadata (mitre_tactic_id, mitre_tactic_name), else from its class. It is "" where
// neither says anything about an attacker's aim.
func tacticOf(metadata map[string][]string, category string) string {
	for _, id := range metadata["mitre_tactic_id"] {
		if id = strings.ToUpper(id); rank(id) >= 0 {
			return id
		}
	}
	for _, name := range metadata["mitre_tactic_name"] {
		name = strings.ReplaceAll(name, "_", " ")
		for _, t := range tactics() {
			if strings.EqualFold(name, t.name) {
				return t.id
			}
		}
	}
	return tacticOfClass(category)
}

// tacticOfClass maps the descriptions of Suricata's classification.config.
func tacticOfClass(category string) string {
	switch category {
	case "Attempted Information Leak", "Detection of a Network Scan", "Information Leak", "Large Scale Information Leak":
		return "TA0043"
	case "Attempted User Privilege Gain", "Unsuccessful User Privilege Gain", "Attempted Administrator Privilege Gain", "Web Application Attack",
		"access to a potentially vulnerable web application", "Exploit Kit Activity Detected", "Possible Social Engineering Attempted":
		return "TA0001"
	case "Executable code was detected", "A system call was detected":
		return "TA0002"
	case "Successful User Privilege Gain", "Successful Administrator Privilege Gain":
		return "TA0004"
	case "Attempt to login by a default username and password", "An attempted login using a suspicious username was detected",
		"Successful Credential Theft Detected":
		return "TA0006"
	case "Device Retrieving External IP Address Detected":
		return "TA0007"
	case "A Network Trojan was detected", "Malware Command and Control Activity Detected", "Domain Observed Used for C2 Detected":
		return "TA0011"
	case "Attempted Denial of Service", "Denial of Service", "Detection of a Denial of Service Attack", "Crypto Currency Mining Activity Detected":
		return "TA0040"
	}
	return ""
}

// tacticOfVector is that of our own detections.
func tacticOfVector(vector string) string {
	switch vector {
	case "port-scan":
		return "TA0043"
	case "host-sweep":
		return "TA0043"
	case "brute-force":
		return "TA0006"
	}
	return "TA0040"
}

// floods reports whether a detection is about its target, whose sources may be forged.
func floods(vector string) bool {
	switch vector {
	case "port-scan", "host-sweep", "brute-force", "udp-flood-source":
		return false
	}
	return true
}
