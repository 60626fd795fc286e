package api

import (
	"errors"
	"strings"
)

// ErrNotFound says that what the request names does not exist; it is answered as 404.
var ErrNotFound = errors.New("not found")

// FieldError says what is wrong with one field of a request.
type FieldError struct {
	Field  string `json:"field"` // dotted JSON name, or the query parameter
	Detail string `json:"detail"`
}

// Invalid is a request that cannot be carried out as it stands; it is answered as 422 with its fields.
type Invalid struct {
	Fields []FieldError
}

func (e *Invalid) Error() string {
	parts := make([]string, len(e.Fields))
	for i, f := range e.Fields {
		parts[i] = f.Field + ": " + f.Detail
	}
	return strings.Join(parts, "; ")
}

// Refused is a well-formed request that policy does not allow, such as a drop of a never-block address; it is answered as 409.
type Refused struct {
	Reason string
}

func (e *Refused) Error() string { return e.Reason }
