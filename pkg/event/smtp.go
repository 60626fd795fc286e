package event

import (
	"crypto/md5"

	"github.com/weir-ips/weir/pkg/flow/app/mime"
	"github.com/weir-ips/weir/pkg/flow/smtp"
)

// smtp writes "smtp" and, when there is a mail, "email".
func (e *encoder) smtp(opt *SMTPOptions, t *smtp.Tx) {
	e.open("smtp")
	e.textIf("helo", t.Helo)
	e.textIf("mail_from", t.MailFrom)
	e.texts("rcpt_to", t.RcptTo)
	e.close()
	if t.Mail != nil {
		e.open("email")
		e.email(opt, t.Mail)
		e.close()
	}
}

// texts writes a list unless it is empty.
func (e *encoder) texts(name string, list [][]byte) {
	if len(list) == 0 {
		return
	}
	e.list(name)
	for _, v := range list {
		e.elemText(v)
	}
	e.end()
}

func (e *encoder) email(opt *SMTPOptions, m *mime.Message) {
	e.str("status", m.Status.String())
	e.textIf("from", m.Get("from"))
	e.texts("to", m.Addresses("to"))
	e.texts("cc", m.Addresses("cc"))
	e.texts("attachment", m.Attachments)
	e.texts("url", m.URLs)
	for i := range mailFields {
		f := &mailFields[i]
		if opt.Extended && f.extended || contains(opt.Custom, f.header) {
			e.mailField(f, m)
		}
	}
	if opt.BodyMD5 && len(m.BodyMD5) > 0 {
		e.hex("body_md5", m.BodyMD5)
	}
	if subject := m.Get("subject"); opt.SubjectMD5 && subject != nil {
		sum := md5.Sum(subject)
		e.hex("subject_md5", sum[:])
	}
}

// mailField is a header that may be written: under which name, and whether it is a list.
type mailField struct {
	header, name string
	form         fieldForm
	extended     bool
}

type fieldForm uint8

const (
	oneValue  fieldForm = iota
	addresses           // of one header, split at commas
	allValues           // of every header of the name
)

var mailFields = [...]mailField{
	{"reply-to", "reply_to", oneValue, false},
	{"bcc", "bcc", addresses, true},
	{"message-id", "message_id", oneValue, true},
	{"subject", "subject", oneValue, true},
	{"x-mailer", "x_mailer", oneValue, true},
	{"user-agent", "user_agent", oneValue, true},
	{"received", "received", allValues, false},
	{"x-originating-ip", "x_originating_ip", oneValue, false},
	{"in-reply-to", "in_reply_to", oneValue, false},
	{"references", "references", oneValue, false},
	{"importance", "importance", oneValue, false},
	{"priority", "priority", oneValue, false},
	{"sensitivity", "sensitivity", oneValue, false},
	{"organization", "organization", oneValue, false},
	{"content-md5", "content_md5", oneValue, false},
	{"date", "date", oneValue, false},
}

func (e *encoder) mailField(f *mailField, m *mime.Message) {
	switch f.form {
	case addresses:
		e.texts(f.name, m.Addresses(f.header))
	case allValues:
		e.texts(f.name, m.All(f.header))
	default:
		e.textIf(f.name, m.Get(f.header))
	}
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}
