package smime_test

import "encoding/asn1"

// node is a DER element that tests take apart, change and put together again with right lengths.
type node struct {
	tag      []byte // identifier octets
	children []*node
	value    []byte // of a primitive element
}

func readDER(der []byte) *node {
	n, rest := readNode(der)
	if len(rest) > 0 {
		panic("octets behind the element")
	}
	return n
}

func readNode(der []byte) (*node, []byte) {
	var raw asn1.RawValue
	rest, err := asn1.Unmarshal(der, &raw)
	if err != nil {
		panic(err)
	}
	n := &node{tag: raw.FullBytes[:1]}
	if !raw.IsCompound {
		n.value = raw.Bytes
		return n, rest
	}
	for inner := raw.Bytes; len(inner) > 0; {
		var child *node
		child, inner = readNode(inner)
		n.children = append(n.children, child)
	}
	return n, rest
}

func (n *node) der() []byte {
	value := n.value
	for _, c := range n.children {
		value = append(value, c.der()...)
	}
	out := append([]byte{}, n.tag...)
	switch l := len(value); {
	case l < 0x80:
		out = append(out, byte(l))
	case l < 0x100:
		out = append(out, 0x81, byte(l))
	case l < 0x10000:
		out = append(out, 0x82, byte(l>>8), byte(l))
	default:
		out = append(out, 0x83, byte(l>>16), byte(l>>8), byte(l))
	}
	return append(out, value...)
}

// at follows child indexes; negative ones count from the end.
func (n *node) at(path ...int) *node {
	for _, i := range path {
		if i < 0 {
			i += len(n.children)
		}
		n = n.children[i]
	}
	return n
}

func (n *node) clone() *node { return readDER(n.der()) }

// each visits every element.
func (n *node) each(visit func(*node)) {
	visit(n)
	for _, c := range n.children {
		c.each(visit)
	}
}

func oidNode(oid ...int) *node {
	der, err := asn1.Marshal(asn1.ObjectIdentifier(oid))
	if err != nil {
		panic(err)
	}
	return readDER(der)
}

func sequence(children ...*node) *node { return &node{tag: []byte{0x30}, children: children} }

func octetString(b []byte) *node { return &node{tag: []byte{0x04}, value: b} }

// signerInfos returns the SET OF SignerInfo of a ContentInfo with SignedData.
func signerInfos(contentInfo *node) *node { return contentInfo.at(1, 0, -1) }
