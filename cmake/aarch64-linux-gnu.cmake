# Debian's cross compiler for aarch64, with tests run by qemu (g++-aarch64-linux-gnu, qemu-user).
# Headers of libraries come from /usr/include, which that compiler shares; there are no aarch64
# libraries, so that only layers which need none can be linked: base, io, kernels and ann.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -L /usr/aarch64-linux-gnu)
# Header-only packages keep their CMake files with the build machine's.
list(APPEND CMAKE_PREFIX_PATH /usr/lib/x86_64-linux-gnu/cmake /usr/lib/cmake /usr/share/cmake)
