// SPDX-License-Identifier: MIT
#include "base/uuid.h"

#include <set>

#include "catch.h"

namespace springg::base {

TEST_CASE("a uuid's text goes there and back") {
  const std::string text = "00112233-4455-6677-8899-aabbccddeeff";
  const auto uuid = Uuid::parse(text);
  REQUIRE(uuid);
  CHECK(uuid->to_string() == text);
  CHECK(uuid->bytes[0] == 0x00);
  CHECK(uuid->bytes[15] == 0xff);
  CHECK(Uuid::parse("00112233-4455-6677-8899-AABBCCDDEEFF") == uuid);
}

TEST_CASE("other texts are no uuid") {
  for (const char* text :
       {"", "00112233-4455-6677-8899-aabbccddeef", "00112233-4455-6677-8899-aabbccddeeff0",
        "00112233x4455-6677-8899-aabbccddeeff", "0011223-34455-6677-8899-aabbccddeeff",
        "00112233-4455-6677-8899-aabbccddeefg", "00112233445566778899aabbccddeeff----"}) {
    INFO(text);
    CHECK_FALSE(Uuid::parse(text));
  }
}

TEST_CASE("random uuids are version 4 and differ") {
  std::set<Uuid> seen;
  for (int i = 0; i < 200; ++i) {
    const Uuid uuid = Uuid::random();
    CHECK(uuid.bytes[6] >> 4 == 4);
    CHECK(uuid.bytes[8] >> 6 == 2);
    CHECK_FALSE(uuid.nil());
    CHECK(seen.insert(uuid).second);
  }
  CHECK(Uuid{}.nil());
}

}  // namespace springg::base
