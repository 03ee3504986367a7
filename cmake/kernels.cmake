# The kernels layer: one object library for each instruction set, with its flags on it alone.
# Kernel objects are always optimised, never LTO'd and without exceptions (DESIGN rule 9).
function(springg_kernel_object isa)
  set(name springg_kernel_${isa})
  add_library(${name} OBJECT ${CMAKE_CURRENT_SOURCE_DIR}/src/kernels/isa_${isa}.cpp)
  target_include_directories(${name} PRIVATE include src)
  target_link_libraries(${name} PRIVATE xsimd)
  target_compile_options(${name} PRIVATE -O2 -fno-exceptions -fno-lto ${ARGN})
  springg_target(${name})
  target_link_libraries(springg_kernels PRIVATE $<BUILD_INTERFACE:${name}>)
  target_sources(springg_kernels PRIVATE $<TARGET_OBJECTS:${name}>)
endfunction()

function(springg_kernels_layer)
  add_library(springg_kernels STATIC src/kernels/dispatch.cpp)
  target_include_directories(springg_kernels PUBLIC include PRIVATE src)
  target_link_libraries(springg_kernels PUBLIC springg_base)
  springg_target(springg_kernels)
endfunction()
