package docs

import (
	"encoding/json"
	"go/ast"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const narration = "docs/narration.md"

// rows returns the first cells of the table below a heading.
func rows(text, heading string) (names []string) {
	_, section, _ := strings.Cut(text, "\n### "+heading+"\n")
	section, _, _ = strings.Cut(section, "\n### ")
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(section, -1) {
		names = append(names, row[1])
	}
	slices.Sort(names)
	return names
}

// tags returns the fields that the types of some files have in JSON: name and
// type by the type that has them. What is embedded has the empty name.
func tags(t *testing.T, files ...string) map[string]map[string]string {
	t.Helper()
	types := map[string]map[string]string{}
	for _, file := range files {
		_, tree := parseFile(t, file)
		ast.Inspect(tree, func(node ast.Node) bool {
			spec, ok := node.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if structure, ok := spec.Type.(*ast.StructType); ok {
				types[spec.Name.Name] = structTags(structure)
			}
			return false
		})
	}
	return types
}

func structTags(structure *ast.StructType) map[string]string {
	fields := map[string]string{}
	for _, field := range structure.Fields.List {
		kind := field.Type
		for name := ""; name == ""; {
			switch k := kind.(type) {
			case *ast.StarExpr:
				kind = k.X
			case *ast.ArrayType:
				kind = k.Elt
			case *ast.Ident:
				name = k.Name
			default:
				name = "-"
			}
			if name != "" && field.Tag != nil {
				tag := reflect.StructTag(strings.Trim(field.Tag.Value, "`")).Get("json")
				tag, _, _ = strings.Cut(tag, ",")
				fields[tag] = name
			} else if name != "" && field.Names == nil {
				fields[""] = name
			}
		}
	}
	return fields
}

// spell lists the fields of a type with a dot between outer and inner ones.
func spell(types map[string]map[string]string, name, prefix string) (all []string) {
	for field, kind := range types[name] {
		switch {
		case field == "":
			all = append(all, spell(types, kind, prefix)...)
			continue
		case kind != "object":
			all = append(all, spell(types, kind, prefix+field+".")...)
		}
		all = append(all, prefix+field)
	}
	slices.Sort(all)
	return all
}

// The page names every field that -v=json has, and no other.
func TestNarrationFields(t *testing.T) {
	projectFiles(t)
	types := tags(t, "shared/narrate/json.go", "shared/narrate/narrate.go")
	want := spell(types, "object", "")
	got := rows(string(read(t, narration)), "Fields")
	for _, name := range want {
		if !slices.Contains(got, name) {
			t.Errorf("%s does not say what the field %s is", narration, name)
		}
	}
	for _, name := range got {
		if !slices.Contains(want, name) {
			t.Errorf("%s has a field %s, shared/narrate has none", narration, name)
		}
	}
	if len(want) < 30 {
		t.Errorf("only %d fields found: %v", len(want), want)
	}
}

// The page names every kind of object, and no other.
func TestNarrationKinds(t *testing.T) {
	projectFiles(t)
	code := string(read(t, "shared/narrate/json.go")) + string(read(t, "shared/narrate/log.go"))
	kinds := map[string]bool{}
	for _, match := range regexp.MustCompile(`(?:Kind: |describe\(c, )"([a-z]+)"`).FindAllStringSubmatch(code, -1) {
		kinds[match[1]] = true
	}
	want := slices.Sorted(maps.Keys(kinds))
	if got := rows(string(read(t, narration)), "Kinds"); !slices.Equal(got, want) {
		t.Errorf("%s has the kinds %v, shared/narrate %v", narration, got, want)
	}
}

// The page's examples have the fields that it describes, and every kind of
// object that is hard to imagine has one.
func TestNarrationExamples(t *testing.T) {
	projectFiles(t)
	text := string(read(t, narration))
	fields := rows(text, "Fields")
	seen := map[string]bool{}
	for _, block := range regexp.MustCompile("(?ms)^```json\n(.*?)^```").FindAllStringSubmatch(text, -1) {
		for line := range strings.Lines(block[1]) {
			var object map[string]any
			if err := json.Unmarshal([]byte(line), &object); err != nil {
				t.Errorf("%s: %v in %s", narration, err, line)
			}
			for name := range object {
				if !slices.Contains(fields, name) {
					t.Errorf("%s: no field %s: %s", narration, name, line)
				}
			}
			seen[object["kind"].(string)] = true
		}
	}
	for _, kind := range rows(text, "Kinds") {
		if !seen[kind] {
			t.Errorf("%s has no example of kind %s", narration, kind)
		}
	}
}
