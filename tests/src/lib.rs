//! Tests of the whole house: rules of the workspace, the binary as a process, faults injected
