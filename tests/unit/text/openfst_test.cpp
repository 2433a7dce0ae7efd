// Compares the grammar runner with OpenFst's own composition and shortest path.
#include <fst/compose.h>
#include <fst/shortest-path.h>
#include <fst/vector-fst.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "text/grammar.h"
#include "text/token_reorder.h"

namespace indextts2 {
namespace {

// The best path as OpenFst alone finds it.
std::string apply_openfst(const fst::StdVectorFst& transducer, const std::string& text) {
  fst::StdVectorFst input, lattice, best;
  input.SetStart(input.AddState());
  for (const char c : text) {
    const int byte = static_cast<unsigned char>(c), from = input.NumStates() - 1;
    input.AddArc(from, fst::StdArc(byte, byte, 0, input.AddState()));
  }
  input.SetFinal(input.NumStates() - 1, 0);
  fst::Compose(input, transducer, &lattice);
  fst::ShortestPath(lattice, &best, /*nshortest=*/1, /*unique=*/true);
  std::string out;
  for (int state = best.Start(); best.NumArcs(state) > 0;) {
    const fst::StdArc arc = fst::ArcIterator<fst::StdVectorFst>(best, state).Value();
    if (arc.olabel) out += static_cast<char>(arc.olabel);
    state = arc.nextstate;
  }
  return out;
}

// Many readings of numbers cost the same, the more the longer the text: the choice must be
// OpenFst's.
TEST(OpenFst, ChoosesAmongEqualPathsTheSame) {
  const std::string english =
      "Version 2.0.1 costs $139.99 or 1,000,000 yen (5-6 of 1/2). Call 1-800-555-0199 on "
      "12/25/2023, "
      "at 3:45 p.m. by 5 o'clock! No. 5, Vol. 2, pp. 10-12; 3 lb 5 oz, 6 ft 2 in, 10 km/h, 24/7. ";
  const std::string chinese =
      "电话+86-138-1234-5678，2023年12月31日23:59:59，比分3:2，1/"
      "3的人，-5℃，￥99.9元，第3名，1,000,000元。";
  for (const auto& [name, text] : {std::pair("en", english), std::pair("en", english + english),
                                   std::pair("zh", chinese), std::pair("zh", chinese + chinese)}) {
    const std::string stem = GRAMMAR_DIR + ("/" + std::string(name)) + "_tn_";
    const std::unique_ptr<fst::StdVectorFst> tagger(fst::StdVectorFst::Read(stem + "tagger.fst"));
    const std::unique_ptr<fst::StdVectorFst> verbalizer(
        fst::StdVectorFst::Read(stem + "verbalizer.fst"));
    ASSERT_TRUE(tagger && verbalizer);
    float cost = 0;
    const std::string tagged = Transducer(stem + "tagger.fst").apply(text, &cost).value_or("none");
    EXPECT_EQ(tagged, apply_openfst(*tagger, text));
    EXPECT_GT(cost, 0);
    const std::string reordered =
        reorder_tokens(tagged, name[0] == 'e' ? Language::kEnglish : Language::kChinese);
    cost = 0;
    EXPECT_EQ(Transducer(stem + "verbalizer.fst").apply(reordered, &cost),
              apply_openfst(*verbalizer, reordered));
  }
}

}  // namespace
}  // namespace indextts2
