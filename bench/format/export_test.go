package format

// For the tests of what other packages write, which import this one.
const Schemas = schemas

var (
	Checked       = checked
	CheckFieldsOf = checkFieldsOf
)
