package signatures

import "maps"

// defaultVariables are the address and port groups of Suricata's default configuration.
func defaultVariables() map[string]string {
	v := map[string]string{
		"HOME_NET": "[192.168.0.0/16,10.0.0.0/8,172.16.0.0/12]", "EXTERNAL_NET": "!$HOME_NET", "AIM_SERVERS": "$EXTERNAL_NET",
		"HTTP_PORTS": "80", "SHELLCODE_PORTS": "!80", "ORACLE_PORTS": "1521", "SSH_PORTS": "22", "DNP3_PORTS": "20000", "MODBUS_PORTS": "502",
		"FILE_DATA_PORTS": "[$HTTP_PORTS,110,143]", "FTP_PORTS": "21", "GENEVE_PORTS": "6081", "VXLAN_PORTS": "4789", "TEREDO_PORTS": "3544", "SIP_PORTS": "[5060,5061]",
	}
	for _, name := range [...]string{"HTTP_SERVERS", "SMTP_SERVERS", "SQL_SERVERS", "DNS_SERVERS", "TELNET_SERVERS", "DC_SERVERS", "DNP3_SERVER",
		"DNP3_CLIENT", "MODBUS_CLIENT", "MODBUS_SERVER", "ENIP_CLIENT", "ENIP_SERVER"} {
		v[name] = "$HOME_NET"
	}
	v["INTERNAL_NETWORK"] = "$HOME_NET" // Suricata does not have it: Quadrant's rules call the home network so
	return v
}

// variables returns the defaults, overlaid by what the options say.
func (o *Options) variables() map[string]string {
	v := defaultVariables()
	maps.Copy(v, o.Variables)
	return v
}
