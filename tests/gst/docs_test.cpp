// docs/element.md against the element: the table of properties cannot drift from the class.
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "case.h"

namespace {

// As short as it goes: 0.8, not 0.800000.
template <typename T>
std::string number(T value) {
  std::ostringstream text;
  text << value;
  return text.str();
}

template <typename T>
std::string range(T minimum, T maximum, T largest) {
  return number(minimum) + ".." + (maximum == largest ? "max" : number(maximum));
}

// Cells of one row: type, default, range.
struct Cells {
  std::string type, def, range;
};

Cells enum_cells(GParamSpec* spec) {
  GEnumClass* values = G_PARAM_SPEC_ENUM(spec)->enum_class;
  Cells cells{"enum", "", ""};
  for (guint i = 0; i < values->n_values; ++i) {
    cells.range += (i == 0 ? "" : ", ") + std::string(values->values[i].value_nick);
  }
  cells.def = g_enum_get_value(values, G_PARAM_SPEC_ENUM(spec)->default_value)->value_nick;
  return cells;
}

Cells cells_of(GParamSpec* spec) {
  if (G_IS_PARAM_SPEC_ENUM(spec)) return enum_cells(spec);
  if (G_IS_PARAM_SPEC_BOOLEAN(spec)) {
    return {"boolean", G_PARAM_SPEC_BOOLEAN(spec)->default_value ? "true" : "false", ""};
  }
  if (G_IS_PARAM_SPEC_STRING(spec)) {
    const char* def = G_PARAM_SPEC_STRING(spec)->default_value;
    return {"string", !def ? "NULL" : *def ? def : "empty", ""};
  }
  if (G_IS_PARAM_SPEC_INT(spec)) {
    auto* s = G_PARAM_SPEC_INT(spec);
    return {"int", number(s->default_value), range(s->minimum, s->maximum, G_MAXINT)};
  }
  if (G_IS_PARAM_SPEC_UINT(spec)) {
    auto* s = G_PARAM_SPEC_UINT(spec);
    return {"uint", number(s->default_value), range(s->minimum, s->maximum, G_MAXUINT)};
  }
  if (G_IS_PARAM_SPEC_UINT64(spec)) {
    auto* s = G_PARAM_SPEC_UINT64(spec);
    return {"uint64", number(s->default_value), range(s->minimum, s->maximum, G_MAXUINT64)};
  }
  if (G_IS_PARAM_SPEC_INT64(spec)) {
    auto* s = G_PARAM_SPEC_INT64(spec);
    return {"int64", number(s->default_value), range(s->minimum, s->maximum, G_MAXINT64)};
  }
  if (G_IS_PARAM_SPEC_DOUBLE(spec)) {
    auto* s = G_PARAM_SPEC_DOUBLE(spec);
    return {"double", number(s->default_value), range(s->minimum, s->maximum, G_MAXDOUBLE)};
  }
  if (GST_IS_PARAM_SPEC_ARRAY_LIST(spec)) {
    const Cells element = cells_of(GST_PARAM_SPEC_ARRAY_LIST(spec)->element_spec);
    return {"GstArray of " + element.type, "empty", element.range + " each"};
  }
  return {g_type_name(spec->value_type), "", ""};
}

std::string mutability(GParamSpec* spec) {
  if (!(spec->flags & G_PARAM_WRITABLE)) return "read-only";
  if (spec->flags & GST_PARAM_MUTABLE_PLAYING) return "PLAYING";
  return spec->flags & GST_PARAM_MUTABLE_READY ? "READY" : "?";
}

// The start of the row that docs/element.md must have; a sentence for people follows in it.
std::string row_of(GParamSpec* spec) {
  const Cells cells = cells_of(spec);
  return "| `" + std::string(spec->name) + "` | " + cells.type + " | " + cells.def + " | " +
         cells.range + " | " + mutability(spec) + " | ";
}

// Rows of the table below the heading "## Properties" by what is between the first backticks.
std::map<std::string, std::string> documented_rows() {
  const char* path = g_getenv("INDEXTTS2_ELEMENT_DOC");
  fail_unless(path != nullptr, "INDEXTTS2_ELEMENT_DOC is not set");
  std::ifstream file(path);
  fail_unless(file.good(), "%s cannot be read", path);
  std::map<std::string, std::string> rows;
  bool inside = false;
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("## ", 0) == 0) inside = line == "## Properties";
    if (!inside || line.rfind("| `", 0) != 0) continue;
    const std::string name = line.substr(3, line.find('`', 3) - 3);
    fail_unless(rows.emplace(name, line).second, "%s: %s has two rows", path, name.c_str());
  }
  return rows;
}

}  // namespace

CASE(element_md_lists_every_property) {
  GstElement* element = gst_element_factory_make("indextts2src", nullptr);
  fail_unless(element != nullptr, "no indextts2src");
  std::map<std::string, std::string> rows = documented_rows();
  std::string wrong;
  guint count = 0;
  GParamSpec** specs = g_object_class_list_properties(G_OBJECT_GET_CLASS(element), &count);
  for (guint i = 0; i < count; ++i) {
    if (specs[i]->owner_type != G_OBJECT_TYPE(element)) continue;
    const std::string expected = row_of(specs[i]), got = rows[specs[i]->name];
    const bool described = got.size() > expected.size() + 10;
    if (got.compare(0, expected.size(), expected) != 0 || !described) {
      wrong +=
          "expected: " + expected + "... |\n     got: " + (got.empty() ? "no row" : got) + "\n";
    }
    rows.erase(specs[i]->name);
  }
  g_free(specs);
  gst_object_unref(element);
  for (const auto& [name, row] : rows) wrong += "no such property: " + row + "\n";
  fail_unless(wrong.empty(), "docs/element.md, Properties:\n%s", wrong.c_str());
}

RUN_CASES("docs")
