package api

import (
	"encoding"
	"encoding/json"
	"net/http"
	"reflect"
	"regexp"
	"strings"
	"time"
)

// object is a JSON object of the document.
type object = map[string]any

// openAPI answers with the OpenAPI document. Everybody may read it: it is the
// same everywhere.
func (s *Server) openAPI(w http.ResponseWriter, _ *http.Request) {
	octets, err := json.MarshalIndent(document(), "", " ")
	if err != nil {
		s.Log.Error("the OpenAPI document could not be made", "error", err)
		write(w, problem{Status: http.StatusInternalServerError, Detail: "The document could not be made."})
		return
	}
	w.Header().Set("Content-Type", mediaJSON)
	_, _ = w.Write(octets)
}

var inBraces = regexp.MustCompile(`\{(\w+)\}`)

// document is the OpenAPI document of the routes. Their bodies and answers are
// described from the types that the handlers use.
func document() object {
	paths := object{}
	for _, r := range routes() {
		at, ok := paths[r.path].(object)
		if !ok {
			at = object{}
			paths[r.path] = at
		}
		at[strings.ToLower(r.method)] = r.operation()
	}
	return object{
		"openapi":  "3.1.0",
		"info":     object{"title": "Sealist", "version": "1", "description": "Each resource does what the command of listmaster in parentheses does, and may be used by whom the resource's description, the token's scope and the person's roles allow. An answer that is an array has at most 1000 entries; a Link field with rel=\"next\" leads to the next ones (RFC 8288)."},
		"servers":  []object{{"url": Base}},
		"security": []object{{"token": []string{}}},
		"paths":    paths,
		"components": object{
			"securitySchemes": object{"token": object{"type": "http", "scheme": "bearer", "description": "`listmaster token add --for ADDRESS` makes one."}},
			"schemas":         object{"Problem": schema(reflect.TypeFor[problem]())},
			"responses":       object{"Problem": object{"description": "What is the matter, as RFC 9457 has it.", "content": object{"application/problem+json": object{"schema": object{"$ref": "#/components/schemas/Problem"}}}}},
		},
	}
}

// operation describes a route.
func (r route) operation() object {
	parameters := []object{}
	for _, name := range inBraces.FindAllStringSubmatch(r.path, -1) {
		parameters = append(parameters, object{"name": name[1], "in": "path", "required": true, "schema": object{"type": "string"}})
	}
	query := r.query
	if r.answer.Kind() == reflect.Slice {
		query = append([]string{"limit", "offset"}, query...)
	}
	for _, name := range query {
		parameters = append(parameters, object{"name": name, "in": "query", "schema": object{"type": "string"}})
	}
	problems := object{"$ref": "#/components/responses/Problem"}
	o := object{
		"summary":    r.summary,
		"x-scope":    string(r.scope),
		"parameters": parameters,
		"responses": object{
			"200":     object{"description": "Done.", "content": object{r.gives: object{"schema": schema(r.answer)}}},
			"default": problems,
		},
	}
	if r.takes != "" {
		body := object{"type": "string"}
		if r.body != nil {
			body = schema(r.body)
		}
		o["requestBody"] = object{"required": true, "content": object{r.takes: object{"schema": body}}}
	}
	return o
}

var (
	marshalsText = reflect.TypeFor[encoding.TextMarshaler]()
	marshalsJSON = reflect.TypeFor[json.Marshaler]()
)

// schema describes a type as encoding/json writes it.
func schema(t reflect.Type) object {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}
	case t.Kind() == reflect.Pointer:
		s := schema(t.Elem())
		if kind, ok := s["type"].(string); ok {
			s["type"] = []string{kind, "null"}
		}
		return s
	case t.Implements(marshalsJSON):
		return object{} // it writes what it likes
	case t.Implements(marshalsText):
		return object{"type": "string"}
	}
	switch t.Kind() {
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.String:
		return object{"type": "string"}
	case reflect.Float32, reflect.Float64:
		return object{"type": "number"}
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			return object{"type": "string", "contentEncoding": "base64"}
		}
		return object{"type": []string{"array", "null"}, "items": schema(t.Elem())}
	case reflect.Map:
		return object{"type": []string{"object", "null"}, "additionalProperties": schema(t.Elem())}
	case reflect.Struct:
		properties, required := object{}, []string{}
		fields(t, func(name string, f reflect.Type, always bool) {
			properties[name] = schema(f)
			if always {
				required = append(required, name)
			}
		})
		return object{"type": "object", "properties": properties, "required": required}
	case reflect.Interface:
		return object{}
	}
	return object{"type": "integer"}
}

// fields gives the fields of a struct as encoding/json names them. always is set
// for what is never left out.
func fields(t reflect.Type, give func(name string, f reflect.Type, always bool)) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && name == "" && f.Type.Kind() == reflect.Struct {
			fields(f.Type, give)
			continue
		}
		if !f.IsExported() || name == "-" {
			continue
		}
		if name == "" {
			name = f.Name
		}
		give(name, f.Type, !strings.Contains(options, "omit"))
	}
}
