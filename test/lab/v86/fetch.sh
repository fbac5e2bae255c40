#!/usr/bin/env bash
# What a guest in v86 is made of, into a directory: the emulator from npm (pinned), and from Debian its BIOS, a kernel for 32 bits, and
# busybox. apt keeps its lists for i386 in that directory too: the machine's own architectures stay as they are.    fetch.sh DIRECTORY
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
mkdir -p "$1/apt/lists/partial" "$1/apt/archives/partial" "$1/debs"
cd "$1"
dir=$PWD
[ ! -e ready ] || exit 0
[ -d node_modules/v86 ] || npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$dir" v86@0.5.462 ws@8.21.0 >npm.log 2>&1 || {
  cat npm.log >&2; exit 1; }
touch apt/status
apt=(-q -o APT::Architecture=i386 -o APT::Architectures=i386 -o Dir::State="$dir/apt" -o Dir::Cache="$dir/apt" -o Dir::State::status="$dir/apt/status"
     -o APT::Sandbox::User=)
apt-get "${apt[@]}" update >apt.log 2>&1 || true # some lists may be missing; what counts is whether the packages are there
kernel=$(apt-cache "${apt[@]}" search --names-only '^linux-image-[0-9].*-686$' | sort -V | tail -1 | cut -d' ' -f1)
[ -n "$kernel" ] || { echo "fetch.sh: this distribution has no kernel for i386" >&2; exit 1; }
(cd debs && apt-get "${apt[@]}" download "$kernel" busybox-static seabios >>../apt.log 2>&1) || { tail -5 apt.log >&2; exit 1; }
for deb in debs/*.deb; do dpkg-deb -x "$deb" root; done
mkdir -p initrd.d/bin initrd.d/lib
cp root/bin/busybox initrd.d/bin/
cp "$(find root -name ne2k-pci.ko)" "$(find root -path '*8390/8390.ko')" initrd.d/lib/
install -m755 "$here/init.sh" initrd.d/init
install -m755 "$here/../udhcpc.sh" initrd.d/lib/udhcpc.sh
/usr/bin/python3 "$here/initrd.py" initrd.d initrd
cp root/boot/vmlinuz-* vmlinuz
cp root/usr/share/seabios/bios.bin bios.bin
cp root/usr/share/seabios/vgabios-stdvga.bin vgabios.bin
rm -rf root debs initrd.d apt
touch ready
