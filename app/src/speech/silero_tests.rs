//! The model against its reference, and against broken files.

use super::*;
use proptest::prelude::*;

/// A file of the right shapes with made-up weights.
fn synthetic_file() -> Vec<u8> {
    let shapes: [(&str, &[usize]); 15] = [
        ("stft_conv.weight", &[258, 1, 256]),
        ("conv1.weight", &[128, 129, 3]),
        ("conv1.bias", &[128]),
        ("conv2.weight", &[64, 128, 3]),
        ("conv2.bias", &[64]),
        ("conv3.weight", &[64, 64, 3]),
        ("conv3.bias", &[64]),
        ("conv4.weight", &[128, 64, 3]),
        ("conv4.bias", &[128]),
        ("lstm_cell.weight_ih", &[512, 128]),
        ("lstm_cell.weight_hh", &[512, 128]),
        ("lstm_cell.bias_ih", &[512]),
        ("lstm_cell.bias_hh", &[512]),
        ("final_conv.weight", &[1, 128, 1]),
        ("final_conv.bias", &[1]),
    ];
    let mut state = 1_u32;
    let data: Vec<Vec<u8>> = shapes
        .iter()
        .map(|(_, shape)| {
            // Wide enough that every layer matters, small enough that no gate saturates.
            let scale = 1.5 / (shape[1..].iter().product::<usize>() as f32).sqrt().max(4.0);
            (0..shape.iter().product())
                .flat_map(|_: usize| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let value = (state >> 8) as f32 / 8_388_608.0 - 1.0;
                    (value * scale).to_le_bytes()
                })
                .collect()
        })
        .collect();
    let views = shapes.iter().zip(&data).map(|((name, shape), data)| {
        (*name, safetensors::tensor::TensorView::new(Dtype::F32, shape.to_vec(), data).unwrap())
    });
    safetensors::serialize(views, None).unwrap()
}

fn load(bytes: &[u8]) -> Result<SileroVad, VadError> {
    SileroVad::from_bytes(Path::new("vad.safetensors"), bytes)
}

/// Pulses of a 120 Hz voice through three resonances, in syllables, over a little noise; 3 s, then 1 s of noise.
fn synthetic_speech() -> Vec<f32> {
    let mut noise = 1_u32;
    let mut resonances = [(730.0, [0.0; 2]), (1_090.0, [0.0; 2]), (2_440.0, [0.0; 2])];
    let mut phase = 0.0_f64;
    (0..64_000)
        .map(|n| {
            let time_s = f64::from(n) / 16_000.0;
            phase += (120.0 + 20.0 * (time_s * 3.0).sin()) / 16_000.0;
            let pulse = if phase >= 1.0 { 1.0 } else { 0.0 };
            phase -= pulse;
            let syllable = (std::f64::consts::PI * time_s * 3.0).sin().powi(2);
            let mut voice = 0.0;
            for (frequency_hz, past) in &mut resonances {
                let angle = std::f64::consts::TAU * (*frequency_hz + 150.0 * (time_s * 7.0).sin()) / 16_000.0;
                let value = pulse + 2.0 * 0.985 * angle.cos() * past[0] - 0.985 * 0.985 * past[1];
                *past = [value, past[0]];
                voice += value;
            }
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let hiss = f64::from(noise >> 8) / f64::from(1 << 24) - 0.5;
            let spoken = if n < 48_000 { 0.12 * syllable * voice } else { 0.0 };
            (spoken + 0.012 * hiss) as f32
        })
        .collect()
}

/// Compare with a reference, twice: the state of the first round must be gone after the reset.
fn check(mut vad: SileroVad, reference: &[f32]) {
    let signal = synthetic_speech();
    for round in 0..2 {
        vad.reset();
        for (number, (frame, expected)) in signal.as_chunks().0.iter().zip(reference).enumerate() {
            let probability = vad.push(frame);
            assert!(
                (probability - expected).abs() < 1e-3,
                "round {round}, frame {number}: {probability}, not {expected}"
            );
        }
    }
}

#[test]
fn the_network_equals_the_official_graph() {
    check(load(&synthetic_file()).unwrap(), &SYNTHETIC_REFERENCE);
}

#[test]
fn the_model_equals_the_official_graph() {
    let Some(path) = std::env::var_os("ORATYPE_VAD_MODEL") else {
        eprintln!("NOT RUN: set ORATYPE_VAD_MODEL to silero_vad_16k.safetensors of silero-vad 6.2.1");
        return;
    };
    check(SileroVad::load(Path::new(&path)).unwrap(), &REFERENCE);
}

#[test]
fn a_file_of_the_right_shapes_loads_and_gives_probabilities() {
    let mut vad = load(&synthetic_file()).unwrap();
    let first = vad.push(&[0.25; FRAME_SAMPLES]);
    assert!((0.0..=1.0).contains(&first));
    assert_ne!(vad.push(&[0.25; FRAME_SAMPLES]), first, "the state counts");
    vad.reset();
    assert_eq!(vad.push(&[0.25; FRAME_SAMPLES]), first);
}

#[test]
fn a_sample_that_is_no_number_does_no_lasting_harm() {
    let mut vad = load(&synthetic_file()).unwrap();
    for bad in [f32::NAN, f32::INFINITY, f32::MAX] {
        vad.push(&[bad; FRAME_SAMPLES]);
        for _ in 0..3 {
            let probability = vad.push(&[0.25; FRAME_SAMPLES]);
            assert!((0.0..=1.0).contains(&probability), "after {bad}: {probability}");
        }
    }
}

#[test]
fn broken_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vad.safetensors");
    let message = |result: Result<SileroVad, VadError>| result.err().expect("must be refused").to_string();
    let missing = message(SileroVad::load(&path));
    assert!(missing.contains("vad.safetensors") && missing.contains("cannot read"), "{missing}");
    assert!(message(SileroVad::load(folder.path())).contains("cannot read"));

    let whole = synthetic_file();
    for length in [0, 7, 8, 100, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&path, &whole[..length]).unwrap();
        let cut = message(SileroVad::load(&path));
        assert!(cut.contains("vad.safetensors") && cut.contains("not a complete"), "{length}: {cut}");
    }
    assert!(message(SileroVad::load(Path::new("/dev/zero"))).contains("not a complete"));
}

#[test]
fn other_tensors_are_refused_by_name() {
    let data = [0; 4 * 2];
    let view = safetensors::tensor::TensorView::new(Dtype::F32, vec![2], &data).unwrap();
    let other = safetensors::serialize([("stft_conv.weight", view.clone())], None).unwrap();
    let wrong_shape = load(&other).err().unwrap().to_string();
    assert!(wrong_shape.contains("stft_conv.weight: is F32 [2], not F32 [258, 1, 256]"), "{wrong_shape}");
    let none = safetensors::serialize([("other", view)], None).unwrap();
    let missing = load(&none).err().unwrap().to_string();
    assert!(missing.contains("stft_conv.weight: is missing"), "{missing}");

    let mut infinite = synthetic_file();
    let end = infinite.len();
    infinite[end - 4..].copy_from_slice(&f32::INFINITY.to_le_bytes());
    assert!(load(&infinite).err().unwrap().to_string().contains("no numbers"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a file holds, loading ends with the model or an error.
    #[test]
    fn altered_files_never_panic(
        edits in prop::collection::vec((0_usize..2_000, any::<u8>()), 1..6),
        length in prop::option::of(0_usize..4_000),
    ) {
        let mut bytes = synthetic_file();
        for (place, value) in edits {
            bytes[place] = value;
        }
        if let Some(length) = length {
            bytes.truncate(length);
        }
        if let Ok(mut vad) = load(&bytes) {
            let probability = vad.push(&[0.1; FRAME_SAMPLES]);
            prop_assert!((0.0..=1.0).contains(&probability));
        }
    }

    /// Nor do files that are no such file at all.
    #[test]
    fn arbitrary_bytes_never_load(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        prop_assert!(load(&bytes).is_err());
    }
}

/// What the official ONNX graph (silero_vad_16k_op15.onnx of silero-vad 6.2.1, in onnxruntime 1.31.1), with the weights
/// of silero_vad_16k.safetensors put in, gives for [`synthetic_speech`].
#[rustfmt::skip]
const REFERENCE: [f32; 125] = [
    0.13343, 0.42268, 0.57447, 0.57121, 0.40653, 0.29287, 0.44346, 0.54637, 0.71238, 0.76472, 0.56835,
    0.35389, 0.42421, 0.50574, 0.52821, 0.73443, 0.48648, 0.45683, 0.66429, 0.54332, 0.27761, 0.33879,
    0.18931, 0.24899, 0.23509, 0.24769, 0.24056, 0.19338, 0.17434, 0.17906, 0.13174, 0.08843, 0.05789,
    0.03687, 0.06369, 0.14895, 0.09700, 0.09732, 0.09735, 0.12340, 0.07777, 0.03925, 0.12613, 0.06085,
    0.19715, 0.23361, 0.10665, 0.09680, 0.20309, 0.22841, 0.11852, 0.06319, 0.09576, 0.09057, 0.15994,
    0.15815, 0.30375, 0.23328, 0.13843, 0.15875, 0.10798, 0.11645, 0.08627, 0.09471, 0.04834, 0.04800,
    0.05318, 0.08379, 0.06594, 0.05351, 0.06492, 0.06986, 0.02357, 0.03246, 0.02302, 0.04056, 0.04677,
    0.03959, 0.04311, 0.04146, 0.04475, 0.05972, 0.02765, 0.01650, 0.04731, 0.02800, 0.05108, 0.04478,
    0.04927, 0.04192, 0.05155, 0.06102, 0.05714, 0.02851, 0.02583, 0.01790, 0.01085, 0.00703, 0.00639,
    0.01092, 0.00645, 0.00665, 0.00629, 0.00628, 0.00490, 0.00669, 0.00855, 0.00686, 0.00497, 0.00467,
    0.00599, 0.00405, 0.00298, 0.00231, 0.00383, 0.00242, 0.00409, 0.00295, 0.00218, 0.00249, 0.00191,
    0.00209, 0.00144, 0.00192, 0.00359,
];

/// The same with the weights of [`synthetic_file`], for the first second.
#[rustfmt::skip]
const SYNTHETIC_REFERENCE: [f32; 31] = [
    0.44030, 0.44487, 0.44822, 0.45084, 0.45259, 0.45365, 0.45429, 0.45492, 0.45523, 0.45540, 0.45551,
    0.45558, 0.45555, 0.45560, 0.45524, 0.45504, 0.45527, 0.45537, 0.45538, 0.45550, 0.45557, 0.45561,
    0.45563, 0.45562, 0.45540, 0.45518, 0.45522, 0.45538, 0.45550, 0.45555, 0.45560,
];
