# System libraries. A missing one stops here with the line that installs it.
function(springg_missing what apt brew conda)
  message(FATAL_ERROR "springg needs ${what}, which was not found.\n"
    "  Debian, Ubuntu: sudo apt-get install ${apt}\n"
    "  macOS:          brew install ${brew}\n"
    "  conda:          conda install -c conda-forge ${conda}\n"
    "`make deps` installs all that springg needs on Debian.")
endfunction()

find_package(Threads REQUIRED)
find_package(PkgConfig QUIET)

find_package(xsimd 8.1 CONFIG QUIET)
if(NOT xsimd_FOUND)
  springg_missing("xsimd >= 8.1" libxsimd-dev xsimd xsimd)
endif()

find_package(simdjson CONFIG QUIET)
if(NOT simdjson_FOUND)
  springg_missing("simdjson" libsimdjson-dev simdjson simdjson)
endif()

find_package(tsl-robin-map CONFIG QUIET)
if(NOT tsl-robin-map_FOUND)
  springg_missing("robin-map" robin-map-dev robin-map robin-map)
endif()

# xxHash is used from its header alone, inlined: nothing is linked.
find_path(XXHASH_INCLUDE_DIR xxhash.h)
if(NOT XXHASH_INCLUDE_DIR)
  springg_missing("xxHash" libxxhash-dev xxhash xxhash)
endif()
add_library(springg_xxhash INTERFACE)
target_include_directories(springg_xxhash SYSTEM INTERFACE ${XXHASH_INCLUDE_DIR})

if(SPRINGG_BUILD_TESTS)
  find_package(Catch2 CONFIG QUIET)
  if(NOT Catch2_FOUND)
    springg_missing("Catch2 (tests)" catch2 catch2 catch2)
  endif()
endif()
