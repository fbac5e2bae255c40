# Everything comes from the distribution; ./bootstrap.sh installs it. The last word of each message is the remedy.
find_package(PkgConfig REQUIRED)
pkg_check_modules(UV REQUIRED IMPORTED_TARGET libuv)
pkg_check_modules(PCAP REQUIRED IMPORTED_TARGET libpcap)
pkg_check_modules(SSL REQUIRED IMPORTED_TARGET openssl>=3.0)
pkg_check_modules(NL REQUIRED IMPORTED_TARGET libnl-3.0 libnl-route-3.0)
pkg_check_modules(SECCOMP REQUIRED IMPORTED_TARGET libseccomp)
pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib)
pkg_check_modules(INIH REQUIRED IMPORTED_TARGET inih)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
find_library(WSLAY_LIBRARY wslay) # ships no .pc file in Debian
find_path(WSLAY_INCLUDE_DIR wslay/wslay.h)
if(NOT WSLAY_LIBRARY OR NOT WSLAY_INCLUDE_DIR)
  message(FATAL_ERROR "wslay not found: apt install libwslay-dev (./bootstrap.sh build does it)")
endif()

add_library(tether_deps INTERFACE)
target_include_directories(tether_deps INTERFACE ${WSLAY_INCLUDE_DIR})
target_link_libraries(tether_deps INTERFACE PkgConfig::UV PkgConfig::PCAP PkgConfig::SSL PkgConfig::NL PkgConfig::SECCOMP
                                            PkgConfig::ZLIB PkgConfig::INIH PkgConfig::JANSSON ${WSLAY_LIBRARY})
