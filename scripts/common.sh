# What the scripts share; sourced.

say() { printf '── %s\n' "$*"; }
die() { printf 'labelwire: %s\n' "$*" >&2; exit 1; }

# install <what for> <package>…
install() {
    local what=$1
    shift
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        die "$what is missing; install it: sudo apt-get install $*"
    fi
    say "installing $*"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}
