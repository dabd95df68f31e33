//! Records that can be read from the file without running any of it: `key=value\0` in a section of their own.

/// Where the records lie: ELF, Mach-O, PE.
pub const SECTION_NAMES: [&str; 3] = [".nnuplugin", "__nnuplugin", ".nnuplg"];

/// First record of every plugin file.
pub const FORMAT: &str = "nnu-plugin=1";

#[doc(hidden)]
pub const fn joined_len(parts: &[&str]) -> usize {
    let (mut n, mut i) = (0, 0);
    while i < parts.len() {
        n += parts[i].len();
        i += 1;
    }
    n
}

#[doc(hidden)]
pub const fn joined<const N: usize>(parts: &[&str]) -> [u8; N] {
    let mut out = [0u8; N];
    let (mut k, mut i) = (0, 0);
    while i < parts.len() {
        let bytes = parts[i].as_bytes();
        let mut j = 0;
        while j < bytes.len() {
            out[k] = bytes[j];
            k += 1;
            j += 1;
        }
        i += 1;
    }
    out
}

/// Places the joined parts in the metadata section.
#[doc(hidden)]
#[macro_export]
macro_rules! __record {
    ($name:ident, $($part:expr),+ $(,)?) => {
        #[used]
        #[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__nnuplugin"))]
        #[cfg_attr(windows, unsafe(link_section = ".nnuplg"))]
        #[cfg_attr(not(any(windows, target_vendor = "apple")), unsafe(link_section = ".nnuplugin"))]
        static $name: [u8; $crate::abi::meta::joined_len(&[$($part),+])] = $crate::abi::meta::joined(&[$($part),+]);
    };
}
