# shellcheck shell=bash
# Sourced after setup.sh, speech.sh and cross.sh: what one recognition costs on the appliance's processor, in
# instructions counted under an emulator. Times there mean nothing; the counts repeat to a few in billions.

# One speaker, 11.15 s: what fits into 576 encoder positions.
readonly arm_clip=asterisk/wav/ast-confbridge-mute-extended.wav
readonly arm_audio_ctx=576
readonly arm_results=$cache/bench-arm
# A C library of the target's own: another's and this machine's do not mix.
readonly arm_sysroot=$cross/run

# arm_build NAME ARGUMENT...: cross-builds the program that recognises once; prints its path. The arguments go to
# cargo. whisper-rs-sys does not notice other GGML_* variables, so each variant has a folder of its own.
arm_build() {
    local name=$1
    shift
    # The names of functions are needed.
    # shellcheck disable=SC2030 # In a subshell on purpose.
    (
        export CARGO_PROFILE_IMAGE_STRIP=false
        cross_target_folder=$cross/variants/$name
        cross_build -p oratype --example recognise_once "$@"
    )
    printf '%s\n' "$cross/variants/$name/$cross_target/image/examples/recognise_once"
}

# arm_count NAME PROGRAM MODEL [QEMU OPTION]...: runs it and leaves NAME.counts, NAME.text, NAME.log and NAME.model.
arm_count() {
    local name=$1 program=$2 model=$3 plugin=${oratype%/*}/liboratype_instruction_count.so
    shift 3
    say "counting: $name"
    plugin+=",out=$arm_results/$name.counts,phase=whisper_encode_with_state,phase=whisper_decode_with_state"
    ln -sfn "$model" "$arm_results/$name.model"
    qemu-aarch64 -cpu cortex-a53 -L "$arm_sysroot" "$@" -plugin "$plugin" \
        "$program" "$model" "$speech/$arm_clip" "$arm_audio_ctx" \
        >"$arm_results/$name.text" 2>"$arm_results/$name.log" ||
        die "$name: the emulated program failed; see $arm_results/$name.log"
}

# Builds the variants, counts, and prints the table.
bench_arm() {
    local q8_0=$models/ggml-tiny.en-short-q8_0.bin f16=$arm_results/ggml-tiny.en.bin
    local program libraries=/usr/lib/aarch64-linux-gnu/openblas-pthread
    # qemu-user, and not the static one, takes plugins.
    install_packages qemu-user python3
    ensure_cross
    unpack_packages host "$arm_sysroot" libc6:arm64 libgcc-s1:arm64 libstdc++6:arm64 libasound2:arm64 \
        libopenblas0-pthread:arm64 libgfortran5:arm64
    unpack_packages host "$cross/openblas" libopenblas-pthread-dev:arm64 libopenblas0-pthread:arm64
    # whisper-rs-sys looks in OPENBLAS_PATH/lib; a linker script names what OpenBLAS needs itself.
    mkdir -p "$cross/openblas/lib"
    printf 'INPUT(%s %s)\n' "$cross/openblas$libraries/libopenblas.so" \
        "$arm_sysroot/usr/lib/aarch64-linux-gnu/libgfortran.so.5" >"$cross/openblas/lib/libopenblas.so"
    say "building the plugin"
    (cd "$root" && cargo build --release --locked -p oratype-instruction-count >&2)
    rm -rf "$arm_results"
    mkdir -p "$arm_results"
    python3 "$root/scripts/lib/ggml_model.py" "$q8_0" --to-f16 "$f16"

    say "building the variants (the first time takes a few minutes each)"
    program=$(GGML_LLAMAFILE=OFF arm_build no-blocks)
    arm_count ggml "$program" "$q8_0"
    program=$(arm_build blocks)
    arm_count ggml-blocks "$program" "$q8_0"
    arm_count ggml-blocks-f16 "$program" "$f16"
    program=$(OPENBLAS_PATH=$cross/openblas \
        BLAS_INCLUDE_DIRS=$cross/openblas/usr/include/aarch64-linux-gnu/openblas-pthread \
        arm_build openblas --features whisper-rs/openblas)
    # As on the board: OpenBLAS does not know the emulated processor by itself.
    arm_count openblas "$program" "$q8_0" -E "LD_LIBRARY_PATH=$libraries" -E OPENBLAS_CORETYPE=CORTEXA53 \
        -E OPENBLAS_NUM_THREADS=1
    program=$(arm_build blas --features blas)
    arm_count blas "$program" "$q8_0"
    arm_count blas-f16 "$program" "$f16"
    python3 "$root/scripts/lib/arm_report.py" --results "$arm_results" --audio-ctx "$arm_audio_ctx" --chosen blas \
        ggml ggml-blocks ggml-blocks-f16 openblas blas blas-f16
}
