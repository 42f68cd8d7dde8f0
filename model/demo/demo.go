// Package demo holds a small chat model, so that qgo can show something
// without a download: 6.5 million parameters in the shape of Qwen2, trained
// from scratch on the documentation of Go's standard library (BSD licence).
// It answers questions such as "What does strings.ToUpper do?" and knows
// nothing else.
package demo

import (
	_ "embed"

	"qgo/gguf"
)

// Name is what the model is called in messages.
const Name = "godoc-tiny-q8_0 (embedded)"

//go:embed godoc-tiny-q8_0.gguf
var data []byte

// Open returns the model's file.
func Open() (*gguf.File, error) { return gguf.Parse(Name, data) }
