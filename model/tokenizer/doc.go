// Package tokenizer turns text into token ids and back for models with a
// byte-level BPE vocabulary split the way Qwen2 splits text.
//
// Encoding follows Hugging Face's tokenizer for Qwen2.5, id for id:
//
//  1. special tokens are cut out of the raw text, the leftmost first and the
//     longest of those that start at one place;
//  2. the text between them is brought to Unicode normalisation form C;
//  3. it is split into pieces (words, single digits, runs of punctuation or
//     of white space) by the expression given at the scanner in split.go;
//  4. the bytes of each piece are merged pairwise, the merge of the lowest
//     rank first and the leftmost of equals first, until no merge applies
//     (Sennrich et al. 2016, "Neural Machine Translation of Rare Words with
//     Subword Units", on bytes as in GPT-2).
//
// Every byte has a token, so there is no unknown text. Bytes that are not
// valid UTF-8 pass through untouched: normalisation leaves them alone, the
// split takes each for a punctuation mark, and [Tokenizer.AppendBytes] gives
// them back as they were. [Tokenizer.Decode] and [Decoder] return valid UTF-8
// and put U+FFFD in their place.
//
// A [Tokenizer] is immutable to its user and safe for concurrent use.
package tokenizer
