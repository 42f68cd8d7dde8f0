//go:build !noasm

package avx2

import (
	"encoding/binary"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"testing"
)

// decodeDot takes a VPDPBUSD or VPDPWSSD of YMM registers apart, byte by byte as the
// Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2,
// describes the three-byte VEX prefix and ModRM, into Go's order of operands.
func decodeDot(b [5]byte) string {
	switch {
	case b[0] != 0xc4:
		return "no three-byte VEX prefix"
	case b[1]&0x1f != 2:
		return "not in map 0F38"
	case b[1]&0x40 == 0:
		return "an index register without memory"
	case b[2]&0x80 != 0:
		return "W is 1"
	case b[2]&0x04 == 0:
		return "128 bits"
	case b[2]&0x03 != 1:
		return "no prefix 66"
	case dots[b[3]] == "":
		return "neither VPDPBUSD nor VPDPWSSD"
	case b[4]>>6 != 3:
		return "a memory operand"
	}
	// R, B and vvvv are stored inverted.
	sum := b[4]>>3&7 | (b[1]>>7^1)<<3
	x := b[4]&7 | (b[1]>>5&1^1)<<3
	w := b[2]>>3&15 ^ 15
	return fmt.Sprintf("%s Y%d, Y%d, Y%d", dots[b[3]], x, w, sum)
}

// dots are the instructions by their opcodes.
var dots = map[byte]string{0x50: "VPDPBUSD", 0x52: "VPDPWSSD"}

// TestDecodeDot checks the decoder with what GNU as writes.
func TestDecodeDot(t *testing.T) {
	for _, c := range []struct {
		want string
		code [5]byte
	}{
		{"VPDPBUSD Y12, Y0, Y8", [5]byte{0xc4, 0x42, 0x7d, 0x50, 0xc4}},
		{"VPDPBUSD Y4, Y5, Y6", [5]byte{0xc4, 0xe2, 0x55, 0x50, 0xf4}},
		{"VPDPBUSD Y13, Y7, Y11", [5]byte{0xc4, 0x42, 0x45, 0x50, 0xdd}},
		{"VPDPBUSD Y1, Y15, Y3", [5]byte{0xc4, 0xe2, 0x05, 0x50, 0xd9}},
		{"VPDPWSSD Y14, Y12, Y8", [5]byte{0xc4, 0x42, 0x1d, 0x52, 0xc6}},
	} {
		if got := decodeDot(c.code); got != c.want {
			t.Errorf("% x is %s, want %s", c.code, got, c.want)
		}
	}
}

// TestEncoding decodes every instruction that is written as bytes, and compares
// it with its comment.
func TestEncoding(t *testing.T) {
	for _, name := range []string{"matmul_vnni_amd64.s", "expanded_amd64.s"} {
		t.Run(name, func(t *testing.T) { testEncoding(t, name) })
	}
}

func testEncoding(t *testing.T, name string) {
	file, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	raw := regexp.MustCompile(`(LONG|BYTE|WORD|QUAD)\s+\$`).FindAll(file, -1)
	found := regexp.MustCompile(`// (VPDP.*)\n\s*LONG\s+\$(0x[0-9a-f]{8})\n\s*BYTE\s+\$(0x[0-9a-f]{2})\n`).FindAllSubmatch(file, -1)
	if len(found) == 0 || len(raw) != 2*len(found) {
		t.Fatalf("%d instructions as bytes, and %d lines of bytes", len(found), len(raw))
	}
	for _, m := range found {
		var code [5]byte
		first, _ := strconv.ParseUint(string(m[2]), 0, 32)
		last, _ := strconv.ParseUint(string(m[3]), 0, 8)
		binary.LittleEndian.PutUint32(code[:], uint32(first))
		code[4] = byte(last)
		if got := decodeDot(code); got != string(m[1]) {
			t.Errorf("% x is %s, its comment says %s", code, got, m[1])
		}
	}
}
