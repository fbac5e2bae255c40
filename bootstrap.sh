#!/usr/bin/env bash
# From a fresh Debian or Ubuntu machine to a running tether: installs what is missing, builds, shows, tests, installs.
# Root is taken by sudo, only for the steps that need it: packages, network namespaces, writing below the prefix.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"
export PYTHONDONTWRITEBYTECODE=1

BUILD_PACKAGES=(build-essential cmake ninja-build pkg-config libuv1-dev libwslay-dev libpcap-dev libssl-dev libnl-3-dev
                libnl-route-3-dev libseccomp-dev zlib1g-dev libinih-dev libjansson-dev nftables iproute2)
LAB_PACKAGES=(python3 python3-websockets iputils-ping traceroute tcpdump curl ethtool util-linux procps)
TEST_PACKAGES=(libcmocka-dev strace openvpn iperf3 clang git openssl tinyproxy-bin udhcpc dnsmasq-base)
BROWSER_PACKAGES=(chromium chromium-driver)
BENCH_PACKAGES=(libcmocka-dev iperf3 openvpn openssl valgrind)
BENCH_PEERS=(vtun tinc ocserv openconnect) # compared where the distribution has them
BUILD_TYPE_OF_INSTALL=release

usage() {
  cat <<'TEXT'
usage: ./bootstrap.sh COMMAND

  demo                   install what is needed, build, and show a laptop browsing through a phone's browser on this machine
  test                   the same set-up plus the test packages, then every test
  bench                  the same set-up plus other tunnels to compare with, and a short benchmark of all of them (5 minutes)
  build                  install what is needed and build build/release/tether
  install [--prefix P]   build, then install to P (default /usr/local)
  help                   this text

Needs Debian or Ubuntu for the packages and Linux for the demo and the tests.
TEXT
}

say() { printf '\n== %s\n' "$*"; }
fail() { printf 'bootstrap.sh: %s\n' "$*" >&2; exit 1; }

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo --preserve-env=PYTHONDONTWRITEBYTECODE,CI "$@"
  else
    fail "this step needs root and there is no sudo: $*"
  fi
}

installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }
# Not by a pipe into `grep -q`, which ends at its match: what still writes then fails, and under pipefail so does the answer.
installable() { [[ $(apt-cache policy "$1" 2>/dev/null) =~ Candidate:\ [^\(] ]]; }

apt_updated=no
apt_update() {
  [ "$apt_updated" = no ] || return 0
  apt_updated=yes
  as_root apt-get -q -o DPkg::Lock::Timeout=120 update || echo "bootstrap.sh: apt-get update failed; going on with the old lists" >&2
}

# Install what is missing of the named packages; touches nothing, and needs no root, when all are there.
need() {
  local missing=() package
  command -v dpkg-query >/dev/null && command -v apt-get >/dev/null ||
    fail "this is not Debian or Ubuntu; install what corresponds to these packages, then use cmake --preset dev: $*"
  for package in "$@"; do
    installed "$package" || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  say "installing ${missing[*]}"
  apt_update
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=120 install --no-install-recommends \
    "${missing[@]}" || fail "apt-get could not install: ${missing[*]}"
}

# Chromium and its driver where the distribution has them as packages; without them the browser's tests are skipped loudly.
want_browser() {
  local package
  for package in "${BROWSER_PACKAGES[@]}"; do
    if ! installed "$package"; then
      apt_update
      installable "$package" || { echo "bootstrap.sh: no package $package here: going on without a real browser" >&2; return 0; }
    fi
  done
  need "${BROWSER_PACKAGES[@]}"
}

# The tests want coturn's programs only: the TURN service its package starts is stopped again.
want_coturn() {
  installed coturn && return 0
  need coturn
  [ ! -d /run/systemd/system ] || as_root systemctl disable --quiet --now coturn
}

fuzzer_works() { echo 'int LLVMFuzzerTestOneInput(const char *d, unsigned long n) { return d && n > 99; }' |
  clang -x c -fsanitize=fuzzer,address - -o /dev/null 2>/dev/null; }

# libFuzzer's runtime is a package of its own whose name carries clang's version.
want_fuzzer_runtime() {
  local major package
  fuzzer_works && return 0
  major=$(clang -dumpversion | cut -d. -f1)
  apt_update
  for package in "libclang-rt-$major-dev" "libclang-common-$major-dev"; do
    if installable "$package"; then
      need "$package"
      fuzzer_works && return 0
    fi
  done
  fail "clang $major cannot link -fsanitize=fuzzer: install its compiler-rt package"
}

# An emulator and what boots in it, for one test; without Node.js or Debian's kernel for i386 that test is skipped loudly.
want_guests() {
  if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    echo "bootstrap.sh: no node and npm here: going on without guests in v86" >&2
  elif ! test/lab/v86/fetch.sh build/v86; then
    echo "bootstrap.sh: going on without guests in v86" >&2
  fi
}

build() { # build PRESET [cmake options]
  local preset=$1
  shift
  say "building build/$preset"
  cmake --preset "$preset" -G Ninja "$@" >"build-$preset.log" 2>&1 || { cat "build-$preset.log" >&2; rm -f "build-$preset.log"; fail "cmake --preset $preset failed"; }
  rm -f "build-$preset.log"
  cmake --build "build/$preset"
}

# ctest as root, as many tests at a time as there are processors; test/CMakeLists.txt says which must be alone.
# Its results go to a file for the closing line. A failure is remembered, not fatal here.
reports=()
run_ctest() { # run_ctest PRESET LABEL [ctest options]
  local preset=$1 report="build/report-$1-$2.xml"
  shift 2
  rm -f "$report"
  reports+=("$report")
  as_root ctest --test-dir "build/$preset" -j "$(nproc)" --output-on-failure --no-tests=error --output-junit "$PWD/$report" "$@" || true
}

replay_one() { # replay_one NAME: its corpus, then a short search; prints the report's line
  local target=build/fuzz/test/fuzz/fuzz_$1 corpus=test/fuzz/corpus/$1 result=failed new
  new=$(mktemp -d build/fuzz-new.XXXXXX)
  if ls -d "$corpus" && "$target" -runs=0 "$corpus" && "$target" -runs=20000 -max_total_time=10 -seed=1 "$new" "$corpus"; then
    result=passed
  fi >"build/fuzz-$1.log" 2>&1
  rm -rf "$new"
  echo "$result fuzz.$1"
}

replay_corpus() {
  local target result name report=build/report-fuzz.txt
  reports+=("$report")
  export -f replay_one
  for target in build/fuzz/test/fuzz/fuzz_*; do
    if [ -f "$target" ] && [ -x "$target" ]; then echo "${target##*/fuzz_}"; fi
  done | xargs -r -n 1 -P "$(nproc)" bash -c 'replay_one "$0"' | tee "$report"
  while read -r result name; do
    [ "$result" = passed ] || tail -40 "build/fuzz-${name#fuzz.}.log"
  done <"$report"
  [ -s "$report" ] || echo "failed fuzz: no target was built" | tee -a "$report"
}

command_demo() {
  need "${BUILD_PACKAGES[@]}" "${LAB_PACKAGES[@]}"
  want_browser
  build dev -DTETHER_TESTS=OFF
  say "the demo"
  as_root env TETHER="$PWD/build/dev/tether" /usr/bin/python3 test/lab/demo.py --screenshot "$PWD/demo-phone.png"
}

command_test() {
  need "${BUILD_PACKAGES[@]}" "${LAB_PACKAGES[@]}" "${TEST_PACKAGES[@]}"
  want_browser
  want_coturn
  want_fuzzer_runtime
  want_guests
  build dev -DTETHER_TESTS=ON
  say "tests without a network of their own"
  run_ctest dev quick -LE 'netns|browser'
  say "the whole circuit, in namespaces and through the browser"
  run_ctest dev circuit -L 'netns|browser'
  build asan
  say "under AddressSanitizer and UBSan"
  run_ctest asan quick -R '^(unit|io)\.|^netns\.bad_input$'
  build fuzz
  say "fuzz corpus"
  replay_corpus
  say "all results"
  /usr/bin/python3 test/summary.py "${reports[@]}"
}

command_bench() {
  local package results=$PWD/build/bench-results
  need "${BUILD_PACKAGES[@]}" "${LAB_PACKAGES[@]}" "${BENCH_PACKAGES[@]}"
  want_browser
  apt_update
  for package in "${BENCH_PEERS[@]}"; do
    if installed "$package" || installable "$package"; then need "$package"; else echo "bootstrap.sh: no package $package here" >&2; fi
  done
  build "$BUILD_TYPE_OF_INSTALL" -DTETHER_TESTS=ON
  say "the benchmark; plots and JSON go to $results"
  as_root env TETHER="$PWD/build/$BUILD_TYPE_OF_INSTALL/tether" /usr/bin/python3 test/bench/bench.py --quick --out "$results"
}

command_build() {
  need "${BUILD_PACKAGES[@]}"
  build "$BUILD_TYPE_OF_INSTALL"
  say "built build/$BUILD_TYPE_OF_INSTALL/tether"
}

command_install() {
  local prefix=/usr/local existing
  while [ $# -gt 0 ]; do
    case $1 in
      --prefix) [ $# -ge 2 ] || fail "--prefix needs a directory"; prefix=$2; shift 2 ;;
      --prefix=*) prefix=${1#--prefix=}; shift ;;
      *) fail "install: what is $1? ./bootstrap.sh help" ;;
    esac
  done
  case $prefix in /*) ;; *) prefix=$PWD/$prefix ;; esac
  need "${BUILD_PACKAGES[@]}"
  build "$BUILD_TYPE_OF_INSTALL" -DCMAKE_INSTALL_PREFIX="$prefix"
  say "installing below $prefix"
  existing=$prefix
  while [ ! -e "$existing" ]; do existing=$(dirname "$existing"); done
  if [ -w "$existing" ]; then
    cmake --install "build/$BUILD_TYPE_OF_INSTALL"
  else
    as_root cmake --install "build/$BUILD_TYPE_OF_INSTALL"
  fi
}

command=${1:-help}
[ $# -eq 0 ] || shift
case $command in
  demo | test | bench | build) [ $# -eq 0 ] || fail "$command takes no options; ./bootstrap.sh help"; "command_$command" ;;
  install) command_install "$@" ;;
  help | -h | --help) usage ;;
  *) usage >&2; exit 2 ;;
esac
