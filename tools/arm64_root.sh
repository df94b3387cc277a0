#!/usr/bin/env bash
# A small Debian for 64-bit ARM with Python, and the packages that the tests need: FOLDER/root and FOLDER/packages.
#
#   tools/arm64_root.sh FOLDER
#
# Nothing is installed on this system, and nobody has to be root: apt downloads (60 MB), dpkg unpacks. `PYTHON` is a
# Python with pip, by default that of the path.
set -euo pipefail
folder=$(mkdir -p "$1" && cd "$1" && pwd)
[ -f "$folder/done" ] && exit
for program in apt-get dpkg-deb qemu-aarch64; do
  command -v $program > /dev/null || { echo "arm64_root.sh: $program is not there"; exit 1; }
done

keys=/usr/share/keyrings/debian-archive-keyring.gpg
[ -f $keys ] || { echo "arm64_root.sh: $keys is not there: apt-get install debian-archive-keyring"; exit 1; }
apt=$folder/apt
mkdir -p "$apt/lists/partial" "$apt/archives/partial" "$folder/root"
touch "$apt/status"
echo "deb [signed-by=$keys] http://deb.debian.org/debian bookworm main" > "$apt/sources.list"
get() {
  apt-get -qq -o APT::Architecture=arm64 -o APT::Architectures::=arm64 -o APT::Install-Recommends=0 \
    -o APT::Sandbox::User= -o Debug::NoLocking=1 -o Dir::State="$apt" -o Dir::State::lists="$apt/lists" \
    -o Dir::State::status="$apt/status" -o Dir::Cache="$apt" -o Dir::Cache::archives="$apt/archives" \
    -o Dir::Etc::SourceList="$apt/sources.list" -o Dir::Etc::SourceParts=/dev/null "$@"
}
get update
get install -y --download-only python3 libpython3-dev libgomp1 libstdc++6
for package in "$apt"/archives/*.deb; do dpkg-deb -x "$package" "$folder/root"; done

version=$(qemu-aarch64 -L "$folder/root" "$folder/root/usr/bin/python3" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
"${PYTHON:-python3}" -m pip install -q --upgrade --target "$folder/packages" --only-binary=:all: \
  --implementation cp --python-version "$version" --platform manylinux_2_28_aarch64 \
  --platform manylinux_2_17_aarch64 --platform manylinux2014_aarch64 \
  numpy hypothesis 'pytest>=8.2' 'pytest-timeout>=2.3' safetensors tqdm
touch "$folder/done"
