# springg_target(name): what every springg library and program is compiled with. Warnings are errors
# for developers only (SPRINGG_WERROR): a user's newer compiler must not stop a build.
function(springg_target name)
  if(SPRINGG_WERROR)
    target_compile_options(${name} PRIVATE -Wall -Wextra -Wshadow -Wconversion -Werror)
    if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
      target_compile_options(${name} PRIVATE -Wno-restrict)  # mistaken on strings: GCC bug 105651
    endif()
    if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
      target_compile_options(${name} PRIVATE -Wthread-safety)
    endif()
  endif()
  if(SPRINGG_SANITIZE)
    target_compile_options(${name} PRIVATE -fsanitize=${SPRINGG_SANITIZE}
      -fno-omit-frame-pointer -fno-sanitize-recover=all)
    target_link_options(${name} PUBLIC -fsanitize=${SPRINGG_SANITIZE})
  endif()
  if(SPRINGG_COVERAGE)
    target_compile_options(${name} PRIVATE --coverage -fprofile-update=atomic)
    target_link_options(${name} PUBLIC --coverage)
  endif()
endfunction()
