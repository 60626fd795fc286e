package keyword

import (
	"strings"
	"testing"

	"github.com/weir-ips/weir/pkg/decode"
)

func TestContent(t *testing.T) {
	abc := payload("abcABCabd")
	try(t, "content", []kase{
		{rule: `content:"ABC";`, scene: abc, want: hit},
		{rule: `content:"xyz";`, scene: abc, want: miss},
		{rule: `content:!"xyz";`, scene: abc, want: hit},
		{rule: `content:!"abc";`, scene: abc, want: miss},
		{rule: `content:"|41 42|C";`, scene: abc, want: hit},
		{rule: `content:"a\;\"\\\:|7c|";`, scene: payload(`a;"\:|`), want: hit},
		{rule: `content:"abc";`, scene: payload(""), want: miss},
		{rule: `content:abc;`, want: reject, err: "30: content: must stand in double quotes"},
		{rule: `content:"";`, want: reject, err: "30: content: is empty"},
		{rule: `content:"|4|";`, want: reject, err: `30: content: "4": hexadecimal block holds something else than pairs of digits`},
		{rule: `content:"|4g|";`, want: reject, err: `30: content: "4g": hexadecimal block holds something else than pairs of digits`},
		{rule: `content:"|41";`, want: reject, err: "30: content: hexadecimal block at byte 1 is not closed by |"},
		{rule: `content:"a"b";`, want: reject, err: `30: content: ; : \ and " must be escaped by a backslash or written in hexadecimal`},
	})
	try(t, "nocase", []kase{
		{rule: `content:"ABD"; nocase;`, scene: abc, want: hit},
		{rule: `content:"xyz"; nocase;`, scene: abc, want: miss},
		{rule: `content:"[a"; nocase;`, scene: payload("{A"), want: miss},
		{rule: `nocase;`, want: reject, err: "30: nocase: no content before it"},
		{rule: `http.host; content:"a"; nocase;`, want: reject, err: "54: nocase: http.host is lower case already"},
	})
}

func TestPositions(t *testing.T) {
	s := payload("0123456789abcdef")
	try(t, "offset", []kase{
		{rule: `content:"5"; offset:5;`, scene: s, want: hit},
		{rule: `content:"5"; offset:6;`, scene: s, want: miss},
		{rule: `content:"5"; offset:100;`, scene: s, want: miss},
		{rule: `content:!"5"; offset:100;`, scene: s, want: hit},
		{rule: `content:"5"; offset:65536;`, want: reject, err: "43: offset: 65536 is not in 0-65535"},
		{rule: `content:"5"; offset:1; offset:2;`, want: reject, err: "53: offset: is given twice for one content"},
	})
	try(t, "depth", []kase{
		{rule: `content:"45"; depth:6;`, scene: s, want: hit},
		{rule: `content:"45"; depth:5;`, scene: s, want: miss},
		{rule: `content:"45"; offset:4; depth:2;`, scene: s, want: hit},
		{rule: `content:"45"; offset:3; depth:2;`, scene: s, want: miss},
		{rule: `content:"45"; depth:1;`, want: reject, err: `1: content "45": depth 1 is smaller than the 2 bytes of the content`},
		{rule: `content:"4"; depth:x;`, want: reject, err: `43: depth: "x" is neither a number nor a variable of byte_extract or byte_math`},
	})
	try(t, "distance", []kase{
		{rule: `content:"23"; content:"5"; distance:1;`, scene: s, want: hit},
		{rule: `content:"23"; content:"5"; distance:2;`, scene: s, want: miss},
		{rule: `content:"23"; content:"1"; distance:-3;`, scene: s, want: hit},
		{rule: `content:"23"; content:"0"; distance:-100;`, scene: s, want: hit},
		{rule: `content:"a"; distance:1048577;`, want: reject, err: "43: distance: 1048577 is not in -1048576-1048576"},
	})
	try(t, "within", []kase{
		{rule: `content:"23"; content:"45"; within:2;`, scene: s, want: hit},
		{rule: `content:"23"; content:"56"; within:2;`, scene: s, want: miss},
		{rule: `content:"23"; content:"56"; distance:1; within:2;`, scene: s, want: hit},
		{rule: `content:"23"; content:!"56"; within:2;`, scene: s, want: hit},
		{rule: `content:"f"; content:!"56"; within:2;`, scene: s, want: hit},
		{rule: `content:"23"; content:"45"; within:1;`, want: reject, err: `1: content "45": within 1 is smaller than the 2 bytes of the content`},
	})
	try(t, "startswith", []kase{
		{rule: `content:"012"; startswith;`, scene: s, want: hit},
		{rule: `content:"12"; startswith;`, scene: s, want: miss},
		{rule: `content:"0"; depth:1; startswith;`, want: reject, err: "52: startswith: cannot be combined with depth, offset, within or distance"},
		{rule: `content:"0"; startswith; distance:1;`, want: reject, err: "55: distance: cannot be combined with startswith"},
	})
	try(t, "endswith", []kase{
		{rule: `content:"def"; endswith;`, scene: s, want: hit},
		{rule: `content:"de"; endswith;`, scene: s, want: miss},
		{rule: `content:!"de"; endswith;`, scene: s, want: hit},
		{rule: `content:!"ef"; endswith;`, scene: s, want: miss},
		{rule: `content:"f"; endswith; startswith;`, scene: s, want: miss},
		{rule: `content:"f"; endswith; endswith;`, want: reject, err: "53: endswith: is given twice for one content"},
	})
}

func TestBacktracking(t *testing.T) {
	for rule, want := range map[string]want{
		`content:"a"; content:"b"; distance:0; within:1;`:                                         hit,  // the third a
		`content:"a"; content:"b"; distance:0; within:1; content:"c"; within:1;`:                  hit,  // the last ab
		`content:"a"; content:"b"; distance:0; within:1; content:"d"; within:1;`:                  miss, //
		`content:"a"; content:"b"; content:"c"; distance:0; within:1;`:                            hit,  // the second b
		`content:"a"; isdataat:!3,relative;`:                                                      hit,  // the last a
		`content:"a"; pcre:"/^bc/R";`:                                                             hit,
		`pcre:"/a/"; content:"bc"; within:2;`:                                                     hit,
		`content:"a"; content:!"x"; within:1; content:"bc"; distance:0; within:2;`:                hit,
		`content:"abx"; content:"c"; distance:-2; within:1;`:                                      miss,
		`content:"a"; byte_test:1,=,0x62,0,relative; content:"c"; distance:1;`:                    hit,
		`content:"a"; content:"a"; distance:0; content:"a"; distance:0; content:"a"; distance:0;`: hit, // there are four
		`content:"abc"; content:"a"; distance:0;`:                                                 miss,
	} {
		try(t, "content", []kase{{rule: rule, scene: payload("axa-abx-abc"), want: want}})
	}
}

func TestRecursionLimit(t *testing.T) {
	rule := strings.Repeat(`content:"a"; distance:0; `, 10) + `content:"b"; distance:0;`
	s, err := compile("", rule)
	if err != nil {
		t.Fatal(err)
	}
	p := decode.Packet{IPVersion: 4, Proto: decode.ProtoTCP, L4: []byte{0}, Payload: []byte(strings.Repeat("a", 200))}
	x := &Context{RecursionLimit: 3000, MatchLimit: 3500, Work: 1 << 30}
	x.Begin(&p, nil, scene{}.result)
	if s.MatchPayload(x, p.Payload, 0, false) || x.Stats.Recursion != 1 {
		t.Errorf("inspection given up %d times, want once", x.Stats.Recursion)
	}
}

func TestStreamOffsets(t *testing.T) {
	x := &Context{RecursionLimit: 3000, MatchLimit: 3500, Work: 1 << 30}
	x.Begin(&decode.Packet{}, nil, scene{}.result)
	for _, c := range []struct {
		rule string
		base int
		want bool
	}{
		{`content:"b"; depth:2;`, 0, true}, {`content:"b"; depth:12;`, 10, true}, {`content:"b"; depth:11;`, 10, false},
		{`content:"b"; startswith;`, 1, false}, {`content:"a"; startswith;`, 0, true}, {`content:"b"; offset:12;`, 10, false}, {`content:"b"; offset:11;`, 10, true},
	} {
		s, err := compile("", c.rule)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.MatchPayload(x, []byte("abc"), c.base, true); got != c.want {
			t.Errorf("%s at stream offset %d: %v, want %v", c.rule, c.base, got, c.want)
		}
	}
}

func TestModifiersWithoutEffectOnTheResult(t *testing.T) {
	s := payload("abcdef")
	try(t, "fast_pattern", []kase{
		{rule: `content:"abc"; fast_pattern;`, scene: s, want: hit},
		{rule: `content:"abc"; fast_pattern:only;`, scene: s, want: hit},
		{rule: `content:"abc"; fast_pattern:1,2;`, scene: s, want: hit},
		{rule: `content:"abc"; fast_pattern:1,3;`, want: reject, err: "45: fast_pattern: 3 is not in 1-2"},
		{rule: `content:"abc"; fast_pattern:x;`, want: reject, err: `45: fast_pattern: "x" is not only or OFFSET,LENGTH`},
		{rule: `content:!"abc"; offset:1; fast_pattern;`, want: reject, err: "56: fast_pattern: a negated content with a position cannot be the fast pattern"},
	})
	try(t, "frame", []kase{
		{rule: `frame:http1.request; content:"abc";`, scene: s, want: miss},
		{rule: `frame:pdu; content:"abc";`, want: reject, err: `30: frame: "pdu" is not the name of a frame, such as tls.pdu or smb1.hdr`},
		{rule: `frame:tls.smb1.hdr; content:"abc";`, want: reject, err: `30: frame: "tls.smb1.hdr" is not the name of a frame, such as tls.pdu or smb1.hdr`},
		{rule: `frame:pdu; content:"abc";`, head: "alert tls any any -> any any", scene: s, want: miss},
		{rule: `frame:sip.pdu; content:"abc";`, scene: s, want: miss},
		{rule: `frame:tls.pdu; content:"abc"; frame:tls.hdr; content:"d";`, want: reject, err: `1: a frame cannot be combined with other frames or with buffers of transactions`},
		{rule: `frame:http1.request; content:"abc"; http.uri; content:"d";`, want: reject, err: `1: a frame cannot be combined with other frames or with buffers of transactions`},
		{rule: `frame:a b;`, want: reject, err: `30: frame: "a b" is not the name of a frame, such as tls.pdu or smb1.hdr`},
	})
	try(t, "rawbytes", []kase{{rule: `content:"abc"; rawbytes;`, scene: s, want: hit}})
	try(t, "prefilter", []kase{{rule: `content:"abc"; prefilter;`, scene: s, want: hit}})
	try(t, "replace", []kase{
		{rule: `content:"abc"; replace:"xyz";`, scene: s, want: hit},
		{rule: `content:"abc"; replace:"xy";`, want: reject, err: "45: replace: has 2 bytes, the content has 3"},
	})
	try(t, "pkt_data", []kase{
		{rule: `ipv4.hdr; content:!"x"; pkt_data; content:"abc";`, scene: s, want: hit},
		{rule: `ipv4.hdr; content:!"x"; pkt_data; content:"xyz";`, scene: s, want: miss},
	})
}

func TestPcre(t *testing.T) {
	s := payload("GET /a?id=12 HTTP/1.1\r\n")
	try(t, "pcre", []kase{
		{rule: `pcre:"/id=\d+/";`, scene: s, want: hit},
		{rule: `pcre:"/ID=\d+/";`, scene: s, want: miss},
		{rule: `pcre:"/ID=\d+/i";`, scene: s, want: hit},
		{rule: `pcre:!"/id=\d+/";`, scene: s, want: miss},
		{rule: `pcre:!"/id=x/";`, scene: s, want: hit},
		{rule: `content:"id="; pcre:"/^\d{2} /R";`, scene: s, want: hit},
		{rule: `content:"id="; pcre:"/^GET/R";`, scene: s, want: miss},
		{rule: `pcre:"/a\/b\;\x22/";`, scene: payload(`a/b;"`), want: hit},
		{rule: `pcre:"/(a+)+$/";`, scene: payload(strings.Repeat("a", 60) + "!"), want: miss},
		{rule: `pcre:"id";`, want: reject, err: `30: pcre: is not "/expression/flags"`},
		{rule: `pcre:"/(/";`, want: reject, err: "30: pcre: /(/ at byte 2: no ) closes the group"},
		{rule: `pcre:"/a/q";`, want: reject, err: `30: pcre: flag 'q' is not known`},
		{rule: `pcre:"/a/UI";`, want: reject, err: `30: pcre: flags ask for http.uri and for http.uri.raw`},
		{rule: `pcre:"/a/,flow:x";`, want: reject, err: `30: pcre: "flow:x": the expression has 0 groups`},
	})
}

func TestBytes(t *testing.T) {
	s := payload("\x00\x05abcde\x0a12 0x1f\xff\xf0")
	try(t, "byte_test", []kase{
		{rule: `byte_test:2,=,5,0;`, scene: s, want: hit},
		{rule: `byte_test:2,>,5,0;`, scene: s, want: miss},
		{rule: `byte_test:2,=,0x500,0,little;`, scene: s, want: hit},
		{rule: `content:"abcde"; byte_test:1,=,10,0,relative;`, scene: s, want: hit},
		{rule: `byte_test:2,=,12,8,string,dec;`, scene: s, want: hit},
		{rule: `byte_test:4,=,31,11,string,hex;`, scene: s, want: hit},
		{rule: `byte_test:1,&,0x80,15;`, scene: s, want: hit},
		{rule: `byte_test:1,!&,0x80,15;`, scene: s, want: miss},
		{rule: `byte_test:2,=,0xff,15,bitmask 0xff00;`, scene: s, want: hit},
		{rule: `byte_test:1,=,1,100;`, scene: s, want: miss},
		{rule: `byte_test:9,=,1,0;`, want: reject, err: "30: byte_test: 9: bytes are 1 to 8; with string 1 to 23"},
		{rule: `byte_test:1,~,1,0;`, want: reject, err: `30: byte_test: operator "~" is not one of < > = <= >= & ^`},
		{rule: `byte_test:1,=,x,0;`, want: reject, err: `30: byte_test: value "x" is neither a number nor a variable`},
	})
	try(t, "byte_jump", []kase{
		{rule: `byte_jump:2,0; content:"|0a|"; within:1;`, scene: s, want: hit},
		{rule: `byte_jump:2,0,post_offset 1; content:"|0a|"; within:1;`, scene: s, want: miss},
		{rule: `byte_jump:2,0,multiplier 100;`, scene: s, want: miss},
		{rule: `byte_jump:2,0,from_beginning; content:"d"; within:1;`, scene: s, want: hit},
		{rule: `byte_jump:0,0,from_end,post_offset -2; content:"|ff|"; within:1;`, scene: s, want: hit},
		{rule: `byte_jump:1,1,align; content:"12"; distance:-2;`, scene: s, want: hit},
		{rule: `byte_jump:1;`, want: reject, err: `30: byte_jump: "1" is not BYTES, OFFSET`},
		{rule: `byte_jump:1,0,sideways;`, want: reject, err: `30: byte_jump: "sideways" is not an option`},
	})
	try(t, "byte_extract", []kase{
		{rule: `byte_extract:2,0,n; content:"|0a|"; distance:n;`, scene: s, want: hit},
		{rule: `byte_extract:2,0,n,multiplier 2; content:"|0a|"; distance:n;`, scene: s, want: miss},
		{rule: `byte_extract:1,1,n; content:"abc"; offset:2; depth:n;`, scene: s, want: hit},
		{rule: `byte_extract:1,1,n; byte_test:1,=,n,1;`, scene: s, want: hit},
		{rule: `byte_extract:1,1,n; isdataat:n;`, scene: s, want: hit},
		{rule: `byte_extract:1,0,1n;`, want: reject, err: `30: byte_extract: "1n": a variable's name begins with a letter`},
		{rule: `byte_extract:1,0,n,align 3;`, want: reject, err: "30: byte_extract: align is 2 or 4"},
	})
	try(t, "byte_math", []kase{
		{rule: `byte_math:bytes 2,offset 0,oper +,rvalue 3,result n; byte_test:1,=,n,7; `, scene: payload("\x00\x05.....\x08"), want: hit},
		{rule: `byte_math:bytes 2,offset 0,oper /,rvalue 0,result n;`, scene: s, want: miss},
		{rule: `byte_math:bytes 1,offset 1,oper <<,rvalue 1,result n; isdataat:n;`, scene: s, want: hit},
		{rule: `byte_math:bytes 1,offset 1,oper %,rvalue 1,result n;`, want: reject, err: `30: byte_math: oper "%" is not one of + - * / << >>`},
		{rule: `byte_math:bytes 1,offset 1;`, want: reject, err: "30: byte_math: bytes, offset, oper, rvalue and result are needed"},
	})
	try(t, "isdataat", []kase{
		{rule: `isdataat:2;`, scene: payload("abc"), want: hit},
		{rule: `isdataat:3;`, scene: payload("abc"), want: miss},
		{rule: `isdataat:!3;`, scene: payload("abc"), want: hit},
		{rule: `content:"a"; isdataat:2,relative;`, scene: payload("abc"), want: hit},
		{rule: `content:"a"; isdataat:3,relative;`, scene: payload("abc"), want: miss},
		{rule: `isdataat:2,sideways;`, want: reject, err: `30: isdataat: "sideways" is not relative or rawbytes`},
	})
}

func TestASN1(t *testing.T) {
	overflow := payload("\x03\x02\x09\x01")
	try(t, "asn1", []kase{
		{rule: `asn1:bitstring_overflow;`, scene: overflow, want: hit},
		{rule: `asn1:bitstring_overflow;`, scene: payload("\x03\x02\x07\x01"), want: miss},
		{rule: `asn1:oversize_length 10;`, scene: payload("\x30\x82\x01\x00"), want: hit},
		{rule: `content:"x"; asn1:oversize_length 10, relative_offset 0;`, scene: payload("x\x30\x05\x01\x01\x01"), want: miss},
		{rule: `asn1:underflow;`, want: reject, err: `30: asn1: "underflow" is not an option`},
	})
}

func TestBase64(t *testing.T) {
	s := payload("data=aGVsbG8gd29ybGQ=&x")
	try(t, "base64_decode", []kase{
		{rule: `content:"data="; base64_decode:relative; base64_data; content:"hello world";`, scene: s, want: hit},
		{rule: `base64_decode:bytes 8, offset 5; base64_data; content:"world";`, scene: s, want: miss},
		{rule: `base64_decode:bytes 16, offset 5; base64_data; content:"wor";`, scene: s, want: hit},
		{rule: `base64_decode:bytes 0;`, want: reject, err: "30: base64_decode: 0 is not in 1-65535"},
	})
	try(t, "base64_data", []kase{
		{rule: `base64_decode:offset 5; base64_data; content:"hello"; startswith; content:"world"; distance:1; endswith;`, scene: s, want: hit},
		{rule: `base64_decode:offset 5; base64_data; content:"data";`, scene: s, want: miss},
		{rule: `base64_data; content:"x";`, want: reject, err: "30: base64_data: needs a base64_decode before it"},
	})
}
