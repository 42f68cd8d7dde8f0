// Package jinja renders the Jinja templates that chat models carry, as
// jinja2's sandbox does with the settings of Hugging Face's
// apply_chat_template: trim_blocks, lstrip_blocks, loop controls, the tag
// generation, a tojson that keeps the order of keys, raise_exception and
// strftime_now. Lists and dictionaries cannot be changed, there is no file to
// include, and no attribute that begins with an underscore.
//
// A template comes out of a downloaded file, so nothing that it says is
// trusted: the steps that it computes, the memory that it takes, its output
// and its nesting are bounded (see limits.go), and each failure is one
// [*Error] that names the line.
//
// Every string knows which of its bytes came from the template and which from
// a message (see [Part]), through all that a template does with it. That is
// what keeps a message from forging a special token.
//
// The lexer, the parser and the evaluator follow jinja2 3.1
// (https://jinja.palletsprojects.com/en/stable/templates/).
package jinja
