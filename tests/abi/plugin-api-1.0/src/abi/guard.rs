//! No panic and no `Error` leaves a boundary function as anything but an `AbiError`.

use super::types::{AbiError, AbiResult};
use crate::{Error, ErrorKind, Result};
use abi_stable::std_types::RResult;
use std::{
    cell::{Cell, RefCell},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Once,
};

thread_local! {
    static INSIDE: Cell<usize> = const { Cell::new(0) };
    static LAST_PANIC: RefCell<Option<(String, String)>> = const { RefCell::new(None) };
}

/// Remembers message and place of a panic inside a guarded call; others go to the hook that was there before.
fn install_hook() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if INSIDE.try_with(Cell::get).unwrap_or(0) == 0 {
                return before(info);
            }
            let payload = info.payload();
            let text = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
            let message = text.unwrap_or("a value that is not text").to_string();
            let at = info.location().map(ToString::to_string).unwrap_or_default();
            let _ = LAST_PANIC.try_with(|last| *last.borrow_mut() = Some((message, at)));
        }));
    });
}

/// Runs `f`; a panic becomes an error of kind [`ErrorKind::Panic`] with its file and line.
pub(crate) fn catch<T>(f: impl FnOnce() -> Result<T>) -> Result<T> {
    install_hook();
    INSIDE.set(INSIDE.get() + 1);
    let outcome = catch_unwind(AssertUnwindSafe(f));
    INSIDE.set(INSIDE.get() - 1);
    match outcome {
        Ok(result) => result,
        Err(payload) => match payload.downcast::<Error>() {
            Ok(error) => Err(*error),
            Err(payload) => {
                std::mem::forget(payload); // a payload whose drop panics must not escape
                let (message, at) = LAST_PANIC.with(|last| last.borrow_mut().take()).unwrap_or_default();
                Err(Error::with_place(ErrorKind::Panic, format!("panicked: {message}"), at))
            }
        },
    }
}

/// [`catch`] with the result in its stable form.
pub(crate) fn guard<T>(f: impl FnOnce() -> Result<T>) -> AbiResult<T> {
    match catch(f) {
        Ok(value) => RResult::ROk(value),
        Err(e) => RResult::RErr(to_abi(&e)),
    }
}

pub(crate) fn to_abi(e: &Error) -> AbiError {
    AbiError { kind: e.kind().code(), message: e.message().into(), at: e.at().into() }
}

pub(crate) fn from_abi(e: AbiError) -> Error {
    Error::with_place(ErrorKind::from_code(e.kind), e.message.into(), e.at.into())
}

pub(crate) fn result<T>(r: AbiResult<T>) -> Result<T> {
    match r {
        RResult::ROk(value) => Ok(value),
        RResult::RErr(e) => Err(from_abi(e)),
    }
}

/// Leaves for the nearest boundary without a word on stderr.
#[track_caller]
pub(crate) fn throw(e: Error) -> ! {
    let e = if e.at().is_empty() { e.here() } else { e };
    std::panic::resume_unwind(Box::new(e))
}
