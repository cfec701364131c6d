//! After the first period the front end and the speech detector allocate nothing on their thread.
//!
//! The allocator counts by thread, so that the test harness does not disturb; a planted allocation shows that it counts.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use oratype::listen::frontend::FrontEnd;
use oratype::speech::{SileroVad, SpeechDetector};
use oratype_hal::pcm::{SampleFormat, StreamFormat};
use safetensors::tensor::{Dtype, TensorView};

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, counting.
struct Counting;

// SAFETY: every call is passed unchanged to `System`, which fulfils the contract; the counter is a constant-initialised
// thread-local without a destructor, so that touching it allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's contract is `System`'s.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's contract is `System`'s.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's contract is `System`'s.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations and releases of this thread during `work`.
fn allocations(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

#[test]
fn the_front_end_allocates_nothing() {
    for (rate_hz, channels, sample) in [
        (16_000, 1, SampleFormat::S16),
        (44_100, 1, SampleFormat::S16),
        (44_101, 2, SampleFormat::S16),
        (48_000, 2, SampleFormat::S32),
        (384_000, 2, SampleFormat::S32),
    ] {
        let format = StreamFormat { rate_hz, channels, sample };
        let mut front_end = FrontEnd::new(format, 12.0).unwrap();
        let bytes = vec![0x35; 4_096 * format.frame_bytes()];
        let mut samples = 0;
        front_end.process(&bytes, |ready| samples += ready.len());
        let count = allocations(|| {
            for frames in (1..=4_096).step_by(13) {
                front_end.process(&bytes[..frames * format.frame_bytes()], |ready| samples += ready.len());
            }
            front_end.flush(|ready| samples += ready.len());
            front_end.process(&bytes, |ready| samples += ready.len());
            front_end.reset();
        });
        assert_eq!(count, 0, "{format:?}");
        assert!(samples > 10_000, "{format:?}: {samples} samples");
    }
}

#[test]
fn the_speech_detector_allocates_nothing() {
    // The values of the weights do not matter here.
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
    let zeros = vec![0; 4 * 512 * 256];
    let file = tempfile::NamedTempFile::new().unwrap();
    let tensors = shapes.map(|(name, shape)| {
        let bytes = &zeros[..4 * shape.iter().product::<usize>()];
        (name, TensorView::new(Dtype::F32, shape.to_vec(), bytes).unwrap())
    });
    safetensors::serialize_to_file(tensors, None, file.path()).unwrap();
    let mut detector = SpeechDetector::new(SileroVad::load(file.path()).unwrap());
    let count = allocations(|| {
        for _ in 0..100 {
            detector.push(&[0.25; 320]);
        }
        detector.flush();
        detector.reset();
    });
    assert_eq!(count, 0);
}

#[test]
fn an_allocation_in_the_sink_is_counted() {
    let format = StreamFormat { rate_hz: 48_000, channels: 1, sample: SampleFormat::S16 };
    let mut front_end = FrontEnd::new(format, 0.0).unwrap();
    let bytes = vec![0; 9_600];
    assert!(
        allocations(|| front_end.process(&bytes, |ready| drop(std::hint::black_box(ready.to_vec())))) > 0
    );
}
