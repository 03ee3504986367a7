# The kernels layer: one object library for each instruction set, with its flags on it alone.
# Kernel objects are always optimised, never LTO'd and without exceptions, so that no
# function compiled for a newer processor stands in elsewhere (tests/tidy/check_symbols.py); no
# compiler may fuse or reorder their arithmetic by itself.
function(springg_kernel_object isa)
  set(name springg_kernel_${isa})
  add_library(${name} OBJECT ${CMAKE_CURRENT_SOURCE_DIR}/src/kernels/isa_${isa}.cpp)
  target_include_directories(${name} PRIVATE include src)
  target_link_libraries(${name} PRIVATE xsimd)
  springg_target(${name})
  target_compile_options(${name} PRIVATE
    -O2 -fno-exceptions -fno-lto -ffp-contract=off -fno-fast-math ${ARGN})
  if(SPRINGG_SANITIZE MATCHES address)
    # A kernel is one function with thousands of inlined scopes: GCC takes minutes to guard each.
    target_compile_options(${name} PRIVATE -fno-sanitize-address-use-after-scope)
  endif()
  target_sources(springg_kernels PRIVATE $<TARGET_OBJECTS:${name}>)
endfunction()

function(springg_kernels_layer)
  add_library(springg_kernels STATIC src/kernels/dispatch.cpp src/kernels/cpu_features.cpp)
  target_include_directories(springg_kernels PUBLIC include PRIVATE src)
  target_link_libraries(springg_kernels PUBLIC springg_base)
  springg_target(springg_kernels)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
    set(avx512 -mavx2 -mfma -mf16c -mpopcnt -mavx512f -mavx512cd -mavx512bw -mavx512vl -mavx512dq
      -mprefer-vector-width=512)
    if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
      # GCC's own AVX-512 header leaves what a mask overwrites undefined (GCC bug 105593).
      list(APPEND avx512 -Wno-maybe-uninitialized -Wno-uninitialized)
    endif()
    springg_kernel_object(sse2)
    springg_kernel_object(avx2 -mavx2 -mfma -mf16c -mpopcnt)
    springg_kernel_object(avx512 ${avx512})
    springg_kernel_object(avx512vnni ${avx512} -mavx512vnni -mavx512vpopcntdq)
  elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64|ARM64)$")
    springg_kernel_object(neon)
  else()
    message(FATAL_ERROR "springg has kernels for x86-64 and aarch64, not for "
      "'${CMAKE_SYSTEM_PROCESSOR}'")
  endif()
endfunction()
