package jinja

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// kind is the kind of a token.
type kind int

const (
	eof      kind = iota
	data          // text outside of tags
	begin         // {{ or {%, in value
	end           // }} or %}, in value
	name          // also keywords
	str           // in value what it stands for
	integer       // in value its digits as strconv.ParseInt takes them
	float         // in value its digits as strconv.ParseFloat takes them
	operator      // in value itself
)

type token struct {
	kind  kind
	value string
	line  int
}

// lexer takes a template apart. It follows jinja2's lexer, whose rules for
// white space around tags are easier to copy than to describe.
type lexer struct {
	src      string
	at       int
	line     int
	brackets []string // that are open within a tag, as their closing ones
	inTag    string   // what ends the tag that we are in, "" outside
	fresh    bool     // the last match outside of tags ended a line
	tokens   []token
}

var lineBreaks = strings.NewReplacer("\r\n", "\n", "\r", "\n")

func newLexer(src string) *lexer {
	src = lineBreaks.Replace(src)
	return &lexer{src: strings.TrimSuffix(src, "\n"), line: 1, fresh: true}
}

// next returns the next token.
func (l *lexer) next() token {
	for len(l.tokens) == 0 {
		if l.inTag != "" {
			return l.inside()
		}
		if l.at == len(l.src) {
			return token{eof, "", l.line}
		}
		l.outside()
	}
	t := l.tokens[0]
	l.tokens = l.tokens[1:]
	return t
}

// move passes n bytes.
func (l *lexer) move(n int) {
	l.line += strings.Count(l.src[l.at:l.at+n], "\n")
	l.at += n
}

// emit appends a token that begins here.
func (l *lexer) emit(k kind, value string) {
	if k != data || value != "" {
		l.tokens = append(l.tokens, token{k, value, l.line})
	}
}

// spaces is Python's \s*, which is wider than Go's; see isSpace.
const spaces = `[\s\v\x1c-\x1f\x{85}\p{Z}]*`

var (
	openTag  = regexp.MustCompile(`\{[{%#][-+]?`)
	rawBegin = regexp.MustCompile(`^\{%[-+]?` + spaces + `raw` + spaces + `(?:-%\}` + spaces + `|%\})`)
	rawEnd   = regexp.MustCompile(`\{%([-+]?)` + spaces + `endraw` + spaces + `(?:\+%\}|-%\}` + spaces + `|%\}\n?)`)
	comment  = regexp.MustCompile(`(?s)^.*?(?:\+#\}|-#\}` + spaces + `|#\}\n?)`)
	tagEnds  = map[string]*regexp.Regexp{
		"%}": regexp.MustCompile(`^(?:\+%\}|-%\}` + spaces + `|%\}\n?)`),
		"}}": regexp.MustCompile(`^(?:-\}\}` + spaces + `|\}\})`),
	}
)

// outside reads text and the beginning of the tag that ends it.
func (l *lexer) outside() {
	at := openTag.FindStringIndex(l.src[l.at:])
	if at == nil {
		l.emit(data, l.src[l.at:])
		l.move(len(l.src) - l.at)
		return
	}
	tag := l.src[l.at+at[0] : l.at+at[1]]
	l.emit(data, l.before(l.src[l.at:l.at+at[0]], tag))
	l.move(at[0])
	if m := rawBegin.FindString(l.src[l.at:]); m != "" {
		l.move(len(m))
		l.fresh = strings.HasSuffix(m, "\n")
		l.raw()
		return
	}
	l.fresh = false
	if tag[:2] == "{#" {
		m := comment.FindString(l.src[l.at+len(tag):])
		if m == "" {
			failf("a comment has no end: #} is missing")
		}
		l.move(len(tag) + len(m))
		l.fresh = strings.HasSuffix(m, "\n")
		return
	}
	l.emit(begin, tag[:2])
	l.move(len(tag))
	l.inTag = closing[tag[:2]]
}

// before returns what is left of the text before a tag: with a minus in the
// tag no white space at its end, and for blocks and comments without a plus
// (lstrip_blocks) no white space from the beginning of the line.
func (l *lexer) before(text, tag string) string {
	switch {
	case strings.HasSuffix(tag, "-"):
		return strings.TrimRightFunc(text, isSpace)
	case strings.HasSuffix(tag, "+") || tag == "{{":
		return text
	}
	start := strings.LastIndexByte(text, '\n') + 1
	if (start > 0 || l.fresh) && strings.TrimLeftFunc(text[start:], isSpace) == "" {
		return text[:start]
	}
	return text
}

// raw reads what is not to be looked at, and its end.
func (l *lexer) raw() {
	m := rawEnd.FindStringSubmatchIndex(l.src[l.at:])
	if m == nil {
		failf("raw has no end: {%% endraw %%} is missing")
	}
	l.emit(data, l.before(l.src[l.at:l.at+m[0]], "{%"+l.src[l.at+m[2]:l.at+m[3]]))
	l.move(m[1])
	l.fresh = l.src[l.at-1] == '\n'
}

// closing are the counterparts of brackets and of the beginnings of tags.
var closing = map[string]string{"(": ")", "[": "]", "{": "}", "{{": "}}", "{%": "%}"}

// operators, the longest first.
var operators = []string{"//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=", ".", ":", "|", ",", ";"}

var (
	floatForm   = regexp.MustCompile(`(?i)^(?:\d+_)*\d+(?:(?:\.(?:\d+_)*\d+)?e[+-]?(?:\d+_)*\d+|\.(?:\d+_)*\d+)`)
	integerForm = regexp.MustCompile(`(?i)^(?:0b(?:_?[01])+|0o(?:_?[0-7])+|0x(?:_?[\da-f])+|[1-9](?:_?\d)*|0(?:_?0)*)`)
	stringForm  = regexp.MustCompile(`(?s)^(?:'[^'\\]*(?:\\.[^'\\]*)*'|"[^"\\]*(?:\\.[^"\\]*)*")`)
)

// inside reads a token within a tag.
func (l *lexer) inside() token {
	n := len(l.src[l.at:]) - len(strings.TrimLeftFunc(l.src[l.at:], isSpace))
	l.move(n)
	rest := l.src[l.at:]
	if rest == "" {
		failf("a tag has no end: %s is missing", l.inTag)
	}
	if len(l.brackets) == 0 && strings.IndexByte("%}-+", rest[0]) >= 0 {
		if m := tagEnds[l.inTag].FindString(rest); m != "" {
			t := token{end, l.inTag, l.line}
			l.move(len(m))
			l.fresh = strings.HasSuffix(m, "\n")
			l.inTag = ""
			return t
		}
	}
	switch c := rest[0]; {
	case c >= '0' && c <= '9':
		if m := floatForm.FindString(rest); m != "" && l.src[l.at-1] != '.' {
			return l.token(float, m, strings.ReplaceAll(m, "_", ""))
		}
		m := integerForm.FindString(rest)
		return l.token(integer, m, strings.ReplaceAll(m, "_", ""))
	case c == '\'' || c == '"':
		m := stringForm.FindString(rest)
		if m == "" {
			failf("a string has no end: %c is missing", c)
		}
		return l.token(str, m, unescaped(m[1:len(m)-1]))
	}
	if n := nameLength(rest); n > 0 {
		return l.token(name, rest[:n], rest[:n])
	}
	for _, op := range operators {
		if strings.HasPrefix(rest, op) {
			l.balance(op)
			return l.token(operator, op, op)
		}
	}
	r, _ := utf8.DecodeRuneInString(rest)
	failf("unexpected character %q", r)
	return token{}
}

func (l *lexer) token(k kind, source, value string) token {
	t := token{k, value, l.line}
	l.move(len(source))
	return t
}

// balance keeps account of open brackets.
func (l *lexer) balance(op string) {
	switch op {
	case "(", "[", "{":
		l.brackets = append(l.brackets, closing[op])
	case ")", "]", "}":
		last := len(l.brackets) - 1
		if last < 0 {
			failf("unexpected %q", op)
		}
		if want := l.brackets[last]; want != op {
			failf("unexpected %q, expected %q", op, want)
		}
		l.brackets = l.brackets[:last]
	}
}

// nameLength is the length of the name that s starts with.
func nameLength(s string) int {
	for i, r := range s {
		if r != '_' && !unicode.IsLetter(r) && (i == 0 || !unicode.IsDigit(r) && !unicode.Is(unicode.M, r)) {
			return i
		}
	}
	return len(s)
}

// isSpace reports whether Python's str.isspace holds for r.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }
