#!/bin/sh
# The tests of jbc-pow on aarch64: cross-compiled, then run under qemu-user on a processor with SHA2 instructions and on
# one that says it has none. Times under qemu mean nothing.
#
# All of it happens in a Debian of its own under target/aarch64, in the release that has a compiler new enough: whichever
# version that has today will do, if it is not older than our rust-version. It needs root, apt and deb.debian.org, and
# crates.io for crates that cargo has not fetched yet. Mounts are made in a mount namespace: none is left behind, however
# this ends.
set -eu

repo=$(cd "$(dirname "$0")/../../.." && pwd)
target=${CARGO_TARGET_DIR:-$repo/target}
mkdir -p "$target"
base=$(cd "$target" && pwd)/aarch64
root=$base/root
crates=${CARGO_HOME:-$HOME/.cargo}/registry
suite=testing
mirror=http://deb.debian.org/debian
triple=aarch64-unknown-linux-gnu

fail() {
	echo "aarch64: $*" >&2
	exit 1
}

# A program of the Debian in $root, with nothing of our environment.
within() {
	chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
		DEBIAN_FRONTEND=noninteractive "$@"
}

install_debian() {
	rm -rf --one-file-system "$base"
	mkdir -p "$base/debootstrap"
	# debootstrap is unpacked, not installed: the machine stays as it is.
	cd "$base"
	download="apt-get -qq -o APT::Sandbox::User=root download debootstrap"
	$download || { apt-get -qq update && $download; }
	dpkg -x debootstrap_*.deb debootstrap
	DEBOOTSTRAP_DIR=$base/debootstrap/usr/share/debootstrap \
		debootstrap/usr/sbin/debootstrap --variant=minbase "$suite" "$root" "$mirror"
	within dpkg --add-architecture arm64
	# Behind a mirror that lags its lists may be past their date; they are signed all the same, and nothing here is served.
	within apt-get -qq -o Acquire::Check-Valid-Until=false update
	within apt-get -qq -y -o Dpkg::Use-Pty=0 --no-install-recommends install \
		cargo rustc rust-clippy gcc libc6-dev libstd-rust-dev:arm64 \
		gcc-aarch64-linux-gnu libc6-dev-arm64-cross libc6:arm64 libgcc-s1:arm64 qemu-user
	within apt-get clean
	mkdir -p "$root/src" "$root/build" "$root/root/.cargo/registry"
	hide_sha2
	touch "$base/complete"
}

# All of qemu's 64-bit processors have SHA2 instructions, so a library says for one that it has not.
hide_sha2() {
	cat >"$root/build/no_sha2.c" <<-'END'
		#define _GNU_SOURCE
		#include <dlfcn.h>
		#include <sys/auxv.h>

		unsigned long getauxval(unsigned long type) {
			unsigned long (*real)(unsigned long) = dlsym(RTLD_NEXT, "getauxval");
			return type == AT_HWCAP ? real(type) & ~HWCAP_SHA2 : real(type);
		}
	END
	within aarch64-linux-gnu-gcc -shared -fPIC -O1 -o /build/no_sha2.so /build/no_sha2.c
}

# cargo in the Debian, on the worktree (which it can not write to) and the crates that the machine's cargo has fetched.
# The tests run on a processor with $flags for qemu and are to find just these $kernels.
cargo_within() {
	command=$1
	shift
	within CARGO_TARGET_DIR=/build CARGO_NET_OFFLINE=true JBC_POW_KERNELS="$kernels" \
		CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
		CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -cpu max $flags" \
		sh -ec 'cd /src && exec cargo "$@"' cargo "$command" --locked --target "$triple" -p jbc-pow "$@"
}

if [ "${1:-}" != --in-namespace ]; then
	[ "$(id -u)" = 0 ] || fail "needs root, to make a Debian and enter it"
	exec unshare --mount "$0" --in-namespace
fi

[ -e "$base/complete" ] || install_debian

wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$repo/Cargo.toml")
found=$(within rustc --version | cut -d ' ' -f 2)
dpkg --compare-versions "$found" ge "$wanted" ||
	fail "rustc in $root is $found, older than our rust-version $wanted: remove $base to fetch what Debian $suite has now"

cd "$repo"
"${CARGO:-cargo}" fetch --locked --quiet --target "$triple"

mount -t proc proc "$root/proc"
mount --bind "$repo" "$root/src"
mount -o remount,bind,ro "$root/src"
mount --bind "$crates" "$root/root/.cargo/registry"
mount -o remount,bind,ro "$root/root/.cargo/registry"

kernels="armv8-sha2 portable" flags=
cargo_within clippy --all-targets -- -D warnings
cargo_within test --lib --tests
kernels=portable flags="-E LD_PRELOAD=/build/no_sha2.so"
cargo_within test --lib --tests
