package quant

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"qgo/testdata"
)

func TestByteSwap(t *testing.T) {
	for _, typ := range Types() {
		b := make([]byte, 2*typ.BlockBytes())
		for i := range b {
			b[i] = byte(i)
		}
		want := bytes.Clone(b)
		ByteSwap(typ, b)
		changed := 0
		for i := range b {
			if b[i] != want[i] {
				changed++
			}
		}
		words := 2
		if n, ok := map[Type]int{F32: 4, Q4_1: 4, Q5_1: 4, Q2_K: 4, Q4_K: 4, Q5_K: 4, IQ4_XS: 4, MXFP4: 0}[typ]; ok {
			words = n
		}
		if changed != 2*words {
			t.Errorf("%v: %d bytes moved, want %d", typ, changed, 2*words)
		}
		ByteSwap(typ, b)
		if !bytes.Equal(b, want) {
			t.Errorf("%v: swapping twice changed the block", typ)
		}
	}
}

func TestParseType(t *testing.T) {
	for _, typ := range Types() {
		got, err := ParseType(strings.ToLower(typ.String()))
		if got != typ || err != nil {
			t.Errorf("ParseType(%v) = %v, %v", typ, got, err)
		}
	}
	if _, err := ParseType("q4_z"); err == nil || !strings.Contains(err.Error(), "IQ4_NL") {
		t.Errorf("ParseType(q4_z): error %v, want one that lists the types", err)
	}
	if Type(4).Valid() || Type(1e6).Valid() {
		t.Error("unknown types are valid")
	}
}

// TestOnlyRead says of types without quantisation that they have none.
func TestOnlyRead(t *testing.T) {
	const want = "IQ3_S is read, but not written; choose one of f32, "
	if _, err := ParseMix("iq3_s"); err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("error %v, want %q…", err, want)
	}
}

// TestMixes compares the choice of types with what llama-quantize chose.
func TestMixes(t *testing.T) {
	text := string(testdata.Read(t, "tensor-types.txt"))
	var mix Mix
	place := Place{Tied: true}
	checked := 0
	for line := range strings.Lines(text) {
		if name, ok := strings.CutPrefix(line, "qwen2.5-"); ok {
			size, rest, _ := strings.Cut(name, "b-")
			quantisation, _, _ := strings.Cut(rest, ".gguf")
			var err error
			if mix, err = ParseMix(quantisation); err != nil {
				t.Fatal(err)
			}
			place.Blocks, place.Group = 24, 7
			if size == "1.5" {
				place.Blocks, place.Group = 28, 6
			}
			continue
		}
		list, ok := strings.CutPrefix(strings.TrimSpace(line), "by name: ")
		if !ok {
			continue
		}
		for _, entry := range strings.Split(list, "; ") {
			name, want, _ := strings.Cut(entry, ": ")
			count := map[Type]int{}
			blocks := place.Blocks
			if name == "token_embd.weight" {
				blocks = 1
			}
			for i := range blocks {
				p := place
				p.Tensor, p.Block = name, i
				p.Cols = map[int]int{24: 896, 28: 1536}[place.Blocks]
				if name == "ffn_down.weight" {
					p.Cols = map[int]int{24: 4864, 28: 8960}[place.Blocks]
				}
				count[mix.Type(p)]++
			}
			for _, w := range strings.Split(want, "+") {
				typ, n, _ := strings.Cut(w, "×")
				got, err := ParseType(typ)
				if err != nil {
					t.Fatal(err)
				}
				if fmt.Sprint(count[got]) != n {
					t.Errorf("%s, %d blocks: %d %s are %s, want %s", mix.Name, place.Blocks, count[got], name, typ, n)
				}
				checked++
			}
		}
	}
	if checked < 120 {
		t.Errorf("only %d counts compared", checked)
	}
}

// TestTypeNames demands a name for every type of ggml, those that qgo does not
// read too.
func TestTypeNames(t *testing.T) {
	for typ, want := range map[Type]string{
		Q4_0: "Q4_0", 4: "Q4_2", 9: "Q8_1", 15: "Q8_K", 16: "IQ2_XXS", 23: "IQ4_XS", 28: "F64", 29: "IQ1_M", BF16: "BF16",
		34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4", 42: "Q2_0", 43: "type number 43", 1 << 31: "type number 2147483648",
	} {
		if got := typ.String(); got != want {
			t.Errorf("type %d is called %q, want %q", uint32(typ), got, want)
		}
	}
	for typ := range Type(43) {
		if name := typ.String(); strings.HasPrefix(name, "type number") {
			t.Errorf("type %d has no name", uint32(typ))
		}
	}
}

// TestOthers wants no name twice: a type in the table is not one of those that qgo
// does not know.
func TestOthers(t *testing.T) {
	for n, name := range others {
		if n.Valid() {
			t.Errorf("%s, number %d, is in the table and among the others", name, n)
		}
	}
}

// TestFallbacks wants a quantised type for rows that blocks of 256 do not divide:
// one that fallback does not know would become F16 without a word.
func TestFallbacks(t *testing.T) {
	for _, m := range Mixes() {
		p := Place{Tensor: "ffn_up.weight", Block: 5, Blocks: 24, Cols: 896, Group: 7}
		if got := m.Type(p); m.Base.Integer() && (!got.Integer() || p.Cols%got.BlockLen() != 0) {
			t.Errorf("%s: rows of %d weights are %v", m.Name, p.Cols, got)
		}
	}
}
