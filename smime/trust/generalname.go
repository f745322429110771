package trust

import (
	"crypto/x509"
	"errors"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// nameForm is the kind of a name: the choice of a GeneralName (RFC 5280 section 4.2.1.6), for an otherName with its type.
type nameForm string

const (
	formMail      nameForm = "rfc822Name"
	formDNS       nameForm = "dNSName"
	formDirectory nameForm = "directoryName"
	formURI       nameForm = "uniformResourceIdentifier"
	formIP        nameForm = "iPAddress"
)

// typedName is a GeneralName as far as constraints look at it.
type typedName struct {
	form      nameForm
	text      string            // of mail, DNS and URI
	octets    []byte            // of an IP address
	directory distinguishedName // of a directoryName
}

var errGeneralName = errors.New("not a list of GeneralNames")

// Tags of GeneralName.
const (
	tagOtherName = 0xa0
	tagMail      = 0x81
	tagDNS       = 0x82
	tagDirectory = 0xa4
	tagURI       = 0x86
	tagIP        = 0x87
)

func readTypedName(s *cryptobyte.String) (typedName, error) {
	var value cryptobyte.String
	var tag cbasn1.Tag
	if !s.ReadAnyASN1(&value, &tag) {
		return typedName{}, errGeneralName
	}
	switch tag {
	case tagMail:
		return typedName{form: formMail, text: string(value)}, nil
	case tagDNS:
		return typedName{form: formDNS, text: string(value)}, nil
	case tagURI:
		return typedName{form: formURI, text: string(value)}, nil
	case tagIP:
		return typedName{form: formIP, octets: value}, nil
	case tagDirectory:
		name, err := parseName(value)
		return typedName{form: formDirectory, directory: name}, err
	case tagOtherName:
		if mailbox, ok := smtpUTF8Mailbox(value); ok {
			return typedName{form: formMail, text: mailbox}, nil
		}
		var id cryptobyte.String
		if !value.ReadASN1Element(&id, cbasn1.OBJECT_IDENTIFIER) {
			return typedName{}, errGeneralName
		}
		return typedName{form: nameForm("otherName " + string(id))}, nil
	}
	return typedName{form: nameForm([]byte{byte(tag)})}, nil
}

// namesOf returns every name that a certificate gives its subject: those of the subjectAltName, the subject itself where it
// is not empty, and each emailAddress in it. RFC 5280 section 4.2.1.10 holds the latter to constraints where the
// subjectAltName has no rfc822Name; here they always are, because Addresses always believes them.
func namesOf(cert *x509.Certificate) ([]typedName, error) {
	var names []typedName
	if der := extension(cert, oidSubjectAltName); der != nil {
		input := cryptobyte.String(der)
		var list cryptobyte.String
		if !input.ReadASN1(&list, cbasn1.SEQUENCE) || !input.Empty() {
			return nil, errGeneralName
		}
		for !list.Empty() {
			name, err := readTypedName(&list)
			if err != nil {
				return nil, err
			}
			names = append(names, name)
		}
	}
	subject, err := parseName(cert.RawSubject)
	if err != nil {
		return nil, err
	}
	if len(subject) > 0 {
		names = append(names, typedName{form: formDirectory, directory: subject})
	}
	for _, attribute := range cert.Subject.Names {
		if attribute.Type.Equal(oidEmailAddress) {
			value, _ := attribute.Value.(string)
			names = append(names, typedName{form: formMail, text: value})
		}
	}
	return names, nil
}

func (n typedName) String() string {
	switch n.form {
	case formMail, formDNS, formURI:
		return string(n.form) + " " + strings.ToValidUTF8(n.text, "?")
	case formDirectory, formIP:
		return string(n.form)
	}
	return "name of an unsupported form"
}
