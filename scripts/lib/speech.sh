# shellcheck shell=bash
# Sourced after setup.sh: fetches the public speech sets. Nothing is installed but ffmpeg, which
# decodes them; the sound packages are downloaded and unpacked under .cache/speech.

speech=$cache/speech
readonly speech

# fetch_package PACKAGE VERSION SHA256: leaves the package unpacked in .cache/speech/deb/PACKAGE.
fetch_package() {
    local package=$1 version=$2 sha256=$3 folder=$speech/deb/$1 download deb
    [[ ! -d $folder ]] || return 0
    printf '   downloading %s %s\n' "$package" "$version" >&2
    # Where nothing had to be installed, apt may never have fetched its package lists.
    apt-cache show "$package" >/dev/null 2>&1 || as_root apt-get update -qq
    download=$(mktemp -d)
    # apt downloads as its own user, who must be able to write here.
    chmod 777 "$download"
    if ! (cd "$download" && apt-get download -q "$package=$version" >/dev/null 2>&1); then
        say "$package $version is not offered here, taking another version: figures may differ"
        (cd "$download" && apt-get download -q "$package" >&2) ||
            die "apt-get download $package failed: check the network, then apt-get update"
        sha256=
    fi
    deb=("$download"/*.deb)
    if [[ -n $sha256 ]]; then
        echo "$sha256  ${deb[0]}" | sha256sum --check --quiet ||
            die "$package $version is not the package that was pinned in tests/speech/packages.tsv"
    fi
    rm -rf "$folder.part"
    dpkg -x "${deb[0]}" "$folder.part"
    mv "$folder.part" "$folder"
    rm -rf "$download"
}

# fetch_speech_sets SET...: makes .cache/speech/SET/manifest.tsv and its WAV files, 16 kHz mono S16,
# of tests/speech/SET.tsv. Sets: asterisk (11 MB to download), nonspeech (147 MB).
fetch_speech_sets() {
    local package version sha256 sets set
    install_packages ffmpeg python3
    mkdir -p "$speech/deb"
    while IFS=$'\t' read -r package version _ sha256 sets; do
        for set in "$@"; do
            if [[ ,$sets, == *",$set,"* ]]; then
                fetch_package "$package" "$version" "$sha256"
            fi
        done
    done < <(tail -n +2 "$root/tests/speech/packages.tsv")
    python3 "$root/scripts/lib/speech_sets.py" --lists "$root/tests/speech" --out "$speech" "$@"
}
