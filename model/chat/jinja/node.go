package jinja

// node is a statement; expr an expression.
type (
	node interface {
		exec(s *state, sc *scope) signal
	}
	expr interface {
		eval(s *state, sc *scope) Value
	}
)

// at is the line of a node in the template.
type at int

// Statements.
type (
	output struct { // a stretch of text and expressions
		at
		parts []expr
	}
	forLoop struct {
		at
		target          expr
		over            expr
		test            expr // nil: all
		recursive       bool
		body, otherwise []node
	}
	ifElse struct {
		tests     []expr
		bodies    [][]node
		otherwise []node
	}
	assign struct {
		at
		target, value expr
	}
	macro struct {
		name     string
		names    []string
		defaults []expr // of the last names
		body     []node
		// The variables that the body mentions. If varargs, kwargs or caller
		// is not among them, such arguments are mistakes.
		uses map[string]bool
	}
	callBlock struct { // {% call f() %}…{% endcall %}
		at
		call   *call
		caller *macro
	}
	with struct { // a body with a scope of its own, and variables of it
		at
		targets, values []expr
		body            []node
	}
)

// Expressions.
type (
	constant struct{ value Value }
	captured struct{ body []node } // what a body writes, as in {% set x %}…{% endset %}
	variable struct {
		at
		name string
	}
	member struct { // an attribute of a namespace, to assign to
		at
		name, attribute string
	}
	listOf  struct{ items []expr }
	tupleOf struct{ items []expr }
	dictOf  struct {
		at
		keys, values []expr
	}
	attribute struct {
		at
		of   expr
		name string
	}
	subscript struct {
		at
		of, key expr
	}
	sliceOf struct { // of a subscript
		at
		start, stop, step expr // may be nil
	}
	call struct {
		at
		function  expr
		arguments callArguments
	}
	application struct { // of a filter or a test
		at
		kind      string // filter or test
		of        expr
		name      string
		arguments callArguments
	}
	conditional struct { // a if b else c
		test, yes, no expr // no may be nil
	}
	logic struct { // and, or
		or          bool
		left, right expr
	}
	not     struct{ of expr }
	compare struct {
		at
		first     expr
		operators []string
		operands  []expr
	}
	binary struct {
		at
		operator    string
		left, right expr
	}
	signed struct {
		at
		sign int64 // 1 or -1
		of   expr
	}
	concat struct { // ~
		at
		parts []expr
	}
)

// callArguments are the arguments that a call is written with.
type callArguments struct {
	positional []expr
	names      []string // of the keyword arguments
	keywords   []expr
	list, dict expr // *list and **dict, or nil
}
