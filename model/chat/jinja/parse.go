package jinja

import (
	"fmt"
	"slices"
)

// Template is a parsed template. It is safe for concurrent use.
type Template struct{ body []node }

// Parse parses a template. The error is an [*Error].
func Parse(source string) (_ *Template, err error) {
	if len(source) > maxSource {
		return nil, &Error{Err: fmt.Errorf("the template has %d bytes, and at most %d are read", len(source), maxSource)}
	}
	p := &parser{lex: newLexer(source)}
	defer caught(&err, &p.lex.line)
	p.advance()
	return &Template{p.body()}, nil
}

// parser has two tokens of lookahead.
type parser struct {
	lex   *lexer
	tok   token
	after *token // the token after tok, once it was asked for
	depth int
	loops int // loops that the statement is in
	// macros that the statement is in
	macros []*macro
}

func (p *parser) advance() token {
	t := p.tok
	if p.after != nil {
		p.tok, p.after = *p.after, nil
	} else {
		p.tok = p.lex.next()
	}
	return t
}

func (p *parser) look() token {
	if p.after == nil {
		t := p.lex.next()
		p.after = &t
	}
	return *p.after
}

// failf fails at the current token.
func (p *parser) failf(format string, args ...any) {
	p.lex.line = p.tok.line
	failf(format, args...)
}

func (p *parser) enter() {
	if p.depth++; p.depth > maxNesting {
		p.failf("the template nests more than %d levels deep", maxNesting)
	}
}

func (p *parser) leave() { p.depth-- }

func (p *parser) is(k kind, value string) bool { return p.tok.kind == k && p.tok.value == value }

func (p *parser) isOp(op string) bool    { return p.is(operator, op) }
func (p *parser) isName(n string) bool   { return p.is(name, n) }
func (p *parser) atBlockEnd() bool       { return p.is(end, "%}") }
func (p *parser) skipOp(op string) bool  { return p.skip(operator, op) }
func (p *parser) skipName(n string) bool { return p.skip(name, n) }

func (p *parser) skip(k kind, value string) bool {
	if !p.is(k, value) {
		return false
	}
	p.advance()
	return true
}

// expect passes a token that must be there.
func (p *parser) expect(k kind, value string) token {
	if p.tok.kind != k || value != "" && p.tok.value != value {
		if value == "" {
			value = "a name"
		}
		p.failf("unexpected %s, expected %s", p.tok, value)
	}
	return p.advance()
}

func (t token) String() string {
	switch t.kind {
	case eof:
		return "end of the template"
	case data:
		return "text"
	case str:
		return "a string"
	}
	if len(t.value) > 64 {
		return fmt.Sprintf("%.64q…", t.value)
	}
	return fmt.Sprintf("%q", t.value)
}

// body parses up to a tag that begins with one of the words, which becomes the
// current token; without words up to the end of the template.
func (p *parser) body(words ...string) (list []node) {
	p.enter()
	defer p.leave()
	var text *output
	add := func(e expr, line int) {
		if text == nil {
			text = &output{at: at(line)}
			list = append(list, text)
		}
		text.parts = append(text.parts, e)
	}
	for {
		switch t := p.advance(); {
		case t.kind == eof && len(words) == 0:
			return list
		case t.kind == eof:
			p.failf("the template ends before %s", words[len(words)-1])
		case t.kind == data:
			add(&constant{own(t.value)}, t.line)
		case t.value == "{{":
			add(p.expression(), t.line)
			p.expect(end, "}}")
		default:
			text = nil
			if p.tok.kind == name && slices.Contains(words, p.tok.value) {
				return list
			}
			list = append(list, p.statement())
			p.expect(end, "%}")
		}
	}
}

// block parses the body of a tag after its head, and passes the word that ends
// it.
func (p *parser) block(words ...string) (body []node, word string) {
	p.skipOp(":")
	p.expect(end, "%}")
	body = p.body(words...)
	return body, p.advance().value
}

func (p *parser) statement() node {
	t := p.expect(name, "")
	line := at(t.line)
	switch t.value {
	case "for":
		return p.forLoop(line)
	case "if":
		return p.ifElse()
	case "set":
		return p.set(line)
	case "macro":
		return p.macro()
	case "call":
		return p.callBlock(line)
	case "filter":
		inner := &captured{}
		f := p.filters(inner, true)
		inner.body, _ = p.block("endfilter")
		return &output{line, []expr{f}}
	case "with":
		return p.with(line)
	case "print":
		out := &output{at: line}
		for !p.atBlockEnd() {
			if out.parts != nil {
				p.expect(operator, ",")
			}
			out.parts = append(out.parts, p.condition())
		}
		return out
	case "generation":
		// It marks what the assistant wrote, for training.
		body, _ := p.block("endgeneration")
		return &with{body: body}
	case "block":
		label := p.expect(name, "").value
		p.skipName("scoped")
		body, _ := p.block("endblock")
		p.skipName(label)
		return &with{body: body}
	case "autoescape":
		if c, ok := p.condition().(*constant); !ok || truth(c.value) {
			p.failf("text is never escaped: autoescape can be false only")
		}
		body, _ := p.block("endautoescape")
		return &with{body: body}
	case "break", "continue":
		if p.loops == 0 {
			p.failf("%s stands in no loop", t.value)
		}
		if t.value == "break" {
			return breaking
		}
		return continuing
	case "include", "import", "from", "extends":
		p.failf("the tag %s: a chat template can take nothing from other files", t.value)
	}
	p.lex.line = t.line
	failf("there is no tag %s", t)
	return nil
}

func (p *parser) forLoop(line at) node {
	f := &forLoop{at: line, target: p.target(false, "in")}
	p.expect(name, "in")
	f.over = p.tuple(p.or, "recursive", "if")
	if p.skipName("if") {
		f.test = p.condition()
	}
	f.recursive = p.skipName("recursive")
	p.loops++
	var word string
	f.body, word = p.block("else", "endfor")
	p.loops--
	if word == "else" {
		f.otherwise, _ = p.block("endfor")
	}
	return f
}

func (p *parser) ifElse() node {
	f := &ifElse{}
	for {
		f.tests = append(f.tests, p.tuple(p.or))
		body, word := p.block("elif", "else", "endif")
		f.bodies = append(f.bodies, body)
		switch word {
		case "else":
			f.otherwise, _ = p.block("endif")
			return f
		case "endif":
			return f
		}
	}
}

func (p *parser) set(line at) node {
	target := p.target(true)
	if p.skipOp("=") {
		return &assign{line, target, p.expression()}
	}
	inner := &captured{}
	value := p.filters(inner, false)
	inner.body, _ = p.block("endset")
	return &assign{line, target, value}
}

// target parses what can be assigned to: a name, several, or, if members are
// allowed, an attribute of a namespace. It ends before one of the words.
func (p *parser) target(members bool, words ...string) expr {
	t := p.tuple(func() expr {
		if p.isOp("(") || p.isOp("[") {
			return p.primary()
		}
		n := p.expect(name, "")
		if members && p.skipOp(".") {
			return &member{at(n.line), n.value, p.expect(name, "").value}
		}
		return &variable{at(n.line), n.value}
	}, words...)
	p.assignable(t)
	return t
}

func (p *parser) assignable(e expr) {
	switch e := e.(type) {
	case *tupleOf:
		for _, item := range e.items {
			p.assignable(item)
		}
		return
	case *variable:
		if _, reserved := constants[e.name]; !reserved {
			return
		}
	case *member:
		return
	}
	p.failf("nothing can be assigned to this")
}

// signature parses the parameters of a macro or a call block.
func (p *parser) signature(m *macro) {
	p.expect(operator, "(")
	for !p.isOp(")") {
		if m.names != nil {
			p.expect(operator, ",")
		}
		m.names = append(m.names, p.expect(name, "").value)
		if p.skipOp("=") {
			m.defaults = append(m.defaults, p.condition())
		} else if m.defaults != nil {
			p.failf("a parameter without a default follows one with a default")
		}
	}
	p.advance()
}

// macroBody parses the body of a macro, in which no loop is open.
func (p *parser) macroBody(m *macro, word string) {
	loops := p.loops
	p.loops = 0
	p.macros = append(p.macros, m)
	m.body, _ = p.block(word)
	p.macros = p.macros[:len(p.macros)-1]
	p.loops = loops
}

func (p *parser) macro() node {
	m := &macro{name: p.expect(name, "").value, uses: map[string]bool{}}
	p.signature(m)
	p.macroBody(m, "endmacro")
	return m
}

func (p *parser) callBlock(line at) node {
	b := &callBlock{at: line, caller: &macro{name: "caller", uses: map[string]bool{}}}
	if p.isOp("(") {
		p.signature(b.caller)
	}
	c, ok := p.condition().(*call)
	if !ok {
		p.failf("a call block needs a call, such as {%% call f() %%}")
	}
	b.call = c
	p.macroBody(b.caller, "endcall")
	return b
}

func (p *parser) with(line at) node {
	w := &with{at: line}
	for !p.atBlockEnd() {
		if w.targets != nil {
			p.expect(operator, ",")
		}
		w.targets = append(w.targets, p.target(false))
		p.expect(operator, "=")
		w.values = append(w.values, p.condition())
	}
	w.body, _ = p.block("endwith")
	return w
}
