// Package smb reads SMB 1, 2 and 3 (MS-SMB, MS-SMB2), with the DCE/RPC calls and the files in it.
package smb
