package tokenizer

import (
	"slices"
	"strings"
	"testing"

	"qgo/gguf"
	"qgo/gguf/gguftest"
	"qgo/model/arch"
	"qgo/model/demo"
)

// odd makes the Tokenizer of the embedded model's file with changes.
func odd(t testing.TB, edits ...gguftest.Edit) *Tokenizer {
	t.Helper()
	f, err := demo.Open()
	if err != nil {
		t.Fatal(err)
	}
	tok, err := FromGGUF(gguftest.Parse(t, f, edits...))
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// types gives tokens of the embedded model, from the end on, other types.
func types(typ int32, count int) gguftest.Edit {
	return func(t testing.TB, h *gguf.Header) {
		for i := range h.Meta {
			if old, ok := h.Meta[i].Value.([]int32); ok && h.Meta[i].Key == keyTypes {
				list := slices.Clone(old)
				for j := range count {
					list[len(list)-1-j] = typ
				}
				h.Meta[i].Value = list
				return
			}
		}
		t.Fatal("there are no token types")
	}
}

// moreMerges adds merges.
func moreMerges(merges ...string) gguftest.Edit {
	return func(t testing.TB, h *gguf.Header) {
		for i := range h.Meta {
			if old, ok := h.Meta[i].Value.([]string); ok && h.Meta[i].Key == keyMerges {
				h.Meta[i].Value = slices.Concat(old, merges)
				return
			}
		}
		t.Fatal("there are no merges")
	}
}

// TestSameVocabulary reads files that say in other ways what the embedded
// model's says, or say less: they encode as it does, and note what is odd.
func TestSameVocabulary(t *testing.T) {
	const text = "<|im_start|>user\nWhat does it's strings.ToUpper do in 2024?<|im_end|>\n<|endoftext|>"
	plain := small(t)
	if notes := plain.Notes(); len(notes) != 0 {
		t.Errorf("notes about a sound vocabulary: %q", notes)
	}
	want := plain.Encode(nil, text, true)
	for _, c := range []struct {
		name, note string
		edits      []gguftest.Edit
	}{
		{"deepseek", "", []gguftest.Edit{gguftest.Set(keyPre, "deepseek-r1-qwen")}},
		{"megrez", "", []gguftest.Edit{gguftest.Set(keyPre, "megrez")}},
		{"default", "does not say how text is split", []gguftest.Edit{gguftest.Set(keyPre, "default")}},
		{"no split", "does not say how text is split", []gguftest.Edit{gguftest.Drop(keyPre)}},
		{"BOS none", keyBOS + " is 4294967295, which is no token", []gguftest.Edit{gguftest.Set(keyBOS, uint32(0xffffffff))}},
		{"BOS -1", keyBOS + " is -1, which is no token", []gguftest.Edit{gguftest.Set(keyBOS, int32(-1))}},
		{"padding beyond", keyPad + " is 8192, which is no token", []gguftest.Edit{gguftest.Set(keyPad, uint32(8192))}},
		{"nothing to add", "none is added", []gguftest.Edit{gguftest.Drop(keyBOS), gguftest.Set(keyAddBOS, true)}},
		{"marks as text", "3 marks such as \"<|endoftext|>\" are not said", []gguftest.Edit{types(int32(Normal), 3)}},
		{"no types", "3 marks such as \"<|endoftext|>\" are not said", []gguftest.Edit{gguftest.Drop(keyTypes)}},
		{"odd merges", "4 of 7937 merges", []gguftest.Edit{moreMerges("Ġ Ġxyzzyq", "nospace", "a 一", "xq zj")}},
	} {
		tok := odd(t, c.edits...)
		if got := tok.Encode(nil, text, true); !slices.Equal(got, want) {
			t.Errorf("%s: ids %v, want %v", c.name, got, want)
		}
		end, ok := tok.Special("<|im_end|>")
		if !ok || !tok.IsControl(end) || !tok.IsEOG(end) {
			t.Errorf("%s: <|im_end|> is special %v, control %v, an end %v", c.name, ok, tok.IsControl(end), tok.IsEOG(end))
		}
		if notes := strings.Join(tok.Notes(), "; "); (c.note == "") != (notes == "") || !strings.Contains(notes, c.note) {
			t.Errorf("%s: notes %q, want one with %q", c.name, notes, c.note)
		}
	}
}

func TestMarkType(t *testing.T) {
	for text, want := range map[string]TokenType{
		"<|im_end|>": Control, "<｜end▁of▁sentence｜>": Control, "<think>": UserDefined, "</tool_call>": UserDefined, "<|>": UserDefined,
		"<>": Normal, "<": Normal, "": Normal, "a>": Normal, "<a": Normal, "Ġ<b>": Normal,
	} {
		if got := markType(text); got != want {
			t.Errorf("%s has type %d, want %d", text, got, want)
		}
	}
	// What merges make is text, whatever it looks like.
	if tok := odd(t, types(int32(Normal), 3), moreMerges("<| im_end|>")); tok.special.texts() == nil {
		t.Error("no marks are left")
	} else if _, ok := tok.Special("<|im_end|>"); ok {
		t.Error("<|im_end|> is special, although a merge makes it")
	}
}

// TestAddBOS encodes for a model that expects BOS before every text.
func TestAddBOS(t *testing.T) {
	plain := small(t)
	bos, ok := plain.Special("<|endoftext|>")
	if !ok {
		t.Fatal("there is no <|endoftext|>")
	}
	tok := odd(t, gguftest.Set(keyAddBOS, true), gguftest.Set(keyBOS, uint32(bos)))
	if !tok.AddBOS() || tok.BOS() != bos || tok.BOSText() != "<|endoftext|>" || tok.EOSText() != "<|im_end|>" {
		t.Errorf("add BOS %v, which is %d %q; EOS %q", tok.AddBOS(), tok.BOS(), tok.BOSText(), tok.EOSText())
	}
	if none := odd(t, gguftest.Drop(keyBOS), gguftest.Drop(keyEOS)); none.BOSText() != "" || none.EOSText() != "" {
		t.Errorf("without BOS and EOS their texts are %q and %q", none.BOSText(), none.EOSText())
	}
	for _, text := range []string{"", "Hello world", "<|im_start|>user\n"} {
		for _, special := range []bool{false, true} {
			want := append([]int32{7, bos}, plain.Encode(nil, text, special)...)
			if got := tok.Encode([]int32{7}, text, special); !slices.Equal(got, want) {
				t.Errorf("%q, special %v: ids %v, want %v", text, special, got, want)
			}
		}
		want := append([]int32{bos}, plain.EncodeParts(nil, []Part{{text, true}})...)
		if got := tok.EncodeParts(nil, []Part{{text, true}}); !slices.Equal(got, want) {
			t.Errorf("%q in parts: ids %v, want %v", text, got, want)
		}
	}
	// A text that begins with it has it once; one that only spells it does not
	// begin with it.
	const begun = "<|endoftext|>Hello"
	if got, want := tok.Encode(nil, begun, true), plain.Encode(nil, begun, true); !slices.Equal(got, want) {
		t.Errorf("begun: ids %v, want %v", got, want)
	}
	if got, want := tok.Encode(nil, begun, false), append([]int32{bos}, plain.Encode(nil, begun, false)...); !slices.Equal(got, want) {
		t.Errorf("spelled: ids %v, want %v", got, want)
	}
}

// TestHostileTexts looks for texts of a file in errors and notes that a
// terminal would obey, or that are long.
func TestHostileTexts(t *testing.T) {
	f, err := demo.Open()
	if err != nil {
		t.Fatal(err)
	}
	hostile := "\x1b[2J" + strings.Repeat("x", 1<<20)
	for _, edit := range []gguftest.Edit{
		gguftest.Set(keyPre, hostile), gguftest.Set(keyModel, hostile), gguftest.Set(keyTokens, []string{hostile, hostile}),
		moreMerges(hostile),
	} {
		tok, err := FromGGUF(gguftest.Parse(t, f, edit))
		text := ""
		if err != nil {
			text = err.Error()
		} else {
			text = strings.Join(tok.Notes(), "\n")
		}
		if text == "" || strings.ContainsRune(text, '\x1b') || len(text) > 400 {
			t.Errorf("%.500q", text)
		}
	}
}

// TestMinTokens: no text has fewer tokens.
func TestMinTokens(t *testing.T) {
	f, err := demo.Open()
	if err != nil {
		t.Fatal(err)
	}
	tok, err := FromGGUF(f)
	if err != nil {
		t.Fatal(err)
	}
	for id := range int32(tok.VocabSize()) {
		text := strings.Repeat(tok.TokenText(id), 50)
		if got, least := len(tok.Encode(nil, text, true)), tok.MinTokens(len(text)); got < least {
			t.Errorf("token %d, 50 times: %d tokens, and at least %d were foretold", id, got, least)
		}
	}
	if n := tok.MinTokens(8 << 20); n < 4096 {
		t.Errorf("8 MB take at least %d tokens", n)
	}
}

func TestCheckWords(t *testing.T) {
	tok := &Tokenizer{split: qwen2Split}
	word := strings.Repeat("x", maxWord)
	if err := tok.CheckWords("a text of words " + word[1:] + " and more"); err != nil {
		t.Error(err)
	}
	if err := tok.CheckWords("a " + word + "x."); err == nil || !strings.Contains(err.Error(), "a word of 524290 bytes") {
		t.Errorf("error %v", err)
	}
	// These are words only once they are composed.
	if err := tok.CheckWords(strings.Repeat("e\u0301", maxWord)); err == nil || !strings.Contains(err.Error(), "a word of 1048576 bytes") {
		t.Errorf("error %v", err)
	}
}

// TestFamilies: for files that do not say how text is split, there is a way for each
// family, and a note that names the family.
func TestFamilies(t *testing.T) {
	for _, family := range arch.All {
		if _, ok := preTokenizerOf(family.Split); !ok || family.Split == "" {
			t.Errorf("%s: there is no pre-tokeniser %q", family.Name, family.Split)
			continue
		}
		tok := odd(t, gguftest.Set(keyArch, family.Name), gguftest.Drop(keyPre))
		if notes := tok.Notes(); len(notes) != 1 || !strings.HasSuffix(notes[0], "as for "+family.Title) {
			t.Errorf("%s: notes %q", family.Name, notes)
		}
	}
}

// TestPreTokenizers: a name stands for one of them.
func TestPreTokenizers(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range preTokenizers {
		for _, name := range p.names {
			if seen[name] {
				t.Errorf("there are two pre-tokenisers %q", name)
			}
			seen[name] = true
		}
	}
}
