//! Platforms by the names that Rust gives them (`x86_64-unknown-linux-gnu`), of this host and of library files.

use object::{Architecture, BinaryFormat, Object};

/// This host's.
pub fn here() -> String {
    let arch = match std::env::consts::ARCH {
        "riscv64" => "riscv64gc",
        "powerpc64" if cfg!(target_endian = "little") => "powerpc64le",
        arch => arch,
    };
    if cfg!(target_vendor = "apple") {
        format!("{arch}-apple-darwin")
    } else if cfg!(windows) {
        format!("{arch}-pc-windows-{}", if cfg!(target_env = "gnu") { "gnu" } else { "msvc" })
    } else {
        format!("{arch}-unknown-linux-{}", if cfg!(target_env = "musl") { "musl" } else { "gnu" })
    }
}

/// A library file's, as far as its bytes tell: which C library an ELF file wants follows from what it needs, and a Windows library counts as
/// one of MSVC.
///
/// # Errors
/// The processor is none that plugins are built for; a sentence without its subject.
pub(crate) fn of(file: &object::File<'_>, needed: &[String]) -> Result<String, String> {
    let arch = match file.architecture() {
        Architecture::X86_64 => "x86_64",
        Architecture::Aarch64 => "aarch64",
        Architecture::Riscv64 => "riscv64gc",
        Architecture::PowerPc64 => "powerpc64le",
        Architecture::S390x => "s390x",
        Architecture::LoongArch64 => "loongarch64",
        other => return Err(format!("is built for {other:?}; name its platform: PLATFORM=FILE")),
    };
    Ok(match file.format() {
        BinaryFormat::MachO => format!("{arch}-apple-darwin"),
        BinaryFormat::Pe => format!("{arch}-pc-windows-msvc"),
        _ if needed.iter().any(|library| library.contains("musl")) => format!("{arch}-unknown-linux-musl"),
        _ => format!("{arch}-unknown-linux-gnu"),
    })
}

/// How libraries end there.
pub(crate) fn ending(platform: &str) -> &'static str {
    if platform.contains("apple") {
        ".dylib"
    } else if platform.contains("windows") {
        ".dll"
    } else {
        ".so"
    }
}

/// Whether the text can be a platform's name and a folder's.
pub(crate) fn is_name(text: &str) -> bool {
    (2..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}
