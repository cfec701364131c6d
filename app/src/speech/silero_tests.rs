//! The model against its reference, and against broken files.

use super::*;
use proptest::prelude::*;

/// A file of the right shapes with made-up weights, and a made-up window of the transform.
pub(crate) fn synthetic_file() -> Vec<u8> {
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
    let mut data: Vec<Vec<u8>> = shapes
        .iter()
        .map(|(_, shape)| {
            // Wide enough that every layer matters, small enough that no gate saturates.
            let scale = 4.0 / (shape[1..].iter().product::<usize>() as f32).sqrt().max(4.0);
            (0..shape.iter().product())
                .flat_map(|_: usize| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let value = (state >> 8) as f32 / 8_388_608.0 - 1.0;
                    (value * scale).to_le_bytes()
                })
                .collect()
        })
        .collect();
    let (transform, _) = data.split_first_mut().unwrap();
    let window: Vec<f32> =
        transform.as_chunks().0[..256].iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    *transform = (0..2 * 129 * 256)
        .flat_map(|at| {
            let (row, sample) = (at / 256, at % 256);
            let angle = std::f64::consts::TAU * ((row % 129) * sample % 256) as f64 / 256.0;
            let wave = if row < 129 { angle.cos() } else { -angle.sin() };
            (window[sample] * wave as f32).to_le_bytes()
        })
        .collect();
    let views = shapes.iter().zip(&data).map(|((name, shape), data)| {
        (*name, safetensors::tensor::TensorView::new(Dtype::F32, shape.to_vec(), data).unwrap())
    });
    safetensors::serialize(views, None).unwrap()
}

pub(crate) fn load(bytes: &[u8]) -> Result<SileroVad, VadError> {
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
fn check(mut vad: SileroVad, reference: &[f32], tolerance: f32) {
    let signal = synthetic_speech();
    for round in 0..2 {
        vad.reset();
        for (number, (frame, expected)) in signal.as_chunks().0.iter().zip(reference).enumerate() {
            let probability = vad.push(frame);
            assert!(
                (probability - expected).abs() < tolerance,
                "round {round}, frame {number}: {probability}, not {expected}"
            );
        }
    }
}

#[test]
fn the_network_equals_the_official_graph() {
    check(load(&synthetic_file()).unwrap(), &SYNTHETIC_REFERENCE, 2e-5);
}

#[test]
fn the_model_equals_the_official_graph() {
    let folder = std::env::var_os("ORATYPE_MODELS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache/models"), PathBuf::from);
    let path = folder.join("silero_vad_16k.safetensors");
    if !path.exists() {
        // Written past the test harness, which would show it for failed tests only.
        let reason = "is not there; fetch the models first, or set ORATYPE_MODELS";
        let _ = std::io::Write::write_fmt(
            &mut std::io::stderr(),
            format_args!("NOT RUN: {} {reason}\n", path.display()),
        );
        return;
    }
    check(SileroVad::load(&path).unwrap(), &REFERENCE, 1e-4);
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
    let signal = synthetic_speech();
    let after = |bad: Option<f32>| -> Vec<f32> {
        let mut vad = load(&synthetic_file()).unwrap();
        bad.map(|bad| vad.push(&[bad; FRAME_SAMPLES]));
        signal.as_chunks().0.iter().map(|frame| vad.push(frame)).collect()
    };
    let never = after(None);
    for bad in [f32::NAN, f32::INFINITY, f32::MAX] {
        let after = after(Some(bad));
        assert!(after.iter().all(|probability| (0.0..=1.0).contains(probability)), "after {bad}: {after:?}");
        let (last, expected) = (after[40], never[40]);
        assert!((last - expected).abs() < 1e-3, "after {bad}: {last}, not {expected}");
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

    let mut no_transform = synthetic_file();
    let view = SafeTensors::deserialize(&no_transform).unwrap();
    let at =
        view.tensor("stft_conv.weight").unwrap().data().as_ptr() as usize - no_transform.as_ptr() as usize;
    no_transform[at + 4 * 300 + 3] ^= 0x80;
    assert!(load(&no_transform).err().unwrap().to_string().contains("no Fourier transform"));

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
    0.133431, 0.422679, 0.57447, 0.571214, 0.406525, 0.29287, 0.443465, 0.546368, 0.712376,
    0.764715, 0.56835, 0.353888, 0.424206, 0.505744, 0.528206, 0.73443, 0.486482, 0.456827,
    0.664289, 0.543317, 0.277609, 0.338785, 0.18931, 0.248992, 0.235093, 0.247693, 0.240559,
    0.193382, 0.174343, 0.179062, 0.131736, 0.088429, 0.057892, 0.036875, 0.063691, 0.148948,
    0.096996, 0.09732, 0.097351, 0.123403, 0.07777, 0.03925, 0.126134, 0.060849, 0.197152,
    0.233611, 0.106653, 0.0968, 0.203087, 0.228411, 0.118525, 0.063186, 0.095761, 0.090569,
    0.159939, 0.15815, 0.303746, 0.233285, 0.138432, 0.158752, 0.107979, 0.116445, 0.086274,
    0.094711, 0.048336, 0.048, 0.05318, 0.083791, 0.065938, 0.053515, 0.064924, 0.069859,
    0.023575, 0.032458, 0.023018, 0.040558, 0.046774, 0.039591, 0.043111, 0.041463, 0.044751,
    0.059718, 0.027648, 0.016496, 0.047306, 0.027996, 0.051077, 0.044784, 0.049269, 0.041923,
    0.051545, 0.061016, 0.05714, 0.028515, 0.025833, 0.017895, 0.010854, 0.007029, 0.006386,
    0.010918, 0.006448, 0.00665, 0.006294, 0.006277, 0.004904, 0.006686, 0.008552, 0.006865,
    0.004971, 0.004675, 0.005987, 0.004049, 0.00298, 0.002308, 0.003828, 0.002416, 0.004094,
    0.002948, 0.002177, 0.002486, 0.00191, 0.002091, 0.001436, 0.001924, 0.003586,
];

/// The same with the weights of [`synthetic_file`], for the first second.
#[rustfmt::skip]
const SYNTHETIC_REFERENCE: [f32; 31] = [
    0.28698, 0.294522, 0.287257, 0.341724, 0.270215, 0.2812, 0.283216, 0.326205, 0.347208,
    0.416043, 0.444756, 0.431527, 0.365952, 0.408018, 0.35367, 0.339671, 0.385255, 0.349876,
    0.305814, 0.40536, 0.468455, 0.46419, 0.392829, 0.357464, 0.35668, 0.412129, 0.379411,
    0.384866, 0.388546, 0.388118, 0.461158,
];
