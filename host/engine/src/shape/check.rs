//! What every rule shares: a call with its arguments, taken apart with checks.

use super::Info;
use plugin_api::{DType, Error, ErrorKind, Op, Result};

/// Most axes that a tensor may have.
pub const MAX_RANK: usize = 8;

/// Elements of the largest tensor whose bytes can be counted with a sign.
const MAX_ELEMENTS: usize = isize::MAX as usize / 8;

/// A shape as errors show it: `(2, 64, 19)`.
pub fn text(shape: &[usize]) -> String {
    let parts: Vec<String> = shape.iter().map(ToString::to_string).collect();
    format!("({})", parts.join(", "))
}

/// `1 axis`, `2 axes`: a count with its noun.
pub(super) fn count(n: usize, one: &str, many: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {many}") }
}

/// Whether an Int tensor, which holds 32 bits, can hold this number.
pub(super) fn is_int(value: f64) -> bool {
    value.fract() == 0.0 && (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&value)
}

/// An operation with its arguments.
pub(super) struct Call<'a> {
    pub(super) op: Op,
    pub(super) inputs: &'a [Info],
    pub(super) ints: &'a [i64],
    pub(super) floats: &'a [f64],
}

impl<'a> Call<'a> {
    /// A call whose inputs are tensors that can exist and whose floats are numbers.
    pub(super) fn new(op: Op, inputs: &'a [Info], ints: &'a [i64], floats: &'a [f64]) -> Result<Self> {
        let call = Call { op, inputs, ints, floats };
        for info in inputs {
            call.shape(&info.shape)?;
        }
        match floats.iter().position(|f| f.is_nan()) {
            Some(i) => Err(call.error(format!("float {i} is not a number"))),
            None => Ok(call),
        }
    }

    /// The operation's name as a sentence has it: `max pool`.
    pub(super) fn name(&self) -> String {
        let mut out = String::new();
        for c in self.op.name().chars() {
            if c.is_uppercase() && !out.is_empty() {
                out.push(' ');
            }
            out.extend(c.to_lowercase());
        }
        out
    }

    /// `name: sentence`, of kind Invalid.
    pub(super) fn error(&self, sentence: impl AsRef<str>) -> Error {
        Error::of(ErrorKind::Invalid, format!("{}: {}", self.name(), sentence.as_ref()))
    }

    /// Exactly N inputs.
    pub(super) fn inputs<const N: usize>(&self) -> Result<&'a [Info; N]> {
        self.inputs.try_into().map_err(|_| self.error(format!("takes {}, got {}", count(N, "tensor", "tensors"), self.inputs.len())))
    }

    /// Exactly N integers.
    pub(super) fn ints<const N: usize>(&self) -> Result<&'a [i64; N]> {
        self.ints.try_into().map_err(|_| self.wrong_ints(N))
    }

    /// This many integers.
    pub(super) fn int_count(&self, n: usize) -> Result<()> {
        if self.ints.len() == n { Ok(()) } else { Err(self.wrong_ints(n)) }
    }

    fn wrong_ints(&self, n: usize) -> Error {
        self.error(format!("takes {}, got {}", count(n, "integer", "integers"), self.ints.len()))
    }

    /// Exactly N floats.
    pub(super) fn floats<const N: usize>(&self) -> Result<&'a [f64; N]> {
        self.floats.try_into().map_err(|_| self.error(format!("takes {}, got {}", count(N, "float", "floats"), self.floats.len())))
    }

    /// An axis of a shape.
    pub(super) fn axis(&self, axis: i64, shape: &[usize]) -> Result<usize> {
        usize::try_from(axis)
            .ok()
            .filter(|&a| a < shape.len())
            .ok_or_else(|| self.error(format!("axis {axis} of {} does not exist; it has {}", text(shape), count(shape.len(), "axis", "axes"))))
    }

    /// Axes of a shape, each named once.
    pub(super) fn axes(&self, axes: &[i64], shape: &[usize]) -> Result<Vec<usize>> {
        let found = axes.iter().map(|&a| self.axis(a, shape)).collect::<Result<Vec<_>>>()?;
        match found.iter().enumerate().find(|(i, a)| found[..*i].contains(a)) {
            Some((_, a)) => Err(self.error(format!("axis {a} is named twice"))),
            None => Ok(found),
        }
    }

    /// 0 or 1.
    pub(super) fn flag(&self, value: i64, what: &str) -> Result<bool> {
        match value {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.error(format!("{what} is {value}, wanted 0 or 1"))),
        }
    }

    /// A number of at least `least`.
    pub(super) fn size(&self, value: i64, least: usize, what: &str) -> Result<usize> {
        usize::try_from(value).ok().filter(|&v| v >= least).ok_or_else(|| self.error(format!("{what} is {value}, wanted at least {least}")))
    }

    /// Numbers of at least `least`.
    pub(super) fn sizes(&self, values: &[i64], least: usize, what: &str) -> Result<Vec<usize>> {
        values.iter().map(|&v| self.size(v, least, what)).collect()
    }

    /// The type numbered so.
    pub(super) fn dtype(&self, number: i64) -> Result<DType> {
        match number {
            0..=2 => Ok(DType::from_number(number as u32)),
            _ => Err(self.error(format!("type {number} does not exist; wanted 0 (Float), 1 (Int) or 2 (Bool)"))),
        }
    }

    /// An input of one of these types.
    pub(super) fn typed(&self, info: &Info, what: &str, wanted: &[DType]) -> Result<()> {
        if wanted.contains(&info.dtype) {
            return Ok(());
        }
        let names: Vec<String> = wanted.iter().map(|t| format!("{t:?}")).collect();
        Err(self.error(format!("{what} {} is {:?}, wanted {}", text(&info.shape), info.dtype, names.join(" or "))))
    }

    /// Inputs of the same type.
    pub(super) fn same_type(&self, a: &Info, b: &Info) -> Result<()> {
        if a.dtype == b.dtype {
            return Ok(());
        }
        Err(self.error(format!("{} is {:?} and {} is {:?}; cast one of them", text(&a.shape), a.dtype, text(&b.shape), b.dtype)))
    }

    /// An input of this shape.
    pub(super) fn shaped(&self, info: &Info, what: &str, wanted: &[usize]) -> Result<()> {
        if info.shape == wanted { Ok(()) } else { Err(self.error(format!("{what} has shape {}, wanted {}", text(&info.shape), text(wanted)))) }
    }

    /// An input (B, C, spatial...): batch, channels and the spatial axes.
    pub(super) fn spatial<'b>(&self, info: &'b Info, what: &str) -> Result<(usize, usize, &'b [usize])> {
        match &info.shape[..] {
            [b, c, spatial @ ..] if (1..=3).contains(&spatial.len()) => Ok((*b, *c, spatial)),
            shape => {
                Err(self.error(format!("{what} {} has {}, wanted (B, C, 1 to 3 spatial axes)", text(shape), count(shape.len(), "axis", "axes"))))
            }
        }
    }

    /// A shape that a tensor can have: 1 to [`MAX_RANK`] axes, none empty, elements that can be counted.
    pub(super) fn shape(&self, shape: &[usize]) -> Result<()> {
        check_shape(shape).map_err(|e| self.error(e))
    }

    /// A result of this shape and type.
    pub(super) fn result(&self, shape: Vec<usize>, dtype: DType) -> Result<Info> {
        self.shape(&shape)?;
        Ok(Info { shape, dtype })
    }
}

/// Whether a tensor can have this shape; else why not.
///
/// # Errors
/// A fragment that names the shape: no axis or more than [`MAX_RANK`], an empty axis, more elements than can be counted.
pub fn check_shape(shape: &[usize]) -> Result<(), String> {
    if shape.is_empty() || shape.len() > MAX_RANK {
        return Err(format!("{} has {}, wanted 1 to {MAX_RANK}", text(shape), count(shape.len(), "axis", "axes")));
    }
    if shape.contains(&0) {
        return Err(format!("{} has no elements", text(shape)));
    }
    match shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).filter(|&n| n <= MAX_ELEMENTS) {
        Some(_) => Ok(()),
        None => Err(format!("{} has more elements than can be counted", text(shape))),
    }
}
