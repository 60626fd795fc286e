package keyword

// table is every keyword, in the order of the manual. A keyword that is not listed is not compiled: the linter reports it
// as unused; one that is listed twice panics when the table is first used.
var table = rows()

func rows() []*Keyword {
	var all []*Keyword
	add := func(ks ...Keyword) {
		for i := range ks {
			all = append(all, &ks[i])
		}
	}
	// about the rule
	add(msg, sid, rev, gid, classtype, priority, reference, metadata, target, noalert, alertKeyword, requires)
	// packets
	add(ttl, tos, l3Proto, vlanID, vlanLayers, id, ipProto, ipopts, fragbits, fragoffset, sameip, seq, ack, window, mss, wscale, flagsKeyword, itype, icode, icmpID, icmpSeq,
		icmpv6MTU, igmpType, rpcKeyword, vxlanVNI, sctpVTag, dsize, streamSize, ipv4Csum, tcpv4Csum, tcpv6Csum, udpv4Csum, udpv6Csum, icmpv4Csum, icmpv6Csum, igmpCsum,
		ipSrc, ipDst, ipv4Hdr, ipv6Hdr, tcpHdr, udpHdr, icmpv4Hdr, icmpv6Hdr, igmpHdr, etherHdr, sctpHdr)
	// flows and events
	add(flowKeyword, flowAge, flowPkts, flowBytesKey, flowPktsTS, flowPktsTC, flowBytesTS, flowBytesTC, appLayerProtocol, appLayerState,
		decodeEvent, streamEvent, appLayerEvent, iprep)
	// content
	add(content, uricontent, nocase, offset, depth, distance, within, startswith, endswith, rawbytes, fastPattern, prefilterKeyword, replace,
		isdataat, pcreKeyword, byteTestKeyword, byteJumpKeyword, byteExtractKeyword, byteMathKeyword, bsize, urilen, asn1, base64DecodeKeyword,
		absent, entropy, dataset, datarep)
	// transforms
	add(dotprefix, toLowercase, toUppercase, stripWhitespace, compressWhitespace, urlDecode, headerLowercase, stripPseudoHeaders,
		toMD5, toSHA1, toSHA256, domain, tld, xor, subslice, pcreXform, fromBase64)
	// state
	add(flowbits, flowint, flowvar, pktvar, xbits, hostbits, thresholdKeyword, detectionFilter, tag, bypass, configKeyword, nfqSetMark, filestore)
	// buffers
	add(pktData, base64Data, frame)
	add(httpBuffers()...)
	add(dnsBuffers()...)
	add(tlsBuffers()...)
	add(otherBuffers()...)
	return all
}

func httpBuffers() []Keyword {
	return []Keyword{
		buffer(httpURI, "path and query, normalised"), modifierOf("http_uri", httpURI),
		buffer(httpRawURI, "path and query as sent"), modifierOf("http_raw_uri", httpRawURI),
		buffer(httpMethod, "request method"), modifierOf("http_method", httpMethod),
		buffer(httpProtocol, "protocol and version", "http_protocol"),
		buffer(httpRequestLine, "first line of the request", "http_request_line"),
		buffer(httpResponseLine, "first line of the response", "http_response_line"),
		buffer(httpStatCode, "status code"), modifierOf("http_stat_code", httpStatCode),
		buffer(httpStatMsg, "reason phrase"), modifierOf("http_stat_msg", httpStatMsg),
		buffer(httpHost, "host, lower case, without port"), modifierOf("http_host", httpHost),
		buffer(httpRawHost, "host as sent"), modifierOf("http_raw_host", httpRawHost),
		buffer(httpHeader, "header fields without cookies, one a line"), modifierOf("http_header", httpHeader),
		buffer(httpRawHeader, "header fields as sent"), modifierOf("http_raw_header", httpRawHeader),
		buffer(httpHeaderNames, "names of the header fields, one a line", "http_header_names"),
		buffer(httpStart, "first line and header fields", "http_start"),
		buffer(httpCookie, "value of Cookie or Set-Cookie"), modifierOf("http_cookie", httpCookie),
		buffer(httpUserAgent, "value of User-Agent"), modifierOf("http_user_agent", httpUserAgent),
		buffer(httpReferer, "value of Referer", "http_referer"),
		buffer(httpAccept, "value of Accept", "http_accept"),
		buffer(httpAcceptEnc, "value of Accept-Encoding", "http_accept_enc"),
		buffer(httpAcceptLang, "value of Accept-Language", "http_accept_lang"),
		buffer(httpServer, "value of Server"),
		buffer(httpLocation, "value of Location"),
		buffer(httpContentType, "value of Content-Type", "http_content_type"),
		buffer(httpContentLen, "value of Content-Length", "http_content_len"),
		buffer(httpConnection, "value of Connection", "http_connection"),
		buffer(httpRequestHeader, "one header field of the request", "http_request_header"),
		buffer(httpResponseHeader, "one header field of the response", "http_response_header"),
		buffer(httpRequestBody, "body of the request"), modifierOf("http_client_body", httpRequestBody),
		buffer(httpResponseBody, "body of the response, decoded"), modifierOf("http_server_body", httpResponseBody),
		h2FrameType, h2ErrorCode, h2Priority, h2Window, h2SizeUpdate, h2Settings,
		buffer(h2HeaderName, "name of a field of HTTP/2"),
	}
}

func dnsBuffers() []Keyword {
	return []Keyword{
		buffer(dnsQuery, "name of a question", "dns_query"),
		buffer(dnsQueriesName, "name of a question, in queries and responses", "dns.query.name"),
		buffer(dnsAnswersName, "name of an answer", "dns.answer.name"), buffer(dnsAuthoritiesName, "name of an authority"),
		buffer(dnsAdditionalsName, "name of an additional record"), buffer(dnsResponseName, "any name of a response"),
		dnsOpcode, dnsRcode, dnsRRType,
	}
}

func tlsBuffers() []Keyword {
	return []Keyword{
		buffer(tlsSNI, "server name that the client asks for", "tls_sni"),
		buffer(tlsSubject, "subject of the certificate", "tls_cert_subject"), tlsLegacy("tls.subject", "subject of the certificate (legacy)", tlsSubject),
		buffer(tlsIssuer, "issuer of the certificate", "tls_cert_issuer"), tlsLegacy("tls.issuerdn", "issuer of the certificate (legacy)", tlsIssuer),
		buffer(tlsSerial, "serial number of the certificate", "tls_cert_serial"),
		buffer(tlsFingerprint, "SHA-1 of the certificate: aa:bb:…", "tls_cert_fingerprint"), tlsLegacy("tls.fingerprint", "SHA-1 of the certificate (legacy)", tlsFingerprint),
		buffer(tlsCerts, "a certificate of the chain, DER"), buffer(tlsAltNames, "a subject alternative name"), buffer(tlsALPN, "an application protocol of ALPN"),
		buffer(tlsRandom, "random of the hello"), buffer(tlsRandomTime, "first four bytes of the random"), buffer(tlsRandomBytes, "the random's other 28 bytes"),
		tlsVersion, sslVersion, sslState, tlsChainLen, tlsNotBefore, tlsNotAfter, tlsExpired, tlsValid,
		buffer(ja3Hash, "JA3 of the client's hello", "ja3_hash"), buffer(ja3String, "what JA3 is the hash of", "ja3_string"),
		buffer(ja3sHash, "JA3S of the server's hello"), buffer(ja3sString, "what JA3S is the hash of"), buffer(ja4Hash, "JA4 of the client's hello", "ja4_hash"),
	}
}

func otherBuffers() []Keyword {
	return []Keyword{
		fileDataKeyword, buffer(fileName, "name of a file"), buffer(fileMagic, "what the content of a file is"),
		filename, fileext, filesize, filemagic, filemd5, filesha1, filesha256,
		buffer(sshProto, "SSH protocol version", "ssh_proto"), buffer(sshSoftware, "SSH software", "ssh_software"),
		buffer(sshHassh, "HASSH of the client"), buffer(sshHasshServer, "HASSH of the server"),
		buffer(sshHasshString, "what the client's HASSH is the hash of"), buffer(sshHasshServerString, "what the server's HASSH is the hash of"),
		argumentBuffer("ssh.protoversion", "SSH protocol version in the argument (legacy)", sshProto), argumentBuffer("ssh.softwareversion", "SSH software in the argument (legacy)", sshSoftware),
		buffer(smtpHelo, "argument of HELO or EHLO"), buffer(smtpMailFrom, "argument of MAIL FROM"), buffer(smtpRcptTo, "argument of a RCPT TO"),
		buffer(emailFrom, "From of a mail"), buffer(emailTo, "To of a mail"), buffer(emailCc, "Cc of a mail"), buffer(emailSubject, "Subject of a mail"),
		buffer(emailDate, "Date of a mail"), buffer(emailMessageID, "Message-ID of a mail"), buffer(emailMailer, "X-Mailer of a mail"),
		buffer(emailURL, "a link in a mail"), buffer(emailReceived, "a Received of a mail"), buffer(emailBodyMD5, "MD5 of a mail's body"),
		buffer(ftpCommand, "FTP command"), buffer(ftpCommandData, "argument of an FTP command"), buffer(ftpReply, "text of an FTP reply"),
		buffer(ftpCompletionCode, "code of an FTP reply"), ftpDynamicPort, ftpMode, ftpReplyReceived, ftpDataCommand, ftpbounce,
		buffer(smbShare, "share that is connected to", "smb_share"), buffer(smbNamedPipe, "named pipe", "smb_named_pipe"), buffer(smbNTLMUser, "user that logs on"),
		buffer(smbNTLMDomain, "domain that a user logs on to"), smbVersion, dceIface, dceOpnum, buffer(dceStubData, "stub data of a DCE/RPC call", "dce_stub_data"),
		buffer(quicSNIBuffer, "server name that the client asks for"), buffer(quicUA, "user agent of Google QUIC"), buffer(quicVersion, "QUIC version"),
		buffer(quicCYUHash, "CYU of Google QUIC"), buffer(quicCYUString, "what CYU is the hash of"),
	}
}

// bufferByName finds a buffer that another keyword refers to.
func bufferByName(name string) *Buffer {
	switch name {
	case "http.uri":
		return httpURI
	case "http.uri.raw":
		return httpRawURI
	case "http.request_body":
		return httpRequestBody
	case "http.response_body":
		return httpResponseBody
	case "http.header":
		return httpHeader
	case "http.header.raw":
		return httpRawHeader
	case "http.method":
		return httpMethod
	case "http.cookie":
		return httpCookie
	case "http.stat_code":
		return httpStatCode
	case "http.stat_msg":
		return httpStatMsg
	case "http.user_agent":
		return httpUserAgent
	case "http.host":
		return httpHost
	case "http.host.raw":
		return httpRawHost
	}
	return nil
}
