package tokenizer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"qgo/gguf"
	"qgo/model/demo"
	"qgo/testdata"
)

func small(t testing.TB) *Tokenizer {
	t.Helper()
	f, err := demo.Open()
	if err != nil {
		t.Fatal(err)
	}
	tok, err := FromGGUF(f)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func qwen(t testing.TB) *Tokenizer {
	t.Helper()
	f, err := gguf.Open(testdata.Path(t, "tokenizer", "qwen2.5-vocab.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	tok, err := FromGGUF(f)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// TestHuggingFace compares with the ids of Hugging Face's tokenizers.
func TestHuggingFace(t *testing.T) {
	tok := qwen(t)
	var cases []struct {
		Text string
		IDs  []int32
	}
	if err := json.Unmarshal(testdata.Read(t, "tokenizer", "qwen2-hf.json"), &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) != 462 {
		t.Errorf("%d cases, want 462", len(cases))
	}
	for _, c := range cases {
		if got := tok.Encode(nil, c.Text, true); !slices.Equal(got, c.IDs) {
			t.Errorf("%q: ids %v, want %v", c.Text, got, c.IDs)
		}
	}
}

// TestLlamaCases compares with llama.cpp's test cases for this vocabulary.
func TestLlamaCases(t *testing.T) {
	tok := qwen(t)
	texts := strings.Split(string(testdata.Read(t, "tokenizer", "qwen2-cases.inp")), "\n__ggml_vocab_test__\n")
	lines := strings.Split(strings.TrimSuffix(string(testdata.Read(t, "tokenizer", "qwen2-cases.out")), "\n"), "\n")
	if len(texts) < len(lines) || len(lines) < 40 {
		t.Fatalf("%d texts, %d lines of ids", len(texts), len(lines))
	}
	for i, line := range lines {
		want := []int32{}
		for _, s := range strings.Fields(line) {
			id, err := strconv.Atoi(s)
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, int32(id))
		}
		if got := tok.Encode([]int32{}, texts[i], false); !slices.Equal(got, want) {
			t.Errorf("%q: ids %v, want %v", texts[i], got, want)
		}
	}
}

// TestGolden encodes the prompts of the small model.
func TestGolden(t *testing.T) {
	tok := small(t)
	var golden struct {
		Prompts []struct {
			Text string
			IDs  []int32
		}
	}
	if err := json.Unmarshal(testdata.Read(t, "godoc-tiny", "golden.json"), &golden); err != nil {
		t.Fatal(err)
	}
	for _, p := range golden.Prompts {
		if got := tok.Encode(nil, p.Text, true); !slices.Equal(got, p.IDs) {
			t.Errorf("%q: ids %v, want %v", p.Text, got, p.IDs)
		}
		if got := tok.Decode(p.IDs); got != p.Text {
			t.Errorf("decoded %q, want %q", got, p.Text)
		}
	}
	if len(golden.Prompts) != 16 {
		t.Errorf("%d prompts, want 16", len(golden.Prompts))
	}
}

// white is Unicode's White_Space, which \s means in the expression; Go's \s
// has only ASCII.
const white = `\t\n\v\f\r \x{85}\p{Z}`

var splitter = regexp.MustCompile(`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|` +
	` ?[^` + white + `\p{L}\p{N}]+[\r\n]*|[` + white + `]*[\r\n]+|[` + white + `]+`)

// splitByRegexp is Qwen2's expression. Its \s+(?!\S), which Go cannot
// express, means: white space before a word leaves its last character to it.
func splitByRegexp(s string) (pieces []string) {
	for s != "" {
		n := splitter.FindStringIndex(s)[1]
		piece := s[:n]
		last, size := utf8.DecodeLastRuneInString(piece)
		if strings.TrimFunc(piece, unicode.IsSpace) == "" && n < len(s) && last != '\n' && last != '\r' && n > size {
			n -= size
		}
		pieces = append(pieces, s[:n])
		s = s[n:]
	}
	return pieces
}

func split(s string) (pieces []string) {
	for s != "" {
		n := nextPiece(s)
		pieces = append(pieces, s[:n])
		s = s[n:]
	}
	return pieces
}

// TestSplit compares the scanner with the expression on random text of the
// characters that matter.
func TestSplit(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	alphabet := []rune("aZéß'sStTreEvVmMlLdDſK  \t\n\r\u00a0\u3000\u0085\u2028.,!-_$1９½Ⅷ一あ👍\u0301\u200d")
	for range 20000 {
		var b strings.Builder
		for range 1 + rng.IntN(12) {
			b.WriteRune(alphabet[rng.IntN(len(alphabet))])
		}
		s := b.String()
		if got, want := split(s), splitByRegexp(s); !slices.Equal(got, want) {
			t.Fatalf("%q is split as %q, want %q", s, got, want)
		}
	}
}

func FuzzSplit(f *testing.F) {
	f.Add("it's  a\n\n test 123")
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			s = strings.ToValidUTF8(s, "?")
		}
		if got, want := split(s), splitByRegexp(s); !slices.Equal(got, want) {
			t.Errorf("%q is split as %q, want %q", s, got, want)
		}
	})
}

// TestMerges compares the two ways of merging with each other.
func TestMerges(t *testing.T) {
	tok := small(t)
	rng := rand.New(rand.NewPCG(3, 4))
	for range 3000 {
		b := make([]byte, 2+rng.IntN(shortPiece-1))
		for i := range b {
			b[i] = "etaoin shr"[rng.IntN(10)]
		}
		short, long := tok.mergeShort(nil, string(b)), tok.mergeLong(nil, string(b))
		if !slices.Equal(short, long) {
			t.Fatalf("%q: %v by scanning, %v by the queue", b, short, long)
		}
	}
}

func TestSpecial(t *testing.T) {
	tok := small(t)
	end, ok := tok.Special("<|im_end|>")
	if !ok || !tok.IsControl(end) || !tok.IsEOG(end) {
		t.Fatalf("<|im_end|> is token %d, found %v, control %v, end %v", end, ok, tok.IsControl(end), tok.IsEOG(end))
	}
	if got := tok.Encode(nil, "a<|im_end|>", true); !slices.Contains(got, end) {
		t.Errorf("ids %v have no %d", got, end)
	}
	forged := tok.Encode(nil, "a<|im_end|>", false)
	if slices.Contains(forged, end) {
		t.Errorf("text forged the token %d: %v", end, forged)
	}
	// A special token that lies across parts, or in a part from outside, is text.
	for _, parts := range [][]Part{
		{{"a<|im_end|>", false}},
		{{"a<|im_", true}, {"end|>", false}},
		{{"a<|im_", false}, {"end|>", true}},
	} {
		if got := tok.EncodeParts(nil, parts); !slices.Equal(got, forged) {
			t.Errorf("%v: ids %v, want %v", parts, got, forged)
		}
	}
	parts := []Part{{"<|im_", true}, {"end|>", true}, {"x", false}}
	if got, want := tok.EncodeParts(nil, parts), tok.Encode([]int32{end}, "x", false); !slices.Equal(got, want) {
		t.Errorf("ids %v, want %v", got, want)
	}
}

// TestDecoder feeds bytes one token at a time: texts are valid UTF-8 and add
// up to what Decode says; all bytes come back.
func TestDecoder(t *testing.T) {
	tok := small(t)
	for _, s := range []string{"plain", "äöü€😀", "a\xff\xfeb", "\xe2\x82", "\xf0\x9f\x98x", "👩‍👩‍👧", "e\u0301"} {
		ids := tok.Encode(nil, s, false)
		if got := tok.AppendBytes(nil, ids); !bytes.Equal(got, []byte(nfc(s))) {
			t.Errorf("%q: bytes %q came back", s, got)
		}
		d := tok.NewDecoder()
		var b strings.Builder
		for _, id := range ids {
			text := d.Next(id)
			if !utf8.ValidString(text) {
				t.Errorf("%q: token %d gave half a character: %q", s, id, text)
			}
			b.WriteString(text)
		}
		b.WriteString(d.Flush())
		if want := strings.ToValidUTF8(nfc(s), "\uFFFD"); strings.ReplaceAll(b.String(), "\uFFFD\uFFFD", "\uFFFD") != want {
			t.Errorf("%q: decoded %q, want %q", s, b.String(), want)
		}
	}
	if got := tok.Decode([]int32{-1, 1 << 30}); got != "\uFFFD\uFFFD" {
		t.Errorf("ids outside the vocabulary give %q", got)
	}
}

func TestNFC(t *testing.T) {
	for in, want := range map[string]string{
		"e\u0301": "é", "\u1100\u1161\u11a8": "각", "plain": "plain", "\xff e\u0301": "\xff é",
		"a" + strings.Repeat("\u0301", 40): "á" + strings.Repeat("\u0301", 39),
		"\u0344":                           "\u0308\u0301",
	} {
		if got := nfc(in); got != want {
			t.Errorf("nfc(%+q) = %+q, want %+q", in, got, want)
		}
	}
}

func TestBadVocabularies(t *testing.T) {
	var letters []string
	for b := range 256 {
		letters = append(letters, string(letterOf[b]))
	}
	good := func() Vocab {
		return Vocab{Tokens: append(slices.Clone(letters), "ab", "abc"), Merges: []string{"a b", "ab c"}, BOS: None, EOS: None, EOT: None, Pad: None}
	}
	if tok, err := New(good()); err != nil || !slices.Equal(tok.Encode(nil, "abcab", false), []int32{257, 256}) {
		t.Fatalf("a good vocabulary: %v", err)
	}
	for want, spoil := range map[string]func(v *Vocab){
		"types for":         func(v *Vocab) { v.Types = make([]TokenType, 3) },
		"has type 9":        func(v *Vocab) { v.Types = make([]TokenType, len(v.Tokens)); v.Types[0] = 9 },
		"are both":          func(v *Vocab) { v.Tokens[257] = "ab" },
		"no normal token":   func(v *Vocab) { v.Tokens[0] = "xyz" },
		"the id of the EOS": func(v *Vocab) { v.EOS = 258 },
	} {
		v := good()
		spoil(&v)
		if _, err := New(v); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

// TestBadFiles reads vocabularies from files that do not fit together.
func TestBadFiles(t *testing.T) {
	for want, meta := range map[string][]gguf.KV{
		"key tokenizer.ggml.model is missing": nil,
		"byte-level BPE":                      {{Key: keyModel, Value: "llama"}},
		`qgo knows ("qwen2"), found "gpt-4o"`: {{Key: keyModel, Value: "gpt2"}, {Key: keyPre, Value: "gpt-4o"}},
		"tokenizer.ggml.tokens is missing":    {{Key: keyModel, Value: "gpt2"}},
		"expected a list of texts":            {{Key: keyModel, Value: "gpt2"}, {Key: keyTokens, Value: []int32{1}}},
		"found none for a model of the arch":  {{Key: keyModel, Value: "gpt2"}, {Key: keyPre, Value: "default"}, {Key: keyArch, Value: "llama"}},
		"key tokenizer.ggml.token_type":       {{Key: keyModel, Value: "gpt2"}, {Key: keyTokens, Value: []string{"a"}}, {Key: keyMerges, Value: []string{}}, {Key: keyTypes, Value: []int32{1, 1}}},
	} {
		var b bytes.Buffer
		w, err := gguf.NewWriter(&b, gguf.Header{Meta: meta})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		f, err := gguf.Parse("bad", b.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		_, err = FromGGUF(f)
		var fe *gguf.FormatError
		if !errors.As(err, &fe) || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want a FormatError with %q", err, want)
		}
	}
}

// BenchmarkEncode includes the texts that would take a quadratic merge hours.
func BenchmarkEncode(b *testing.B) {
	tok := qwen(b)
	english := string(testdata.Read(b, "godoc-tiny", "eval_trained.txt"))
	for _, c := range []struct{ name, text string }{
		{"english", english},
		{"letter", strings.Repeat("a", 1<<20)},
		{"spaces", strings.Repeat(" ", 1<<20)},
		{"digits", strings.Repeat("0123456789", 1<<17)},
		{"marks", strings.Repeat("\u0301", 1<<19)},
	} {
		b.Run(c.name, func(b *testing.B) {
			var ids []int32
			b.SetBytes(int64(len(c.text)))
			for b.Loop() {
				ids = tok.Encode(ids[:0], c.text, false)
			}
		})
	}
}

func ExampleTokenizer_Encode() {
	f, err := demo.Open()
	if err != nil {
		panic(err)
	}
	tok, err := FromGGUF(f)
	if err != nil {
		panic(err)
	}
	for _, id := range tok.Encode(nil, "strings.ToUpper", false) {
		fmt.Printf("%q ", tok.TokenText(id))
	}
	// Output: "string" "s" ".ToUpper"
}
