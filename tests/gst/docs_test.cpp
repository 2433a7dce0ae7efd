// docs/element.md against the elements: its tables of properties, signals and messages cannot drift
// from them.
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "case.h"
#include "live_rig.h"

using namespace player;

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

// Rows of the tables below the heading by what is between the first backticks.
std::map<std::string, std::string> documented_rows(const std::string& heading) {
  const char* path = g_getenv("INDEXTTS2_ELEMENT_DOC");
  fail_unless(path != nullptr, "INDEXTTS2_ELEMENT_DOC is not set");
  std::ifstream file(path);
  fail_unless(file.good(), "%s cannot be read", path);
  std::map<std::string, std::string> rows;
  bool inside = false;
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("## ", 0) == 0) inside = line == heading;
    if (!inside || line.rfind("| `", 0) != 0) continue;
    const std::string name = line.substr(3, line.find('`', 3) - 3);
    fail_unless(rows.emplace(name, line).second, "%s: %s has two rows", path, name.c_str());
  }
  return rows;
}

}  // namespace

namespace {

// Its own properties against the rows, which `row` says how they begin.
void check_properties(const char* factory, std::map<std::string, std::string> rows,
                      std::string (*row)(GParamSpec*)) {
  GstElement* element = gst_element_factory_make(factory, nullptr);
  fail_unless(element != nullptr, "no %s", factory);
  std::string wrong;
  guint count = 0;
  GParamSpec** specs = g_object_class_list_properties(G_OBJECT_GET_CLASS(element), &count);
  for (guint i = 0; i < count; ++i) {
    if (specs[i]->owner_type != G_OBJECT_TYPE(element)) continue;
    const std::string expected = row(specs[i]), got = rows[specs[i]->name];
    const bool described = got.size() > expected.size() + 10;
    if (got.compare(0, expected.size(), expected) != 0 || !described) {
      wrong +=
          "expected: " + expected + "... |\n     got: " + (got.empty() ? "no row" : got) + "\n";
    }
    rows.erase(specs[i]->name);
  }
  g_free(specs);
  gst_object_unref(element);
  for (const auto& [name, cells] : rows) wrong += "no such property: " + cells + "\n";
  fail_unless(wrong.empty(), "docs/element.md, properties of %s:\n%s", factory, wrong.c_str());
}

// Of a row of messages: the names in its second cell, up to a colon, without what is in brackets.
std::set<std::string> fields_of(const std::string& row) {
  const size_t begin = row.find(" | ") + 3;
  const std::string cell = row.substr(begin, row.rfind(" |") - begin);
  std::set<std::string> names;
  std::string name;
  int brackets = 0;
  for (const char letter : cell + ",") {
    if (letter == '(') ++brackets;
    if (brackets == 0 && (letter == ',' || letter == ':')) {
      if (!name.empty()) names.insert(name);
      name.clear();
      if (letter == ':') break;
    } else if (brackets == 0 && letter != ' ') {
      name += letter;
    }
    if (letter == ')') --brackets;
  }
  return names;
}

std::string joined(const std::set<std::string>& names) {
  std::string all;
  for (const std::string& name : names) all += (all.empty() ? "" : ", ") + name;
  return all;
}

}  // namespace

CASE(element_md_lists_every_property) {
  check_properties("indextts2src", documented_rows("## Properties"), row_of);
}

CASE(element_md_lists_every_caption_property) {
  check_properties("indextts2caption", documented_rows("## Captions: indextts2caption"),
                   [](GParamSpec* spec) {
                     const Cells cells = cells_of(spec);
                     return "| `" + std::string(spec->name) + "` | " + cells.type + " | " +
                            cells.def + " | " + cells.range + " | ";
                   });
}

CASE(element_md_lists_every_signal) {
  GstElement* const element = gst_element_factory_make("indextts2src", nullptr);
  std::map<std::string, std::string> rows = documented_rows("## Queue");
  for (const auto& [name, row] : documented_rows("## Devices")) {
    rows[name.substr(0, name.find(' '))] = row;  // with its types in the backticks
  }
  guint count = 0;
  guint* const ids = g_signal_list_ids(G_OBJECT_TYPE(element), &count);
  for (guint i = 0; i < count; ++i) {
    const std::string name = g_signal_name(ids[i]);
    fail_unless(rows.erase(name) == 1, "docs/element.md has no row of the signal %s", name.c_str());
  }
  g_free(ids);
  gst_object_unref(element);
  for (const auto& [name, row] : rows) fail("docs/element.md: no such signal: %s", row.c_str());
}

// Every message once, in a stream that goes through all of them.
CASE(element_md_lists_every_message) {
  LiveRig rig("segment-gap=0");
  const guint64 long_one = rig.speak_full(
      "text=\"First <mark name=\\\"here\\\"/> one. The second of them.\", use-markup=true");
  rig.wait_spoken(2);
  rig.step_to_sound(long_one);
  const guint64 late = rig.speak_full("text=Late., ttl=(guint64)1");
  const guint64 alarm = rig.speak_full("text=Fire., priority=5");
  rig.wait_spoken(4);
  for (const guint64 id : {late, alarm, long_one}) rig.step_to_end(id);
  std::map<std::string, std::string> rows = documented_rows("## Messages");
  rows["indextts2/segment-end"] = rows["indextts2/segment-start"];
  rows["indextts2/utterance-resumed"] = rows["indextts2/utterance-start"];
  std::set<std::string> told;
  for (const LiveMessage& message : rig.messages()) {
    const auto row = rows.find(message.full_name);
    fail_unless(row != rows.end(), "docs/element.md has no row of %s", message.full_name.c_str());
    check_text(joined(message.fields), joined(fields_of(row->second)));
    told.insert(message.full_name);
  }
  for (const auto& [name, row] : rows) fail_unless(told.count(name) == 1, "%s", name.c_str());
}

RUN_CASES("docs")
