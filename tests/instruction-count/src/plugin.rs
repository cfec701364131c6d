//! The interface of QEMU's plugins, version 1, as far as it is needed.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::counts::{Counts, Options};

/// The version of the interface this plugin is for; QEMU looks for it.
// SAFETY: no other plugin has a say in this library's names.
#[unsafe(no_mangle)]
pub static qemu_plugin_version: c_int = 1;

/// A translation block.
#[repr(C)]
struct Block {
    _private: [u8; 0],
}

/// An instruction of a block.
#[repr(C)]
struct Instruction {
    _private: [u8; 0],
}

/// `QEMU_PLUGIN_INLINE_ADD_U64`
const ADD_U64: c_int = 0;
/// `QEMU_PLUGIN_CB_NO_REGS`
const NO_REGISTERS: c_int = 0;

unsafe extern "C" {
    fn qemu_plugin_register_vcpu_tb_trans_cb(id: u64, callback: extern "C" fn(u64, *mut Block));
    fn qemu_plugin_register_atexit_cb(id: u64, callback: extern "C" fn(u64, *mut c_void), data: *mut c_void);
    fn qemu_plugin_register_vcpu_tb_exec_inline(block: *mut Block, op: c_int, counter: *mut c_void, add: u64);
    fn qemu_plugin_register_vcpu_tb_exec_cb(
        block: *mut Block,
        callback: extern "C" fn(c_uint, *mut c_void),
        flags: c_int,
        data: *mut c_void,
    );
    fn qemu_plugin_tb_n_insns(block: *const Block) -> usize;
    fn qemu_plugin_tb_get_insn(block: *const Block, index: usize) -> *mut Instruction;
    fn qemu_plugin_insn_symbol(instruction: *const Instruction) -> *const c_char;
}

static COUNTS: OnceLock<Mutex<Counts>> = OnceLock::new();

/// QEMU loads the plugin.
///
/// # Safety
/// QEMU calls it once, with `argc` strings in `argv`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qemu_plugin_install(
    id: u64,
    _info: *const c_void,
    argc: c_int,
    argv: *const *const c_char,
) -> c_int {
    let arguments: Vec<_> = (0..usize::try_from(argc).unwrap_or(0))
        // SAFETY: there are so many, each a string that lives as long as the plugin.
        .map(|index| unsafe { CStr::from_ptr(*argv.add(index)) }.to_string_lossy())
        .collect();
    match Options::parse(arguments.iter().map(AsRef::as_ref)) {
        Ok(options) => {
            COUNTS.get_or_init(|| Mutex::new(Counts::new(options)));
            // SAFETY: the id is the one QEMU gave, the functions have the types of the interface.
            unsafe {
                qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
                qemu_plugin_register_atexit_cb(id, ended, std::ptr::null_mut());
            }
            0
        }
        Err(error) => {
            eprintln!("instruction count: {error}");
            1
        }
    }
}

fn with_counts<T>(use_them: impl FnOnce(&mut Counts) -> T) -> Option<T> {
    Some(use_them(&mut COUNTS.get()?.lock().unwrap_or_else(PoisonError::into_inner)))
}

/// A block was translated: have it count itself, and say so where it belongs to a function that begins a phase.
extern "C" fn translated(_id: u64, block: *mut Block) {
    // SAFETY: QEMU lends the block and its instructions for the time of the call. The name is null or a string.
    let (instructions, name) = unsafe {
        let symbol = qemu_plugin_insn_symbol(qemu_plugin_tb_get_insn(block, 0));
        let name = (!symbol.is_null()).then(|| CStr::from_ptr(symbol).to_string_lossy());
        (qemu_plugin_tb_n_insns(block) as u64, name)
    };
    with_counts(|counts| {
        let phase = name.as_deref().and_then(|name| counts.phase_of(name));
        let total: *const AtomicU64 = counts.total();
        let function = counts.function(name.as_deref()).as_ptr();
        // SAFETY: the block is still lent. Both counters stay where they are until the process ends: `total` in a
        // static, the function's was leaked.
        unsafe {
            if let Some(phase) = phase {
                let data = std::ptr::without_provenance_mut(phase);
                qemu_plugin_register_vcpu_tb_exec_cb(block, entered, NO_REGISTERS, data);
            }
            qemu_plugin_register_vcpu_tb_exec_inline(block, ADD_U64, (*total).as_ptr().cast(), instructions);
            qemu_plugin_register_vcpu_tb_exec_inline(block, ADD_U64, function.cast(), instructions);
        }
    });
}

/// A block of a function that begins a phase is about to run. `data` is the phase.
extern "C" fn entered(_cpu: c_uint, data: *mut c_void) {
    with_counts(|counts| counts.enter(data.addr()));
}

/// The program has ended.
extern "C" fn ended(_id: u64, _data: *mut c_void) {
    if let Some(Err(error)) = with_counts(|counts| counts.save()) {
        eprintln!("instruction count: {error}");
    }
}
