package smb

import "fmt"

// command2 names an SMB 2 command as EVE does.
func command2(c uint16) string {
	names := [...]string{"NEGOTIATE_PROTOCOL", "SESSION_SETUP", "SESSION_LOGOFF", "TREE_CONNECT", "TREE_DISCONNECT", "CREATE",
		"CLOSE", "FLUSH", "READ", "WRITE", "LOCK", "IOCTL", "CANCEL", "KEEPALIVE", "FIND", "CHANGE_NOTIFY", "GET_INFO", "SET_INFO",
		"OPLOCK_BREAK"}
	if int(c) < len(names) {
		return "SMB2_COMMAND_" + names[c]
	}
	return fmt.Sprint(c)
}

// command1 names an SMB 1 command as EVE does.
func command1(c uint8) string {
	if name := name1(c); name != "" {
		return "SMB1_COMMAND_" + name
	}
	return fmt.Sprint(c)
}

func name1(c uint8) string {
	switch c {
	case 0x00:
		return "CREATE_DIRECTORY"
	case 0x01:
		return "DELETE_DIRECTORY"
	case 0x02:
		return "OPEN"
	case 0x03:
		return "CREATE"
	case 0x04:
		return "CLOSE"
	case 0x05:
		return "FLUSH"
	case 0x06:
		return "DELETE"
	case 0x07:
		return "RENAME"
	case 0x08:
		return "QUERY_INFORMATION"
	case 0x09:
		return "SET_INFORMATION"
	case 0x0a:
		return "READ"
	case 0x0b:
		return "WRITE"
	case 0x0c:
		return "LOCK_BYTE_RANGE"
	case 0x0d:
		return "UNLOCK_BYTE_RANGE"
	case 0x10:
		return "CHECK_DIRECTORY"
	case 0x23:
		return "QUERY_INFORMATION2"
	case 0x24:
		return "LOCKING_ANDX"
	case 0x25:
		return "TRANS"
	case 0x2b:
		return "ECHO"
	case 0x2c:
		return "WRITE_AND_CLOSE"
	case 0x2d:
		return "OPEN_ANDX"
	case 0x2e:
		return "READ_ANDX"
	case 0x2f:
		return "WRITE_ANDX"
	case 0x32:
		return "TRANS2"
	case 0x34:
		return "FIND_CLOSE2"
	case 0x70:
		return "TREE_CONNECT"
	case 0x71:
		return "TREE_DISCONNECT"
	case 0x72:
		return "NEGOTIATE_PROTOCOL"
	case 0x73:
		return "SESSION_SETUP_ANDX"
	case 0x74:
		return "LOGOFF_ANDX"
	case 0x75:
		return "TREE_CONNECT_ANDX"
	case 0x80:
		return "QUERY_INFO_DISK"
	case 0x81:
		return "SEARCH"
	case 0xa0:
		return "NT_TRANS"
	case 0xa1:
		return "NT_TRANS_SECONDARY"
	case 0xa2:
		return "NT_CREATE_ANDX"
	case 0xa4:
		return "NT_CANCEL"
	}
	return ""
}

// status names an NT status as EVE does (MS-ERREF §2.3); one that is not known is written in hexadecimal.
func status(v uint32) string {
	if name := statusName(v); name != "" {
		return "STATUS_" + name
	}
	return fmt.Sprintf("0x%08x", v)
}

func statusName(v uint32) string {
	switch v {
	case 0:
		return "SUCCESS"
	case 0x103:
		return "PENDING"
	case 0x10b:
		return "NOTIFY_CLEANUP"
	case 0x10c:
		return "NOTIFY_ENUM_DIR"
	case 0x80000005:
		return "BUFFER_OVERFLOW"
	case 0x80000006:
		return "NO_MORE_FILES"
	case 0xc0000001:
		return "UNSUCCESSFUL"
	case 0xc0000002:
		return "NOT_IMPLEMENTED"
	case 0xc0000003:
		return "INVALID_INFO_CLASS"
	case 0xc0000004:
		return "INFO_LENGTH_MISMATCH"
	case 0xc0000008:
		return "INVALID_HANDLE"
	case 0xc000000d:
		return "INVALID_PARAMETER"
	case 0xc000000e:
		return "NO_SUCH_DEVICE"
	case 0xc000000f:
		return "NO_SUCH_FILE"
	case 0xc0000010:
		return "INVALID_DEVICE_REQUEST"
	case 0xc0000011:
		return "END_OF_FILE"
	case 0xc0000016:
		return "MORE_PROCESSING_REQUIRED"
	case 0xc0000022:
		return "ACCESS_DENIED"
	case 0xc0000023:
		return "BUFFER_TOO_SMALL"
	case 0xc0000033:
		return "OBJECT_NAME_INVALID"
	case 0xc0000034:
		return "OBJECT_NAME_NOT_FOUND"
	case 0xc0000035:
		return "OBJECT_NAME_COLLISION"
	case 0xc000003a:
		return "OBJECT_PATH_NOT_FOUND"
	case 0xc0000043:
		return "SHARING_VIOLATION"
	case 0xc0000056:
		return "DELETE_PENDING"
	case 0xc0000064:
		return "NO_SUCH_USER"
	case 0xc000006a:
		return "WRONG_PASSWORD"
	case 0xc000006d:
		return "LOGON_FAILURE"
	case 0xc000006e:
		return "ACCOUNT_RESTRICTION"
	case 0xc0000072:
		return "ACCOUNT_DISABLED"
	case 0xc000009a:
		return "INSUFFICIENT_RESOURCES"
	case 0xc00000ac:
		return "PIPE_NOT_AVAILABLE"
	case 0xc00000ae:
		return "PIPE_BUSY"
	case 0xc00000b0:
		return "PIPE_DISCONNECTED"
	case 0xc00000ba:
		return "FILE_IS_A_DIRECTORY"
	case 0xc00000bb:
		return "NOT_SUPPORTED"
	case 0xc00000c9:
		return "NETWORK_NAME_DELETED"
	case 0xc00000cc:
		return "BAD_NETWORK_NAME"
	case 0xc00000d0:
		return "REQUEST_NOT_ACCEPTED"
	case 0xc0000101:
		return "DIRECTORY_NOT_EMPTY"
	case 0xc0000103:
		return "NOT_A_DIRECTORY"
	case 0xc0000120:
		return "CANCELLED"
	case 0xc0000128:
		return "FILE_CLOSED"
	case 0xc000015b:
		return "LOGON_TYPE_NOT_GRANTED"
	case 0xc0000184:
		return "INVALID_DEVICE_STATE"
	case 0xc0000193:
		return "ACCOUNT_EXPIRED"
	case 0xc0000203:
		return "USER_SESSION_DELETED"
	case 0xc0000225:
		return "NOT_FOUND"
	case 0xc0000234:
		return "ACCOUNT_LOCKED_OUT"
	case 0xc0000257:
		return "PATH_NOT_COVERED"
	case 0xc000035c:
		return "NETWORK_SESSION_EXPIRED"
	}
	return ""
}

// dosStatus names an error of the older scheme: a class and a code (MS-CIFS §2.2.2.4).
func dosStatus(class uint8, code uint16) string {
	if class == 2 {
		switch code {
		case 1:
			return "SRV_ERROR"
		case 2:
			return "SRV_BADPW"
		case 4:
			return "SRV_ACCESS"
		case 5:
			return "SRV_BADTID"
		case 6:
			return "SRV_BADNETNAME"
		case 64:
			return "SRV_BADSMB"
		case 91:
			return "SRV_BADUID"
		case 250:
			return "SRV_USEMPX"
		}
	}
	if class == 1 {
		switch code {
		case 1:
			return "DOS_BADFUNC"
		case 2:
			return "DOS_BADFILE"
		case 3:
			return "DOS_BADPATH"
		case 5:
			return "DOS_NOACCESS"
		case 6:
			return "DOS_BADFID"
		case 80:
			return "DOS_FILEXISTS"
		}
	}
	return fmt.Sprintf("%d/%d", class, code)
}
