//! A value's numbers in host memory: borrowed on the processor, copied from a device.

use super::Value;
use burn::backend::{BackendTensor, DispatchTensorKind, flex::FlexTensor};
use plugin_api::DType;
use std::ops::Deref;

/// f32 values, last axis fastest.
pub(crate) enum Host {
    Flex(FlexTensor),
    Copy(Vec<f32>),
}

impl Deref for Host {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match self {
            Host::Flex(t) => {
                let start = t.layout().start_offset();
                &t.storage::<f32>()[start..start + t.layout().num_elements()]
            }
            Host::Copy(v) => v,
        }
    }
}

impl Value {
    /// The numbers of a Float value.
    pub(crate) fn host(&self) -> plugin_api::Result<Host> {
        match &self.raw.kind {
            DispatchTensorKind::Flex(BackendTensor::Float(t)) if self.dtype == DType::Float => {
                Ok(Host::Flex(if t.is_contiguous() { t.clone() } else { t.to_contiguous() }))
            }
            _ => Ok(Host::Copy(self.to_vec()?)),
        }
    }
}
