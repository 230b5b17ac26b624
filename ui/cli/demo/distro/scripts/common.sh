# What the programs of the demo share. They stand in for those of the release
# engineering toolkit: they take their arguments, say what they say, and leave
# behind what they leave behind, from packages and images that were made before.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)

major='' arch=''
while [ $# -gt 0 ]; do
  case $1 in
    --release) major=$2; shift ;;
    --arch) arch=$2; shift ;;
  esac
  shift
done
case $major in [1-9] | [1-9][0-9]) ;; *) echo "error: --release takes a major version" >&2; exit 2 ;; esac
. "$top/build/$major/edition" # revision and stamp
made=$top/build/$major
compose=$top/mnt/compose/$major/Rocky-$revision-$stamp/compose

# The clock of the demo is behind: nothing that a program leaves there may come
# from its future.
trap 'for in in "$top/mnt/compose" "$top/bucket"; do find "$in" ! -type l -newer "$top/clock" -exec touch -r "$top/clock" {} +; done' EXIT

said() { printf '%s :: %s :: %s\n' "$(date '+%Y-%m-%d :: %H:%M:%S')" "${2:-INFO}" "$1"; }
pause() { sleep 1; }

# checksums DIR: CHECKSUM of its images, two lines each, written aside.
checksums() {
  (
    cd "$1"
    for f in *.iso *.qcow2; do
      [ -f "$f" ] && [ ! -L "$f" ] || continue
      if command -v sha256sum >/dev/null; then sum=$(sha256sum "$f"); else sum=$(shasum -a 256 "$f"); fi
      printf '# %s: %s bytes\nSHA256 (%s) = %s\n' "$f" "$(wc -c <"$f" | tr -d ' ')" "$f" "${sum%% *}"
    done >.CHECKSUM.new
    mv .CHECKSUM.new CHECKSUM
  )
}
