//! The C side: what `include/nnunet.h` declares and documents.
//!
//! A panic ends at the wall: each function that can fail runs inside `guarded`, which turns errors and panics into the text of
//! [`nnunet_last_error`].

use crate::{ArrayOptions, Fold, TrainedModel};
use ndarray::{ArrayView4, ShapeError};
use std::{
    cell::RefCell,
    ffi::{CStr, CString, c_char, c_double, c_float, c_int},
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    ptr,
};

/// An open model.
pub struct Model(TrainedModel);

type Failure = Box<dyn std::error::Error>;

thread_local! {
    /// The last failure of this thread.
    static LAST: RefCell<CString> = RefCell::default();
}

/// Runs `call`; where it fails or panics, the reason is kept and `otherwise` comes back.
fn guarded<T>(otherwise: T, call: impl FnOnce() -> Result<T, Failure>) -> T {
    let said = match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => return value,
        Ok(Err(error)) => error.to_string(),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
            format!("a fault of this library: {}", text.unwrap_or("it panicked"))
        }
    };
    // a text of C ends at its first 0
    LAST.with(|last| *last.borrow_mut() = CString::new(said.replace('\0', " ")).unwrap_or_default());
    otherwise
}

/// # Safety
/// `text` is null or a text that ends in 0.
unsafe fn text<'a>(what: &str, text: *const c_char) -> Result<&'a str, Failure> {
    if text.is_null() {
        return Err(format!("{what} is null").into());
    }
    // SAFETY: not null, and the caller promises a text that ends in 0
    let text = unsafe { CStr::from_ptr(text) };
    Ok(text.to_str().map_err(|_| format!("{what} is not UTF-8"))?)
}

/// The version of this library.
#[unsafe(no_mangle)]
pub extern "C" fn nnunet_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// Why the last call of this thread failed; empty before the first failure. Valid until the next failure of this thread.
#[unsafe(no_mangle)]
pub extern "C" fn nnunet_last_error() -> *const c_char {
    LAST.with(|last| last.borrow().as_ptr())
}

/// Opens a model folder; null where that fails.
///
/// # Safety
/// `folder` is a text that ends in 0; `device` and `folds` are that or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnunet_open(folder: *const c_char, device: *const c_char, folds: *const c_char) -> *mut Model {
    guarded(ptr::null_mut(), || {
        // SAFETY: the caller promises such texts
        let (folder, device, folds) = unsafe {
            (
                text("the folder", folder)?,
                if device.is_null() { "auto" } else { text("the device", device)? },
                if folds.is_null() { "" } else { text("the list of folds", folds)? },
            )
        };
        let folds: Vec<Fold> = folds.split([',', ' ']).filter(|fold| !fold.is_empty()).map(str::parse).collect::<Result<_, _>>()?;
        let model = crate::open(&PathBuf::from(folder), device, &folds)?;
        Ok(Box::into_raw(Box::new(Model(model))))
    })
}

/// Channels of an image, 0 where `model` is null.
///
/// # Safety
/// `model` is null or an open model.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnunet_channels(model: *const Model) -> usize {
    // SAFETY: the caller promises a model that `nnunet_open` gave and `nnunet_close` did not take
    unsafe { model.as_ref() }.map_or(0, |model| model.0.dataset().channel_names.len())
}

/// Labels (with the background) or regions for which there are probabilities, 0 where `model` is null.
///
/// # Safety
/// `model` is null or an open model.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnunet_outputs(model: *const Model) -> usize {
    // SAFETY: as in `nnunet_channels`
    let model = unsafe { model.as_ref() };
    guarded(0, || Ok(model.map_or(Ok(0), |model| model.0.dataset().label_manager().map(|labels| labels.num_outputs()))?))
}

/// Segments an image: 0, or -1 where that fails and `labels` and `probabilities` are as they were.
///
/// # Safety
/// `model` is an open model that no other thread uses now. `shape` has 4 numbers, `spacing` 3. `image` has the product of `shape` many
/// numbers; `labels` has room for a volume of them, and `probabilities`, where it is not null, for `nnunet_outputs` volumes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnunet_predict(
    model: *const Model,
    image: *const c_float,
    shape: *const usize,
    spacing: *const c_double,
    step_size: c_double,
    mirroring: c_int,
    labels: *mut i16,
    probabilities: *mut c_float,
) -> c_int {
    guarded(-1, || {
        let given = [("the model", model.is_null()), ("the image", image.is_null()), ("the shape", shape.is_null())];
        let given = given.into_iter().chain([("the spacing", spacing.is_null()), ("the room for labels", labels.is_null())]);
        if let Some((what, _)) = given.into_iter().find(|(_, null)| *null) {
            return Err(format!("{what} is null").into());
        }
        // SAFETY: none is null, and the caller promises an open model and so many numbers
        let (model, shape, spacing) = unsafe { (&(*model).0, *shape.cast::<[usize; 4]>(), *spacing.cast::<[f64; 3]>()) };
        let bytes = shape.iter().try_fold(size_of::<f32>(), |n, &length| n.checked_mul(length)).filter(|&n| n > 0 && n <= isize::MAX as usize);
        let Some(bytes) = bytes else { return Err(format!("an image of the shape {shape:?} (channels, z, y, x) has no voxels or too many").into()) };
        // SAFETY: the caller promises the product of `shape` many numbers, which is not more than memory can have
        let image = unsafe { std::slice::from_raw_parts(image, bytes / size_of::<f32>()) };
        let image = ArrayView4::from_shape(shape, image).map_err(|e: ShapeError| e.to_string())?.to_owned();
        let options = ArrayOptions { step_size, mirroring: mirroring != 0, probabilities: !probabilities.is_null(), ..ArrayOptions::default() };
        let found = model.predict(image, spacing, &options)?;
        let all: Vec<i16> = found.labels.iter().copied().collect();
        // SAFETY: the caller promises room for a volume, and the labels are as many as the image has voxels
        unsafe { ptr::copy_nonoverlapping(all.as_ptr(), labels, all.len()) };
        if let Some(all) = found.probabilities {
            let all: Vec<f32> = all.iter().copied().collect();
            // SAFETY: not null, since they were asked for; the caller promises room for `nnunet_outputs` volumes
            unsafe { ptr::copy_nonoverlapping(all.as_ptr(), probabilities, all.len()) };
        }
        Ok(0)
    })
}

/// Closes a model; null is left alone.
///
/// # Safety
/// `model` is null or an open model, which nobody uses any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nnunet_close(model: *mut Model) {
    if !model.is_null() {
        guarded((), || {
            // SAFETY: `nnunet_open` made it of a box, and the caller promises to close it once
            drop(unsafe { Box::from_raw(model) });
            Ok(())
        });
    }
}
