# shellcheck shell=bash
# Sourced after setup.sh: Debian packages of another architecture or suite, without touching this
# machine's own apt. Each purpose has an apt of its own under .cache/apt, whose package lists are
# checked against Debian's archive key like the machine's own.

readonly debian_keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# The Debian release whose kernel, firmware and libraries are in the image.
# shellcheck disable=SC2034 # For those who source this file.
readonly appliance_suite=trixie

# Prints the name of this machine's Debian release.
host_codename() { sed -n 's/^VERSION_CODENAME=//p' /etc/os-release; }

# archive_of SUITE: prints the address this machine's apt fetches that suite from.
archive_of() {
    # shellcheck disable=SC2016 # apt expands them.
    apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
        awk -v suite="$1" '$1 == suite && $2 == "main" { print $3; exit }'
}

# private_apt NAME ARCHITECTURES COMPONENTS SUITE: makes .cache/apt/NAME/apt.conf, to be named in
# $APT_CONFIG, for a Debian suite with its updates and security updates, and fetches its package
# lists where there are none. ARCHITECTURES is a list with spaces; the first is the default.
private_apt() {
    local name=$1 architectures=$2 components=$3 suite=$4 folder=$cache/apt/$1 codename archive security
    install_packages ca-certificates debian-archive-keyring
    codename=$(host_codename)
    archive=${ORATYPE_DEBIAN_ARCHIVE:-$(archive_of "$codename")}
    security=${ORATYPE_DEBIAN_SECURITY:-$(archive_of "$codename-security")}
    [[ -n $archive ]] ||
        die "apt on this machine has no Debian archive; name one in ORATYPE_DEBIAN_ARCHIVE=http://..."
    mkdir -p "$folder"/{lists/partial,cache/archives/partial,etc/preferences.d}
    {
        # Of all indexes only the package lists, whatever else this machine's apt is set up to fetch.
        local options="[signed-by=$debian_keyring target=Packages]"
        printf 'deb %s %s %s %s\n' "$options" "$archive" "$suite" "$components"
        printf 'deb %s %s %s %s\n' "$options" "$archive" "$suite-updates" "$components"
        [[ -z $security ]] || printf 'deb %s %s %s %s\n' "$options" "$security" "$suite-security" "$components"
    } >"$folder/sources.list.new"
    : >"$folder/status"
    {
        # Packages are only downloaded, never installed: nothing counts as installed here.
        printf 'Dir::State::status "%s";\n' "$folder/status"
        printf 'Dir::State::lists "%s";\n' "$folder/lists"
        printf 'Dir::Cache "%s";\n' "$folder/cache"
        printf 'Dir::Etc::sourcelist "%s";\n' "$folder/sources.list"
        printf 'Dir::Etc::sourceparts "/dev/null";\n'
        printf 'Dir::Etc::preferences "/dev/null";\n'
        printf 'Dir::Etc::preferencesparts "%s";\n' "$folder/etc/preferences.d"
        printf 'APT::Architecture "%s";\n' "${architectures%% *}"
        # shellcheck disable=SC2086 # A list of words.
        printf 'APT::Architectures { %s};\n' "$(printf '"%s"; ' $architectures)"
        # What apt leaves out of its lists: translations, changelogs.
        printf 'Acquire::Languages "none";\n'
        # apt's own user cannot write here.
        printf 'APT::Sandbox::User "root";\n'
    } >"$folder/apt.conf"
    if ! cmp -s "$folder/sources.list.new" "$folder/sources.list" || [[ ! -f $folder/updated ]]; then
        mv "$folder/sources.list.new" "$folder/sources.list"
        refresh_private_apt "$name"
    fi
    rm -f "$folder/sources.list.new"
}

# refresh_private_apt NAME: fetches the package lists again.
refresh_private_apt() {
    local folder=$cache/apt/$1
    say "package lists ($1)"
    # Without the option a list that cannot be fetched is a warning only.
    APT_CONFIG=$folder/apt.conf apt-get update -q -o APT::Update::Error-Mode=any >&2 ||
        die "the package lists of $folder/sources.list could not be fetched: check the network"
    touch "$folder/updated"
}

# unpack_packages NAME FOLDER PACKAGE[:ARCHITECTURE]...: downloads the packages with the apt NAME and
# leaves their files in FOLDER; quick when FOLDER holds the same packages already.
unpack_packages() {
    local name=$1 folder=$2 config=$cache/apt/$1/apt.conf download wanted deb
    shift 2
    wanted=$(APT_CONFIG=$config apt-cache show --no-all-versions "$@" | sed -n 's/^SHA256: //p' | sort)
    [[ -n $wanted ]] || die "$config: the archive has none of: $*"
    if [[ $(cat "$folder/.packages" 2>/dev/null) == "$wanted" ]]; then return 0; fi
    say "downloading $*"
    download=$(mktemp -d)
    if ! (cd "$download" && APT_CONFIG=$config apt-get download -q "$@" >&2); then
        # The lists are older than the archive.
        refresh_private_apt "$name"
        (cd "$download" && APT_CONFIG=$config apt-get download -q "$@" >&2) ||
            die "$* could not be downloaded: check the network"
        wanted=$(APT_CONFIG=$config apt-cache show --no-all-versions "$@" | sed -n 's/^SHA256: //p' | sort)
    fi
    rm -rf "$folder"
    mkdir -p "$folder"
    for deb in "$download"/*.deb; do dpkg -x "$deb" "$folder"; done
    printf '%s\n' "$wanted" >"$folder/.packages"
    rm -rf "$download"
}
